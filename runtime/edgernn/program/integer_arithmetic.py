"""Arithmetic of int8 operators, as in LiteRT with XNNPACK.

Scales and their quotients are float32, as in those kernels. Sources: XNNPACK, src/params-init (sums in fixed point with
20 bits, products in float32), and TFLite's requantization of QUANTIZE.
"""

import math
from array import array
from collections.abc import Iterable

from edgernn.program.operators import Value

MIN_INTEGER, MAX_INTEGER = -128, 127
INT8_LIMITS = MIN_INTEGER, MAX_INTEGER
INT8_INTEGERS = range(MIN_INTEGER, MAX_INTEGER + 1)
_BITS = 20
# Result of `sum_factors` for a saturating sum of integers.
PLAIN_SUM = (1, 1, 0, 0)


def float32(number: float) -> float:
    """Round a number to float32; a number that is too large becomes infinite."""
    return array("f", (number,))[0]


def int8_bytes(integers: Iterable[int]) -> bytes:
    """Return integers as int8, clamped."""
    return array("b", [min(max(each, MIN_INTEGER), MAX_INTEGER) for each in integers]).tobytes()


def sum_factors(
    a: Value, b: Value, out: Value, *, subtract: bool, swapped: bool, limits: tuple[float, float] = INT8_LIMITS
) -> tuple[int, int, int, int]:
    """Return the factors of a and b, the summand and the shift of a sum or difference in fixed point.

    q = ((q_a × factor_a + q_b × factor_b + summand) >> shift) + z. With equal scales, zero points of 0 and no limits,
    this equals the saturating sum of the integers; then `PLAIN_SUM` is returned.

    Args:
        a, b, out: the values.
        subtract: True for a - b, or b - a if `swapped`.
        swapped: True if b is the first operand in the file.
        limits: the lowest and highest result.
    """
    is_limited = limits != INT8_LIMITS
    first, second = (float32(each.scale / out.scale) for each in (a, b))
    if first == second == 1 and not (a.zero_point or b.zero_point or out.zero_point or subtract or is_limited):
        return PLAIN_SUM
    shift = _BITS - (math.frexp(max(first, second))[1] - 1)
    one, other = (round(math.ldexp(each, shift)) for each in (first, second))
    if subtract and swapped:
        one = -one
    elif subtract:
        other = -other
    return one, other, (1 << (shift - 1)) - a.zero_point * one - b.zero_point * other, shift


def product_multiplier(a: Value, b: Value, out: Value) -> float:
    """Return the multiplier of an int8 product: s_a × s_b / s_out, rounded to float32 after each operation."""
    return float32(float32(a.scale * b.scale) / out.scale)


def rescale_table(x: Value, out: Value) -> bytes:
    """Return the results of a `Rescale` for -128, …, 127, int8 [256]."""
    multiplier = round(float32(256 * float32(x.scale / out.scale)))
    return int8_bytes(((q - x.zero_point) * multiplier + 128 >> 8) + out.zero_point for q in INT8_INTEGERS)
