"""Operators on int8 values as C statements, with integers only.

`edgernn.program.operators` has the formulas. XNNPACK requantizes by a float32 product; here, a product of integers,
rounded twice, gives the same result: see `helpers.REQUANTIZE`.
"""

import math
from array import array
from bisect import bisect_left
from collections.abc import Callable, Mapping
from typing import Any

from edgernn.errors import UnknownOperatorError, UnsupportedError
from edgernn.program.fixed_point import square_multipliers
from edgernn.program.fusion import Fused
from edgernn.program.integer_arithmetic import (
    INT8_INTEGERS,
    INT8_LIMITS,
    MAX_INTEGER,
    MIN_INTEGER,
    PLAIN_SUM,
    float32,
    product_multiplier,
    rescale_table,
    sum_factors,
)
from edgernn.program.operators import Binary, Copy, Fill, Linear, Reduce, Rescale, Softmax, Table, Value
from edgernn_export.formats.c import float_statements
from edgernn_export.formats.c.emitter import (
    Emitter,
    copy,
    loop,
    loop_each,
    loop_rows,
    output_index,
    reduction,
    row_index,
    softmax,
)
from edgernn_export.formats.c.layout import Body, Step

# Bits of precision of a float32, and maximum bits of the sums that `helpers.REQUANTIZE` takes.
PRECISION_BITS = 24
_MIN_SHIFT, _MAX_SHIFT = 16, 55
_MAX_SUM_SHIFT = 30
# A power of e is the product of two entries of a table, in units of 2^-31: of the upper and of the lower 4 bits of a
# difference. `helpers.POWER` keeps 22 bits of each product, so that 256 times a power, and the sum of `MAX_CLASSES`
# powers, fit 32 bits.
_ONE, _LOWER = 1 << 31, 16
MAX_CLASSES = 1_000
# Maximum elements of a mean: their sum fits 16 bits, as `mean_limits` do.
MAX_MEAN = 255
_PROBABILITY_STEP = 1 / 256


def statements(emitter: Emitter, body: Body, operator: Step) -> list[str]:
    """Return the statements of an operator, with a comment in front.

    Raises:
        UnsupportedError: C source does not support the operator in int8; the message names it. It is an
            UnknownOperatorError if C source does not support it in float32 either.
    """
    write = _WRITERS.get(type(operator))
    if write is None:
        kind = UnsupportedError if float_statements.supports(operator) else UnknownOperatorError
        raise kind(f"operator {type(operator).__name__} of int8")
    return write(emitter, body, operator)


def pack_multiplier(multiplier: float) -> int:
    """Return a float32 factor as `mantissa << 8 | shift`: factor = mantissa / 2^shift, with a mantissa of 24 bits.

    Raises:
        UnsupportedError: the factor is outside of [2^-32, 256).
    """
    fraction, exponent = math.frexp(multiplier)
    shift = PRECISION_BITS - exponent
    if not (multiplier > 0 and _MIN_SHIFT <= shift <= _MAX_SHIFT):
        raise UnsupportedError(f"a quotient of scales of {multiplier:g}, expected one in [2^-32, 256)")
    return int(math.ldexp(fraction, PRECISION_BITS)) << 8 | shift


def _linear(emitter: Emitter, body: Body, o: Linear) -> list[str]:
    return _fused(emitter, body, Fused(o, -1, b"", o.out))


def _fused(emitter: Emitter, body: Body, fused: Fused) -> list[str]:
    o, place = fused.linear, output_index(emitter, fused.linear)
    total = _total(emitter, body, o)
    packed = [f"{pack_multiplier(each)}u" for each in o.multipliers]
    multipliers = emitter.constant("multipliers", "uint32_t", packed, 4)
    low, high, table = int(o.low), int(o.high), fused.table
    clamped = _clamp_of(table) if table and fused.addend < 0 else None
    if clamped:
        low, high, table = max(low, clamped[0]), min(high, clamped[1]), b""
    emitter.helpers |= {"requantize", "clamp"}
    zero_point = emitter.program.values[o.out].zero_point
    # Each stage clamps its result, as the kernels do: the sum that follows would otherwise take values beyond int8.
    value = f"clamp(requantize({total}, {multipliers}[i]){_plus(zero_point)}, {low}, {high})"
    lines = []
    if fused.addend >= 0 or table:
        lines.append(f"int32_t value = {value};")
        value = "value"
    words = [f"product of {o.inputs} inputs with the weights of {o.outputs} outputs"]
    if fused.addend >= 0:
        words.append("a sum")
        limits = _clamp_of(table) or INT8_LIMITS
        table = b"" if _clamp_of(table) else table
        lines.append(f"value = clamp(value + {emitter.element(body, fused.addend, place)}, {limits[0]}, {limits[1]});")
    if table:
        words.append("an activation")
        value = f"{_table_name(emitter, table)}[value + 128]"
    elif len(lines) > 0:
        value = "(int8_t)value"
    lines = loop_rows(emitter, o, *lines, f"{emitter.element(body, fused.out, place)} = {value};")
    return [f"/* {', '.join(words)} */", *lines]


