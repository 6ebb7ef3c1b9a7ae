"""Programs read from .tflite files give the bits of LiteRT, or are refused by name.

Here are single operators; tests/models compares whole models.
"""

import math
import random
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from program import comparing, invariants, oracle
from program.one_operator import Port, litert_answers, make_file

import edgernn
from edgernn.errors import ArtifactError, UnsupportedError
from edgernn.program.builder import ProgramMemory
from edgernn.program.folding import fold
from edgernn.program.operators import (
    FLOAT32,
    INT8,
    Binary,
    Dequantize,
    Operator,
    Quantize,
    Select,
    Table,
    Value,
)
from edgernn.program.reader import read_program
from edgernn.specs import order_states

ALL = np.arange(-128, 128, dtype=np.int8)
PAIRS = np.stack([np.repeat(ALL, 256), np.tile(ALL, 256)])
RANDOM = np.random.default_rng(0)
X_SHAPE = (1, 4, 6)
X = RANDOM.integers(-128, 128, (20, *X_SHAPE[1:]), dtype=np.int8)


def integers(*shape: int, low: int = -127) -> Any:
    return RANDOM.integers(low, 128, shape, dtype=np.int8)


def check_bits(data: bytes, x: Any) -> None:
    """Compare the answers of an operator with LiteRT's."""
    program = read_program(data)
    assert not list(invariants.faults(program))
    found, expected = oracle.answer(program, x), litert_answers(data, x)
    assert np.array_equal(found.reshape(expected.shape), expected)


def test_the_digits_program_gives_the_bits_of_litert_whole_and_streamed() -> None:
    x = np.random.default_rng(0).normal(size=(200, 28, 28)).astype(np.float32)
    assert not list(comparing.faults(edgernn.sample().read_bytes(), x))


def test_the_digits_program_is_a_step_of_a_few_operators() -> None:
    program = read_program(edgernn.sample().read_bytes())
    names = [[type(each).__name__ for each in section] for section in (program.rows, program.step, program.answer)]
    assert names == [["Quantize", "Linear"], ["Linear", "Binary", "Table"], ["Linear", "Softmax", "Dequantize"]]
    assert (program.steps, program.answers_every_step, len(program.states)) == (28, False, 1)
    assert program.values[program.input].type == program.values[program.output].type == FLOAT32


def test_states_are_in_the_order_of_their_numbers() -> None:
    assert order_states(["state_10", "input", "state_2"]) == ["state_2", "state_10"]


def test_a_program_is_read_without_numpy() -> None:
    code = (
        "import sys; sys.modules['numpy'] = None\n"
        "from edgernn.program.reader import read_program\n"
        "print(read_program(open(sys.argv[1], 'rb').read()).steps)"
    )
    words = [sys.executable, "-c", code, str(edgernn.sample())]
    assert subprocess.run(words, capture_output=True, text=True, check=True).stdout == "28\n"


@pytest.mark.parametrize("activation", [0, 1, 2, 3])
@pytest.mark.parametrize(
    ("name", "a", "b", "out"),
    [
        ("ADD", (0.0234, 0), (0.0234, 0), (0.0234, 0)),
        ("ADD", (0.0234, 5), (0.0011, -128), (0.0517, -9)),
        ("ADD", (0.3, 5), (0.00034, -128), (0.00213, 3)),
        ("SUB", (0.0078125, 0), (0.0127, -3), (0.01303, 120)),
        ("MUL", (0.00390625, -128), (0.01303, 0), (0.008204, 0)),
        ("MUL", (0.0071, 3), (0.39, -7), (6 / 100.5, -100)),
    ],
)
def test_sums_and_products_of_all_pairs_of_integers(
    name: str, a: tuple[float, int], b: tuple[float, int], out: tuple[float, int], activation: int
) -> None:
    second = Port((1, 1, 65_536), (b[0],), b[1], data=PAIRS[1])
    first = Port((1, 1, 65_536), (a[0],), a[1])
    options = {"fusedActivationFunction": activation}
    check_bits(
        make_file(name, [first, second], Port((1, 1, 65_536), (out[0],), out[1]), options), PAIRS[:1, np.newaxis]
    )


