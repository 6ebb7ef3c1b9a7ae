"""Model inputs: contiguous, aligned, finite float32, scaled as the card says."""

import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from edgernn.arrays import AnyArray, Array, ArrayLike, Bools, Float32
from edgernn.errors import DataError, InputError, InputWarning, first_line, printable
from edgernn.specs import CLIPPED_PIXEL, MAX_NUMBER, PIXEL, SCALED, UNSCALED, InputSpec, widened

_FLOAT32 = np.dtype(np.float32)
_PACKAGE = os.fspath(Path(__file__).parent) + os.sep
# np.vdot without the dispatch to other array libraries (NEP 18), where NumPy has it: a third of the time.
_vdot: Callable[[Float32, Float32], np.float32] = getattr(np.vdot, "_implementation", np.vdot)

# Meanings of input values that are computed from uint8 numbers, such as pixels, and the computation.
PIXELS: Mapping[str, Callable[[Float32], Float32]] = {
    PIXEL: lambda pixels: pixels / np.float32(255),
    CLIPPED_PIXEL: lambda pixels: np.minimum(pixels, np.float32(1)),
    UNSCALED: lambda pixels: pixels,
}
# What to do with values that are not scaled as the model expects. Text has no types, so uint8 needs a binary file.
SCALING_ADVICE: Mapping[str, str] = {
    PIXEL: "divide by 255, or pass an array or .npy file of type uint8",
    CLIPPED_PIXEL: "replace numbers above 1 by 1, or pass an array or .npy file of type uint8",
}
# Scales that a user may choose for a model that edgernn did not train, and the meaning of a scaled value.
SCALES: Mapping[str, str] = {"pixels": PIXEL}


def scale_pixels(x: Array, input_meaning: str = PIXEL) -> Float32:
    """Convert to float32; uint8 numbers are scaled as the model expects, others keep their values.

    Raises:
        DataError: it is not known how the model scales uint8 numbers.
    """
    if x.dtype != np.uint8:
        return x.astype(np.float32)
    if input_meaning not in PIXELS:
        meaning = repr(input_meaning) if input_meaning else "not known"
        raise DataError(
            f"uint8 inputs found, but the meaning of this model's inputs is {meaning}; use floating-point numbers, "
            "x.astype(numpy.float32), scaled as in the training"
        )
    return PIXELS[input_meaning](x.astype(np.float32))


def to_float32(array: Array, name: str) -> Float32:
    """Convert numbers of a user's array to float32.

    Raises:
        DataError: a finite one is too large.
    """
    with np.errstate(over="ignore"):
        values: Float32 = array.astype(np.float32)
    if array.dtype.kind == "f" and not np.isfinite(values).all():
        finite = np.abs(array[np.isfinite(array)]).max(initial=0)
        if finite > np.finfo(np.float32).max:
            raise DataError(f"{name} contains numbers up to {finite:.3g}; expected at most 3.4e+38, float32's largest")
    return values


def as_array(x: ArrayLike) -> Array:
    """Convert a user's input to an array of any type.

    Raises:
        InputError: it is no array, for instance a list whose rows differ in length, or it is masked.
    """
    if type(x) is np.ndarray:  # the common case, fast
        return x
    refuse_masked(x)
    try:
        array = np.asarray(x)
    except (ValueError, TypeError, OverflowError) as error:
        raise InputError(f"the input is no array of numbers: {first_line(error)}") from error
    if not array.ndim and array.dtype.kind not in "fiu":
        hint = "; read the file first, for instance with numpy.load" if isinstance(x, str | os.PathLike) else ""
        raise InputError(f"the input is a {type(x).__name__}, expected an array of numbers{hint}")
    return array


def refuse_masked(x: object) -> None:
    """Check that an array has no mask, which NumPy's functions would drop.

    Raises:
        InputError: it is a masked array.
    """
    if hasattr(x, "mask") and hasattr(x, "filled"):
        raise InputError(
            "masked arrays are not supported; pass x.filled(0) or other values in place of the masked ones"
        )


