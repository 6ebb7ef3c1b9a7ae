"""NumPy oracle of programs: the arithmetic of `edgernn.program.operators`, for many samples at once."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from edgernn.program.fixed_point import multiplied, quantized_multiplier
from edgernn.program.operators import (
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

Array = Any
_F = np.float32


def answer(program: Program, x: Array) -> Array:
    """Answer sequences.

    Args:
        program: the program.
        x: float32 or int8 [samples, steps, features], as the program's input.

    Returns:
        Array [samples, …] of the program's output.
    """
    if not program.states:
        machine = _Machine(program, len(x))
        machine.put(program.input, x)
        machine.run(program.answer)
        return machine.get(program.output)
    answers = stream(program, x)
    return answers if program.answers_every_step else answers[:, -1]


def stream(program: Program, x: Array) -> Array:
    """Answer each step of sequences: [samples, steps, …]."""
    machine = _Machine(program, len(x))
    machine.reset()
    return np.stack([_step(machine, program, x[:, step]) for step in range(x.shape[1])], axis=1)


def _step(machine: "_Machine", program: Program, row: Array) -> Array:
    machine.put(program.input, row)
    machine.run(program.rows)
    machine.run(program.step)
    machine.run(program.answer)
    found = machine.get(program.output)
    machine.advance()
    return found[:, 0] if found.ndim == 3 else found


class _Machine:
    """Memory of a program, [samples, elements] for each value that has memory."""

    def __init__(self, program: Program, samples: int) -> None:
        self._program, self._samples = program, samples
        self._memory = {
            number: np.full((samples, math.prod(value.shape)), _UNSET[value.type], _DTYPES[value.type])
            for number, value in enumerate(program.values)
            if value.base == number
        }
        for number, content in program.constants.items():
            self._memory[number][:] = np.frombuffer(content, _DTYPES[program.values[number].type])

    def reset(self) -> None:
        for state in self._program.states:
            self._flat(state.before)[:] = state.zero

    def advance(self) -> None:
        after = [self._flat(state.after).copy() for state in self._program.states]
        for state, values in zip(self._program.states, after, strict=True):
            self._flat(state.before)[:] = values

    def put(self, number: int, values: Array) -> None:
        memory = self._flat(number)
        memory[:] = values.reshape(memory.shape)

    def get(self, number: int) -> Array:
        return self._flat(number).reshape((self._samples, *self._program.values[number].shape[1:])).copy()

    def run(self, operators: Sequence[Operator]) -> None:
        for operator in operators:
            _RUN[type(operator)](self, operator)

    def value(self, number: int) -> Value:
        return self._program.values[number]

    def _flat(self, number: int) -> Array:
        value = self._program.values[number]
        return self._memory[value.base][:, value.offset : value.offset + math.prod(value.shape)]

    def real(self, number: int) -> Array:
        """Return integers without their zero point, as int64, or float32 values."""
        value = self.value(number)
        return self._flat(number).astype(np.int64) - value.zero_point if value.type == INT8 else self._flat(number)

    def set(self, number: int, values: Array) -> None:
        self._flat(number)[:] = values

    # Operators

    def quantize(self, o: Quantize) -> None:
        out = self.value(o.out)
        self.set(o.out, np.clip(np.rint(self._flat(o.x) * (_F(1) / _F(out.scale))) + out.zero_point, -128, 127))

    def dequantize(self, o: Dequantize) -> None:
        self.set(o.out, self.real(o.x).astype(_F) * _F(self.value(o.x).scale))

    def linear(self, o: Linear) -> None:
        x = self.real(o.x).reshape(self._samples, -1, o.inputs)
        self.set(o.out, self._product(o, x, np.frombuffer(o.weights, self._kind(o)).reshape(o.outputs, o.inputs)))

    def _kind(self, o: Any) -> Any:
        return _DTYPES[self.value(o.x).type]

    def _product(self, o: Any, x: Array, weights: Array) -> Array:
        """Return the limited products of rows [samples, rows, inputs] with weights [outputs, inputs]."""
        is_int8 = self.value(o.x).type == INT8
        # float64 is exact for these integers, and faster.
        sums = x.astype(np.float64 if is_int8 else _F) @ weights.T.astype(np.float64 if is_int8 else _F)
        if o.bias:
            sums = sums + np.frombuffer(o.bias, np.int32 if is_int8 else _F)
        if is_int8:
            scaled = np.rint(sums.astype(_F) * np.array(o.multipliers, _F)) + self.value(o.out).zero_point
            return np.clip(scaled, o.low, o.high).reshape(self._samples, -1)
        return np.clip(sums, _F(o.low), _F(o.high)).reshape(self._samples, -1)

    def binary(self, o: Binary) -> None:
        a, b = self.value(o.a), self.value(o.b)
        left = self.real(o.a)
        places = np.arange(left.shape[1]) // o.b_run % math.prod(b.shape)
        right = self.real(o.b)[:, places]
        if o.swapped:
            a, b, left, right = b, a, right, left
        operation = _INTEGER if self.value(o.out).type == INT8 else _FLOAT
        self.set(o.out, np.clip(operation[o.kind](left, right, a, b, self.value(o.out)), _F(o.low), _F(o.high)))

    def select(self, o: Select) -> None:
        self.set(o.out, np.where(self._flat(o.condition) != 0, self._flat(o.a), self._flat(o.b)))

    def table(self, o: Table) -> None:
        self.set(o.out, np.frombuffer(o.table, np.int8)[self._flat(o.x).astype(np.int64) + 128])

    def function(self, o: Function) -> None:
        self.set(o.out, _FUNCTIONS[o.name](self._flat(o.x), *o.parameters))

    def softmax(self, o: Softmax) -> None:
        x, out = self.value(o.x), self.value(o.out)
        rows = self._flat(o.x).reshape(self._samples, -1, o.columns)
        if out.type != INT8:
            powers = np.exp((rows - rows.max(-1, keepdims=True)) * _F(o.beta))
            self.set(o.out, (powers / powers.sum(-1, keepdims=True)).reshape(self._samples, -1))
            return
        table = np.exp((_F(-x.scale * o.beta) * np.arange(256, dtype=_F)).astype(np.float64)).astype(_F)
        powers = table[rows.max(-1, keepdims=True).astype(np.int64) - rows]
        total = np.zeros(powers.shape[:-1], _F)
        for column in range(o.columns):  # in this order
            total += powers[..., column]
        scaled = powers * (_F(1) / (total * _F(out.scale)))[..., np.newaxis]
        integers = np.floor(scaled.astype(np.float64) + 0.5) + out.zero_point
        self.set(o.out, np.clip(integers, -128, 127).reshape(self._samples, -1))

    def rescale(self, o: Rescale) -> None:
        x, out = self.value(o.x), self.value(o.out)
        multiplier = int(np.rint(_F(256) * (_F(x.scale) / _F(out.scale))))
        self.set(o.out, np.clip((self.real(o.x) * multiplier + 128 >> 8) + out.zero_point, -128, 127))

    def reduce(self, o: Reduce) -> None:
        x, out = self.value(o.x), self.value(o.out)
        block = self._flat(o.x).reshape(self._samples, o.outer, o.count, o.inner)
        if o.kind == "max":
            result = block.max(2)
        elif x.type != INT8:
            result = block.sum(2, dtype=_F) * (_F(1) / _F(o.count) if o.kind == "mean" else _F(1))
        else:
            multiplier = _F(x.scale) / _F(out.scale) * (_F(1) / _F(o.count))
            offset = _F(out.zero_point) - _F(o.count * x.zero_point) * multiplier
            sums = block.astype(np.int64).sum(2).astype(_F)
            result = np.clip(np.rint(sums * multiplier + offset), -128, 127)
        self.set(o.out, result.reshape(self._samples, -1))

    def convolution(self, o: Convolution) -> None:
        x = self.real(o.x).reshape(self._samples, o.steps, o.channels)
        places = np.add.outer(np.arange(o.out_steps) * o.stride - o.before, np.arange(o.kernel) * o.dilation)
        inside = (places >= 0) & (places < o.steps)
        # [samples, out_steps, kernel, channels]; zero outside.
        windows = x[:, np.where(inside, places, 0)] * inside[..., np.newaxis].astype(x.dtype)
        kernel = np.frombuffer(o.weights, self._kind(o))
        if o.depthwise:
            full = np.zeros((o.outputs, o.kernel, o.channels), kernel.dtype)
            outputs = np.arange(o.outputs)
            full[outputs, :, outputs // (o.outputs // o.channels)] = kernel.reshape(o.kernel, o.outputs).T
            kernel = full
        rows = windows.reshape(self._samples, o.out_steps, -1)
        self.set(o.out, self._product(o, rows, kernel.reshape(o.outputs, -1)))

    def pool(self, o: Pool) -> None:
        x = self._flat(o.x).reshape(self._samples, o.steps, o.channels)
        found = []
        for step in range(o.out_steps):
            start = step * o.stride - o.before
            window = x[:, max(start, 0) : start + o.kernel]
            if o.kind == "max":
                found.append(window.max(1))
            elif self.value(o.x).type == INT8:
                sums, count = window.astype(np.int64).sum(1), window.shape[1]
                found.append(np.sign(sums) * ((np.abs(sums) + count // 2) // count))
            else:
                found.append(window.sum(1, dtype=_F) * (_F(1) / _F(window.shape[1])))
        self.set(o.out, np.stack(found, 1).reshape(self._samples, -1))

    def fill(self, o: Fill) -> None:
        self.set(o.out, o.number)

    def repeat(self, o: Repeat) -> None:
        size = math.prod(self.value(o.block).shape)
        for number in range(o.rounds):
            self.set(o.block, self._flat(o.blocks)[:, number * size : (number + 1) * size])
            self.run(o.body)
            if o.answers >= 0:
                width = math.prod(self.value(o.answer).shape)
                self._flat(o.answers)[:, number * width : (number + 1) * width] = self._flat(o.answer)
            after = [self._flat(second).copy() for _, second in o.carried]
            for (first, _), values in zip(o.carried, after, strict=True):
                self.set(first, values)

    def copy(self, o: Copy) -> None:
        source, target = o.x_offset, o.out_offset
        for size, x_stride, out_stride in zip(o.sizes, o.x_strides, o.out_strides, strict=True):
            steps = np.arange(size)
            source = np.add.outer(source, steps * x_stride)
            target = np.add.outer(target, steps * out_stride)
        self._flat(o.out)[:, target] = self._flat(o.x)[:, source]


def _sum(a: Array, b: Array, x: Value, y: Value, out: Value, sign: int) -> Array:
    first, second = _F(x.scale) / _F(out.scale), _F(y.scale) / _F(out.scale)
    shift = 20 - (math.frexp(max(first, second))[1] - 1)
    one, other = (int(np.rint(math.ldexp(float(each), shift))) for each in (first, second))
    return (a * one + sign * b * other + (1 << (shift - 1)) >> shift) + out.zero_point


def _multiply(a: Array, b: Array, x: Value, y: Value, out: Value) -> Array:
    scale = _F(x.scale) * _F(y.scale) / _F(out.scale)
    return np.rint((a * b).astype(_F) * scale) + out.zero_point


def _squared_difference(a: Array, b: Array, x: Value, y: Value, out: Value) -> Array:
    largest = 2 * max(x.scale, y.scale)
    one, other = (
        _multiplied(each * 128, *quantized_multiplier(scale / largest)) for each, scale in ((a, x.scale), (b, y.scale))
    )
    squares = (one - other) ** 2
    return _multiplied(squares, *quantized_multiplier(largest**2 / (2**14 * out.scale))) + out.zero_point


def _multiplied(values: Array, multiplier: int, shift: int) -> Array:
    different, places = np.unique(values, return_inverse=True)
    found = np.array([multiplied(int(each), multiplier, shift) for each in different])
    return found[places].reshape(values.shape)


_DTYPES = {"int8": np.int8, "float32": np.float32}
_UNSET = {"int8": 77, "float32": np.nan}
_INTEGER: dict[str, Callable[..., Array]] = {
    "add": lambda *each: _sum(*each, sign=1),
    "subtract": lambda *each: _sum(*each, sign=-1),
    "multiply": _multiply,
    "squared_difference": _squared_difference,
    "minimum": lambda a, b, *values: np.minimum(a, b) + values[-1].zero_point,
    "maximum": lambda a, b, *values: np.maximum(a, b) + values[-1].zero_point,
}
_FLOAT: dict[str, Callable[..., Array]] = {
    "add": lambda a, b, *_: a + b,
    "subtract": lambda a, b, *_: a - b,
    "multiply": lambda a, b, *_: a * b,
    "divide": lambda a, b, *_: a / b,
    "minimum": lambda a, b, *_: np.minimum(a, b),
    "maximum": lambda a, b, *_: np.maximum(a, b),
    "squared_difference": lambda a, b, *_: (a - b) * (a - b),
    "greater": lambda a, b, *_: a > b,
    "greater_equal": lambda a, b, *_: a >= b,
    "less": lambda a, b, *_: a < b,
    "less_equal": lambda a, b, *_: a <= b,
}
_erfc = np.vectorize(math.erfc, otypes=[np.float64])
_FUNCTIONS: dict[str, Callable[..., Array]] = {
    "tanh": np.tanh,
    "logistic": lambda x: 1 / (1 + np.exp(-x)),
    "relu": lambda x: np.maximum(x, 0),
    "relu6": lambda x: np.clip(x, 0, 6),
    "exp": np.exp,
    "log": np.log,
    "abs": np.abs,
    "neg": np.negative,
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "sqrt": np.sqrt,
    "square": np.square,
    "gelu": lambda x: (0.5 * x * _erfc(-x / math.sqrt(2))).astype(_F),
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "leaky_relu": lambda x, slope: np.where(x > 0, x, x * np.float32(slope)),
    "hard_swish": lambda x: x * np.clip(x + 3, 0, 6) / 6,
}
_RUN: dict[type, Callable[[_Machine, Any], None]] = {
    Quantize: _Machine.quantize,
    Dequantize: _Machine.dequantize,
    Rescale: _Machine.rescale,
    Linear: _Machine.linear,
    Binary: _Machine.binary,
    Select: _Machine.select,
    Table: _Machine.table,
    Function: _Machine.function,
    Softmax: _Machine.softmax,
    Copy: _Machine.copy,
    Reduce: _Machine.reduce,
    Convolution: _Machine.convolution,
    Pool: _Machine.pool,
    Fill: _Machine.fill,
    Repeat: _Machine.repeat,
}
