"""Data sets and samples: what a model is trained on, calibrated with and tested by.

A `Dataset` is raw: pixels as they lie in the files. `Samples` are what a model is shown:
float32, scaled, as a run folder keeps them in samples.npz.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgernn.errors import DataError
from edgernn.inputs import PIXEL, scale_pixels
from edgernn.metrics import Truth
from edgernn.readers import Array, read_idx, read_npz

Float32 = npt.NDArray[np.float32]
Int64 = npt.NDArray[np.int64]

MAX_CALIBRATION_SAMPLES = 4000
MAX_TEST_SAMPLES = 2000

_IDX_NAMES = {
    "x_train": "train-images-idx3-ubyte",
    "y_train": "train-labels-idx1-ubyte",
    "x_test": "t10k-images-idx3-ubyte",
    "y_test": "t10k-labels-idx1-ubyte",
}
_SAMPLES_NAMES = ("x_calibration", "y_calibration", "x_test", "y_test")
_DIGITS = tuple(str(digit) for digit in range(10))


@dataclass(frozen=True)
class Dataset:
    """Sequences with their classes, split for training and testing.

    Attributes:
        x_train, x_test: uint8 pixels or float32 [samples, steps, features].
        y_train, y_test: int64 [samples], the class, 0 to len(labels) - 1.
        labels: the name of each class.
    """

    x_train: Array
    y_train: Int64
    x_test: Array
    y_test: Int64
    labels: tuple[str, ...]

    def __post_init__(self) -> None:
        for part in ("train", "test"):
            x, y = getattr(self, f"x_{part}"), getattr(self, f"y_{part}")
            check_sequences(x, f"x_{part}")
            if y.shape != (len(x),):
                raise DataError(f"y_{part} has shape {y.shape}, expected ({len(x)},): one class for each sample")
            check_classes(y, len(self.labels), f"y_{part}")
        if self.x_train.shape[1:] != self.x_test.shape[1:]:
            raise DataError(f"x_train has samples of shape {self.x_train.shape[1:]}, x_test of {self.x_test.shape[1:]}")
        check_labels(self.labels)


@dataclass(frozen=True)
class Samples:
    """What a model was shown, at most 4,000 samples to calibrate with and 2,000 to test by.

    Attributes:
        x_calibration, x_test: float32 [samples, steps, features].
        y_calibration, y_test: what a model should answer, for each sample or each of its steps: int64 for classes
            and labels, float32 for values; [samples, ...], see `edgernn.tasks.Task.measure`.
        labels: the names of the classes; empty when the samples do not say them.
        input_meaning: what a value is, one of `edgernn.inputs.PIXELS`; empty when the samples do not say it.
    """

    x_calibration: Float32
    y_calibration: Truth
    x_test: Float32
    y_test: Truth
    labels: tuple[str, ...] = ()
    input_meaning: str = ""

    def __post_init__(self) -> None:
        for part in ("calibration", "test"):
            x, y = getattr(self, f"x_{part}"), getattr(self, f"y_{part}")
            check_sequences(x, f"x_{part}")
            if y.shape[:1] != (len(x),):
                raise DataError(f"y_{part} has shape {y.shape}, expected ({len(x)}, ...): {len(x)} samples in x_{part}")
            if y.dtype.kind == "f" and not np.isfinite(y).all():
                raise DataError(f"y_{part} holds NaN or infinity, first in sample {_first_bad(y)}")
        calibration, test = (f"{y.dtype} and shape {y.shape[1:]}" for y in (self.y_calibration, self.y_test))
        if calibration != test:
            raise DataError(f"of one sample y_calibration has {calibration}, y_test {test}; expected the same")
        check_labels(self.labels)


def read_dataset(path: Path) -> Dataset:
    """Read a data set: a folder of IDX files (plain or .gz, named as MNIST's), or an .npz.

    The .npz holds x_train, y_train, x_test and y_test, as Keras's mnist.npz does, and may hold
    `labels`, the names of the classes.

    Raises:
        DataError: a file is missing or damaged, or what they hold does not fit together.
    """
    arrays = _read_arrays(path)
    _check_names(path, arrays, _IDX_NAMES)
    try:
        return Dataset(
            x_train=_as_pixels_or_float(arrays["x_train"], "x_train"),
            y_train=_as_classes(arrays["y_train"], "y_train"),
            x_test=_as_pixels_or_float(arrays["x_test"], "x_test"),
            y_test=_as_classes(arrays["y_test"], "y_test"),
            labels=_labels(arrays),
        )
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


def read_samples(path: Path, input_meaning: str = PIXEL) -> Samples:
    """Read samples to calibrate with and to test by.

    Args:
        path: a run folder, a samples.npz, or a data set in the files that `read_dataset` reads, of which the
            first 4,000 training samples calibrate and the first 2,000 test samples test. What a model should
            answer may be any that `Samples` holds.
        input_meaning: how the model takes uint8 pixels, one of `edgernn.inputs.PIXELS`.

    Raises:
        DataError: it cannot be read, or what it holds does not fit together.
    """
    inside = path / "samples.npz"
    file = inside if inside.is_file() else path
    arrays = _read_arrays(file)
    if "x_calibration" in arrays:
        _check_names(file, arrays, _SAMPLES_NAMES)
    else:
        _check_names(file, arrays, _IDX_NAMES)
        for axis in "xy":
            arrays[f"{axis}_calibration"] = arrays[f"{axis}_train"][:MAX_CALIBRATION_SAMPLES]
            arrays[f"{axis}_test"] = arrays[f"{axis}_test"][:MAX_TEST_SAMPLES]
    try:
        x_calibration, x_test = (_as_pixels_or_float(arrays[name], name) for name in ("x_calibration", "x_test"))
        return Samples(
            x_calibration=scale_pixels(x_calibration, input_meaning),
            y_calibration=_as_truth(arrays["y_calibration"], "y_calibration"),
            x_test=scale_pixels(x_test, input_meaning),
            y_test=_as_truth(arrays["y_test"], "y_test"),
            labels=_given_labels(arrays),
            input_meaning=input_meaning if x_calibration.dtype == np.uint8 else "",
        )
    except DataError as error:
        raise DataError(f"{file}: {error}") from error


def check_sequences(x: Array, name: str) -> None:
    """Check that `x` is [samples, steps, features], not empty and finite.

    Raises:
        DataError: it is not.
    """
    if x.ndim != 3 or 0 in x.shape:
        raise DataError(f"{name} has shape {x.shape}, expected (samples, steps, features), none of them 0")
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        raise DataError(f"{name} holds NaN or infinity, first in sample {_first_bad(x)}")


def check_classes(y: Int64, classes: int, name: str) -> None:
    """Check that `y`, of any shape, holds classes from 0 to `classes` - 1.

    Raises:
        DataError: it does not.
    """
    outside = np.argwhere((y < 0) | (y >= classes))
    if len(outside):
        first = tuple(map(int, outside[0]))
        place = ", ".join(map(str, first))
        raise DataError(f"{name}[{place}] is {y[first]}, expected a class from 0 to {classes - 1}")


def check_labels(labels: Sequence[str]) -> None:
    """Check that labels are different from each other, and each is one line of text.

    Raises:
        DataError: they are not.
    """
    for index, label in enumerate(labels):
        if label.splitlines() != [label]:
            raise DataError(f"label {label!r}; expected one line of text")
        if label in labels[:index]:
            raise DataError(f"two labels are {label!r}; expected different ones")


def _read_arrays(path: Path) -> dict[str, Array]:
    arrays = _read_idx_folder(path) if path.is_dir() else read_npz(path)
    return {name: np.atleast_1d(array) for name, array in arrays.items()}


def _check_names(path: Path, arrays: Mapping[str, Array], names: Iterable[str]) -> None:
    missing = [name for name in names if name not in arrays]
    if missing:
        raise DataError(f"{path}: holds {', '.join(arrays) or 'nothing'}; {', '.join(missing)} missing")


def _read_idx_folder(folder: Path) -> dict[str, Array]:
    arrays = {}
    for name, stem in _IDX_NAMES.items():
        candidates = [folder / stem, folder / f"{stem}.gz"]
        found = next((path for path in candidates if path.exists()), None)
        if found is None:
            raise DataError(f"{folder}: no {stem} or {stem}.gz in this folder")
        arrays[name] = read_idx(found)
    return arrays


def _as_pixels_or_float(x: Array, name: str) -> Array:
    if x.dtype.kind not in "fiu":
        raise DataError(f"{name} has type {x.dtype}, expected uint8 pixels or floating-point numbers")
    return x if x.dtype == np.uint8 else x.astype(np.float32)


def _as_classes(y: Array, name: str) -> Int64:
    if y.dtype.kind not in "iu":
        raise DataError(f"{name} has type {y.dtype}, expected whole numbers, one class for each sample")
    return y.astype(np.int64)


def _as_truth(y: Array, name: str) -> Truth:
    if y.dtype.kind not in "biuf":
        raise DataError(
            f"{name} has type {y.dtype}, expected whole numbers for classes or floating-point ones for values"
        )
    return y.astype(np.float32) if y.dtype.kind == "f" else y.astype(np.int64)


def _given_labels(arrays: Mapping[str, Array]) -> tuple[str, ...]:
    return tuple(str(label) for label in arrays["labels"].ravel()) if "labels" in arrays else ()


def _labels(arrays: Mapping[str, Array]) -> tuple[str, ...]:
    given = _given_labels(arrays)
    if given:
        return given
    if arrays["x_train"].dtype == np.uint8:
        # Pixels with no names for their classes are MNIST's, or made to stand in for it.
        return _DIGITS
    classes = np.unique(arrays["y_train"])
    if not len(classes) or classes[0] != 0 or classes[-1] != len(classes) - 1:
        raise DataError(
            f"y_train has {len(classes)} different classes from {classes.min(initial=0)} to "
            f"{classes.max(initial=0)}; expected each of 0, 1, 2, … at least once, or the names of the "
            "classes under `labels` in the .npz"
        )
    return tuple(str(index) for index in range(len(classes)))


def _first_bad(x: Array) -> int:
    return int(np.flatnonzero(~np.isfinite(x).all(axis=tuple(range(1, x.ndim))))[0])
