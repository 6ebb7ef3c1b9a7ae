"""Plans: programs in the format that the native engine reads; runtime/native/engine.h describes it.

A plan is a list of 32-bit integers; a real number is stored as the bits of its float32. A product, the sum and the
table that follow it become one instruction, which one kernel computes.
"""

import struct
import sys
from array import array
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from edgernn.errors import UnsupportedError
from edgernn.program.fixed_point import multiplied, square_multipliers
from edgernn.program.fusion import Fused, fuse
from edgernn.program.integer_arithmetic import (
    INT8_INTEGERS,
    INT8_LIMITS,
    product_multiplier,
    rescale_table,
    sum_factors,
)
from edgernn.program.operators import (
    FLOAT32,
    INT8,
    Binary,
    Convolution,
    Copy,
    Dequantize,
    Fill,
    Function,
    Linear,
    Operator,
    Pool,
    Program,
    Quantize,
    Reduce,
    Repeat,
    Rescale,
    Select,
    Softmax,
    Table,
    Value,
)
from edgernn.records import record

# Constants of runtime/native: the magic number and the format; names in the order of the enums in kernels.h, program.h.
_MAGIC, _FORMAT = 0x4E4E5245, 1
_OPERATORS = (
    *("quantize", "dequantize", "linear", "sum", "product", "binary", "table", "function", "softmax", "reduce"),
    *("convolution", "pool", "copy", "fill", "repeat", "extreme", "select", "squares"),
)
_FUNCTIONS = (
    *("tanh", "logistic", "relu", "relu6", "exp", "log", "sqrt", "rsqrt", "abs", "neg", "square", "gelu", "gelu_tanh"),
    *("elu", "leaky_relu", "hard_swish"),
)
_BINARIES = (
    *("add", "subtract", "multiply", "divide", "minimum", "maximum", "squared_difference"),
    *("greater", "greater_equal", "less", "less_equal"),
)
_REDUCTIONS = ("mean", "sum", "max")
_TYPES = (INT8, FLOAT32)
_AXES = 5
_NONE = -1


@record(frozen=True)
class EnginePlan:
    """A program for the native engine.

    Attributes:
        words: the plan, int32 in the processor's byte order.
        constants: the constants, to which the plan refers by their offsets.
    """

    words: bytes
    constants: bytes


def make_plan(program: Program) -> EnginePlan:
    """Write a program as a plan.

    Raises:
        UnsupportedError: it has an operator that the engine lacks; the message names it.
    """
    if sys.byteorder != "little":  # constants are little-endian
        raise UnsupportedError("a big-endian processor; expected a little-endian one")
    writer = _Writer(program)
    sections = [fuse(section, program) for section in (program.rows, program.step, program.answer)]
    counts, instructions = zip(*map(writer.section, sections), strict=True)
    streams = bool(program.states)
    head = [_MAGIC, _FORMAT, program.steps, len(program.values), len(program.states), *counts]
    head += [program.input, program.output, int(streams and program.answers_every_step)]
    words = array("i", head)
    for number, value in enumerate(program.values):
        constant = writer.constant(program.constants[number]) if number in program.constants else _NONE
        words.extend((value.elements, _TYPES.index(value.type), value.base, value.offset, constant))
        words.extend((value.zero_point, _bits(value.scale)))
    for each in instructions:
        words.extend(each)
    for state in program.states:
        words.extend((state.before, state.after, state.zero))
    return EnginePlan(words.tobytes(), bytes(writer.constants))


