"""Read data sets and samples from files, to train, calibrate and test a model.

A `Dataset` is raw: pixels as stored in the files. `Samples` are the model's inputs: float32, scaled, as in the
samples.npz of a run folder.
"""

import hashlib
import math
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from edgernn.arrays import Array, Float32, Int64
from edgernn.data.array_names import Part, find_parts, truth_name
from edgernn.data.feature_scales import Scale, check_features
from edgernn.data.named_arrays import IDX_NAMES, read_arrays, read_idx_folder
from edgernn.data.readers import read_npz
from edgernn.data.samples import Origin, Samples, check_length, check_sequences, check_shape
from edgernn.data.truths import is_one_hot, read_truths, whole_hint
from edgernn.errors import DataError
from edgernn.inputs import PIXELS, SCALES, as_rows, scale_features, scale_pixels, to_float32
from edgernn.labels import DIGITS, check_label_count, check_labels
from edgernn.metrics import Truth
from edgernn.sample_shape import SampleShape
from edgernn.specs import PIXEL, UNSCALED, FeatureScale

_EXPECTED_DATA = f"an .npz with {', '.join(IDX_NAMES)}, or a folder with MNIST's four IDX files"
MAX_CALIBRATION_SAMPLES = 4000
MAX_TEST_SAMPLES = 2000

# Fewer samples than this are used both to calibrate and to test; more are split.
MIN_SPLIT_SAMPLES = 100
# A class with this number of samples must be in both parts of a split array. By chance it is in one part only once in
# 2 ** 9 times.
MIN_CLASS_SAMPLES = 10

_INPUTS = ("x_calibration", "x_test")
_WHITE = 255  # the lightest pixel


@dataclass(frozen=True)
class Dataset:
    """Sequences with their classes, split for training and testing.

    Attributes:
        x_train, x_test: uint8 pixels or float32 [samples, steps, features].
        y_train, y_test: int64 [samples], the classes, 0 to len(labels) - 1.
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
            check_sequences(x, Origin(f"x_{part}"))
            if y.shape != (len(x),):
                raise DataError(f"y_{part} has shape {y.shape}, expected ({len(x)},): one class for each sample")
            check_classes(y, len(self.labels), Origin(f"y_{part}"))
        if self.x_train.shape[1:] != self.x_test.shape[1:]:
            raise DataError(
                f"x_train has samples of shape {self.x_train.shape[1:]}, "
                f"x_test of {self.x_test.shape[1:]}; expected the same"
            )
        check_labels(self.labels)

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the arrays and labels, in hexadecimal digits; computed once, so the arrays must not be changed."""
        digest = hashlib.sha256(repr(self.labels).encode())
        for name in IDX_NAMES:
            array = getattr(self, name)
            digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()


def read_dataset(path: Path, labels: Sequence[str] = ()) -> Dataset:
    """Read a data set: a folder of IDX files (plain or .gz, named as MNIST's), or an .npz.

    The .npz contains x_train, y_train, x_test and y_test, like Keras's mnist.npz, and optionally `labels`, the names
    of the classes. y contains class numbers, or the names themselves.

    Args:
        path: the folder or the file.
        labels: the names of the classes, one for each; by default those in `path`.

    Raises:
        DataError: a file is missing or damaged, or the arrays do not fit together.
    """
    arrays = _read_dataset_arrays(path)
    missing = [name for name in IDX_NAMES if name not in arrays]
    if missing:
        raise DataError(f"{path}: contains {', '.join(arrays) or 'nothing'}; {', '.join(missing)} missing")
    with naming(path):
        truths, names = read_truths(arrays, ("y_train", "y_test"), labels)
        classes = {name: _as_classes(truths[name], name) for name in ("y_train", "y_test")}
        if labels:
            _check_label_for_each(labels, classes)
        return Dataset(
            x_train=_as_pixels_or_float(arrays["x_train"], "x_train"),
            x_test=_as_pixels_or_float(arrays["x_test"], "x_test"),
            **classes,
            labels=names or _numbered(arrays["x_train"], truths["y_train"]),
        )


def _check_label_for_each(labels: Sequence[str], classes: Mapping[str, Int64]) -> None:
    """Check that there is a label for each class; classes that `check_classes` refuses are left to it."""
    lowest = min(int(y.min(initial=0)) for y in classes.values())
    count = 1 + max(int(y.max(initial=-1)) for y in classes.values())
    from_1 = any(_advise(y, len(labels)) for y in classes.values() if y.size)
    if lowest >= 0 and not from_1:
        check_label_count(labels, count, " and ".join(classes))


