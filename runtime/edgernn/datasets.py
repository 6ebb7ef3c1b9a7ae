"""Data sets and samples: what a model is trained on, calibrated with and tested by.

A `Dataset` is raw: pixels as they lie in the files. `Samples` are what a model is shown:
float32, scaled, as a run folder keeps them in samples.npz.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgernn.errors import DataError
from edgernn.readers import Array, read_idx, read_npz

Float32 = npt.NDArray[np.float32]
Int64 = npt.NDArray[np.int64]

MAX_CALIBRATION_SAMPLES = 4000
MAX_TEST_SAMPLES = 2000

PIXEL = "pixel / 255"
# What an input value of a model may be that is made from a pixel of 0 to 255, and how.
PIXELS: Mapping[str, Callable[[Float32], Float32]] = {
    PIXEL: lambda pixels: pixels / np.float32(255),
    "pixel, at most 1": lambda pixels: np.minimum(pixels, np.float32(1)),
}

_IDX_NAMES = {
    "x_train": "train-images-idx3-ubyte",
    "y_train": "train-labels-idx1-ubyte",
    "x_test": "t10k-images-idx3-ubyte",
    "y_test": "t10k-labels-idx1-ubyte",
}
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
            check_classes(y, len(x), len(self.labels), f"y_{part}")
        if self.x_train.shape[1:] != self.x_test.shape[1:]:
            raise DataError(f"x_train has samples of shape {self.x_train.shape[1:]}, x_test of {self.x_test.shape[1:]}")


@dataclass(frozen=True)
class Samples:
    """What a model was shown, at most 4,000 samples to calibrate with and 2,000 to test by.

    Attributes:
        x_calibration, x_test: float32 [samples, steps, features].
        y_calibration, y_test: int64 [samples], the class.
        labels: the names of the classes; empty when the samples do not say them.
        input_meaning: what a value is, one of `PIXELS`; empty when the samples do not say it.
    """

    x_calibration: Float32
    y_calibration: Int64
    x_test: Float32
    y_test: Int64
    labels: tuple[str, ...] = ()
    input_meaning: str = ""


def read_dataset(path: Path) -> Dataset:
    """Read a data set: a folder of IDX files (plain or .gz, named as MNIST's), or an .npz.

    The .npz holds x_train, y_train, x_test and y_test, as Keras's mnist.npz does, and may hold
    `labels`, the names of the classes.

    Raises:
        DataError: a file is missing or damaged, or what they hold does not fit together.
    """
    arrays = _read_idx_folder(path) if path.is_dir() else read_npz(path)
    missing = [name for name in _IDX_NAMES if name not in arrays]
    if missing:
        raise DataError(f"{path}: holds {', '.join(arrays) or 'nothing'}; {', '.join(missing)} missing")
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
        path: a run folder, a samples.npz, or a data set as `read_dataset` reads it, of which the
            first 4,000 training samples calibrate and the first 2,000 test samples test.
        input_meaning: how the model takes uint8 pixels, one of `PIXELS`.

    Raises:
        DataError: it cannot be read, or what it holds does not fit together.
    """
    inside = path / "samples.npz"
    file = inside if inside.is_file() else path
    if file.is_file():
        arrays = read_npz(file)
        if "x_calibration" in arrays:
            return _samples_from(file, arrays, input_meaning)
    dataset = read_dataset(path)
    return Samples(
        x_calibration=scale_pixels(dataset.x_train[:MAX_CALIBRATION_SAMPLES], input_meaning),
        y_calibration=dataset.y_train[:MAX_CALIBRATION_SAMPLES],
        x_test=scale_pixels(dataset.x_test[:MAX_TEST_SAMPLES], input_meaning),
        y_test=dataset.y_test[:MAX_TEST_SAMPLES],
        # Plain numbers may only be what classes without names were taken for; the model knows how many it has.
        labels=() if dataset.labels == tuple(map(str, range(len(dataset.labels)))) else dataset.labels,
        input_meaning=input_meaning if dataset.x_train.dtype == np.uint8 else "",
    )


def scale_pixels(x: Array, input_meaning: str = PIXEL) -> Float32:
    """uint8 pixels as a model takes them; anything else as float32, unchanged.

    Raises:
        DataError: the model's inputs are not pixels.
    """
    if x.dtype != np.uint8:
        return x.astype(np.float32)
    if input_meaning not in PIXELS:
        meant = repr(input_meaning) if input_meaning else "not said"
        raise DataError(f"uint8 pixels given, but what the model takes is {meant}; give it floating-point numbers")
    return PIXELS[input_meaning](x.astype(np.float32))


def check_sequences(x: Array, name: str) -> None:
    """Check that `x` is [samples, steps, features], not empty and finite.

    Raises:
        DataError: it is not.
    """
    if x.ndim != 3 or 0 in x.shape:
        raise DataError(f"{name} has shape {x.shape}, expected (samples, steps, features), none of them 0")
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        raise DataError(f"{name} holds NaN or infinity, first in sample {_first_bad(x)}")


def check_classes(y: Int64, count: int, classes: int, name: str) -> None:
    """Check that `y` has one class from 0 to `classes` - 1 for each of `count` samples.

    Raises:
        DataError: it has not.
    """
    if y.shape != (count,):
        raise DataError(f"{name} has shape {y.shape}, expected ({count},): one class for each sample")
    outside = np.flatnonzero((y < 0) | (y >= classes))
    if len(outside):
        first = outside[0]
        raise DataError(f"{name}[{first}] is {y[first]}, expected a class from 0 to {classes - 1}")


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


def _labels(arrays: Mapping[str, Array]) -> tuple[str, ...]:
    if "labels" in arrays:
        return tuple(str(label) for label in arrays["labels"].ravel())
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


def _samples_from(file: Path, arrays: Mapping[str, Array], input_meaning: str) -> Samples:
    names = ("x_calibration", "y_calibration", "x_test", "y_test")
    missing = [name for name in names if name not in arrays]
    if missing:
        raise DataError(f"{file}: {', '.join(missing)} missing")
    for part in ("calibration", "test"):
        check_sequences(arrays[f"x_{part}"], f"{file}: x_{part}")
        samples, classes = len(arrays[f"x_{part}"]), len(arrays[f"y_{part}"])
        if samples != classes:
            raise DataError(f"{file}: {samples} samples in x_{part}, {classes} classes in y_{part}")
    return Samples(
        x_calibration=scale_pixels(arrays["x_calibration"], input_meaning),
        y_calibration=_as_classes(arrays["y_calibration"], "y_calibration"),
        x_test=scale_pixels(arrays["x_test"], input_meaning),
        y_test=_as_classes(arrays["y_test"], "y_test"),
    )


def _first_bad(x: Array) -> int:
    return int(np.flatnonzero(~np.isfinite(x).all(axis=tuple(range(1, x.ndim))))[0])