class _Writer:
    """Writes instructions, and collects their constants."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.constants = bytearray()
        self._places: dict[bytes, int] = {}

    def value(self, number: int) -> Value:
        return self.program.values[number]

    def constant(self, content: bytes) -> int:
        """Return the offset of a constant, a multiple of 4; equal constants are stored once."""
        place = self._places.get(content)
        if place is None:
            self.constants.extend(bytes(-len(self.constants) % 4))
            place = self._places[content] = len(self.constants)
            self.constants.extend(content)
        return place

    def section(self, operators: Sequence[Operator | Fused]) -> "tuple[int, array[int]]":
        """Return the number of instructions, including the bodies of loops, and their words."""
        count, words = 0, array("i")
        for operator in operators:
            inside, body = 0, array("i")
            if isinstance(operator, Repeat):
                inside, body = self.section(fuse(operator.body, self.program))
                name, arguments = "repeat", _repeat(operator, inside)
            elif (write := _WRITERS.get(type(operator))) is not None:
                name, arguments = write(self, operator)
            else:
                raise UnsupportedError(f"operator {type(operator).__name__}")
            words.extend((_OPERATORS.index(name) + 1, len(arguments), *arguments))
            words.extend(body)
            count += 1 + inside
        return count, words


def _bits(number: float) -> int:
    """Return the bits of a float32 as a signed integer."""
    bits: int = struct.unpack("<i", struct.pack("<f", number))[0]
    return bits


def _limits(value: Value, low: float, high: float) -> tuple[int, int]:
    return (int(low), int(high)) if value.type == INT8 else (_bits(low), _bits(high))


def _weights(writer: _Writer, operator: Linear | Convolution) -> tuple[int, ...]:
    multipliers = struct.pack(f"<{len(operator.multipliers)}f", *operator.multipliers)
    return (
        writer.constant(operator.weights),
        writer.constant(operator.bias) if operator.bias else _NONE,
        writer.constant(multipliers) if multipliers else _NONE,
        *_limits(writer.value(operator.out), operator.low, operator.high),
        writer.value(operator.out).zero_point,
    )


def _linear(writer: _Writer, o: Linear) -> tuple[str, tuple[int, ...]]:
    return "linear", (o.x, o.out, o.inputs, o.outputs, *_weights(writer, o), _NONE, _NONE)


def _fused(writer: _Writer, fused: Fused) -> tuple[str, tuple[int, ...]]:
    o = fused.linear
    table = writer.constant(fused.table) if fused.table else _NONE
    return "linear", (o.x, fused.out, o.inputs, o.outputs, *_weights(writer, o), fused.addend, table)


def _binary(writer: _Writer, o: Binary) -> tuple[str, tuple[int, ...]]:
    a, b, out = map(writer.value, (o.a, o.b, o.out))
    if out.type == FLOAT32:
        limits = _limits(out, o.low, o.high)
        return "binary", (_BINARIES.index(o.kind), o.a, o.b, o.out, o.b_run, int(o.swapped), *limits)
    if o.kind == "multiply":
        multiplier = _bits(product_multiplier(a, b, out))
        return "product", (o.a, o.b, o.out, o.b_run, multiplier, *_limits(out, o.low, o.high))
    if o.kind in ("minimum", "maximum") and (o.low, o.high) == INT8_LIMITS:
        return "extreme", (int(o.kind == "maximum"), o.a, o.b, o.out, o.b_run)
    if o.kind == "squared_difference" and (o.low, o.high) == INT8_LIMITS:
        return "squares", (o.a, o.b, o.out, o.b_run, *_squares(writer, a, b, out))
    if o.kind not in ("add", "subtract"):
        raise UnsupportedError(f"operator {o.kind} of int8")
    factors = sum_factors(a, b, out, subtract=o.kind == "subtract", swapped=o.swapped, limits=(o.low, o.high))
    return "sum", (o.a, o.b, o.out, o.b_run, *factors, out.zero_point, *_limits(out, o.low, o.high))


def _squares(writer: _Writer, a: Value, b: Value, out: Value) -> tuple[int, ...]:
    """Return the tables of both operands, the multiplier and the shift of the square, and the zero point."""
    *pairs, (multiplier, shift) = square_multipliers(a.scale, b.scale, out.scale)
    tables = [
        array("i", [multiplied(128 * (q - value.zero_point), *pair) for q in INT8_INTEGERS])
        for value, pair in zip((a, b), pairs, strict=True)
    ]
    return (*(writer.constant(each.tobytes()) for each in tables), multiplier, -shift, out.zero_point)


def _function(_writer: _Writer, o: Function) -> tuple[str, tuple[int, ...]]:
    if o.name not in _FUNCTIONS:
        raise UnsupportedError(f"function {o.name}")
    first, second, *_ = (*o.parameters, 0.0, 0.0)
    return "function", (_FUNCTIONS.index(o.name), o.x, o.out, _bits(first), _bits(second))


def _reduce(_writer: _Writer, o: Reduce) -> tuple[str, tuple[int, ...]]:
    return "reduce", (_REDUCTIONS.index(o.kind), o.x, o.out, o.outer, o.count, o.inner)


def _convolution(writer: _Writer, o: Convolution) -> tuple[str, tuple[int, ...]]:
    if o.depthwise:
        raise UnsupportedError("a depthwise convolution")
    window = (o.kernel, o.stride, o.dilation, o.before)
    return "convolution", (o.x, o.out, o.steps, o.channels, o.out_steps, o.outputs, *window, *_weights(writer, o))


def _pool(_writer: _Writer, o: Pool) -> tuple[str, tuple[int, ...]]:
    window = (o.kernel, o.stride, o.before)
    return "pool", (_REDUCTIONS.index(o.kind), o.x, o.out, o.steps, o.channels, o.out_steps, *window)


def _copy(_writer: _Writer, o: Copy) -> tuple[str, tuple[int, ...]]:
    missing = _AXES - len(o.sizes)
    axes = ((fill,) * missing + given for given, fill in ((o.sizes, 1), (o.x_strides, 0), (o.out_strides, 0)))
    return "copy", (o.x, o.out, *(number for each in axes for number in each), o.x_offset, o.out_offset)


def _repeat(o: Repeat, body: int) -> tuple[int, ...]:
    """Return the arguments of a loop; `body` is its number of instructions."""
    pairs = [number for pair in o.carried for number in pair]
    return (o.rounds, body, o.blocks, o.block, o.answers, o.answer, len(o.carried), *pairs)


_WRITERS: Mapping[type, Callable[[_Writer, Any], tuple[str, tuple[int, ...]]]] = {
    Fused: _fused,
    Linear: _linear,
    Binary: _binary,
    Function: _function,
    Reduce: _reduce,
    Convolution: _convolution,
    Pool: _pool,
    Copy: _copy,
    Quantize: lambda _, o: ("quantize", (o.x, o.out)),
    Dequantize: lambda _, o: ("dequantize", (o.x, o.out)),
    Rescale: lambda w, o: ("table", (o.x, o.out, w.constant(rescale_table(w.value(o.x), w.value(o.out))))),
    Table: lambda w, o: ("table", (o.x, o.out, w.constant(o.table))),
    Softmax: lambda _, o: ("softmax", (o.x, o.out, o.columns, _bits(o.beta))),
    Select: lambda _, o: ("select", (o.condition, o.a, o.b, o.out)),
    Fill: lambda w, o: ("fill", (o.out, int(o.number) if w.value(o.out).type == INT8 else _bits(o.number))),
}