@pytest.mark.parametrize("shape", [(6,), (1, 4, 1), (), (1, 1, 6), (1, 1, 1)])
@pytest.mark.parametrize("swapped", [False, True])
def test_a_smaller_operand_is_repeated(shape: tuple[int, ...], swapped: bool) -> None:
    ports = [Port(X_SHAPE, (0.02,), 3), Port(shape, (0.01,), -4, data=integers(*shape))]
    check_bits(make_file("SUB", ports[:: -1 if swapped else 1], Port(X_SHAPE, (0.03,), 1)), X)


@pytest.mark.parametrize(
    ("name", "x", "out"),
    [
        *(("TANH", (scale, zero), (1 / 128, 0)) for scale, zero in ((0.0234, 0), (0.0007, 90), (0.31, -128))),
        *(("LOGISTIC", (scale, zero), (1 / 256, -128)) for scale, zero in ((0.0414, 0), (0.0019, 90), (0.2, -128))),
        *((name, (0.0613, -7), (0.0613, -7)) for name in ("RELU", "RELU6")),
        ("RELU6", (6 / 100.5, -93), (6 / 100.5, -93)),
        *((name, (0.0214, 11), (0.0173, -100)) for name in ("EXP", "ELU", "GELU")),
        *(("RSQRT", (scale, -128), (0.108, -128)) for scale in (0.001232, 0.3, 3.922e-06)),
        *(("QUANTIZE", (0.0234, 5), out) for out in ((0.0173, -9), (0.9, 3), (0.00043, -100))),
    ],
)
def test_functions_of_all_integers(name: str, x: tuple[float, int], out: tuple[float, int]) -> None:
    check_function(name, x, out)


def check_function(name: str, x: tuple[float, int], out: tuple[float, int], **options: float) -> None:
    ports = [Port((1, 1, 256), (each[0],), each[1]) for each in (x, out)]
    check_bits(make_file(name, ports[:1], ports[1], options), ALL[np.newaxis, np.newaxis])


@pytest.mark.parametrize("name", ["SQRT", "LOG", "ABS", "HARD_SWISH", "LEAKY_RELU"])
def test_functions_with_integer_kernels_for_many_scales(name: str) -> None:
    for _ in range(40):
        scale = float(np.float32(np.exp(RANDOM.uniform(-8, 1))))
        out_scale, zeros = float(scale * np.exp(RANDOM.uniform(-1.5, 1.5))), RANDOM.integers(-128, 128, 2).tolist()
        if name == "SQRT":  # of integers that have roots, too
            zeros, out_scale = (-128, zeros[1]), float(np.sqrt(scale))
        options = {"alpha": float(RANDOM.choice([0.1, 0.25, 0.3]))} if name == "LEAKY_RELU" else {}
        check_function(name, (scale, zeros[0]), (out_scale, zeros[1]), **options)


@pytest.mark.parametrize(
    ("name", "out", "message"),
    [
        ("LEAKY_RELU", (0.02, 0), "LEAKY_RELU of int8 with a quotient of scales of 1 and slope 0.001"),
        ("HARD_SWISH", (0.0001, 0), "HARD_SWISH of int8 with scales 0.02 and 0.0001"),
        ("NEG", (0.02, 0), "NEG of int8"),
    ],
)
def test_functions_with_other_kernels_are_refused(name: str, out: tuple[float, int], message: str) -> None:
    with pytest.raises(UnsupportedError, match=message):
        check_function(name, (0.02, 3), out, alpha=0.001)


@pytest.mark.parametrize("swapped", [False, True])
def test_a_sum_with_a_small_constant_has_the_bits_of_tflite(swapped: bool) -> None:
    for _ in range(40):
        scale = float(np.exp(RANDOM.uniform(-8, 1)))
        small = scale * float(np.exp(RANDOM.uniform(-14, -7.5)))
        x, out = (Port((1, 1, 7), (scale * factor,), integers().item()) for factor in (1.0, RANDOM.uniform(0.9, 1.2)))
        addend = Port((), (small,), integers().item(), data=integers(low=-128))
        check_bits(make_file("ADD", [x, addend][:: -1 if swapped else 1], out), integers(30, 1, 7, low=-128))
    more = (replace(each, shape=(1, 1, 8)) for each in (x, out))
    with pytest.raises(UnsupportedError, match="ADD with a quotient of scales of"):
        read_program(make_file("ADD", [next(more), addend], next(more)))


