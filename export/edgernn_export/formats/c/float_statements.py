"""Operators on float32 values as C statements."""

from array import array
from collections.abc import Callable, Mapping
from typing import Any

from edgernn.errors import UnsupportedError
from edgernn.program.integer_arithmetic import float32
from edgernn.program.operators import (
    Binary,
    Copy,
    Fill,
    Function,
    Linear,
    Quantize,
    Reduce,
    Select,
    Softmax,
)
from edgernn_export.formats.c.emitter import (
    Emitter,
    copy,
    float_text,
    loop_each,
    loop_rows,
    output_index,
    reduction,
    row_index,
    softmax,
)
from edgernn_export.formats.c.layout import Body, Step

_OPERATIONS = {
    "add": "{x} + {y}",
    "subtract": "{x} - {y}",
    "multiply": "{x} * {y}",
    "divide": "{x} / {y}",
    "minimum": "fminf({x}, {y})",
    "maximum": "fmaxf({x}, {y})",
    "squared_difference": "({x} - {y}) * ({x} - {y})",
    "greater": "{x} > {y} ? 1.0f : 0.0f",
    "greater_equal": "{x} >= {y} ? 1.0f : 0.0f",
    "less": "{x} < {y} ? 1.0f : 0.0f",
    "less_equal": "{x} <= {y} ? 1.0f : 0.0f",
}
_FUNCTIONS = {
    "tanh": "tanhf({x})",
    "logistic": "1.0f / (1.0f + expf(-{x}))",
    "relu": "fmaxf({x}, 0.0f)",
    "relu6": "fminf(fmaxf({x}, 0.0f), 6.0f)",
    "exp": "expf({x})",
    "log": "logf({x})",
    "abs": "fabsf({x})",
    "neg": "-{x}",
    "sqrt": "sqrtf({x})",
    "rsqrt": "1.0f / sqrtf({x})",
    "square": "{x} * {x}",
    "elu": "{x} < 0.0f ? expm1f({x}) : {x}",
    "leaky_relu": "{x} < 0.0f ? {x} * {p} : {x}",
    "gelu": "0.5f * {x} * (1.0f + erff({x} * 0.707106781f))",
    "gelu_tanh": "0.5f * {x} * (1.0f + tanhf(0.797884561f * ({x} + 0.044715f * {x} * {x} * {x})))",
    "hard_swish": "{x} * fminf(fmaxf({x} + 3.0f, 0.0f), 6.0f) * (1.0f / 6.0f)",
}


def supports(operator: Step) -> bool:
    """Return True if C source has statements for the operator in float32."""
    return type(operator) in _WRITERS


def statements(emitter: Emitter, body: Body, operator: Step) -> list[str]:
    """Return the statements of an operator, with a comment in front.

    Raises:
        UnsupportedError: C source does not support the operator; the message names it.
    """
    write = _WRITERS.get(type(operator))
    if write is None:
        raise UnsupportedError(f"operator {type(operator).__name__} of float32")
    return write(emitter, body, operator)


def _linear(emitter: Emitter, body: Body, o: Linear) -> list[str]:
    weights = emitter.constant("weights", "float", _texts(o.weights), 4, columns=o.inputs)
    emitter.helpers.add("dot_float")
    total = f"dot({emitter.pointer(body, o.x, row_index(emitter, o))}, {weights}[i], {o.inputs})"
    if o.bias:
        total = f"{emitter.constant('bias', 'float', _texts(o.bias), 4)}[i] + {total}"
    target = emitter.element(body, o.out, output_index(emitter, o))
    lines = loop_rows(emitter, o, f"{target} = {_limited(total, o.low, o.high)};")
    return [f"/* product of {o.inputs} inputs with the weights of {o.outputs} outputs */", *lines]


def _texts(content: bytes) -> list[str]:
    return [float_text(each) for each in array("f", content)]


def _limited(text: str, low: float, high: float) -> str:
    if low > float("-inf"):
        text = f"fmaxf({text}, {float_text(low)})"
    return f"fminf({text}, {float_text(high)})" if high < float("inf") else text


def _binary(emitter: Emitter, body: Body, o: Binary) -> list[str]:
    x, y = emitter.element(body, o.a, "i"), emitter.operand(body, o.b, o.b_run, emitter.count(o.out))
    if o.swapped:
        x, y = y, x
    right = _limited(_OPERATIONS[o.kind].format(x=x, y=y), o.low, o.high)
    return [f"/* {o.kind.replace('_', ' ')} */", *loop_each(emitter, body, o.out, right)]


def _function(emitter: Emitter, body: Body, o: Function) -> list[str]:
    if o.name not in _FUNCTIONS:
        raise UnsupportedError(f"function {o.name}")
    parameter = float_text(o.parameters[0]) if o.parameters else ""
    right = _FUNCTIONS[o.name].format(x=emitter.element(body, o.x, "i"), p=parameter)
    return [f"/* {o.name} */", *loop_each(emitter, body, o.out, right)]


def _select(emitter: Emitter, body: Body, o: Select) -> list[str]:
    condition, a, b = (emitter.element(body, each, "i") for each in (o.condition, o.a, o.b))
    # The condition is 0 or 1. Some compilers warn of a float that is compared with 0 by ==.
    return ["/* choice */", *loop_each(emitter, body, o.out, f"{condition} > 0.5f ? {a} : {b}")]


def _reduce(emitter: Emitter, body: Body, o: Reduce) -> list[str]:
    accumulate = "fmaxf(result, {x})" if o.kind == "max" else "result + {x}"
    result = f"result / {o.count}.0f" if o.kind == "mean" else "result"
    return reduction(emitter, body, o, "float", accumulate, result)


def _softmax(emitter: Emitter, body: Body, o: Softmax) -> list[str]:
    emitter.helpers.add("softmax_float")
    return softmax(emitter, body, o, float_text(float32(o.beta)))


def _quantize(emitter: Emitter, body: Body, o: Quantize) -> list[str]:
    out = emitter.program.values[o.out]
    emitter.helpers |= {"round_scaled", "clamp"}
    inverse = float32(1 / float32(out.scale))
    rounded = f"round_scaled({emitter.element(body, o.x, 'i')} * {float_text(inverse)})"
    zero_point = f" {'-' if out.zero_point < 0 else '+'} {abs(out.zero_point)}" if out.zero_point else ""
    return ["/* quantization */", *loop_each(emitter, body, o.out, f"clamp({rounded}{zero_point}, -128, 127)")]


_WRITERS: Mapping[type, Callable[[Emitter, Body, Any], list[str]]] = {
    Linear: _linear,
    Binary: _binary,
    Function: _function,
    Softmax: _softmax,
    Quantize: _quantize,
    Select: _select,
    Reduce: _reduce,
    Fill: lambda emitter, body, o: ["/* constant */", *loop_each(emitter, body, o.out, float_text(o.number))],
    Copy: lambda emitter, body, o: ["/* copy */", *copy(emitter, body, o)],
}
