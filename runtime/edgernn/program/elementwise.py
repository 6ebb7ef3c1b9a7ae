"""Operators on each element: sums, products, quantization, activations."""

import math
import struct
from array import array

from edgernn.errors import UnsupportedError
from edgernn.program.builder import Builder, limits, strides
from edgernn.program.file_graph import GraphOperator
from edgernn.program.fixed_point import square_multipliers, wide_sum
from edgernn.program.integer_arithmetic import INT8_INTEGERS, float32, int8_bytes, product_multiplier
from edgernn.program.operators import (
    FLOAT32,
    INT8,
    Binary,
    Dequantize,
    Function,
    Quantize,
    Reduce,
    Rescale,
    Select,
    Softmax,
    Table,
    Value,
)
from edgernn.program.shapes import check_same
from edgernn.program.tables import table_of

KINDS = {
    "ADD": "add",
    "SUB": "subtract",
    "MUL": "multiply",
    "DIV": "divide",
    "MINIMUM": "minimum",
    "MAXIMUM": "maximum",
    "SQUARED_DIFFERENCE": "squared_difference",
    "GREATER": "greater",
    "GREATER_EQUAL": "greater_equal",
    "LESS": "less",
    "LESS_EQUAL": "less_equal",
}
_WITH_ACTIVATION = ("add", "subtract", "multiply", "divide")
# Ranges of quotients of scales, [minimum, maximum). Outside of them, LiteRT uses other kernels.
_SUM_SCALES, _PRODUCT_SCALES, _RESCALES = (2.0**-10, 2.0**8), (2.0**-16, 2.0**8), (2.0**-8, 2.0**7)
# Maximum elements of the sums in `_table_of_sum`: LiteRT computes groups of 8 with instructions that round differently.
_MAX_SCALAR = 7
# Operators of one operand, and their names in `Function`.
FUNCTIONS = {
    "TANH": "tanh",
    "LOGISTIC": "logistic",
    "RELU": "relu",
    "RELU6": "relu6",
    "EXP": "exp",
    "LOG": "log",
    "ABS": "abs",
    "NEG": "neg",
    "RSQRT": "rsqrt",
    "SQRT": "sqrt",
    "ELU": "elu",
    "GELU": "gelu",
    "LEAKY_RELU": "leaky_relu",
    "HARD_SWISH": "hard_swish",
    "SQUARE": "square",
}


def binary(builder: Builder, operator: GraphOperator) -> None:
    """Append an operator of two operands."""
    kind = KINDS[operator.name]
    values = builder.memory.values
    a, b = builder.input(operator, 0), builder.input(operator, 1)
    shape = _common_shape(operator, values[a], values[b])
    out = builder.output(operator, shape)
    types = {values[a].type, values[b].type, values[out].type}
    if len(types) > 1:
        raise UnsupportedError(f"{operator.name} of {values[a].type} and {values[b].type} to {values[out].type}")
    swapped = values[a].elements < math.prod(shape)
    if swapped:
        a, b = b, a
    if values[out].type == INT8:
        table = _table_of_sum(builder, operator, a, b, out)
        if table:
            builder.emit(Table(a, out, table))
            return
        _check_scales(operator, values[a], values[b], values[out])
    a = _repeated(builder, a, shape)
    run = _run(values[b].shape, shape)
    if run is None:
        b, run = _repeated(builder, b, shape), 1
    low, high = limits(operator, values[out], operator.options.byte(0) if kind in _WITH_ACTIVATION else 0)
    builder.emit(Binary(kind, a, b, out, run, swapped, low, high))


def not_equal(builder: Builder, operator: GraphOperator) -> None:
    """Append a NOT_EQUAL of float32: the larger of less and greater, whose results are 1 and 0."""
    values = builder.memory.values
    a, b = builder.input(operator, 0), builder.input(operator, 1)
    shape = _common_shape(operator, values[a], values[b])
    out = builder.output(operator, shape)
    if {values[a].type, values[b].type} != {FLOAT32}:
        raise UnsupportedError(f"NOT_EQUAL of {values[a].type} and {values[b].type}, expected float32")
    a, b = (_repeated(builder, each, shape) for each in (a, b))
    less, greater = (builder.memory.add(shape, values[out]) for _ in range(2))
    for kind, first, second, result in (
        ("less", a, b, less),
        ("greater", a, b, greater),
        ("maximum", less, greater, out),
    ):
        builder.emit(Binary(kind, first, second, result, 1, False, -math.inf, math.inf))


