"""FULLY_CONNECTED, and the constants of every operator with weights."""

from functools import lru_cache

from edgernn.errors import ArtifactError, UnsupportedError
from edgernn.program.builder import Builder, check_scale, float32s, limits, tensor_number
from edgernn.program.file_graph import GraphOperator, Tensor, read_integers
from edgernn.program.operators import INT8, Linear, Value
from edgernn.records import record

MAX_INPUTS = 32_768  # so that sums of int8 products fit 32 bits
# Half of the range of 32 bits. The other half is for the products added to it: 33,000 of the largest products with int8
# activations. With int16 activations, kernels add in 64 bits.
MAX_BIAS = 1 << 30
# Limits of XNNPACK for a multiplier: the quotient of scales, input × weights / output.
MIN_MULTIPLIER, _MAX_MULTIPLIER = 2.0**-32, 256.0


@record(frozen=True)
class ProductConstants:
    """Constants of an operator with weights; see `Linear`."""

    weights: bytes
    bias: bytes
    multipliers: tuple[float, ...]


def fully_connected(builder: Builder, operator: GraphOperator) -> None:
    """Append a FULLY_CONNECTED."""
    x, weights = builder.input(operator, 0), builder.tensor(tensor_number(operator, 1))
    if len(weights.shape) != 2 or operator.options.byte(1):
        raise UnsupportedError(
            f"FULLY_CONNECTED with weights of shape {weights.shape} in format {operator.options.byte(1)}"
        )
    outputs, inputs = weights.shape
    elements = builder.memory.values[x].elements
    if elements % inputs:
        raise ArtifactError(f"damaged: FULLY_CONNECTED of {elements:,} elements with {inputs:,} inputs a row")
    out = builder.output(operator)
    if builder.memory.values[out].elements != elements // inputs * outputs:
        raise ArtifactError(
            f"damaged: FULLY_CONNECTED returns shape {builder.memory.values[out].shape}, expected "
            f"{elements // inputs} rows of {outputs}"
        )
    constants = read_weights(builder, operator, x, out, outputs, 0)
    low, high = limits(operator, builder.memory.values[out], operator.options.byte(0))
    builder.emit(Linear(x, out, inputs, outputs, constants.weights, constants.bias, constants.multipliers, low, high))


def read_weights(
    builder: Builder, operator: GraphOperator, x: int, out: int, outputs: int, axis: int
) -> ProductConstants:
    """Read the weights, the bias and the multipliers of an operator.

    Args:
        builder: the program.
        operator: an operator whose inputs are x, weights and, optionally, a bias.
        x, out: its values.
        outputs: number of outputs for each row or time step.
        axis: of the outputs in the weights.
    """
    weights = builder.tensor(tensor_number(operator, 1))
    values = builder.memory.values
    types = values[x].type, weights.type, values[out].type
    if weights.constant is None or len(set(types)) > 1:
        constant = "computed" if weights.constant is None else "constant"
        raise UnsupportedError(f"{operator.name} of {types[0]} with {constant} {types[1]} weights to {types[2]}")
    has_bias = len(operator.inputs) > 2 and operator.inputs[2] >= 0
    bias = builder.tensor(operator.inputs[2]) if has_bias else None
    if weights.elements // outputs > MAX_INPUTS:
        raise UnsupportedError(f"{operator.name} with more than {MAX_INPUTS:,} weights for each output")
    is_int8 = values[x].type == INT8
    content = builder.memory.content(weights.constant)
    if is_int8 and b"\x80" in content:
        raise UnsupportedError(f"{operator.name} with weights of -128, expected at least -127")
    return ProductConstants(
        content,
        _read_bias(builder, operator, bias, outputs, weights if is_int8 else None),
        _multipliers(operator, values[x], weights, values[out], axis) if is_int8 else (),
    )


def _read_bias(
    builder: Builder, operator: GraphOperator, bias: Tensor | None, outputs: int, weights: Tensor | None
) -> bytes:
    """Read a bias.

    Args:
        builder: the program.
        operator: for messages.
        bias: the tensor; None if the operator has no bias.
        outputs: expected number of elements.
        weights: int8 weights; None for float32.
    """
    if bias is None:
        return b""
    expected = "int32" if weights else "float32"
    if bias.constant is None or bias.type != expected:
        raise UnsupportedError(f"{operator.name} with a bias of type {bias.type}, expected constant {expected}")
    if bias.elements != outputs:
        raise ArtifactError(f"damaged: {operator.name} has a bias of {bias.elements} elements, expected {outputs}")
    content = builder.memory.content(bias.constant)
    if weights:
        if len(bias.scales) != len(weights.scales):  # LiteRT then uses other kernels, which round differently
            expected_scales = f"expected {len(weights.scales)} as for the weights"
            raise UnsupportedError(f"{operator.name} with a bias of {len(bias.scales)} scales, {expected_scales}")
        numbers = read_integers(bias) or (0,)
        if max(numbers) > MAX_BIAS or min(numbers) < -MAX_BIAS:
            raise UnsupportedError(f"{operator.name} with a bias out of range, expected at most ±{MAX_BIAS:,}")
    return content


@lru_cache(maxsize=64)  # all steps of an unrolled sequence have the same
def _quotients(x_scale: float, scales: tuple[float, ...], out_scale: float) -> tuple[float, ...]:
    for scale in scales:
        check_scale(scale)
    products = float32s([x_scale * scale for scale in scales])
    return float32s([product / out_scale for product in products])


def _multipliers(operator: GraphOperator, x: Value, weights: Tensor, out: Value, axis: int) -> tuple[float, ...]:
    outputs = weights.shape[axis]
    scales = weights.scales
    if len(scales) not in (1, outputs) or (len(scales) > 1 and weights.axis != axis) or any(weights.zero_points):
        raise UnsupportedError(
            f"{operator.name} with {len(scales)} scales along axis {weights.axis} or zero points other than 0; "
            f"expected 1 or {outputs} along axis {axis}, and 0"
        )
    found = _quotients(x.scale, scales, out.scale)
    wrong = next((each for each in found if not MIN_MULTIPLIER <= each < _MAX_MULTIPLIER), None)
    if wrong is not None:
        reason = "nearly all outputs are 0" if wrong >= _MAX_MULTIPLIER else "the weights are very small"
        raise UnsupportedError(
            f"{operator.name} with a quotient of scales, input × weights / output, of {wrong:g}, expected one in "
            f"[2^-32, 256); {reason}"
        )
    return found * (outputs // len(found))