def read_samples(
    path: Path,
    input_meaning: str = "",
    scale: Scale | None = None,
    features: Sequence[str] = (),
    labels: Sequence[str] = (),
    shape: SampleShape | None = None,
) -> Samples:
    """Read samples to calibrate and to test with.

    Args:
        path: a run folder, or a path that `edgernn.data.named_arrays.read_arrays` reads. The first 4,000 training
            samples are for calibration, the first 2,000 test samples for testing. A single array is split: every other
            sample is for calibration, the others for testing; every other one of each class if one of the two would
            have no sample of a frequent class. Fewer than 100 samples are used for both. Truths may be as in
            `Samples`, names of classes, or missing.
        input_meaning: how uint8 samples are scaled, one of `edgernn.inputs.PIXELS`; empty to leave them as numbers
            from 0 to 255.
        scale: how all samples are scaled, one of `edgernn.inputs.SCALES` or a scale of features; None to scale uint8
            samples as `input_meaning` says, and no others.
        features: names of the features, which the columns of CSV files must have if they are named; empty if not known.
        labels: the names of the classes; by default those in `path`.
        shape: of the model's samples, whose own shape the inputs may have; None if it is not known.

    Raises:
        DataError: it cannot be read, or its arrays do not fit together.
    """
    inside = path / "samples.npz"
    file = inside if inside.is_file() else path
    arrays = read_arrays(file, features, shape)
    with naming(file):
        if shape is not None and shape.own:
            arrays = {**arrays, **{part.x: _folded(arrays[part.x], part.x, shape) for part in find_parts(arrays)}}
        return _choose_samples(file, arrays, input_meaning=input_meaning, scale=scale, labels=labels)


def _folded(x: Array, name: str, shape: SampleShape) -> Array:
    """Fold inputs to [samples, steps, features]."""
    folded = shape.fold(x)
    if folded.ndim != 3:
        raise DataError(f"{name} has shape {x.shape}, expected {shape.describe()}")
    return folded


def read_input_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Read the shapes of the inputs in an .npz file from its headers, by the names of the arrays.

    Returns:
        Nothing for another kind of file, or for one that `read_samples` refuses.
    """
    if path.suffix.lower() != ".npz" or not path.is_file():
        return {}
    try:
        archive = read_npz(path)
        return {part.x: archive.shape(part.x) for part in find_parts(archive)}
    except DataError:
        return {}


def check_classes(y: Int64, classes: int, origin: Origin) -> None:
    """Check that `y`, of any shape, contains only classes from 0 to `classes` - 1.

    Raises:
        DataError: it does not.
    """
    outside = np.argwhere((y < 0) | (y >= classes))
    if len(outside):
        first = tuple(map(int, outside[0]))
        raise DataError(
            f"{origin.place(first)} is {y[first]}, expected a class from 0 to {classes - 1}{_advise(y, classes)}"
        )


def _advise(y: Int64, classes: int) -> str:
    """Return advice on classes that are numbered from 1; empty if they are not."""
    return "; subtract 1, classes are numbered from 0" if y.min() == 1 and y.max() == classes else ""


@contextmanager
def naming(file: Path | str) -> Iterator[None]:
    """Put a file's name in front of messages, except messages that begin with it; "" stands for no file."""
    try:
        yield
    except DataError as error:
        if file == "" or str(error).startswith(str(DataError(f"{file}: "))):
            raise
        raise DataError(f"{file}: {error}") from error