def is_masked(x: AnyArray, mask_value: float) -> Bools:
    """Find the rows of inputs that a model masks: bool [...] for inputs [..., features]."""
    masked: Bools = (x == x.dtype.type(mask_value)).all(axis=-1)
    return masked


def scale_features(x: Float32, offset: Float32, factor: Float32) -> Float32:
    """Return (x - offset) * factor in float32, see `edgernn.specs.FeatureScale`; too large numbers become infinity.

    Args:
        x: [..., features], contiguous.
        offset, factor: [features], or [1] for all features.
    """
    with np.errstate(over="ignore"):
        return _scale_features(x, offset, factor)


def _scale_features(x: Float32, offset: Float32, factor: Float32) -> Float32:
    scaled: Float32 = x - offset
    return np.multiply(scaled, factor, out=scaled)


class InputReader:
    """Reader of the inputs of one model or stream: checks and scales them as a spec says.

    An input that is far outside of the calibrated range is reported once, as an `InputWarning`.

    Args:
        spec: the input that the numbers are for.
    """

    def __init__(self, spec: InputSpec) -> None:
        self._spec, self._sample_shape = spec, spec.shape
        self._scale = as_rows(spec.offset, spec.factor) if spec.factor else None
        if self._scale is not None:
            self._sample_scale = self._repeated(self._scale)
            # A sum of squares up to which no number overflows; `np.errstate` would take as long as the scale itself.
            largest = min(MAX_NUMBER / max(spec.factor) - max(map(abs, spec.offset)), MAX_NUMBER**0.5)
            self._safe_square = max(largest, 0.0) ** 2
        # Unscaled pixels are an error, not a warning.
        self._watch(spec.meaning not in SCALED)

    def max_square(self, size: int) -> float:
        """Return the largest sum of squares with which an input of `size` numbers needs no closer look.

        If the input has a scale, there is none: -1.
        """
        return -1.0 if self._scale is not None else self._usual_sum + size * self._usual_mean

    def read(self, x: Array) -> Float32:
        """Convert numbers to a backend's input: contiguous, aligned float32 in native byte order, scaled.

        Args:
            x: raw numbers if the spec has a scale; otherwise numbers as its `meaning` says, or uint8 pixels, which are
                scaled accordingly.

        Raises:
            InputError: `x` contains no numbers, NaN, infinity, or unscaled pixels.
        """
        raw: Float32 = x if x.dtype is _FLOAT32 else _convert(x, self._spec)  # type: ignore[assignment]
        flags = raw.flags
        if not (flags.c_contiguous and flags.aligned):  # kernels in C read float32 only at multiples of 4 bytes
            raw = raw.copy("C")
        values = raw
        if self._scale is not None:
            offset, factor = self._sample_scale if raw.shape[1:] == self._sample_shape else self._scale
            is_safe = float(_vdot(raw, raw)) <= self._safe_square
            values = (_scale_features if is_safe else scale_features)(raw, offset, factor)
        # A NaN or an infinity makes the sum of squares not finite, and values far out of range make it large. It takes
        # a fifth of the time of isfinite().all().
        square = float(_vdot(values, values))
        if not square <= self._usual_sum + values.size * self._usual_mean:
            return self._look_closer(values, raw, square)
        return values

    def _watch(self, watched: bool) -> None:
        """Set the sum of squares, or the mean square, up to which no value can be out of range.

        Args:
            watched: True if values far outside of the calibrated range are still to be reported.
        """
        spec, self._watched = self._spec, watched
        self._usual_sum, self._usual_mean = 0.0, spec.usual_square
        if watched and spec.ranges:
            self._ends = as_rows(*zip(*map(widened, spec.ranges), strict=True))
            self._sample_ends = self._repeated(self._ends)
            low, high = (end if self._scale is None else scale_features(end, *self._scale) for end in self._ends)
            # A value out of range is at least this far from 0; without 0 in all ranges, every input is looked at.
            nearest = min(float(-low.max()), float(high.min()))
            self._usual_sum, self._usual_mean = (min(nearest**2, spec.usual_square) if nearest > 0 else -1.0), 0.0
        elif watched:
            self._ends = self._sample_ends = as_rows(*([end] for end in spec.plausible))
            self._usual_mean = min(spec.usual_square, max(map(abs, spec.plausible)) ** 2)

    def _repeated(self, rows: tuple[Float32, ...]) -> tuple[Float32, ...]:
        """Repeat rows of [features] or [1] for each step of a sample: one array is faster than one for each step."""
        # With an axis for the batch, so that NumPy computes one sample in one loop.
        return tuple(np.broadcast_to(row, (1, *self._sample_shape)).copy() for row in rows)

    def _look_closer(self, values: Float32, raw: Float32, square: float) -> Float32:
        """Check values one by one, and report the first one far outside of the calibrated range."""
        if not square <= values.size * self._spec.usual_square:
            values = _check_each(values, self._spec)
        if not self._watched:
            return values
        low, high = self._sample_ends if raw.shape[1:] == self._sample_shape else self._ends
        # count_nonzero takes a quarter of the time of any().
        if np.count_nonzero(raw < low) or np.count_nonzero(raw > high):
            self._watch(watched=False)
            warnings.warn(_describe_far(raw, low, high, self._spec), InputWarning, stacklevel=_level_of_caller())
        return values


