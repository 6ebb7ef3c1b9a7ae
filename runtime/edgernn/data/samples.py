"""Samples: the inputs of a model and their truths, by name, and the checks that every array of samples passes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar

import numpy as np

from edgernn.arrays import Array, Float32
from edgernn.errors import DataError
from edgernn.labels import check_labels
from edgernn.metrics import Truth
from edgernn.specs import FeatureScale

UNNAMED = ""  # name of the only input or output, if the user gave it none
T = TypeVar("T")

# A sequence with more steps than this number times its features is drawn with time to the right.
_LONG = 1.5
# Features of a sequence that is drawn as lines; one with more, such as a spectrogram, is drawn as a picture.
_MAX_LINES = 16


@dataclass(frozen=True)
class Origin:
    """Origin of an array of samples in the user's file.

    Attributes:
        name: name of the user's array, for messages.
        first, every: the samples are number `first`, `first + every`, and so on, of the user's array.
        numbers: the numbers of the samples in the user's array if they are not evenly spaced; else empty.
    """

    name: str
    first: int = 0
    every: int = 1
    numbers: tuple[int, ...] = ()

    def place(self, index: Sequence[int]) -> str:
        """Return the place of an element [sample, ...] in the user's array, for instance x_train[12, 0]."""
        sample, *rest = index
        return f"{self.name}[{', '.join(map(str, (self.sample(sample), *rest)))}]"

    def sample(self, index: int) -> int:
        """Return the number of a sample in the user's array."""
        return self.numbers[index] if self.numbers else self.first + self.every * int(index)


@dataclass(frozen=True)
class Samples:
    """Inputs of a model with their truths: at most 4,000 samples to calibrate and 2,000 to test with.

    Arrays have the names of the model's inputs and outputs. A single array needs no name: it has the name `UNNAMED`,
    and the properties `x_calibration`, `y_calibration`, `x_test` and `y_test` return it.

    Attributes:
        calibration, test: float32 [samples, steps, features] for each input.
        calibration_truths, test_truths: the right answers to each sample or each of its steps, for each output where
            they are known: int64 for classes and labels, float32 for values; [samples, ...], see
            `edgernn.tasks.Task.measure`.
        labels: the names of the classes; empty if the samples do not contain them.
        input_meaning: what a value is, one of `edgernn.inputs.PIXELS` or the meaning of `scale`; empty when it is not
            known.
        scale: scale of the features that was applied; None without one.
        raw: the inputs before this scale, as a device gets them, by their `array_name`; empty without a scale.
        origins: origin of each array by its `array_name`, such as "x_test" for the unnamed input.
        path: the file that was read; empty if not read from a file.
        fed: a sentence that says what was read, how it was scaled and split; empty if not read from a file.
        fed_test: the same for the test samples alone.
    """

    calibration: Mapping[str, Float32]
    calibration_truths: Mapping[str, Truth]
    test: Mapping[str, Float32]
    test_truths: Mapping[str, Truth]
    labels: tuple[str, ...] = ()
    input_meaning: str = ""
    scale: FeatureScale | None = None
    raw: Mapping[str, Float32] = field(default_factory=dict)
    origins: Mapping[str, Origin] = field(default_factory=dict)
    path: str = ""
    fed: str = ""
    fed_test: str = ""

    @classmethod
    def unnamed(
        cls, x_calibration: Float32, y_calibration: Truth | None, x_test: Float32, y_test: Truth | None, **more: Any
    ) -> Self:
        """Return samples of a model with one input and one output; a truth that is not known is None."""
        return cls(
            calibration={UNNAMED: x_calibration},
            calibration_truths={} if y_calibration is None else {UNNAMED: y_calibration},
            test={UNNAMED: x_test},
            test_truths={} if y_test is None else {UNNAMED: y_test},
            **more,
        )

    def __post_init__(self) -> None:
        if self.calibration.keys() != self.test.keys() or not self.calibration:
            raise DataError(
                f"the calibration samples have the inputs {_names(self.calibration)}, the test samples "
                f"{_names(self.test)}; expected the same, at least one"
            )
        for part, inputs, truths in self._parts():
            origins = {name: self.origin(array_name("x", part, name)) for name in inputs}
            for name, x in inputs.items():
                check_sequences(x, origins[name])
            (first, x), *others = inputs.items()
            for name, y in others:
                check_length(x, origins[first].name, y, origins[name].name)
            for name, y in truths.items():
                origin = self.origin(array_name("y", part, name))
                check_length(x, origins[first].name, y, origin.name)
                _check_numbers(y, origin)
        self._check_same_features()
        self._check_same_kinds()
        check_labels(self.labels)

    def _parts(self) -> Iterator[tuple[str, Mapping[str, Float32], Mapping[str, Truth]]]:
        yield "calibration", self.calibration, self.calibration_truths
        yield "test", self.test, self.test_truths

    def _check_same_features(self) -> None:
        """Check that an input has as many features in both parts; the number of steps may differ."""
        for name in self.calibration:
            found, other = self.calibration[name].shape, self.test[name].shape
            if found[2] != other[2]:
                first, second = (self.origin(array_name("x", part, name)).name for part in ("calibration", "test"))
                raise DataError(f"{first} has shape {found}, {second} {other}; expected as many features in both")

    def _check_same_kinds(self) -> None:
        """Check that the truths of an output have one name, one type and one shape in both parts."""
        first_names, second_names = self.calibration_truths.keys(), self.test_truths.keys()
        if not (first_names <= second_names or second_names <= first_names):
            raise DataError(
                f"the calibration samples have the truths {_names(self.calibration_truths)}, the test samples "
                f"{_names(self.test_truths)}; expected the same, or fewer in one of them"
            )
        for name in self.calibration_truths.keys() & self.test_truths.keys():
            found, other = (
                f"{y.dtype} and shape {y.shape[1:]}" for y in (self.calibration_truths[name], self.test_truths[name])
            )
            if found != other:
                first, second = (self.origin(array_name("y", part, name)).name for part in ("calibration", "test"))
                raise DataError(f"{first} has {found} for each sample, {second} {other}; expected the same in both")

    def raw_inputs(self, array: str) -> Float32:
        """Return an array of inputs by its `array_name`, as a device gets it: before the scale of features."""
        return self.raw[array] if self.raw else getattr(self, array)

    def origin(self, array: str) -> Origin:
        """Return the origin of an array by its `array_name`."""
        return self.origins.get(array) or Origin(array)

    @property
    def x_calibration(self) -> Float32:
        """Inputs to calibrate with, float32 [samples, steps, features]."""
        return _only(self.calibration)

    @property
    def x_test(self) -> Float32:
        """Inputs to test with, float32 [samples, steps, features]."""
        return _only(self.test)

    @property
    def y_calibration(self) -> Truth | None:
        """Truths of the calibration samples; None if they are not known."""
        return _only(self.calibration_truths) if self.calibration_truths else None

    @property
    def y_test(self) -> Truth | None:
        """Truths of the test samples; None if they are not known."""
        return _only(self.test_truths) if self.test_truths else None

    @property
    def truths(self) -> list[tuple[Origin, Truth]]:
        """The truths that are known, with their origins; the calibration set's first."""
        truths = (("y_calibration", self.y_calibration), ("y_test", self.y_test))
        return [(self.origin(name), y) for name, y in truths if y is not None]

    def require_truth(self) -> Truth:
        """Return the truth of the test samples.

        Raises:
            DataError: it is not known.
        """
        if self.y_test is None:
            raise DataError(f"{self.origin('y_test').name} is missing; add the right answers to the samples")
        return self.y_test


