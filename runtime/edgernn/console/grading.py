"""The right answers to samples, read from a file, and the comparison of an artifact's answers with them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from edgernn.arrays import Array, Float32, Int64
from edgernn.card import Card
from edgernn.console.text_width import left_aligned, right_aligned, shortened, width_of
from edgernn.data.array_names import find_test_truths
from edgernn.data.named_arrays import find_idx_file
from edgernn.data.readers import IDX_SUFFIXES, read_idx, read_npy, read_one_of_npz
from edgernn.data.readers.text import BOM
from edgernn.data.readers.text import MAX_BYTES as MAX_TEXT_BYTES
from edgernn.data.truths import as_text, class_numbers
from edgernn.errors import DataError
from edgernn.metrics import Truth
from edgernn.records import record
from edgernn.system.files import check_file
from edgernn.tasks import BINARY, CLASSIFICATION, MULTILABEL, REGRESSION, Task, show_measures

WIDTH = 80
MAX_TRUTHS = 1 << 24
# Columns of a name in front of a row of the confusion matrix.
_NAME_WIDTH = 14
# Confusions that are listed if there are too many classes for a matrix.
_MAX_CONFUSIONS = 10


@record(frozen=True)
class Grade:
    """Measures of how right answers are.

    Attributes:
        samples: the number of samples.
        measures: by name, from `Task.measure`.
        labels: the names of the classes; empty if the task has no classes.
        confusion: int64 [expected, answered], the number of answers for each pair of classes; None without classes.
    """

    samples: int
    measures: Mapping[str, float]
    labels: Sequence[str]
    confusion: Int64 | None

    def as_json(self) -> dict[str, object]:
        """Return the grade for programs; `confusion` has a row per expected class, a column per answered one."""
        grade: dict[str, object] = {"samples": self.samples, **self.measures}
        if self.confusion is not None:
            grade |= {"labels": list(self.labels), "confusion": self.confusion.tolist()}
        return grade


# Of fewer samples, one decision is more than a percent, and a fault of an artifact is easily missed.
MIN_TEST_SAMPLES = 100


def count_test_samples(count: int) -> str:
    """Write a number of test samples as the beginning of a sentence; too few have a remark."""
    counted = f"{count:,} test {'sample' if count == 1 else 'samples'}"
    if count >= MIN_TEST_SAMPLES:
        return counted
    proves = "proves" if count == 1 else "prove"
    return f"Only {counted}, which {proves} little: give at least {MIN_TEST_SAMPLES}, others than for calibration"


def read_truth(path: Path, task: Task, card: Card | None) -> Truth:
    """Read the right answers to samples: .npy, .npz (its y_test, y, or only array), IDX, a folder of IDX, or text.

    Text and CSV have a line for each sample; CSV may begin with a line that names its columns. A class is given by its
    name or its number, from 0.

    Args:
        path: the file.
        task: of the model.
        card: of the artifact, for the names of the classes.

    Returns:
        int64 [samples, ...] for classes and labels, float32 for values, see `Task.measure`.

    Raises:
        DataError: the file cannot be read, or its values do not fit the task.
    """
    array = _read(path, task, card)
    if array.size > MAX_TRUTHS:
        raise DataError(f"{path}: {array.size:,} labels or values, expected at most {MAX_TRUTHS:,}")
    names = _names(task, card)
    if array.dtype.kind in "US" and task.kind != REGRESSION:
        try:
            array = class_numbers(as_text(array, "the array"), names)
        except DataError as error:
            raise DataError(f"{path}: {error}") from error
    wanted = "biuf" if task.kind == REGRESSION else "biu"
    if array.dtype.kind not in wanted:
        kind = "numbers" if task.kind == REGRESSION else "classes, by name or as whole numbers"
        raise DataError(f"{path}: contains {array.dtype}, expected {kind}")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise DataError(f"{path}: contains NaN or infinity, expected finite numbers")
    if task.kind == REGRESSION:
        return array.astype(np.float32)
    highest = 1 if task.kind in (BINARY, MULTILABEL) else len(names) - 1
    return _as_classes(path, array.astype(np.int64), highest)


def _as_classes(path: Path, classes: Int64, highest: int) -> Int64:
    # Without a card the number of classes is not known: `grade` checks it with the answers.
    outside = (classes < 0) | ((classes > highest) if highest > 0 else False)
    if outside.any():
        expected = f"from 0 to {highest}" if highest > 0 else "from 0"
        raise DataError(f"{path}: contains {classes[outside][0]}, expected classes {expected}")
    return classes


def grade(path: Path, task: Task, card: Card | None, answers: Float32, truth: Truth) -> Grade:
    """Compare answers, [samples, ...], with the right answers that `read_truth` returned for the same samples.

    Raises:
        DataError: they differ in shape, or a right answer is not a class of the model.
    """
    shape = answers.shape if task.kind == REGRESSION else task.decide(answers).shape
    if truth.size != int(np.prod(shape)):
        raise DataError(f"{path}: has shape {truth.shape}, expected {shape}")
    measures = task.measure(answers, truth)
    if task.kind not in (CLASSIFICATION, BINARY):
        return Grade(samples=len(answers), measures=measures, labels=(), confusion=None)
    labels = _names(task, card) or [str(index) for index in range(max(2, answers.shape[-1]))]
    decided, right = task.decide(answers).ravel(), truth.ravel()
    if right.max() >= len(labels):
        raise DataError(f"{path}: contains {right.max()}, expected classes from 0 to {len(labels) - 1}")
    confusion = np.zeros((len(labels), len(labels)), np.int64)
    np.add.at(confusion, (right[decided >= 0], decided[decided >= 0]), 1)  # -1: an answer of NaN decides for no class
    return Grade(samples=len(answers), measures=measures, labels=labels, confusion=confusion)


def describe(grade: Grade) -> list[str]:
    """Describe a grade in lines of at most 80 columns."""
    head = f"{show_measures(grade.measures)} on {grade.samples:,} {'sample' if grade.samples == 1 else 'samples'}"
    return [head] if grade.confusion is None else [head, "", *_matrix(grade.labels, grade.confusion)]


def _matrix(labels: Sequence[str], confusion: Int64) -> list[str]:
    """Format the confusion matrix; if it is too wide, the most frequent confusions."""
    cell = 1 + max(len(f"{confusion.max()}"), len(str(len(labels) - 1)))
    if max(map(width_of, labels)) <= max(cell - 1, 5):
        headings, names = list(labels), list(labels)
        cell = max(cell, 1 + max(map(width_of, labels)))
    else:  # long names fit in front of the rows only, with their numbers
        headings = [str(index) for index in range(len(labels))]
        names = [f"{index} {label}" for index, label in enumerate(labels)]
    width = max(len("expected"), min(_NAME_WIDTH, max(map(width_of, names))))
    if width + cell * len(labels) > WIDTH:
        return _most_confused(labels, confusion)
    lines = [
        " " * (width + cell - 1) + "answered",
        "expected".ljust(width) + "".join(right_aligned(h, cell) for h in headings),
    ]
    for name, row in zip(names, confusion, strict=True):
        cut = left_aligned(shortened(name, width), width)
        lines.append(cut + "".join(f"{count or '·':>{cell}}" for count in row.tolist()))
    return [line.rstrip() for line in lines]


def _most_confused(labels: Sequence[str], confusion: Int64) -> list[str]:
    wrong = confusion * ~np.eye(len(labels), dtype=bool)
    order = np.argsort(-wrong, axis=None, kind="stable")[:_MAX_CONFUSIONS]
    pairs = [(int(flat) // len(labels), int(flat) % len(labels)) for flat in order if wrong.flat[flat]]
    lines = [f"{wrong[pair]:>6,} × {labels[pair[0]]} answered as {labels[pair[1]]}" for pair in pairs]
    return [f"{len(labels)} classes; the most frequent confusions:" if lines else "no confusions", *lines]


def _names(task: Task, card: Card | None) -> Sequence[str]:
    """Return the names of the classes; numbers if the card has no names; empty if their number is not known."""
    if card is None or task.kind not in (CLASSIFICATION, BINARY):
        return ()
    count = 2 if task.kind == BINARY else card.output_shape[-1]
    return card.labels if len(card.labels) == count else [str(index) for index in range(count)]


def _read(path: Path, task: Task, card: Card | None) -> Array:
    name = path.name.lower()
    if name.endswith(".npy"):
        return np.atleast_1d(read_npy(path))
    if name.endswith(".npz"):
        return np.atleast_1d(read_one_of_npz(path, find_test_truths))
    if name.endswith(IDX_SUFFIXES):
        return read_idx(path)
    if path.is_dir() and (file := find_idx_file(path, "y_test")):
        return read_idx(file)
    lines = _read_text(path)
    if task.kind in (REGRESSION, MULTILABEL):
        return _as_numbers(path, lines, task)
    first, names = min(lines), _names(task, card)
    if path.suffix.lower() == ".csv" and not _is_known(lines[first], names):
        del lines[first]
    if len({len(row) for row in lines.values()}) != 1:
        raise DataError(f"{path}: lines differ in their number of labels, expected equally many for each sample")
    return _as_numbered_classes(path, lines, names)


def _as_numbered_classes(path: Path, lines: Mapping[int, list[str]], names: Sequence[str]) -> Array:
    labels = np.array(list(lines.values()))
    try:
        return class_numbers(labels[:, 0] if labels.shape[1] == 1 else labels, names)
    except DataError:
        for number, row in lines.items():  # find the line
            try:
                class_numbers(np.array(row), names)
            except DataError as error:
                raise DataError(f"{path}: line {number}: {error}") from error
        raise


def _read_text(path: Path) -> dict[int, list[str]]:
    """Read the lines of a text that are not blank, by number, as lists of fields: several in CSV, otherwise one."""
    check_file(path, DataError, MAX_TEXT_BYTES)
    try:
        text = path.read_bytes().removeprefix(BOM).decode()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: byte {error.start} is {error.object[error.start]:#04x}, expected UTF-8 text"
        ) from error
    commas = path.suffix.lower() == ".csv"
    lines = {
        number: [field.strip().strip('"') for field in line.split(",")] if commas else [line.strip()]
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip()
    }
    if not lines:
        raise DataError(f"{path}: is empty, expected labels")
    return lines


def _as_numbers(path: Path, lines: Mapping[int, list[str]], task: Task) -> Array:
    kind = int if task.kind == MULTILABEL else float
    values = []
    for place, (number, row) in enumerate(lines.items()):
        try:
            values.append([kind(field) for field in row])
        except ValueError as error:
            if place or path.suffix.lower() != ".csv":  # the first line of CSV may name the columns
                expected = "0 or 1" if kind is int else "numbers"
                raise DataError(f"{path}: line {number}: found {', '.join(row)!r}, expected {expected}") from error
    try:
        return np.array(values)
    except ValueError as error:
        raise DataError(
            f"{path}: lines differ in their number of values, expected equally many for each sample"
        ) from error


def _is_known(row: Sequence[str], names: Sequence[str]) -> bool:
    return all(field in names or field.lstrip("+-").isdecimal() for field in row)
