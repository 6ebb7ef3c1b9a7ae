"""Truths: the right answers to samples, read from users' arrays: classes as numbers or names, or values."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from edgernn.arrays import Array, Int64
from edgernn.errors import DataError, list_names
from edgernn.inputs import to_float32
from edgernn.labels import MAX_LISTED
from edgernn.metrics import Truth

_MAX_DIGITS = 9  # of a class number


def read_truths(
    arrays: Mapping[str, Array], names: Iterable[str], labels: Sequence[str] = ()
) -> tuple[dict[str, Truth], tuple[str, ...]]:
    """Read the truths of samples.

    Text becomes class numbers, in the order of `labels`, or else of the sorted names in the first array. Text of digits
    only is read as numbers.

    Args:
        arrays: arrays of the user's file, by name.
        names: names of the arrays with truths, the calibration set's first.
        labels: names of the classes; by default those of the array `labels`.

    Returns:
        The truths by name, int64 for classes and labels, float32 for values; and the names of the classes, empty if
        neither `labels` nor an array contains them.

    Raises:
        DataError: an array contains neither numbers nor text, or a name that is not a label.
    """
    labels = tuple(labels) or given_labels(arrays)
    truths: dict[str, Truth] = {}
    for name in names:
        array = arrays[name]
        if array.dtype.kind not in "US":
            truths[name] = _as_truth(array, name)
            continue
        texts = as_text(array, name)
        if not (labels or truths) and not all(_is_number(str(text)) for text in texts.ravel()):
            labels = tuple(map(str, np.unique(texts)))
        try:
            truths[name] = class_numbers(texts, labels)
        except DataError as error:
            raise DataError(f"{name}: {error}") from error
    return truths, labels


def class_numbers(texts: Array, labels: Sequence[str]) -> Int64:
    """Convert names or numbers of classes to int64 of the same shape; without labels only numbers are allowed.

    Raises:
        DataError: a text is neither; the caller puts the array's place in front of the message.
    """
    known = {str(index): index for index in range(len(labels))} | {label: index for index, label in enumerate(labels)}
    numbers = {}
    for text in map(str, np.unique(texts)):
        number = known.get(text, int(text) if not labels and _is_number(text) else None)
        if number is None:
            raise DataError(
                f"unknown label {text!r}, expected {list_names(labels, MAX_LISTED) or 'whole numbers from 0'}"
            )
        numbers[text] = number
    return np.array([numbers[str(text)] for text in texts.ravel()], np.int64).reshape(texts.shape)


def given_labels(arrays: Mapping[str, Array]) -> tuple[str, ...]:
    """Read the names of the classes from the array `labels`; empty if there is none."""
    name = next((name for name in arrays if name.lower() == "labels"), None)
    if name is None:
        return ()
    labels = arrays[name]
    return tuple(str(label) for label in (as_text(labels, name) if labels.dtype.kind == "S" else labels).ravel())


def as_text(array: Array, name: str) -> Array:
    """Convert an array of text or of UTF-8 bytes to text.

    Raises:
        DataError: the bytes are not UTF-8.
    """
    if array.dtype.kind == "U":
        return array
    try:
        return np.char.decode(array.astype(np.bytes_), "utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{name} contains bytes that are not UTF-8; save it as text: {name}.astype(str)") from error


def whole_hint(y: Array, name: str) -> str:
    """Return advice on floating-point class numbers for a message; empty if a number is not whole."""
    whole = y.dtype.kind == "f" and bool((np.rint(y) == y).all())
    return f"; for class numbers save {name}.astype(int)" if whole else ""


def is_one_hot(y: Truth) -> bool:
    """Return True if each row along the last axis is zeros except for a single 1."""
    return y.ndim > 1 and bool(np.isin(y, (0, 1)).all() and (y.sum(axis=-1) == 1).all())


def _is_number(text: str) -> bool:
    return text.isdecimal() and len(text) <= _MAX_DIGITS


def _as_truth(y: Array, name: str) -> Truth:
    if y.dtype.kind not in "biuf":
        raise DataError(
            f"{name} has type {y.dtype}, expected whole numbers or names for classes, or floating-point numbers for "
            "values"
        )
    return to_float32(y, name) if y.dtype.kind == "f" else y.astype(np.int64)