def test_such_a_sum_that_is_nearly_between_two_integers_rounds_as_tflite_does() -> None:
    draws = 1_000
    scales = np.exp(RANDOM.uniform(-8, 1, draws))
    small, other = scales * np.exp(RANDOM.uniform(-14, -7.5, draws)), RANDOM.integers(-127, 128, draws)
    x = RANDOM.choice([-1, 1], draws) * RANDOM.integers(30, 128, draws)
    out = (x * scales + other * small) / (np.rint(x / 1.1) - 0.5)
    scales, small, out = (each.astype(np.float32).astype(np.float64) for each in (scales, small, out))
    exact = (x * scales + other * small) / out
    near = np.nonzero(np.abs(exact - np.floor(exact) - 0.5) < 2e-6)[0]
    assert len(near) > 50
    for place in near:
        ports = Port((1, 1, 1), (scales[place],)), Port((), (small[place],), data=np.int8(other[place]))
        check_bits(make_file("ADD", ports, Port((1, 1, 1), (out[place],))), np.full((1, 1, 1), x[place], np.int8))


@pytest.mark.parametrize("name", ["MINIMUM", "MAXIMUM", "SQUARED_DIFFERENCE"])
def test_binary_operators_of_all_pairs_of_integers(name: str) -> None:
    b = Port((1, 1, 65_536), (0.0117,), 5, data=PAIRS[1])
    same = name != "SQUARED_DIFFERENCE"
    a, out = (Port((1, 1, 65_536), (0.0117 if same else scale,), 5 if same else -7) for scale in (0.0231, 0.0027))
    check_bits(make_file(name, [a, b], out), PAIRS[:1, np.newaxis])


@pytest.mark.parametrize("activation", [0, 1, 3])
@pytest.mark.parametrize("channels", [1, 7])
def test_matrix_products(activation: int, channels: int) -> None:
    scales = tuple(np.exp(RANDOM.uniform(-7, -4, 7))) if channels == 7 else (0.004,)
    bias = RANDOM.integers(-9_000, 9_000, 7, dtype=np.int32)
    inputs = [
        Port(X_SHAPE, (0.02,), 3),
        Port((7, 6), scales, data=integers(7, 6)),
        Port((7,), tuple(0.02 * scale for scale in scales), data=bias),
    ]
    options = {"fusedActivationFunction": activation, "keepNumDims": True}
    check_bits(make_file("FULLY_CONNECTED", inputs, Port((1, 4, 7), (0.05,), -100), options), X)


# The last two have a single window: of all steps with dilation, and of the first ones.
WINDOWS = [(0, 1, 1), (1, 1, 1), (0, 2, 1), (1, 2, 1), (0, 1, 2), (1, 1, 4), (1, 9, 1)]


