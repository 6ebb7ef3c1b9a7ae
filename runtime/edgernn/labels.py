"""Labels: the names of classes or outputs, and the one rule for them.

Data sets, run folders and cards share this rule, so a device accepts all labels that train and export accept.
"""

from collections.abc import Sequence

from edgernn.errors import DataError, find_unusable
from edgernn.json_values import MAX_TEXT

DIGITS = tuple(str(digit) for digit in range(10))  # of MNIST


def find_fault(labels: Sequence[str]) -> str:
    """Find the reason why labels cannot be used; empty if they can.

    A label is one non-empty line of printable text, different from all others.
    """
    seen: set[str] = set()
    for index, label in enumerate(labels):
        if not label.strip():
            return f"label {index} is {label!r}; expected one line of printable text"
        if unusable := find_unusable(label):
            return (
                f"label {index} is {label[:MAX_TEXT]!r}, which contains {unusable}; expected one line of printable text"
            )
        if len(label) > MAX_TEXT:
            return f"label {index} has {len(label):,} characters; expected at most {MAX_TEXT:,}"
        if label in seen:
            return f"two labels are {label!r}; expected different ones"
        seen.add(label)
    return ""


def check_labels(labels: Sequence[str]) -> None:
    """Check labels by the rule of `find_fault`.

    Raises:
        DataError: they break it.
    """
    if fault := find_fault(labels):
        raise DataError(fault)
