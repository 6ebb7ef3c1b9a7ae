"""The program of a .tflite file: its computation, without the file's format.

A program has values and operators. A value is an array; several values may share memory (`Value.base`). Operators are
in three sections:

    rows     need only the row, so they may run for all time steps at once
    step     need the row and the states, and compute the next states
    answer   compute the answer, after the last step or after each step

A file without a step has only `answer`, which takes the whole sequence.

Arithmetic of int8 values is that of LiteRT with XNNPACK on x86-64, bit for bit. Sources: XNNPACK's reference kernels
(src/reference, src/qs8-*), and TFLite's kernels where XNNPACK leaves an operator to them. Each operator's docstring has
its formula. q is an integer, s a scale, z a zero point: real value = (q - z) × s. rint rounds to the nearest integer,
ties to even; all products of scales are rounded to float32.
"""

import math
from collections.abc import Mapping

from edgernn.records import record

INT8, FLOAT32 = "int8", "float32"
ELEMENT_BYTES = {INT8: 1, FLOAT32: 4}


@record(frozen=True)
class Value:
    """An array of a program.

    Attributes:
        shape: size of each axis; the first axis is the batch, of size 1.
        type: "int8" or "float32".
        scale, zero_point: of int8 elements; 0 for float32.
        base: number of the value whose memory it uses; its own number if it has memory.
        offset: position of its first element in that memory, in elements.
    """

    shape: tuple[int, ...]
    type: str
    scale: float
    zero_point: int
    base: int
    offset: int = 0

    @property
    def elements(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


@record(frozen=True)
class Quantize:
    """float32 to int8: q = clamp(rint(x × float32(1 / s)) + z)."""

    x: int
    out: int


@record(frozen=True)
class Dequantize:
    """int8 to float32: (q - z) × s."""

    x: int
    out: int


@record(frozen=True)
class Rescale:
    """int8 to int8 with another scale or zero point: q = clamp(((q_x - z_x) × m + 128 >> 8) + z), >> rounding down.

    m = rint(256 × float32(s_x / s)); the quotient is in [2^-8, 2^7).
    """

    x: int
    out: int


@record(frozen=True)
class Linear:
    """Product of each row of x with a matrix: out[row, j] = Σ_i x[row, i] × weights[j, i] + bias[j].

    int8: q = clamp(rint(float32(Σ (x - z_x) × w + bias) × multipliers[j]) + z_out, low, high).

    Attributes:
        x, out: values; x has rows × inputs elements, out rows × outputs.
        inputs, outputs: number of columns of x and out.
        weights: int8 or float32 [outputs, inputs], little-endian.
        bias: int32 or float32 [outputs]; empty if there is none.
        multipliers: float32(s_x × s_w[j] / s_out) for each output; empty for float32.
        low, high: limits of the results: integers for int8; real numbers for float32, infinite without a limit.
    """

    x: int
    out: int
    inputs: int
    outputs: int
    weights: bytes
    bias: bytes
    multipliers: tuple[float, ...]
    low: float
    high: float


@record(frozen=True)
class Binary:
    """Operator of two arrays, element by element.

    float32: the operator, limited to low and high. int8, with a and b in the file's order and their zero points
    subtracted, before the limits:

        add, subtract       ((a × m_a ± b × m_b + 2^(shift - 1)) >> shift) + z, in 32 bits, >> rounding down;
                            m = rint(float32(s / s_out) × 2^shift), shift = 20 - the exponent of the larger quotient,
                            2^exponent <= quotient < 2^(exponent + 1); both quotients are in [2^-10, 2^8)
        multiply            rint(float32(a × b) × float32(float32(s_a × s_b) / s_out)) + z
        minimum, maximum    of the integers; all scales and zero points are the same
        squared_difference  M((M(128 a, s_a / t) - M(128 b, s_b / t))^2, t^2 / (2^14 s_out)) + z, t = 2 max(s_a, s_b),
                            in float64; M(x, real) = multiplied(x, *quantized_multiplier(real)) of `fixed_point`

    Attributes:
        kind: "add", "subtract", "multiply", "divide", "minimum", "maximum" or "squared_difference"; for float32 also
            "greater", "greater_equal", "less", "less_equal", whose results are 1 and 0.
        a, b, out: values; a has as many elements as out, b may have fewer. Element i of out is computed from element i
            of a and element (i // b_run) % (number of elements of b) of b.
        b_run: number of neighbouring elements of out that take the same element of b.
        swapped: True if b is the first operand in the file (for "subtract", "divide" and comparisons).
        low, high: as in `Linear`.
    """

    kind: str
    a: int
    b: int
    out: int
    b_run: int
    swapped: bool
    low: float
    high: float


@record(frozen=True)
class Select:
    """Choice between two arrays, element by element: a where the condition is not 0, otherwise b.

    Attributes:
        condition: float32. The condition, a, b and out have equal numbers of elements.
        a, b, out: int8 or float32, all of the same type and scale.
    """

    condition: int
    a: int
    b: int
    out: int


@record(frozen=True)
class Table:
    """int8 to int8 through a table: out = table[q_x + 128], for activations and other functions of one number.

    Attributes:
        table: int8 [256].
    """

    x: int
    out: int
    table: bytes


@record(frozen=True)
class Function:
    """Function of one float32 number.

    Attributes:
        name: "tanh", "logistic", "relu", "exp", … in TFLite's names, in small letters.
        parameters: parameters of the function, as the slope of "leaky_relu".
    """

    x: int
    out: int
    name: str
    parameters: tuple[float, ...] = ()


@record(frozen=True)
class Softmax:
    """Softmax over rows of `columns` elements.

    int8: q = clamp(round(p / (Σ p × s_out)) + z) with p = expf(-s_x × beta × (max - q_x)), the maximum over the row.
    """

    x: int
    out: int
    columns: int
    beta: float


@record(frozen=True)
class Reduce:
    """Mean, sum or maximum over the middle of the axes [outer, count, inner].

    int8 mean: q = clamp(rint(float32(float32(Σ q_x × m) + c))), each operation in float32, no fused multiplication,
    m = float32(s_x / s) × float32(1 / count), c = z - float32(count × z_x × m). int8 maximum: of the integers. There is
    no int8 sum.

    Attributes:
        kind: "mean", "sum" or "max".
    """

    kind: str
    x: int
    out: int
    outer: int
    count: int
    inner: int


@record(frozen=True)
class Convolution:
    """Convolution along the time steps: x [steps, channels] to out [out_steps, outputs].

    out[t, j] = Σ_k Σ_c x[t × stride + k × dilation - before, c] × weights[j, k, c] + bias[j]; zero outside of x. For
    int8 the arithmetic is that of `Linear`.

    Attributes:
        depthwise: True if output j takes only channel j // (outputs / channels); weights are then [kernel, outputs].
        weights: int8 or float32 [outputs, kernel, channels].
    """

    x: int
    out: int
    steps: int
    channels: int
    out_steps: int
    outputs: int
    kernel: int
    stride: int
    dilation: int
    before: int
    depthwise: bool
    weights: bytes
    bias: bytes
    multipliers: tuple[float, ...]
    low: float
    high: float


@record(frozen=True)
class Pool:
    """Maximum or mean of windows along the time steps: x [steps, channels] to out [out_steps, channels].

    Steps outside of x do not count. x and out have the same scale and zero point. int8 mean: the sum of the integers
    divided by their number, rounded to the nearest integer, ties away from zero.

    Attributes:
        kind: "max" or "mean".
    """

    kind: str
    x: int
    out: int
    steps: int
    channels: int
    out_steps: int
    kernel: int
    stride: int
    before: int


@record(frozen=True)
class Copy:
    """Copy of an array with other strides, for transpositions, reversals, slices and joins.

    Attributes:
        sizes: number of elements along each axis, at most 5 axes.
        x_strides, out_strides: distance between neighbours along each axis, in elements; may be negative.
        x_offset, out_offset: position of the first element.
    """

    x: int
    out: int
    sizes: tuple[int, ...]
    x_strides: tuple[int, ...]
    out_strides: tuple[int, ...]
    x_offset: int
    out_offset: int


@record(frozen=True)
class Fill:
    """Assignment of one number to all elements; for int8, the number is an integer of the value."""

    out: int
    number: float


@record(frozen=True)
class Repeat:
    """Loop over blocks of time steps.

    Before round r, block r of the value `blocks` is copied into the value `block`. After it, the value `answer` is
    copied into block r of `answers`, and the new value of each state into its old one.

    Attributes:
        rounds: number of rounds.
        body: the operators of a round.
        blocks, block: values; blocks has rounds × the elements of block.
        answers, answer: values of the same kind for the results; -1 and -1 without them.
        carried: (value at the start of a round, value at its end) for each state.
    """

    rounds: int
    body: "tuple[Operator, ...]"
    blocks: int
    block: int
    answers: int
    answer: int
    carried: tuple[tuple[int, int], ...]


Operator = (
    Quantize
    | Dequantize
    | Rescale
    | Linear
    | Binary
    | Select
    | Table
    | Function
    | Softmax
    | Reduce
    | Convolution
    | Pool
    | Copy
    | Fill
    | Repeat
)


@record(frozen=True)
class ProgramState:
    """A state from one time step to the next.

    Attributes:
        before, after: values.
        zero: its elements before the first step: the zero point for int8, otherwise 0.
    """

    before: int
    after: int
    zero: int


@record(frozen=True)
class Program:
    """Computation of a .tflite file for one sample.

    Attributes:
        values: all values; the number of a value is its index here.
        constants: content of the values that are constant, little-endian.
        rows, step, answer: the sections.
        states: the states of a step; empty for a program of whole sequences.
        input, output: values. With a step, they are those of one row: input [1, 1, features], output [1, outputs], or
            [1, 1, outputs] for a model that answers each step.
        steps: number of time steps of a sequence.
        answers_every_step: True if a sequence has an answer for each step.
    """

    values: tuple[Value, ...]
    constants: Mapping[int, bytes]
    rows: tuple[Operator, ...]
    step: tuple[Operator, ...]
    answer: tuple[Operator, ...]
    states: tuple[ProgramState, ...]
    input: int
    output: int
    steps: int
    answers_every_step: bool

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Shape of a sample, a whole sequence."""
        shape = self.values[self.input].shape
        return (self.steps, *shape[2:]) if self.states else shape[1:]

    @property
    def answer_shape(self) -> tuple[int, ...]:
        """Shape of the answer to a sample."""
        shape = self.values[self.output].shape
        return (self.steps, *shape[2:]) if self.states and self.answers_every_step else shape[1:]