def _level_of_caller() -> int:
    """Return the stack level, for a warning, of the first caller outside of this package."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        level, frame = level + 1, frame.f_back
    return level


def _describe_far(raw: Float32, lowest: Float32, highest: Float32, spec: InputSpec) -> str:
    """Describe the first value that is not between `lowest` and `highest`."""
    *_, feature = place = tuple(np.argwhere((raw < lowest) | (raw > highest))[0])
    low, high = spec.ranges[feature if len(spec.ranges) > 1 else 0] if spec.ranges else spec.range
    name = repr(spec.features[feature]) if spec.features else str(feature)
    meaning = f" ({spec.meaning})" if spec.meaning and not spec.factor else ""
    check = "its unit" if spec.factor else "its unit and scaling"
    return printable(
        f"feature {name} is {raw[place]:g}, far from {low:g} to {high:g}, which the model was calibrated on{meaning}; "
        f"check {check}; this is reported once"
    )


@contextmanager
def without_warnings() -> Iterator[None]:
    """Ignore `InputWarning`, for inputs whose answers are compared with those of the original; also a decorator."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InputWarning)
        yield


def as_rows(*rows: Sequence[float]) -> tuple[Float32, ...]:
    """Return a float32 array of each row of numbers."""
    return tuple(np.array(row, np.float32) for row in rows)


def _check_each(values: Float32, spec: InputSpec) -> Float32:
    """Check values one by one, and clip those that would overflow the kernels' integers."""
    if not np.isfinite(values).all():
        raise InputError("the input contains NaN or infinity, or a number too large for float32")
    lowest, highest = float(values.min()), float(values.max())
    smallest, largest = spec.plausible
    if spec.meaning in SCALED and (lowest < smallest or highest > largest):
        low, high = spec.range
        raise InputError(
            f"the input goes from {lowest:g} to {highest:g}, expected {low:g} to {high:g} "
            f"({spec.meaning}); {SCALING_ADVICE[spec.meaning]}"
        )
    # Kernels cut off values beyond their integers; beyond 32 bits they overflow, and the result is arbitrary.
    return values if spec.limits is None else np.clip(values, -spec.largest, spec.largest)


def _convert(x: Array, spec: InputSpec) -> Float32:
    if x.dtype == np.uint8 and not spec.factor:  # the scale of features applies to any type of number
        try:
            return scale_pixels(x, spec.meaning)
        except DataError as error:
            raise InputError(str(error)) from error
    if x.dtype.kind not in "fiu":
        raise InputError(f"the input has type {x.dtype}, expected numbers")
    with np.errstate(over="ignore"):  # too large numbers become infinity, which is refused
        return x.astype(np.float32)
