"""Model inputs: contiguous finite float32, with pixels scaled as the card says."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from edgernn.arrays import Array, ArrayLike, Float32
from edgernn.errors import DataError, InputError, first_line

_FLOAT32 = np.dtype(np.float32)
# Limit of inputs as a multiple of the integers' limits. The sum of squares detects a single larger value among a
# million. QUANTIZE kernels compute in 32 bits, which int16 values overflow at 65,536 times their limits.
_CUT_OFF = 64.0
_NEVER_EXCEEDED = 1e38  # except by an infinity or a NaN: it is a third of the largest float32
# np.vdot without the dispatch to other array libraries (NEP 18), where NumPy has it: a third of the time.
_vdot: Callable[[Float32, Float32], np.float32] = getattr(np.vdot, "_implementation", np.vdot)

PIXEL = "pixel / 255"
UNSCALED = "number from 0 to 255"
# Meanings of input values that are computed from uint8 numbers, such as pixels, and the computation.
PIXELS: Mapping[str, Callable[[Float32], Float32]] = {
    PIXEL: lambda pixels: pixels / np.float32(255),
    "pixel, at most 1": lambda pixels: np.minimum(pixels, np.float32(1)),
    UNSCALED: lambda pixels: pixels,
}
# Meanings whose values are small, so that unscaled pixels are recognized by their size.
SCALED = frozenset(PIXELS) - {UNSCALED}
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


@dataclass(frozen=True)
class InputSpec:
    """Inputs that a model accepts.

    Attributes:
        meaning: what a value is, one of `PIXELS` or any other; empty if it is not known.
        low, high: the lowest and the highest input of the calibration set.
        limits: lowest and highest value that the integers of the graph's input can hold; None where inputs are not
            rounded to integers of a fixed scale.
    """

    meaning: str = ""
    low: float = -math.inf
    high: float = math.inf
    limits: tuple[float, float] | None = None

    @cached_property
    def usual_square(self) -> float:
        """Mean square of inputs above which the slow check `look_closer` runs."""
        if self.meaning in SCALED:
            return max(abs(self.low - self._span), abs(self.high + self._span)) ** 2
        return _NEVER_EXCEEDED if self.limits is None else self._largest**2

    @property
    def _largest(self) -> float:
        """Magnitude that inputs are clipped to: far beyond the integers' limits, far below the overflow of kernels."""
        low, high = self.limits or (-math.inf, math.inf)
        return _CUT_OFF * max(abs(low), abs(high))

    @property
    def _span(self) -> float:
        return self.high - self.low

    def look_closer(self, values: Float32) -> Float32:
        """Check values one by one, and clip those that would overflow the kernels' integers.

        Raises:
            InputError: a value is NaN, infinity, or an unscaled pixel where scaled ones are expected.
        """
        if not np.isfinite(values).all():
            raise InputError("the input contains NaN or infinity, or a number too large for float32")
        lowest, highest = float(values.min()), float(values.max())
        # Noise exceeds the range a little; unscaled pixels exceed it by far.
        if self.meaning in SCALED and (lowest < self.low - self._span or highest > self.high + self._span):
            raise InputError(
                f"the input goes from {lowest:g} to {highest:g}, expected {self.low:g} to {self.high:g} "
                f"({self.meaning}); scale it, or give uint8 pixels, which are scaled for you"
            )
        # Kernels cut off values beyond their integers; beyond 32 bits they overflow, and the result is arbitrary.
        return values if self.limits is None else np.clip(values, -self._largest, self._largest)


def as_array(x: ArrayLike) -> Array:
    """Convert a user's input to an array of any type.

    Raises:
        InputError: it is no array, for instance a list whose rows differ in length, or it is masked.
    """
    if type(x) is np.ndarray:  # the common case, fast
        return x
    if hasattr(x, "mask") and hasattr(x, "filled"):
        raise InputError(
            "masked arrays are not supported; pass x.filled(0) or other values in place of the masked ones"
        )
    try:
        return np.asarray(x)
    except (ValueError, TypeError, OverflowError) as error:
        raise InputError(f"the input is no array of numbers: {first_line(error)}") from error


def as_float32(x: Array, spec: InputSpec) -> Float32:
    """Convert numbers to a backend's input: contiguous float32 in native byte order.

    Args:
        x: numbers as `spec` describes them, or uint8 pixels, which are scaled accordingly.
        spec: inputs that the model accepts.

    Raises:
        InputError: `x` contains no numbers, NaN, infinity, or unscaled pixels.
    """
    values: Float32 = x if x.dtype is _FLOAT32 else _convert(x, spec.meaning)  # type: ignore[assignment]
    if not values.flags.c_contiguous:
        values = np.ascontiguousarray(values)
    # A NaN or an infinity makes the sum of squares not finite, and values far out of range make it large. It takes a
    # fifth of the time of isfinite().all().
    if not float(_vdot(values, values)) <= values.size * spec.usual_square:
        return spec.look_closer(values)
    return values


def _convert(x: Array, input_meaning: str) -> Float32:
    if x.dtype == np.uint8:
        try:
            return scale_pixels(x, input_meaning)
        except DataError as error:
            raise InputError(str(error)) from error
    if x.dtype.kind not in "fiu":
        raise InputError(f"the input has type {x.dtype}, expected numbers")
    with np.errstate(over="ignore"):  # too large numbers become infinity, which is refused
        return x.astype(np.float32)
