"""Static C functions that generated C calls; a file contains only those that it uses."""

from collections.abc import Iterable
from typing import NamedTuple


class Helper(NamedTuple):
    """A static C function.

    Attributes:
        text: definition.
        needs: names of the helpers that it calls.
    """

    text: str
    needs: tuple[str, ...] = ()


CLAMP = """\
/* Clamps a value to low … high, which are within -128 … 127. */
static int8_t clamp(int32_t value, int32_t low, int32_t high)
{
    return (int8_t)(value < low ? low : value > high ? high : value);
}
"""
# Unrolled by four: on a small core, the counting of a loop takes as long as one product.
DOT = """\
/* Sum of products. */
static int32_t dot(const int8_t *x, const int8_t *weights, int count)
{
    int32_t sum = 0;
    for (; count >= 4; count -= 4, x += 4, weights += 4) {
        sum += x[0] * weights[0];
        sum += x[1] * weights[1];
        sum += x[2] * weights[2];
        sum += x[3] * weights[3];
    }
    for (; count > 0; count--) {
        sum += *x++ * *weights++;
    }
    return sum;
}
"""
ROUND_HALF_EVEN = """\
/* Returns value / 2^shift, rounded to the nearest integer, ties to even; shift is from 1 to 25. */
static uint32_t round_half_even(uint32_t value, uint32_t shift)
{
    return (value + (1u << (shift - 1u)) - 1u + (value >> shift & 1u)) >> shift;
}
"""
ROUND_SUM = """\
/* Rounds a sum to the 24 bits of a float32. */
static int32_t round_sum(int32_t sum)
{
    const uint32_t size = sum < 0 ? 0u - (uint32_t)sum : (uint32_t)sum;
    uint32_t bits = 0;
    while (size >> bits >> 24) {
        bits++;
    }
    const int32_t rounded = (int32_t)(bits ? round_half_even(size, bits) << bits : size);
    return sum < 0 ? -rounded : rounded;
}
"""
REQUANTIZE = """\
/* Returns sum x multiplier, rounded to the nearest integer, ties to even; 256 if the result is larger. The multiplier
is mantissa << 8 | shift, which means mantissa / 2^shift. The result equals that of a float32 product, which is rounded
twice: to 24 bits, and then to an integer. The two roundings differ from one only near a half, which is rare. */
static int32_t requantize(int32_t sum, uint32_t multiplier)
{
    uint32_t shift = multiplier & 255u;
    uint64_t product = (uint64_t)(sum < 0 ? 0u - (uint32_t)sum : (uint32_t)sum) * (multiplier >> 8);
    const uint64_t fixed = product >> (shift - 16u); /* 16 fractional bits */
    uint32_t result = 256;
    if (fixed >> 24 == 0) {
        result = ((uint32_t)fixed + 0x8000u) >> 16;
        if ((((uint32_t)fixed + 0x8001u) & 0xffffu) <= 1u) {
            uint32_t rest = 0;
            for (; product >> 25; shift--) {
                rest |= (uint32_t)product & 1u;
                product >>= 1;
            }
            result = (uint32_t)product;
            if (result >> 24) {
                result = (result + ((result >> 1 | rest) & 1u)) >> 1;
                shift--;
            }
            result = round_half_even(result, shift);
        }
    }
    return sum < 0 ? -(int32_t)result : (int32_t)result;
}
"""
POWER = """\
/* Returns exp(-difference x scale) in units of 2^-22: the product of two powers, of the upper and the lower 4 bits. */
static uint32_t power(const uint32_t *powers, int difference)
{
    return (uint32_t)((uint64_t)powers[difference >> 4] * powers[16 + (difference & 15)] >> 40);
}
"""
SOFTMAX = """\
/* Softmax with a scale of 1/256 and a zero point of -128; within one integer of float32 arithmetic. */
static void softmax(const int8_t *x, int count, const uint32_t *powers, int8_t *out)
{
    int largest = -128;
    uint32_t total = 0;
    for (int i = 0; i < count; i++) {
        largest = x[i] > largest ? x[i] : largest;
    }
    for (int i = 0; i < count; i++) {
        total += power(powers, largest - x[i]);
    }
    for (int i = 0; i < count; i++) {
        out[i] = clamp((int32_t)((power(powers, largest - x[i]) * 256u + total / 2u) / total) - 128, -128, 127);
    }
}
"""
MULTIPLIED = """\
/* Returns value x multiplier / 2^(31 + shift), rounded to the nearest integer after each of the two shifts. */
static int32_t multiplied(int32_t value, uint32_t multiplier, int shift)
{
    const uint32_t size = value < 0 ? 0u - (uint32_t)value : (uint32_t)value;
    const uint64_t product = (uint64_t)size * multiplier + (value < 0 ? 0x3fffffffu : 0x40000000u);
    const uint32_t result = ((uint32_t)(product >> 31) + (1u << shift >> 1)) >> shift;
    return value < 0 ? -(int32_t)result : (int32_t)result;
}
"""
LEVEL = """\
/* Returns the number of limits, 255 in ascending order, that a sum reaches, minus 128. */
static int8_t level(int32_t sum, const int16_t *limits)
{
    int low = 0, high = 255;
    while (low < high) {
        const int middle = (low + high) / 2;
        if (sum >= limits[middle]) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return (int8_t)(low - 128);
}
"""
ROUND_SCALED = """\
/* Rounds to the nearest integer, ties to even; to 512 if it is larger. It uses the bits of the float32, so that no
compiler can contract the rounding with the product before it. */
static int32_t round_scaled(float scaled)
{
    uint32_t bits;
    memcpy(&bits, &scaled, sizeof bits);
    const int32_t exponent = (int32_t)(bits >> 23 & 255u) - 150;
    const uint32_t mantissa = (bits & 0x7fffffu) | 0x800000u;
    int32_t result = 512;
    if (exponent < -24) {
        result = 0;
    } else if (exponent < -14) {
        result = (int32_t)round_half_even(mantissa, (uint32_t)-exponent);
    }
    return bits >> 31 ? -result : result;
}
"""
DOT_FLOAT = """\
/* Sum of products, in two parts, so that a product need not wait for the sum before it. */
static float dot(const float *x, const float *weights, int count)
{
    float even = 0.0f, odd = 0.0f;
    for (; count >= 2; count -= 2, x += 2, weights += 2) {
        even += x[0] * weights[0];
        odd += x[1] * weights[1];
    }
    return count ? even + odd + x[0] * weights[0] : even + odd;
}
"""
SOFTMAX_FLOAT = """\
static void softmax(const float *x, int count, float beta, float *out)
{
    float largest = x[0], total = 0.0f;
    for (int i = 1; i < count; i++) {
        largest = fmaxf(largest, x[i]);
    }
    for (int i = 0; i < count; i++) {
        out[i] = expf((x[i] - largest) * beta);
        total += out[i];
    }
    for (int i = 0; i < count; i++) {
        out[i] /= total;
    }
}
"""
# In the order of their definitions.
HELPERS: dict[str, Helper] = {
    "clamp": Helper(CLAMP),
    "dot": Helper(DOT),
    "dot_float": Helper(DOT_FLOAT),
    "round_half_even": Helper(ROUND_HALF_EVEN),
    "round_sum": Helper(ROUND_SUM, ("round_half_even",)),
    "requantize": Helper(REQUANTIZE, ("round_half_even",)),
    "round_scaled": Helper(ROUND_SCALED, ("round_half_even",)),
    "multiplied": Helper(MULTIPLIED),
    "level": Helper(LEVEL),
    "power": Helper(POWER),
    "softmax": Helper(SOFTMAX, ("clamp", "power")),
    "softmax_float": Helper(SOFTMAX_FLOAT),
}


def definitions(names: Iterable[str]) -> list[str]:
    """Return the texts of helpers and of the helpers that they call, each once, in an order that C accepts."""
    needed = set(names)
    for name in reversed(HELPERS):
        if name in needed:
            needed.update(HELPERS[name].needs)
    return [each.text for name, each in HELPERS.items() if name in needed]