def _choose_samples(
    file: Path, arrays: Mapping[str, Array], *, input_meaning: str, scale: Scale | None, labels: Sequence[str]
) -> Samples:
    parts = find_parts(arrays)
    named = dict.fromkeys(part.y for part in parts if part.y)
    truths, labels = read_truths(arrays, named, labels)
    for part in parts:
        # The whole array, so that messages show its shape and not that of the chosen samples.
        check_shape(arrays[part.x], part.x)
        if part.y:
            check_length(arrays[part.x], part.x, truths[part.y], part.y)
    chosen: dict[str, Any] = {}
    origins: dict[str, Origin] = {}
    slices = _split(arrays, parts)
    order = _order_by_class(truths[parts[0].y], slices) if parts[0].y and parts[0] == parts[1] else None
    for kind, part, chosen_slice in zip(("calibration", "test"), parts, slices, strict=True):
        rows = chosen_slice if order is None else np.sort(order[chosen_slice])
        numbers = () if order is None else tuple(np.sort(order[chosen_slice]).tolist())
        x_origin = Origin(part.x, chosen_slice.start, chosen_slice.step, numbers)
        origins |= {f"x_{kind}": x_origin, f"y_{kind}": replace(x_origin, name=part.y or truth_name(part.x))}
        x = _as_pixels_or_float(arrays[part.x][rows], part.x)
        chosen[f"x_{kind}"] = x
        chosen[f"y_{kind}"] = truths[part.y][rows] if part.y else None
    raw: dict[str, Float32] = {}
    if isinstance(scale, FeatureScale):
        raw = _scale_features(chosen, origins, scale)
        meaning = scale.meaning
    else:
        meaning = _scale(chosen, origins, input_meaning=input_meaning, scale=scale)
    return Samples.unnamed(
        **chosen,
        raw=raw,
        scale=scale if isinstance(scale, FeatureScale) else None,
        labels=labels,
        input_meaning=meaning,
        origins=origins,
        path=str(file),
        fed=_describe_fed(file, origins, chosen, meaning),
        fed_test=_describe_test(file, origins, chosen, meaning),
    )


def _split(arrays: Mapping[str, Array], parts: tuple[Part, Part]) -> tuple[slice, slice]:
    """Choose the samples to calibrate and to test with."""
    first, second = parts
    count = len(arrays[first.x])
    if first != second:
        return slice(0, MAX_CALIBRATION_SAMPLES, 1), slice(0, MAX_TEST_SAMPLES, 1)
    if count < MIN_SPLIT_SAMPLES:
        return slice(0, count, 1), slice(0, count, 1)
    # Spread over the whole array, which may be sorted by class. Even and odd numbers keep the two sets separate.
    calibrate, test = (2 * math.ceil(count / (2 * most)) for most in (MAX_CALIBRATION_SAMPLES, MAX_TEST_SAMPLES))
    return slice(0, count, calibrate), slice(1, count, test)


def _order_by_class(y: Truth, slices: tuple[slice, slice]) -> Int64 | None:
    """Return the numbers of all samples, sorted by class, for a split in which each class is in both parts.

    Recordings of several classes by turns have one class at all even numbers.

    Returns:
        None if a split by even and odd numbers has this property, or `y` [samples, ...] is not one class a sample.
    """
    if y.dtype.kind == "f" or y.size != len(y) or slices[0] == slices[1]:
        return None
    flat = y.reshape(-1)
    classes, counts = np.unique(flat, return_counts=True)
    frequent = classes[counts >= MIN_CLASS_SAMPLES]
    if all(np.isin(frequent, flat[rows]).all() for rows in slices):
        return None
    return np.argsort(flat, kind="stable")


def _scale_features(chosen: dict[str, Any], origins: Mapping[str, Origin], scale: FeatureScale) -> dict[str, Float32]:
    """Scale the chosen inputs in place to the model's float32 inputs; return them as they were before, in float32."""
    raw = {}
    for name in _INPUTS:
        x, origin = chosen[name], origins[name]
        check_sequences(x, origin)
        check_features(scale, x.shape[-1], origin.name)
        raw[name] = x.astype(np.float32)
        chosen[name] = scale_features(raw[name], *as_rows(scale.offset, scale.factor))
    return raw


def _scale(chosen: dict[str, Any], origins: Mapping[str, Origin], *, input_meaning: str, scale: str | None) -> str:
    """Scale the chosen inputs in place to the model's float32 inputs; return the meaning of a value."""
    calibration, test = (chosen[name].dtype for name in _INPUTS)
    if calibration != test:
        first, second = (origins[name].name for name in _INPUTS)
        raise DataError(f"{first} has type {calibration}, {second} {test}; expected one type for both")
    unscaled = (input_meaning or UNSCALED) if calibration == np.uint8 else ""
    for name in _INPUTS:
        x, origin = chosen[name], origins[name]
        check_sequences(x, origin)
        if scale:
            _check_scalable(x, origin)
        chosen[name] = PIXELS[SCALES[scale]](x.astype(np.float32)) if scale else scale_pixels(x, unscaled)
    return SCALES[scale] if scale else unscaled


