"""Fixed-point arithmetic of TFLite's own int8 kernels (tensorflow/lite/kernels/internal/common.h, gemmlowp)."""

import math

from edgernn.program.integer_arithmetic import float32

_MAX = (1 << 31) - 1
_HALF_SQRT_2 = 1_518_500_250  # sqrt(1/2) × 2^31
_ONE, _THREE_HALVES = 1 << 28, (1 << 28) + (1 << 27)  # with 3 integer bits


def quantized_multiplier(real: float) -> tuple[int, int]:
    """Return a 31-bit multiplier and a left shift: real = multiplier × 2^(shift - 31)."""
    fraction, shift = math.frexp(real)
    multiplier = math.floor(fraction * (1 << 31) + 0.5)
    if multiplier == 1 << 31:
        multiplier, shift = multiplier // 2, shift + 1
    return (0, 0) if shift < -31 else (multiplier, shift)


def multiplied(x: int, multiplier: int, shift: int) -> int:
    """Return x × multiplier × 2^(shift - 31), rounded after each of its two steps as in TFLite."""
    return _halved(_scaled_product(x << max(shift, 0), multiplier, 31), max(-shift, 0))


def _scaled_product(a: int, b: int, bits: int) -> int:
    """Return a × b / 2^bits, rounded to the nearest integer, ties up."""
    half = 1 << (bits - 1)
    return _truncated(a * b + (half if a * b >= 0 else 1 - half), bits)


def _truncated(x: int, bits: int) -> int:
    """Return x / 2^bits, rounded toward zero."""
    return x >> bits if x >= 0 else -(-x >> bits)


def _halved(x: int, times: int) -> int:
    """Return x / 2^times, rounded to the nearest integer, ties away from zero."""
    mask = (1 << times) - 1
    return (x >> times) + ((x & mask) > (mask >> 1) + (x < 0))


def wide_sum(x: int, other: int, scale: float, other_scale: float, out_scale: float) -> int:
    """Return the sum of two integers without zero points, as computed by TFLite's own ADD.

    LiteRT uses this kernel for scales that XNNPACK does not support.
    """
    largest = 2 * max(scale, other_scale)
    first, second = (
        multiplied(number << 20, *quantized_multiplier(own / largest))
        for number, own in ((x, scale), (other, other_scale))
    )
    return multiplied(first + second, *quantized_multiplier(largest / (2**20 * out_scale)))


def square_multipliers(
    scale: float, other_scale: float, out_scale: float
) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
    """Return the multipliers and shifts of a squared difference: of both operands, and of the square.

    The operands are multiplied by 128 before.
    """
    largest = 2 * max(scale, other_scale)
    first, second = (quantized_multiplier(each / largest) for each in (scale, other_scale))
    return first, second, quantized_multiplier(largest**2 / (2**14 * out_scale))


def inverse_square_root(x: int) -> tuple[int, int]:
    """Return 1 / sqrt(x), for an integer x >= 1, as a multiplier and a shift, by five steps of Newton's method."""
    if x == 1:
        return _MAX, 0
    shift = 11
    pairs = (31 - x.bit_length()) // 2 - 1
    shift -= pairs
    half = _halved((x << 2 * pairs) >> 1, 1)
    root = _ONE
    for _ in range(5):
        cube = _scaled_product(_scaled_product(root, root, 31), root, 31) << 6
        root = (_scaled_product(_THREE_HALVES, root, 31) - _scaled_product(half, cube, 31)) << 3
    root = _scaled_product(root, _HALF_SQRT_2, 31)
    return (root << -shift, 0) if shift < 0 else (root, -shift)


def hard_swish(x: int, scale: float, out_scale: float) -> int:
    """Return x × min(max(x + 3, 0), 6) / 6 for an integer without zero point, in units of the result's scale.

    TFLite's kernel computes the factor min(max(x / 3, -1), 1) + 1 in 16 bits, in units of 2^-15. It multiplies the
    factor by x, which is also in 16 bits, in a unit near the result's scale.
    """
    fine = float32(float32(scale) / 128)
    (out_multiplier, out_shift), (multiplier, shift) = (
        (_upper_half(whole), exponent)
        for whole, exponent in map(
            quantized_multiplier, (float32(fine / out_scale), float32(fine / float32(3 / 32_768)))
        )
    )
    wide = x * 128
    factor = _scaled_product(_short(wide << max(shift - 1, 0)), multiplier, 15)
    factor = _short(factor << 1) if shift > 0 else _halved(factor, -shift)
    product = (factor + (1 << 15) >> 1) * _scaled_product(wide, out_multiplier, 15)
    return _halved(_truncated(product, 15), -out_shift)


def _short(x: int) -> int:
    """Return x, clamped to 16 bits."""
    return min(max(x, -(1 << 15)), (1 << 15) - 1)


def _upper_half(multiplier: int) -> int:
    """Return the upper 16 bits of a multiplier, rounded."""
    return min(multiplier + (1 << 15) >> 16, (1 << 15) - 1)
