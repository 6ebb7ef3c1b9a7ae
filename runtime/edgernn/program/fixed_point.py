"""Fixed-point arithmetic of TFLite's own int8 kernels (tensorflow/lite/kernels/internal/common.h, gemmlowp)."""

import math

_MAX = (1 << 31) - 1
_HALF_SQRT_2 = 1_518_500_250  # sqrt(1/2) × 2^31
_ONE, _THREE_HALVES = 1 << 28, (1 << 28) + (1 << 27)  # with 3 integer bits


def quantized_multiplier(real: float) -> tuple[int, int]:
    """Return a multiplier of 31 bits and a shift to the left: real = multiplier × 2^(shift - 31)."""
    fraction, shift = math.frexp(real)
    multiplier = math.floor(fraction * (1 << 31) + 0.5)
    if multiplier == 1 << 31:
        multiplier, shift = multiplier // 2, shift + 1
    return (0, 0) if shift < -31 else (multiplier, shift)


def multiplied(x: int, multiplier: int, shift: int) -> int:
    """Return x × multiplier × 2^(shift - 31), rounded twice as TFLite does."""
    return _halved(_doubled_high(x << max(shift, 0), multiplier), max(-shift, 0))


def _doubled_high(a: int, b: int) -> int:
    """Return a × b / 2^31, rounded to the nearest integer."""
    product = a * b + ((1 << 30) if a * b >= 0 else 1 - (1 << 30))
    return product >> 31 if product >= 0 else -(-product >> 31)


def _halved(x: int, times: int) -> int:
    """Return x / 2^times, rounded to the nearest integer, ties away from zero."""
    mask = (1 << times) - 1
    return (x >> times) + ((x & mask) > (mask >> 1) + (x < 0))


def inverse_square_root(x: int) -> tuple[int, int]:
    """Return 1 / sqrt(x) of an integer from 1 as a multiplier and a shift, by five steps of Newton's method."""
    if x == 1:
        return _MAX, 0
    shift = 11
    pairs = (31 - x.bit_length()) // 2 - 1
    shift -= pairs
    half = _halved((x << 2 * pairs) >> 1, 1)
    root = _ONE
    for _ in range(5):
        cube = _doubled_high(_doubled_high(root, root), root) << 6
        root = (_doubled_high(_THREE_HALVES, root) - _doubled_high(half, cube)) << 3
    root = _doubled_high(root, _HALF_SQRT_2)
    return (root << -shift, 0) if shift < 0 else (root, -shift)
