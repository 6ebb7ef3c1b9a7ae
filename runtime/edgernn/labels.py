"""Labels: the names of classes or outputs, and the one rule for them.

Data sets, run folders and cards share this rule, so a device accepts all labels that train and export accept.
"""

from collections.abc import Sequence

from edgernn.errors import DataError, find_unusable
from edgernn.json_values import MAX_TEXT

DIGITS = tuple(str(digit) for digit in range(10))  # of MNIST


def find_fault(labels: Sequence[str], kind: str = "label") -> str:
    """Find the reason why labels cannot be used; empty if they can.

    A label is one non-empty line of printable text, different from all others.

    Args:
        labels: the labels, or other names that follow the same rule.
        kind: word for them in the reason, "label" or "feature".
    """
    seen: set[str] = set()
    for index, label in enumerate(labels):
        if not label.strip():
            return f"{kind} {index} is {label!r}; expected one line of printable text"
        if unusable := find_unusable(label):
            found = f"{kind} {index} is {label[:MAX_TEXT]!r}, which contains {unusable}"
            return f"{found}; expected one line of printable text"
        if len(label) > MAX_TEXT:
            return f"{kind} {index} has {len(label):,} characters; expected at most {MAX_TEXT:,}"
        if label in seen:
            return f"two {kind}s are {label!r}; expected different ones"
        seen.add(label)
    return ""


def check_labels(labels: Sequence[str]) -> None:
    """Check labels by the rule of `find_fault`.

    Raises:
        DataError: they break it.
    """
    if fault := find_fault(labels):
        raise DataError(fault)
