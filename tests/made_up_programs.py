"""Small programs, made up: one for each operator of the native engine, and random ones with int8 weights."""

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

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
    ProgramState,
    Quantize,
    Reduce,
    Repeat,
    Rescale,
    Select,
    Softmax,
    Table,
    Value,
)
from edgernn.program.plan import EnginePlan

INF = math.inf
TANH = np.clip(np.rint(np.tanh(np.arange(-128, 128) / 32) * 128), -128, 127).astype(np.int8).tobytes()


def int8(*shape: int, scale: float = 1 / 128, zero_point: int = 0) -> Value:
    """Return an int8 value with memory; `whole` numbers it. The scale is rounded to float32, as those of files are."""
    return Value((1, *shape), INT8, float(np.float32(scale)), zero_point, -1)


def float32(*shape: int) -> Value:
    """Return a float32 value with memory; `whole` numbers it."""
    return Value((1, *shape), FLOAT32, 0.0, 0, -1)


def whole(
    values: Sequence[Value], operators: Sequence[Operator], constants: Mapping[int, bytes] | None = None
) -> Program:
    """Return a program of whole sequences: the first value is its input, the last one its output."""
    return Program(
        values=_numbered(values),
        constants=constants or {},
        rows=(),
        step=(),
        answer=tuple(operators),
        states=(),
        input=0,
        output=len(values) - 1,
        steps=values[0].shape[1],
        answers_every_step=False,
    )


def _numbered(values: Sequence[Value]) -> tuple[Value, ...]:
    return tuple(Value(v.shape, v.type, v.scale, v.zero_point, number) for number, v in enumerate(values))


@dataclass(frozen=True)
class Product:
    """Sizes and numbers of an int8 product with what is fused to it.

    Attributes:
        rows, inputs, outputs: sizes.
        zero_point: of the input.
        out_zero_point: of the product; 0 with an addend.
        low, high: limits of the product.
        has_addend, has_table: what follows it.
        multiplier: the largest multiplier of an output.
        seed: of the numbers.
    """

    rows: int
    inputs: int
    outputs: int
    zero_point: int
    out_zero_point: int
    low: int
    high: int
    has_addend: bool
    has_table: bool
    multiplier: float
    seed: int

    def program(self) -> Program:
        """Return the product as a program of `rows` steps."""
        random = np.random.default_rng(self.seed)
        size, zero = (self.rows, self.outputs), 0 if self.has_addend else self.out_zero_point
        low, high = (-128, 127) if self.has_addend else (self.low, self.high)
        multipliers = random.uniform(0, self.multiplier, self.outputs).astype(np.float32)
        values = [int8(self.rows, self.inputs, zero_point=self.zero_point), int8(*size, zero_point=zero)]
        operators: list[Operator] = [
            Linear(
                *(0, 1, self.inputs, self.outputs),
                weights=random.integers(-127, 128, self.inputs * self.outputs).astype(np.int8).tobytes(),
                bias=random.integers(-(1 << 16), 1 << 16, self.outputs).astype("<i4").tobytes(),
                multipliers=tuple(multipliers.tolist()),
                low=low,
                high=high,
            )
        ]
        constants = {}
        if self.has_addend:
            constants[2] = random.integers(-128, 128, self.rows * self.outputs).astype(np.int8).tobytes()
            values += [int8(*size), int8(*size)]
            operators.append(Binary("add", 1, 2, 3, 1, swapped=False, low=-128, high=127))
        if self.has_table:
            table = random.integers(-128, 128, 256).astype(np.int8).tobytes()
            operators.append(Table(len(values) - 1, len(values), table))
            values.append(int8(*size))
        return whole(values, operators, constants)


def float_product(rows: int, inputs: int, outputs: int, seed: int = 0) -> Program:
    """Return a float32 product, whose results are limited to -2, …, 6."""
    random = np.random.default_rng(seed)
    weights, bias = (random.normal(size=size).astype("<f4") for size in (inputs * outputs, outputs))
    linear = Linear(0, 1, inputs, outputs, weights.tobytes(), bias.tobytes(), (), -2, 6)
    return whole([float32(rows, inputs), float32(rows, outputs)], [linear])


