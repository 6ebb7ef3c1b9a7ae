"""Tables of int8 functions: the 256 results of an operator of one operand, bit-identical to LiteRT's.

Most results are the function in float64, rounded to float32, divided by the scale, and rounded to the nearest integer,
ties to even. LiteRT computes some functions in integer arithmetic (tensorflow/lite/kernels/elementwise.cc and
internal/reference/hard_swish.h; XNNPACK's src/reference for leaky ReLU), and rounds square roots down.
"""

import math
from collections.abc import Callable, Mapping
from functools import lru_cache

from edgernn.errors import UnsupportedError
from edgernn.program.builder import float32s
from edgernn.program.fixed_point import hard_swish, inverse_square_root, multiplied, quantized_multiplier
from edgernn.program.integer_arithmetic import INT8_INTEGERS, MAX_INTEGER, float32, int8_bytes
from edgernn.program.operators import Value


def _logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x > -700 else 0.0


def _exp(x: float) -> float:
    return math.exp(min(x, _MAX_EXPONENT))


def _elu(x: float) -> float:
    return x if x > 0 else math.expm1(x)


def _log(x: float) -> float:
    return math.log(x) if x > 0 else -math.inf


def _gelu(x: float) -> float:
    return 0.5 * x * math.erfc(-x / math.sqrt(2))


_MAX_EXPONENT = 700.0  # exp of a larger number overflows float64; in float32 both are infinite
_MAX_QUOTIENT = 1e9
# Functions whose int8 kernels in LiteRT are tables of the float32 function.
_TABLES = ("tanh", "logistic", "exp", "elu", "gelu", "log")
# Range of the quotient of scales, and of its product with the slope. Outside of it, LiteRT uses another kernel.
_MIN_SLOPE, _MAX_SLOPE = 2.0**-8, 2.0**7
# Operators of one operand, as functions in float64.
FUNCTIONS: Mapping[str, Callable[..., float]] = {
    "tanh": math.tanh,
    "logistic": _logistic,
    "exp": _exp,
    "elu": _elu,
    "gelu": _gelu,
    "relu": lambda x: max(x, 0.0),
    "relu6": lambda x: min(max(x, 0.0), 6.0),
    "log": _log,
    "sqrt": math.sqrt,
    "abs": abs,
    "neg": lambda x: -x,
    "square": lambda x: x * x,
    "leaky_relu": lambda x, slope: x if x > 0 else x * slope,
}


def table_of(name: str, x: Value, out: Value, parameters: tuple[float, ...] = ()) -> bytes:
    """Return the results of a function for -128, …, 127.

    Args:
        name: as in `operators.Function`.
        x, out: int8 values.
        parameters: as in `operators.Function`.

    Raises:
        UnsupportedError: the function has no table that is bit-identical to LiteRT.
    """
    if name in ("relu", "relu6"):
        return _clamp_table(name, x, out)
    if name in _INTEGERS:
        return int8_bytes(_INTEGERS[name](x, out, *parameters))
    return _table(name, x.scale, x.zero_point, out.scale, out.zero_point)


@lru_cache(maxsize=32)
def _table(name: str, scale: float, zero_point: int, out_scale: float, out_zero_point: int) -> bytes:
    function = FUNCTIONS.get(name)
    if function is None or name not in _TABLES:
        raise UnsupportedError(f"{name.upper()} of int8")
    reals = float32s([function(each) for each in float32s([scale * (q - zero_point) for q in INT8_INTEGERS])])
    quotients = float32s([real / out_scale for real in reals])
    return int8_bytes([round(max(min(each, _MAX_QUOTIENT), -_MAX_QUOTIENT)) + out_zero_point for each in quotients])


def _clamp_table(name: str, x: Value, out: Value) -> bytes:
    if (x.scale, x.zero_point) != (out.scale, out.zero_point):
        raise UnsupportedError(f"{name.upper()} of int8 to another scale")
    high = math.inf if name == "relu" else math.floor(float32(6 / out.scale) + 0.5) + out.zero_point
    return int8_bytes([int(min(max(q, out.zero_point), high)) for q in INT8_INTEGERS])


def _inverse_square_roots(x: Value, out: Value) -> list[int]:
    multiplier, shift = quantized_multiplier(1 / float32(float32(math.sqrt(x.scale)) * out.scale))
    found = []
    for q in INT8_INTEGERS:
        integer = MAX_INTEGER  # the result for 0 and negative numbers, which have no inverse root
        if q > x.zero_point:
            root, root_shift = inverse_square_root(q - x.zero_point)
            integer = multiplied(multiplied(1, root, root_shift + 20), multiplier, shift - 20) + out.zero_point
        found.append(integer)
    return found


def _square_roots(x: Value, out: Value) -> list[int]:
    """Return the square roots, rounded down; 0 for negative numbers, with which LiteRT fails."""
    roots = float32s([math.sqrt(max(float32(x.scale * (q - x.zero_point)), 0.0)) for q in INT8_INTEGERS])
    return [math.floor(min(float32(root / out.scale), _MAX_QUOTIENT)) + out.zero_point for root in roots]


def _absolutes(x: Value, out: Value) -> list[int]:
    multiplier = quantized_multiplier(float32(x.scale / out.scale))
    sizes = [abs(q - x.zero_point) for q in INT8_INTEGERS]
    return [(each if x.scale == out.scale else multiplied(each, *multiplier)) + out.zero_point for each in sizes]


def _leaky_relus(x: Value, out: Value, slope: float) -> list[int]:
    quotient = float32(x.scale / out.scale)
    factors = quotient, float32(quotient * slope)
    if not all(_MIN_SLOPE <= abs(each) < _MAX_SLOPE for each in factors):
        raise UnsupportedError(f"LEAKY_RELU of int8 with a quotient of scales of {quotient:g} and slope {slope:g}")
    positive, negative = (round(256 * each) for each in factors)
    reals = [q - x.zero_point for q in INT8_INTEGERS]
    return [(each * (positive if each > 0 else negative) + 128 >> 8) + out.zero_point for each in reals]


def _hard_swishes(x: Value, out: Value) -> list[int]:
    if float32(x.scale / 128) / out.scale >= 1:
        raise UnsupportedError(f"HARD_SWISH of int8 with scales {x.scale:g} and {out.scale:g}")
    return [hard_swish(q - x.zero_point, x.scale, out.scale) + out.zero_point for q in INT8_INTEGERS]


_INTEGERS: Mapping[str, Callable[..., list[int]]] = {
    "rsqrt": _inverse_square_roots,
    "sqrt": _square_roots,
    "abs": _absolutes,
    "leaky_relu": _leaky_relus,
    "hard_swish": _hard_swishes,
}