def _table_of_sum(builder: Builder, operator: GraphOperator, a: int, b: int, out: int) -> bytes:
    """Return the table of a sum with a constant whose scale is too small for XNNPACK; empty for other operators.

    Such a constant is, for instance, the epsilon that is added to a variance. All its elements are the same number.
    """
    values, content = builder.memory.values, builder.memory.constants.get(b, b"")
    one, other, result = values[a], values[b], values[out]
    quotients = [float32(each.scale / result.scale) for each in (one, other)]
    fits = all(_SUM_SCALES[0] <= each < _SUM_SCALES[1] for each in quotients)
    if operator.name != "ADD" or fits or len(set(content)) != 1 or operator.options.byte(0):
        return b""
    if one.elements != result.elements or one.elements > _MAX_SCALAR or max(quotients) >= _SUM_SCALES[1]:
        return b""
    (constant,) = set(array("b", content))
    sums = (
        wide_sum(q - one.zero_point, constant - other.zero_point, one.scale, other.scale, result.scale)
        for q in INT8_INTEGERS
    )
    return int8_bytes(each + result.zero_point for each in sums)


def _check_scales(operator: GraphOperator, a: Value, b: Value, out: Value) -> None:
    """Check that LiteRT computes an int8 operator of these scales by the formula in `Binary`."""
    kind = KINDS[operator.name]
    if kind in ("minimum", "maximum"):
        check_same(operator, a, out)
        check_same(operator, b, out)
    elif kind == "divide":
        raise UnsupportedError("DIV of int8")
    elif kind in ("add", "subtract"):
        for each in (a, b):
            _check_quotient(operator, float32(each.scale / out.scale), _SUM_SCALES)
    elif kind == "squared_difference":
        if square_multipliers(a.scale, b.scale, out.scale)[2][1] > 0:
            raise UnsupportedError(f"SQUARED_DIFFERENCE of scales {a.scale:g} and {b.scale:g} to {out.scale:g}")
    elif kind == "multiply":
        _check_quotient(operator, product_multiplier(a, b, out), _PRODUCT_SCALES)


def _check_quotient(operator: GraphOperator, quotient: float, allowed: tuple[float, float]) -> None:
    if not allowed[0] <= quotient < allowed[1]:
        raise UnsupportedError(
            f"{operator.name} with a quotient of scales of {quotient:g}, expected {allowed[0]:g} to {allowed[1]:g}"
        )


def _common_shape(operator: GraphOperator, a: Value, b: Value) -> tuple[int, ...]:
    axes = max(len(a.shape), len(b.shape))
    left, right = ((1,) * (axes - len(each.shape)) + each.shape for each in (a, b))
    if any(one != other and 1 not in (one, other) for one, other in zip(left, right, strict=True)):
        raise UnsupportedError(f"{operator.name} of shapes {a.shape} and {b.shape}")
    return tuple(max(pair) for pair in zip(left, right, strict=True))


def _padded(shape: tuple[int, ...], axes: int) -> tuple[int, ...]:
    return (1,) * (axes - len(shape)) + shape


def _repeated(builder: Builder, value: int, shape: tuple[int, ...]) -> int:
    """Return a value broadcast to a shape: the value if it has as many elements, otherwise a copy."""
    own = builder.memory.values[value].shape
    if math.prod(own) == math.prod(shape):
        return value
    own = _padded(own, len(shape))
    steps = tuple(0 if size == 1 else step for size, step in zip(own, strides(own), strict=True))
    return builder.copied(value, shape, steps)


def _run(own: tuple[int, ...], shape: tuple[int, ...]) -> int | None:
    """Return `b_run` of a `Binary` whose second operand has the shape `own`; None if it must be copied first."""
    own = _padded(own, len(shape))
    # All axes between the first and the last one that is longer than 1 must have the length of the result's axis.
    used = [axis for axis, size in enumerate(own) if size > 1]
    if not used:
        return math.prod(shape) if math.prod(shape) else 1
    if own[used[0] : used[-1] + 1] != shape[used[0] : used[-1] + 1]:
        return None
    return math.prod(shape[used[-1] + 1 :])


def quantize(builder: Builder, operator: GraphOperator) -> None:
    """Append a QUANTIZE, of float32 or of int8 with another scale."""
    x = builder.input(operator, 0)
    values = builder.memory.values
    out = builder.output(operator, values[x].shape)
    if values[out].type != INT8:
        raise UnsupportedError(f"QUANTIZE to {values[out].type}")
    if values[x].type == FLOAT32:
        builder.emit(Quantize(x, out))
        return
    _check_quotient(operator, float32(values[x].scale / values[out].scale), _RESCALES)
    builder.emit(Rescale(x, out))


def dequantize(builder: Builder, operator: GraphOperator) -> None:
    """Append a DEQUANTIZE."""
    x = builder.input(operator, 0)
    values = builder.memory.values
    out = builder.output(operator, values[x].shape)
    if (values[x].type, values[out].type) != (INT8, FLOAT32):
        raise UnsupportedError(f"DEQUANTIZE of {values[x].type} to {values[out].type}")
    builder.emit(Dequantize(x, out))