def fuzz_input(plan: EnginePlan) -> bytes:
    """Return a plan as tests/native/*.c read it: the number of its words, the words, the constants."""
    return struct.pack("<I", len(plan.words) // 4) + plan.words + plan.constants


def recurrent(units: int = 5, features: int = 3, steps: int = 4) -> Program:
    """Return a streaming program in int8: tanh(product of the row + product of the state), with float32 around it."""
    random = np.random.default_rng(units)

    def product(x: int, out: int, inputs: int) -> Linear:
        weights = random.integers(-127, 128, units * inputs).astype(np.int8).tobytes()
        return Linear(x, out, inputs, units, weights, b"", (0.002,) * units, -128, 127)

    row, state = (1, features), (1, units)
    values = [float32(*row), int8(*row), int8(*state), int8(*state), int8(*state), int8(*state), int8(*state)]
    return Program(
        values=_numbered([*values, float32(*state)]),
        constants={},
        rows=(Quantize(0, 1), product(1, 2, features)),
        step=(product(3, 4, units), Binary("add", 4, 2, 5, 1, swapped=False, low=-128, high=127), Table(5, 6, TANH)),
        answer=(Dequantize(6, 7),),
        states=(ProgramState(before=3, after=6, zero=0),),
        input=0,
        output=7,
        steps=steps,
        answers_every_step=True,
    )


def last_row() -> Program:
    """Return a streaming program that answers with the row before: its state needs only the row."""
    return Program(
        values=_numbered([float32(1, 2), float32(1, 2), float32(1, 2), float32(1, 2)]),
        constants={},
        rows=(Function(0, 1, "neg"),),
        step=(),
        answer=(Function(2, 3, "neg"),),
        states=(ProgramState(before=2, after=1, zero=0),),
        input=0,
        output=3,
        steps=3,
        answers_every_step=True,
    )


def repeated_in_rows() -> Program:
    """Return a streaming program whose rows are multiplied by constants that repeat, in both directions."""
    numbers = np.array((1, -2, 3), "<f4").tobytes()
    operators = (
        Binary("multiply", 0, 1, 2, 1, swapped=False, low=-INF, high=INF),
        Binary("subtract", 2, 1, 3, 2, swapped=True, low=-INF, high=INF),
    )
    return Program(
        values=_numbered([float32(1, 6), float32(3), *[float32(1, 6)] * 4]),
        constants={1: numbers},
        rows=operators,
        step=(Binary("add", 4, 3, 5, 1, swapped=False, low=-INF, high=INF),),
        answer=(),
        states=(ProgramState(before=4, after=5, zero=0),),
        input=0,
        output=5,
        steps=4,
        answers_every_step=False,
    )


def every_operator() -> dict[str, Program]:
    """Return programs that use each operator of the engine, in each of its types."""
    one = np.arange(1, 4, dtype="<f4").tobytes()
    window = {"steps": 6, "channels": 3, "out_steps": 3, "kernel": 3, "stride": 2, "before": 1}
    weights = np.random.default_rng(1).integers(-127, 128, 4 * 9).astype(np.int8)

    def convolution(kernel: bytes, multipliers: tuple[float, ...], low: float, high: float) -> Convolution:
        return Convolution(
            x=0,
            out=1,
            outputs=4,
            dilation=1,
            depthwise=False,
            weights=kernel,
            bias=b"",
            multipliers=multipliers,
            low=low,
            high=high,
            **window,
        )

    def extreme(kind: str) -> Binary:
        return Binary(kind, 0, 1, 2, 1, swapped=False, low=-128, high=127)

    found = {
        "recurrent": recurrent(),
        "last row": last_row(),
        "repeated in rows": repeated_in_rows(),
        "float product": float_product(2, 7, 5),
        "product": Product(2, 7, 5, 3, -4, -100, 90, False, False, 0.01, 0).program(),
        "product, addend, table": Product(2, 7, 5, 3, 0, -128, 127, True, True, 0.01, 0).program(),
        "softmax": whole([int8(2, 6, scale=0.1), int8(2, 6, scale=1 / 256, zero_point=-128)], [Softmax(0, 1, 6, 1.0)]),
        "float softmax": whole([float32(2, 6), float32(2, 6)], [Softmax(0, 1, 3, 1.0)]),
        "rescale": whole([int8(2, 6, scale=0.1, zero_point=7), int8(2, 6, scale=0.04)], [Rescale(0, 1)]),
        "maximum": whole([int8(6, 3), int8(3)], [Reduce("max", 0, 1, 1, 6, 3)]),
        "convolution": whole(
            [int8(6, 3, zero_point=5), int8(3, 4)], [convolution(weights.tobytes(), (0.01,) * 4, -128, 127)]
        ),
        "float convolution": whole(
            [float32(6, 3), float32(3, 4)], [convolution((weights / 99).astype("<f4").tobytes(), (), -INF, INF)]
        ),
        "mean": whole([int8(6, 3, zero_point=9), int8(3, scale=0.004)], [Reduce("mean", 0, 1, 1, 6, 3)]),
        "pool": whole([int8(6, 3), int8(3, 3)], [Pool("max", 0, 1, **window)]),
        "pool mean": whole([int8(6, 3), int8(3, 3)], [Pool("mean", 0, 1, **window)]),
        "minimum of two": whole([int8(2, 3), int8(3), int8(2, 3)], [extreme("minimum")], {1: bytes((100, 7, 200))}),
        "maximum of two": whole([int8(2, 3), int8(3), int8(2, 3)], [extreme("maximum")], {1: bytes((100, 7, 200))}),
        "squared difference": whole(
            [int8(2, 3, scale=0.03, zero_point=4), int8(3, zero_point=-9), int8(2, 3, scale=0.002, zero_point=-128)],
            [Binary("squared_difference", 0, 1, 2, 1, swapped=False, low=-128, high=127)],
            {1: bytes((100, 7, 200))},
        ),
        "select": whole(
            [float32(2, 3), float32(2, 3), float32(2, 3), float32(2, 3)],
            [
                Function(0, 1, "neg"),
                Binary("less", 0, 1, 2, 1, swapped=False, low=-INF, high=INF),
                Select(2, 0, 1, 3),
            ],
        ),
        "fill of integers": whole([int8(1, 3), int8(3)], [Fill(1, -7)]),
        "copy": whole([int8(6, 3), int8(3, 6)], [Copy(0, 1, (3, 6), (1, -3), (6, 1), 15, 0)]),
        "fill": whole([float32(1, 3), float32(3)], [Fill(1, 2.5)]),
        "sum": whole(
            [int8(2, 3, zero_point=3), int8(3, scale=0.02), int8(2, 3, scale=0.03)],
            [Binary("add", 0, 1, 2, 1, swapped=False, low=-128, high=127)],
            {1: bytes((100, 7, 200))},
        ),
        "product of two": whole(
            [int8(2, 3, zero_point=3), int8(2, 3, zero_point=-9)],
            [Binary("multiply", 0, 0, 1, 1, swapped=False, low=-128, high=120)],
        ),
        "loop": whole(
            [float32(4, 3), float32(3), float32(3), float32(3), float32(4, 3)],
            [
                Fill(2, 0.0),
                Repeat(4, (Binary("add", 1, 2, 3, 1, swapped=False, low=-INF, high=INF),), 0, 1, 4, 3, ((2, 3),)),
            ],
        ),
    }
    for kind in ("mean", "sum", "max"):
        found[f"float {kind}"] = whole([float32(6, 3), float32(3)], [Reduce(kind, 0, 1, 1, 6, 3)])
    for kind in ("mean", "max"):
        found[f"float pool {kind}"] = whole([float32(6, 3), float32(3, 3)], [Pool(kind, 0, 1, **window)])
    kinds = ("add", "subtract", "multiply", "divide", "minimum", "maximum", "squared_difference")
    for kind in (*kinds, "greater", "greater_equal", "less", "less_equal"):
        operator = Binary(kind, 0, 1, 2, 1, swapped=kind == "divide", low=-2, high=3)
        found[f"float {kind}"] = whole([float32(2, 3), float32(3), float32(2, 3)], [operator], {1: one})
    return found