def _check_scalable(x: Array, origin: Origin) -> None:
    low, high = float(x.min()), float(x.max())
    if low < 0 or high > _WHITE:
        raise DataError(
            f"{origin.name} goes from {low:g} to {high:g}; the scale 'pixels' expects 0 to 255; omit the scale"
        )
    if high <= 1 and x.dtype != np.uint8:
        raise DataError(f"{origin.name} goes from {low:g} to {high:g}, so it is scaled already; omit the scale")


def _describe_fed(file: Path, origins: Mapping[str, Origin], chosen: Mapping[str, Any], meaning: str) -> str:
    first, second = (origins[name] for name in _INPUTS)
    x, test = (chosen[name] for name in _INPUTS)
    names = list(dict.fromkeys((first.name, second.name)))
    fed = _describe_arrays(file, names, x, meaning)
    if len(names) > 1:
        return fed
    if first == second:
        same = "sample calibrates and tests" if len(x) == 1 else f"{len(x):,} samples calibrate and test"
        return f"{fed}; the same {same}"
    each = " of each class" if first.numbers else ""
    return f"{fed}; {len(x):,} samples calibrate, {len(test):,} others between them{each} test"


def _describe_test(file: Path, origins: Mapping[str, Origin], chosen: Mapping[str, Any], meaning: str) -> str:
    name, origin = _INPUTS[1], origins[_INPUTS[1]]
    skipped = f", every {origin.every}th sample" if origin.every > 2 else ", every other sample"
    skipped += " of each class" if origin.numbers else ""
    fed = _describe_arrays(file, [origin.name], chosen[name], meaning)
    return fed + (skipped if origin.every > 1 else "")


def _describe_arrays(file: Path, names: Sequence[str], x: Array, meaning: str) -> str:
    where = " and ".join(names) + ("" if file.name in names else f" of {file.name}")
    how = {"": "as stored", UNSCALED: "as stored", PIXEL: "divided by 255"}.get(meaning, meaning)
    return f"{where}, {how}, from {float(x.min()):g} to {float(x.max()):g}"


def _as_pixels_or_float(x: Array, name: str) -> Array:
    if x.dtype.kind not in "fiu":
        raise DataError(
            f"{name} has type {x.dtype}, expected uint8 pixels or floating-point numbers; save {name}.astype('float32')"
        )
    return x if x.dtype == np.uint8 else to_float32(x, name)


def _as_classes(y: Truth, name: str) -> Int64:
    if y.ndim == 2 and y.shape[1] > 1 and is_one_hot(y):
        raise DataError(f"{name} is one-hot; give each sample's class as a whole number, {name}.argmax(axis=-1)")
    if y.dtype.kind == "f":
        raise DataError(
            f"{name} contains floating-point numbers, expected whole ones, one class for each sample"
            f"{whole_hint(y, name)}"
        )
    return y.reshape(-1) if y.shape[1:] == (1,) else y


def _numbered(x_train: Array, y_train: Truth) -> tuple[str, ...]:
    """Return labels for classes without names: their numbers."""
    if x_train.dtype == np.uint8:
        # Pixels without class names are MNIST's, or a substitute for it.
        return DIGITS
    classes = np.unique(y_train)
    if not len(classes) or classes[0] != 0 or classes[-1] != len(classes) - 1:
        raise DataError(
            f"y_train has {len(classes)} different classes from {classes.min(initial=0)} to "
            f"{classes.max(initial=0)}; expected each of 0, 1, 2, … at least once, or the names of the "
            "classes under `labels` in the .npz"
        )
    return tuple(str(index) for index in range(len(classes)))


def _read_dataset_arrays(path: Path) -> Mapping[str, Array]:
    if path.is_file() and path.suffix.lower() != ".npz" and not zipfile.is_zipfile(path):
        found = f"unsupported file type {path.suffix!r}" if path.suffix else "neither an .npz nor a folder"
        raise DataError(f"{path}: {found}; expected {_EXPECTED_DATA}")
    if not path.is_dir():
        return read_npz(path)
    arrays = read_idx_folder(path)
    missing = [stem for name, stem in IDX_NAMES.items() if name not in arrays]
    if missing:
        raise DataError(f"{path}: no {missing[0]} or {missing[0]}.gz in this folder; expected {_EXPECTED_DATA}")
    return arrays
