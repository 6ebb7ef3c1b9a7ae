"""Labels: the names of classes or outputs, and the one rule for them.

Data sets, run folders and cards share this rule, so a device accepts all labels that train and export accept.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from edgernn.errors import DataError, find_unusable, list_names
from edgernn.json_values import MAX_TEXT
from edgernn.system.files import check_file

DIGITS = tuple(str(digit) for digit in range(10))  # of MNIST

_MAX_FILE_BYTES = 1 << 20
MAX_LISTED = 20  # labels in a message


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


def check_label_count(labels: Sequence[str], expected: int, place: str) -> None:
    """Check that there is one label for each class.

    Args:
        labels: the labels.
        expected: number of classes.
        place: where the classes are, for the message.

    Raises:
        DataError: there are more or fewer.
    """
    if len(labels) != expected:
        raise DataError(
            f"{describe_count(labels, 'label')}, expected {expected}: one for each class of {place}, in the order of "
            "the class numbers"
        )


def describe_count(names: Sequence[str], kind: str) -> str:
    """Describe the number of names that a user gave, with the names: "2 labels (a, b)".

    A single name with semicolons or spaces is a list with the wrong separator; then the text says so.

    Args:
        names: the names.
        kind: what a name is the name of, in the singular, for instance "label".
    """
    is_list = len(names) == 1 and len(re.split(r"[;\s]+", names[0].strip())) > 1
    hint = ", separated by no comma" if is_list else ""
    return f"{len(names)} {kind}{'' if len(names) == 1 else 's'} ({list_names(names, MAX_LISTED)}{hint})"


def read_labels(file: Path) -> tuple[str, ...]:
    """Read labels from a text file, one in each line.

    Raises:
        DataError: the file cannot be read, or the labels break the rule of `find_fault`.
    """
    check_file(file, DataError, _MAX_FILE_BYTES)
    try:
        labels = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file}: cannot be read as UTF-8 text: {error}") from error
    if fault := find_fault(labels):
        raise DataError(f"{file}: {fault}")
    if not labels:
        raise DataError(f"{file}: is empty, expected one label in each line")
    return tuple(labels)