def function(builder: Builder, operator: GraphOperator) -> None:
    """Append an operator of one operand; for int8, as a table."""
    x = builder.input(operator, 0)
    values = builder.memory.values
    out = builder.output(operator, values[x].shape)
    types = values[x].type, values[out].type
    name = FUNCTIONS[operator.name]
    if name == "gelu" and operator.options.byte(0):
        name = "gelu_tanh"
    parameters = (operator.options.real(0),) if name == "leaky_relu" else ()
    if types == (FLOAT32, FLOAT32):
        builder.emit(Function(x, out, name, parameters))
    elif types == (INT8, INT8):
        builder.emit(Table(x, out, table_of(name, values[x], values[out], parameters)))
    else:
        raise UnsupportedError(f"{operator.name} of {types[0]} to {types[1]}")


def softmax(builder: Builder, operator: GraphOperator) -> None:
    """Append a SOFTMAX over the last axis."""
    x = builder.input(operator, 0)
    values = builder.memory.values
    out = builder.output(operator, values[x].shape)
    if values[x].type != values[out].type:
        raise UnsupportedError(f"SOFTMAX of {values[x].type} to {values[out].type}")
    columns = values[x].shape[-1] if values[x].shape else 1
    beta = operator.options.real(0)
    if not 0 < beta < 1e6:
        raise UnsupportedError(f"SOFTMAX with beta {beta:g}")
    builder.emit(Softmax(x, out, columns, beta))


def log_softmax(builder: Builder, operator: GraphOperator) -> None:
    """Append a LOG_SOFTMAX over the last axis: d - log(Σ exp(d)) with d = x - max(x)."""
    x = builder.input(operator, 0)
    memory = builder.memory
    shape = memory.values[x].shape
    out = builder.output(operator, shape)
    if memory.values[x].type != FLOAT32 or memory.values[out].type != FLOAT32:
        raise UnsupportedError(f"LOG_SOFTMAX of {memory.values[x].type} to {memory.values[out].type}")
    columns = shape[-1] if shape else 1
    rows = math.prod(shape) // columns
    largest, total, logarithm = (memory.add((rows, 1), memory.values[x]) for _ in range(3))
    differences, powers = (memory.add(shape, memory.values[x]) for _ in range(2))
    no_limits = (-math.inf, math.inf)
    builder.emit(Reduce("max", x, largest, rows, columns, 1))
    builder.emit(Binary("subtract", x, largest, differences, columns, False, *no_limits))
    builder.emit(Function(differences, powers, "exp"))
    builder.emit(Reduce("sum", powers, total, rows, columns, 1))
    builder.emit(Function(total, logarithm, "log"))
    builder.emit(Binary("subtract", differences, logarithm, out, columns, False, *no_limits))


def clip(builder: Builder, operator: GraphOperator) -> None:
    """Append a RELU_N1_TO_1: a maximum with -1, limited to 1."""
    x = builder.input(operator, 0)
    memory = builder.memory
    out = builder.output(operator, memory.values[x].shape)
    if memory.values[x].type != FLOAT32 or memory.values[out].type != FLOAT32:
        raise UnsupportedError(f"RELU_N1_TO_1 of {memory.values[x].type} to {memory.values[out].type}")
    limit = memory.add((), memory.values[x])
    memory.constants[limit] = struct.pack("<f", -1)
    builder.emit(Binary("maximum", x, limit, out, memory.values[x].elements, False, -math.inf, 1.0))


def select(builder: Builder, operator: GraphOperator) -> None:
    """Append a SELECT or SELECT_V2."""
    condition, a, b = (builder.input(operator, place) for place in range(3))
    values = builder.memory.values
    shape = _common_shape(operator, values[condition], values[a])
    shape = _common_shape(operator, Value(shape, FLOAT32, 0.0, 0, 0), values[b])
    out = builder.output(operator, shape)
    if builder.tensor(operator.inputs[0]).type != "bool":
        raise UnsupportedError(f"{operator.name} by {builder.tensor(operator.inputs[0]).type}, expected bool")
    check_same(operator, values[a], values[out])
    check_same(operator, values[b], values[out])
    condition, a, b = (_repeated(builder, each, shape) for each in (condition, a, b))
    builder.emit(Select(condition, a, b, out))


def cast(builder: Builder, operator: GraphOperator) -> None:
    """Bind the result of a CAST from bool to float32 to its operand, whose elements are 1 and 0 already."""
    x = builder.input(operator, 0)
    types = tuple(builder.tensor(each).type for each in (operator.inputs[0], operator.outputs[0]))
    if types != ("bool", FLOAT32):
        raise UnsupportedError(f"CAST of {types[0]} to {types[1]}")
    builder.alias(operator.outputs[0], x, 0)