@pytest.mark.parametrize(("padding", "stride", "dilation"), WINDOWS)
@pytest.mark.parametrize("name", ["CONV_2D", "DEPTHWISE_CONV_2D", "MAX_POOL_2D", "AVERAGE_POOL_2D"])
def test_windows_of_time_steps(name: str, padding: int, stride: int, dilation: int) -> None:
    steps, kernel, pools = 9, 3, "POOL" in name
    size = (kernel - 1) * (1 if pools else dilation) + 1
    out_steps = -(-steps // stride) if padding == 0 else (steps - size) // stride + 1
    options: dict[str, Any] = {
        "padding": padding,
        "strideW": stride,
        "strideH": 1 if name != "DEPTHWISE_CONV_2D" else stride,
    }
    x, inputs, outputs = Port((1, 1, steps, 2), (0.02,), 3), [], 2
    if pools:
        options |= {"filterWidth": kernel, "filterHeight": 1}
    else:
        outputs = 4
        options |= {"dilationWFactor": dilation, "dilationHFactor": 1}
        depthwise = name == "DEPTHWISE_CONV_2D"
        options |= {"depthMultiplier": 2} if depthwise else {}
        shape = (1, 1, kernel, outputs) if depthwise else (outputs, 1, kernel, 2)
        scales = (0.01, 0.02, 0.003, 0.004)
        inputs = [Port(shape, scales, data=integers(*shape), axis=3 if depthwise else 0)]
        bias = RANDOM.integers(-900, 900, outputs, dtype=np.int32)
        inputs.append(Port((outputs,), tuple(0.02 * scale for scale in scales), data=bias))
    out = Port((1, 1, out_steps, outputs), (0.02,) if pools else (0.05,), 3)
    data = make_file(name, [x, *inputs], out, options, reshaped=(1, steps, 2))
    check_bits(data, integers(30, steps, 2, low=-128))


@pytest.mark.parametrize(("axis", "out"), [(1, (1, 6)), (2, (1, 4))])
@pytest.mark.parametrize(("scale", "zero_point"), [(0.01, -5), (0.02, -5), (0.0137, 60), (0.3, 0)])
def test_means(axis: int, out: tuple[int, ...], scale: float, zero_point: int) -> None:
    inputs = [Port(X_SHAPE, (0.02,), 3), Port((1,), data=np.array([axis], np.int32))]
    check_bits(make_file("MEAN", inputs, Port(out, (scale,), zero_point)), X)


def test_softmax() -> None:
    check_bits(make_file("SOFTMAX", [Port(X_SHAPE, (0.0893,), -8)], Port(X_SHAPE, (1 / 256,), -128), {"beta": 1.0}), X)


def test_elements_are_moved() -> None:
    axes = Port((1,), data=np.array([1], np.int32))
    x = Port(X_SHAPE, (0.02,), 3)
    check_bits(make_file("REVERSE_V2", [x, axes], Port(X_SHAPE, (0.02,), 3)), X)
    order = Port((3,), data=np.array([0, 2, 1], np.int32))
    check_bits(make_file("TRANSPOSE", [x, order], Port((1, 6, 4), (0.02,), 3)), X)
    sizes = Port((3, 2), data=np.array([[0, 0], [2, 1], [0, 1]], np.int32))
    check_bits(make_file("PAD", [x, sizes], Port((1, 7, 7), (0.02,), 3)), X)
    other = Port((1, 4, 2), (0.02,), 3, data=integers(1, 4, 2))
    check_bits(make_file("CONCATENATION", [x, other], Port((1, 4, 8), (0.02,), 3), {"axis": -1}), X)


INT16 = Port(X_SHAPE, (0.02,), type="int16")
FLOAT = Port(X_SHAPE)
QUANTIZED = Port(X_SHAPE, (0.02,))
ANSWERS = Port((1, 4, 7), (0.02,))
WEIGHTS = Port((7, 6), (0.01,), data=integers(7, 6))
LOWEST = replace(WEIGHTS, data=np.full((7, 6), -128, np.int8))
ADDEND = Port((6,), (0.01,), data=integers(6))
REFUSED: Mapping[str, tuple[str, Sequence[Port | None], Port, str]] = {
    "int16x8": ("TANH", [INT16], INT16, "values of type int16"),
    "dynamic": ("FULLY_CONNECTED", [FLOAT, WEIGHTS, None], Port((1, 4, 7)), "of float32 with constant int8 weights"),
    "an operator": ("COS", [FLOAT], FLOAT, "operator COS"),
    "weights of -128": ("FULLY_CONNECTED", [QUANTIZED, LOWEST, None], ANSWERS, "weights of -128"),
    "scales": (
        "ADD",
        [Port(X_SHAPE, (2.0,)), ADDEND],
        Port(X_SHAPE, (0.001,)),
        "ADD with a quotient of scales of 2000",
    ),
    "outputs of nearly 0": (
        "FULLY_CONNECTED",
        [QUANTIZED, WEIGHTS, None],
        Port((1, 4, 7), (1e-9,)),
        "a quotient of scales, .* of 200000, expected one in .*; nearly all outputs are 0",
    ),
    "a bias without a scale": (
        "FULLY_CONNECTED",
        [QUANTIZED, WEIGHTS, Port((7,), data=np.zeros(7, np.int32))],
        ANSWERS,
        "a bias of 0 scales",
    ),
    "inputs": ("ADD", [QUANTIZED, QUANTIZED], QUANTIZED, "2 inputs and 1 outputs"),
    "axes": ("TANH", [Port((1, 6), (0.02,))], Port((1, 6), (1 / 128,)), "an input of shape"),
}


@pytest.mark.parametrize("reason", list(REFUSED))
def test_what_a_program_lacks_is_refused_by_name(reason: str) -> None:
    name, inputs, out, message = REFUSED[reason]
    with pytest.raises(UnsupportedError, match=message):
        read_program(make_file(name, inputs, out))


@pytest.mark.parametrize(
    ("name", "inputs", "out"),
    [
        ("TANH", [QUANTIZED], Port((1, 4, 7), (1 / 128,))),
        ("ADD", [QUANTIZED, ADDEND], Port((1, 4, 5), (0.02,))),
        ("FULLY_CONNECTED", [QUANTIZED, WEIGHTS, None], QUANTIZED),
        ("FULLY_CONNECTED", [QUANTIZED, replace(WEIGHTS, data=integers(6, 6)), None], ANSWERS),
        ("TANH", [Port(X_SHAPE, (float("nan"),))], Port(X_SHAPE, (1 / 128,))),
        ("TANH", [Port(X_SHAPE, (0.02,), 300)], Port(X_SHAPE, (1 / 128,))),
        ("MEAN", [QUANTIZED, Port((1,), data=np.array([3], np.int32))], Port((1, 6), (0.02,))),
        ("TANH", [Port((1, 0, 6), (0.02,))], Port((1, 0, 6), (1 / 128,))),
    ],
)
def test_shapes_and_scales_that_do_not_fit_are_damage(name: str, inputs: Sequence[Port | None], out: Port) -> None:
    with pytest.raises(ArtifactError, match=r"damaged|a tensor of shape"):
        read_program(make_file(name, inputs, out))


def test_damaged_files_are_refused_or_read_as_programs_that_stay_within_their_memory() -> None:
    good = edgernn.sample().read_bytes()
    source = random.Random(0)  # noqa: S311 - not a secret
    read = 0
    for _ in range(800):
        data = bytearray(good)
        for _ in range(source.choice((1, 1, 4))):
            place = source.randrange(len(data) // 4) * 4
            number = source.choice(
                (0, 1, 2, 4, 255, 1 << 16, (1 << 31) - 1, (1 << 32) - 1, source.randrange(len(data)))
            )
            data[place : place + 4] = number.to_bytes(4, "little")
        try:
            program = read_program(bytes(data[: source.choice((len(data), len(data), place))]))
        except (ArtifactError, UnsupportedError):
            continue
        read += 1
        assert not list(invariants.faults(program))
    assert 0 < read < 800


def test_a_function_by_way_of_float32_becomes_one_table() -> None:
    memory = ProgramMemory()
    memory.values += [Value((1, 6), INT8, 0.02, 3, 0), Value((1, 6), INT8, 0.01, 5, 1)]
    memory.values += [Value((1, 6), FLOAT32, 0.0, 0, number) for number in range(2, 6)]
    memory.values.append(Value((), FLOAT32, 0.0, 0, 6))
    memory.constants[6] = np.float32(0.5).tobytes()
    no_limits = (-math.inf, math.inf)
    operators = [
        Dequantize(0, 2),
        Binary("greater", 2, 6, 3, 6, False, *no_limits),
        Binary("multiply", 2, 6, 4, 6, False, *no_limits),
        Select(3, 2, 4, 5),
        Quantize(5, 1),
    ]

    (table,) = fold(operators, memory, [1])

    assert isinstance(table, Table)
    assert (table.x, table.out) == (0, 1)
    reals = (ALL.astype(np.float32) - 3) * np.float32(0.02)
    expected = np.rint(np.where(reals > 0.5, reals, reals * np.float32(0.5)) * np.float32(100)) + 5
    assert np.array_equal(np.frombuffer(table.table, np.int8), np.clip(expected, -128, 127))
    # The operators stay if another one needs a result between them, or if there are two sources.
    assert fold(operators, memory, [1, 5])[:4] == operators[:4]
    two = [Dequantize(0, 2), Dequantize(1, 3), Binary("add", 2, 3, 4, 1, False, *no_limits)]
    assert fold([*two, Quantize(4, 0)], memory, [0])[:3] == two


def test_a_long_chain_of_operators_is_read() -> None:
    memory = ProgramMemory()
    memory.values += [Value((1, 6), FLOAT32, 0.0, 0, number) for number in range(5_000)]
    memory.values.append(Value((1, 6), INT8, 0.1, 0, 5_000))
    chain: list[Operator] = [
        Binary("add", number, number, number + 1, 1, False, -math.inf, math.inf) for number in range(4_999)
    ]
    chain.append(Quantize(4_999, 5_000))
    assert fold(chain, memory, [5_000]) == chain