def array_name(kind: str, part: str, name: str = UNNAMED) -> str:
    """Return the name of an array: x_test for the unnamed input of the test samples, x_test.speed for `speed`.

    Args:
        kind: x for an input, y for a truth.
        part: calibration or test.
        name: of the input or output.
    """
    return f"{kind}_{part}" + (f".{name}" if name else "")


def _only(arrays: Mapping[str, T]) -> T:
    """Return the only array.

    Raises:
        DataError: there are several.
    """
    if len(arrays) != 1:
        raise DataError(f"{len(arrays)} arrays, {_names(arrays)}; expected one: models have one input and one output")
    return next(iter(arrays.values()))


def _names(arrays: Mapping[str, Any]) -> str:
    return ", ".join(name or "without a name" for name in arrays) or "none"


def check_sequences(x: Array, origin: Origin) -> None:
    """Check that `x` is numbers [samples, steps, features], not empty and finite.

    Raises:
        DataError: it is not.
    """
    check_shape(x, origin.name)
    _check_numbers(x, origin)


def check_shape(x: Array, name: str) -> None:
    """Check that `x` is [samples, steps, features] and not empty.

    Raises:
        DataError: it is not.
    """
    if x.ndim != 3 or 0 in x.shape:
        way_out = ""
        if x.ndim == 2:
            way_out = f"; {name}[:, :, None] is one feature a step, {name}[None] one sample"
        elif x.ndim == 4:  # pictures with an axis of colors
            grey = f"{name}[..., 0]" if x.shape[-1] == 1 else f"{name}.mean(axis=-1).astype({name}.dtype)"
            way_out = f"; for pictures, save {grey}"
        raise DataError(f"{name} has shape {x.shape}, expected (samples, steps, features), none of them 0{way_out}")


def check_length(x: Array, x_name: str, y: Truth, y_name: str) -> None:
    """Check that `y`, truths or another input, has as many samples as `x`.

    Raises:
        DataError: it has not.
    """
    if y.shape[:1] != (len(x),):
        raise DataError(f"{y_name} has shape {y.shape}, expected ({len(x)}, ...): {len(x)} samples in {x_name}")


def _check_numbers(x: Array, origin: Origin) -> None:
    if x.dtype.kind not in "biuf":
        raise DataError(f"{origin.name} has type {x.dtype}, expected numbers")
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        bad = np.flatnonzero(~np.isfinite(x).all(axis=tuple(range(1, x.ndim))))
        raise DataError(
            f"{origin.name} contains NaN or infinity, first in sample {origin.sample(bad[0])}; remove or fill it in"
        )


def is_wide(steps: int, features: int) -> bool:
    """Return True if the picture of a sequence has time to the right; otherwise a row of it is a time step."""
    return steps > _LONG * features


def is_drawn_as_lines(steps: int, features: int, pixels: bool) -> bool:
    """Return True if a sequence is drawn as a line for each feature, as numbers of sensors are, not as a picture.

    Args:
        steps, features: of the sequence.
        pixels: True if all values are from 0 to 1.
    """
    return features <= _MAX_LINES and (not pixels or is_wide(steps, features))