def _total(emitter: Emitter, body: Body, o: Linear) -> str:
    """Return the sum of output i of a row, with its bias, rounded to the precision of a float32."""
    weights = array("b", o.weights).tolist()
    biases = _folded_biases(o, emitter.program.values[o.x].zero_point)
    name = emitter.constant("weights", "int8_t", list(map(str, weights)), 1, columns=o.inputs)
    emitter.helpers.add("dot")
    total = f"dot({emitter.pointer(body, o.x, row_index(emitter, o))}, {name}[i], {o.inputs})"
    if any(biases):
        total = f"{emitter.constant('bias', 'int32_t', list(map(str, biases)), 4)}[i] + {total}"
    if _largest_sum(weights, o.inputs, biases) < 1 << PRECISION_BITS:
        return total
    emitter.helpers.add("round_sum")
    return f"round_sum({total})"


def _folded_biases(o: Linear, zero_point: int) -> list[int]:
    """Return the biases, each minus the inputs' zero point times the sum of the output's weights."""
    biases = array("i", o.bias).tolist() if o.bias else [0] * o.outputs
    weights = array("b", o.weights)
    return [
        bias - zero_point * sum(weights[output * o.inputs : (output + 1) * o.inputs])
        for output, bias in enumerate(biases)
    ]


def _largest_sum(weights: list[int], inputs: int, biases: list[int]) -> int:
    """Return the maximum absolute value of a sum with its bias."""
    sums = [sum(map(abs, weights[start : start + inputs])) for start in range(0, len(weights), inputs)]
    return max(-MIN_INTEGER * each + abs(bias) for each, bias in zip(sums, biases, strict=True))


def _plus(number: int) -> str:
    return f" {'-' if number < 0 else '+'} {abs(number)}" if number else ""


def _minus(text: str, zero_point: int) -> str:
    return f"({text}{_plus(-zero_point)})" if zero_point else text


def _table_name(emitter: Emitter, table: bytes) -> str:
    return emitter.constant("table", "int8_t", list(map(str, array("b", table))), 1)


def _clamp_of(table: bytes) -> tuple[int, int] | None:
    """Return the limits of a table that only clamps; None for any other table."""
    numbers = array("b", table)
    if not numbers:
        return None
    low, high = numbers[0], numbers[-1]
    clamped = [min(max(q, low), high) for q in INT8_INTEGERS]
    return (low, high) if list(numbers) == clamped else None


def _table(emitter: Emitter, body: Body, o: Table | Rescale) -> list[str]:
    values = emitter.program.values
    table = o.table if isinstance(o, Table) else rescale_table(values[o.x], values[o.out])
    x, limits = emitter.element(body, o.x, "i"), _clamp_of(table)
    if limits:
        emitter.helpers.add("clamp")
        return ["/* clamp */", *loop_each(emitter, body, o.out, f"clamp({x}, {limits[0]}, {limits[1]})")]
    name = "an activation" if isinstance(o, Table) else "another scale"
    return [f"/* {name} */", *loop_each(emitter, body, o.out, f"{_table_name(emitter, table)}[{x} + 128]")]


def _binary(emitter: Emitter, body: Body, o: Binary) -> list[str]:
    a, b, out = (emitter.program.values[each] for each in (o.a, o.b, o.out))
    x = emitter.element(body, o.a, "i")
    y = emitter.operand(body, o.b, o.b_run, emitter.count(o.out))
    emitter.helpers.add("clamp")
    limits = f"{int(o.low)}, {int(o.high)}"
    if o.kind == "multiply":
        emitter.helpers.add("requantize")
        packed = pack_multiplier(product_multiplier(a, b, out))
        product = f"{_minus(x, a.zero_point)} * {_minus(y, b.zero_point)}"
        result = f"requantize({product}, {packed}u){_plus(out.zero_point)}"
        return ["/* product */", *loop_each(emitter, body, o.out, f"clamp({result}, {limits})")]
    if o.kind in ("minimum", "maximum"):
        larger = f"{x} {'<' if o.kind == 'minimum' else '>'} {y} ? {x} : {y}"
        return [f"/* {o.kind} */", *loop_each(emitter, body, o.out, f"clamp({larger}, {limits})")]
    if o.kind == "squared_difference":
        return _squares(emitter, body, o)
    if o.kind not in ("add", "subtract"):
        raise UnsupportedError(f"operator {o.kind} of int8")
    factors = sum_factors(a, b, out, subtract=o.kind == "subtract", swapped=o.swapped, limits=(o.low, o.high))
    name = "difference" if o.kind == "subtract" else "sum"
    if factors == PLAIN_SUM:
        return [f"/* {name} */", *loop_each(emitter, body, o.out, f"clamp({x} + {y}, {limits})")]
    first, second, summand, shift = factors
    if not 1 <= shift <= _MAX_SUM_SHIFT:
        raise UnsupportedError(f"a {name} of scales {a.scale:g} and {b.scale:g} to scale {out.scale:g}")
    total = f"{x} * {_long(first)} + {y} * {_long(second)} + {_long(summand)}"
    right = f"clamp((({total}) >> {shift}){_plus(out.zero_point)}, {limits})"
    return [f"/* {name} of two scales */", *loop_each(emitter, body, o.out, right)]


