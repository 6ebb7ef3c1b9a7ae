"""Integer arithmetic of operators on int8 values, as LiteRT with XNNPACK computes it.

Scales and their quotients are float32, because the kernels' are. Sources: XNNPACK, src/params-init (sums in fixed
point with 20 bits, products in float32), and TFLite's requantization of QUANTIZE.
"""

import math
from array import array

from edgernn.program.operators import Value

_BITS = 20
# Factors of the saturating sum of integers with equal scales and zero points of 0; see `sum_factors`.
PLAIN_SUM = (1, 1, 0, 0)


def float32(number: float) -> float:
    """Round to float32; what is too large becomes infinite."""
    return array("f", (number,))[0]


def sum_factors(
    a: Value, b: Value, out: Value, *, subtract: bool, swapped: bool, limits: tuple[float, float] = (-128, 127)
) -> tuple[int, int, int, int]:
    """Return the factors of a and b, the summand and the shift of a sum or difference in fixed point.

    q = ((q_a × factor_a + q_b × factor_b + summand) >> shift) + z. `PLAIN_SUM` stands for the saturating
    sum to which that comes down with equal scales, zero points of 0 and no limits.

    Args:
        a, b, out: the values.
        subtract: True for a - b, or b - a if `swapped`.
        swapped: True if b stands in front of a in the file.
        limits: the lowest and highest result.
    """
    is_limited = limits != (-128, 127)
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
    """Return the factor of an integer product: the scales' product over the result's scale, each step in float32."""
    return float32(float32(a.scale * b.scale) / out.scale)


def rescale_table(x: Value, out: Value) -> bytes:
    """Return the 256 results of a change of scale: ((q - z_x) × m + 128 >> 8) + z, with m = rint(256 s_x / s_out)."""
    multiplier = round(float32(256 * float32(x.scale / out.scale)))
    results = (((q - x.zero_point) * multiplier + 128 >> 8) + out.zero_point for q in range(-128, 128))
    return bytes(min(max(each, -128), 127) & 0xFF for each in results)