def _squares(emitter: Emitter, body: Body, o: Binary) -> list[str]:
    a, b, out = (emitter.program.values[each] for each in (o.a, o.b, o.out))
    emitter.helpers.add("multiplied")
    *pairs, (multiplier, shift) = square_multipliers(a.scale, b.scale, out.scale)
    reals = (
        _minus(emitter.element(body, o.a, "i"), a.zero_point),
        _minus(emitter.operand(body, o.b, o.b_run, emitter.count(o.out)), b.zero_point),
    )
    one, other = (
        f"multiplied({real} * INT32_C(128), {factor}u, {-places})"
        for real, (factor, places) in zip(reals, pairs, strict=True)
    )
    square = f"multiplied(difference * difference, {multiplier}u, {-shift}){_plus(out.zero_point)}"
    right = f"clamp({square}, {int(o.low)}, {int(o.high)})"
    lines = [f"const int32_t difference = {one} - {other};", f"{emitter.element(body, o.out, 'i')} = {right};"]
    return ["/* square of a difference */", *loop(emitter.count(o.out), *lines)]


def _reduce(emitter: Emitter, body: Body, o: Reduce) -> list[str]:
    if o.kind == "max":
        return reduction(emitter, body, o, "int8_t", "{x} > result ? {x} : result", "result")
    if o.kind != "mean":
        raise UnsupportedError(f"operator {o.kind} of int8")
    emitter.helpers.add("level")
    limits = mean_limits(emitter.program.values[o.x], emitter.program.values[o.out], o.count)
    name = emitter.constant("limits", "int16_t", list(map(str, limits)), 2)
    return reduction(emitter, body, o, "int32_t", "result + {x}", f"level(result, {name})")


def mean_limits(x: Value, out: Value, count: int) -> list[int]:
    """Return the smallest sum whose mean is at least q, for q from -127 to 127.

    A mean is float32(float32(sum × m) + c), rounded to the nearest integer. It is monotonic in the sum, so 255 limits
    of the sum determine it.

    Raises:
        UnsupportedError: the mean has more than `MAX_MEAN` elements.
    """
    if count > MAX_MEAN:
        raise UnsupportedError(f"MEAN of {count:,} int8 elements, expected at most {MAX_MEAN}")
    multiplier = float32(float32(x.scale / out.scale) * float32(1 / count))
    offset = float32(out.zero_point - float32(count * x.zero_point * multiplier))
    means = [
        round(float32(float32(total * multiplier) + offset))
        for total in range(MIN_INTEGER * count, MAX_INTEGER * count + 1)
    ]
    return [bisect_left(means, q) + MIN_INTEGER * count for q in range(MIN_INTEGER + 1, MAX_INTEGER + 1)]


def _long(number: int) -> str:
    """Return a literal of 32 bits, also for compilers whose int has 16."""
    return f"INT32_C({number})" if number >= 0 else f"(-INT32_C({-number}))"


def _softmax(emitter: Emitter, body: Body, o: Softmax) -> list[str]:
    x, out = emitter.program.values[o.x], emitter.program.values[o.out]
    if (out.scale, out.zero_point) != (_PROBABILITY_STEP, MIN_INTEGER):
        raise UnsupportedError(
            f"SOFTMAX with scale {out.scale:g} and zero point {out.zero_point}, expected 1/256 and -128"
        )
    if o.columns > MAX_CLASSES:
        raise UnsupportedError(f"SOFTMAX of {o.columns:,} classes in int8, expected at most {MAX_CLASSES:,}")
    emitter.helpers |= {"softmax", "clamp"}
    differences = [*range(0, 256, _LOWER), *range(_LOWER)]
    powers = [round(_ONE * math.exp(-x.scale * o.beta * each)) for each in differences]
    return softmax(emitter, body, o, emitter.constant("powers", "uint32_t", [f"{each}u" for each in powers], 4))


_WRITERS: Mapping[type, Callable[[Emitter, Body, Any], list[str]]] = {
    Fused: _fused,
    Linear: _linear,
    Binary: _binary,
    Table: _table,
    Rescale: _table,
    Softmax: _softmax,
    Reduce: _reduce,
    Fill: lambda emitter, body, o: ["/* constant */", *loop_each(emitter, body, o.out, str(int(o.number)))],
    Copy: lambda emitter, body, o: ["/* copy */", *copy(emitter, body, o)],
}
