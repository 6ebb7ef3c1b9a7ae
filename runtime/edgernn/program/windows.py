"""Operators on windows of time steps: convolutions and pooling; and reductions over whole axes."""

import math

from edgernn.errors import ArtifactError, UnsupportedError
from edgernn.program.builder import Builder, limits, tensor_number
from edgernn.program.file_graph import GraphOperator
from edgernn.program.linear import read_weights
from edgernn.program.operators import INT8, Convolution, Linear, Pool, Reduce
from edgernn.program.shapes import check_same, normalized
from edgernn.records import record

_SAME, _VALID = 0, 1
_MAX_WINDOW = 4_096
MAX_REDUCED = 65_536  # sums of int8 numbers are exact in float32
POOLS = {"MAX_POOL_2D": "max", "AVERAGE_POOL_2D": "mean"}
# Booleans are 1 and 0, so any of them is the largest.
REDUCTIONS = {"MEAN": "mean", "SUM": "sum", "REDUCE_MAX": "max", "REDUCE_ANY": "max"}


@record(frozen=True)
class _Windows:
    """Windows along the time steps; see `Convolution`."""

    out_steps: int
    stride: int
    dilation: int
    before: int


def convolution(builder: Builder, operator: GraphOperator) -> None:
    """Append a CONV_2D or DEPTHWISE_CONV_2D of height or width 1."""
    depthwise = operator.name == "DEPTHWISE_CONV_2D"
    x, weights = builder.input(operator, 0), builder.tensor(tensor_number(operator, 1))
    out = builder.output(operator)
    values, options = builder.memory.values, operator.options
    shape, out_shape = values[x].shape, values[out].shape
    if any(len(each) != 4 for each in (shape, out_shape, weights.shape)):
        raise ArtifactError(f"damaged: {operator.name} of {len(shape)} axes, expected 4")
    axis = _time_axis(operator, shape, weights.shape[1:3])
    kernel, channels, steps = weights.shape[axis], shape[3], shape[axis]
    outputs = weights.shape[3 if depthwise else 0]
    expected = (1, *weights.shape[1:3], outputs) if depthwise else (outputs, *weights.shape[1:3], channels)
    if weights.shape != expected or outputs % (channels if depthwise else 1):
        raise UnsupportedError(f"{operator.name} of {channels} channels with weights of shape {weights.shape}")
    # After the strides, the options of the depthwise operator have one more field, the depth multiplier.
    activation = 4 if depthwise else 3
    dilations = options.integer(activation + 1, 1), options.integer(activation + 2, 1)
    windows = _windows(operator, axis, steps, kernel, dilations)
    _check_out(operator, out_shape, axis, windows.out_steps, outputs)
    constants = read_weights(builder, operator, x, out, outputs, 3 if depthwise else 0)
    low, high = limits(operator, values[out], options.byte(activation))
    if not depthwise and windows.out_steps == 1 and windows.before == 0:
        # A single window is a row of a product, as in the step of a causal convolution.
        if kernel != steps:
            x = builder.copied(x, (kernel, channels), (windows.dilation * channels, 1))
        parts = constants.weights, constants.bias, constants.multipliers
        builder.emit(Linear(x, out, kernel * channels, outputs, *parts, low, high))
        return
    builder.emit(
        Convolution(
            x=x,
            out=out,
            steps=steps,
            channels=channels,
            out_steps=windows.out_steps,
            outputs=outputs,
            kernel=kernel,
            stride=windows.stride,
            dilation=windows.dilation,
            before=windows.before,
            depthwise=depthwise,
            weights=constants.weights,
            bias=constants.bias,
            multipliers=constants.multipliers,
            low=low,
            high=high,
        )
    )


def pool(builder: Builder, operator: GraphOperator) -> None:
    """Append a MAX_POOL_2D or AVERAGE_POOL_2D of height or width 1."""
    x = builder.input(operator, 0)
    out = builder.output(operator)
    values, options = builder.memory.values, operator.options
    shape, out_shape = values[x].shape, values[out].shape
    if len(shape) != 4 or len(out_shape) != 4:
        raise ArtifactError(f"damaged: {operator.name} of {len(shape)} axes, expected 4")
    sizes = options.integer(4), options.integer(3)
    axis = _time_axis(operator, shape, sizes)
    windows = _windows(operator, axis, shape[axis], sizes[axis - 1], (1, 1))
    _check_out(operator, out_shape, axis, windows.out_steps, shape[3])
    check_same(operator, values[x], values[out])
    if options.byte(5):
        raise UnsupportedError(f"{operator.name} with fused activation {options.byte(5)}")
    builder.emit(
        Pool(
            kind=POOLS[operator.name],
            x=x,
            out=out,
            steps=shape[axis],
            channels=shape[3],
            out_steps=windows.out_steps,
            kernel=sizes[axis - 1],
            stride=windows.stride,
            before=windows.before,
        )
    )


def reduction(builder: Builder, operator: GraphOperator) -> None:
    """Append a MEAN, SUM, REDUCE_MAX or REDUCE_ANY over neighbouring axes."""
    x = builder.input(operator, 0)
    out = builder.output(operator)
    values = builder.memory.values
    shape = values[x].shape
    axes = {normalized(operator, axis, len(shape)) for axis in builder.integers(operator, 1)}
    used = sorted(axis for axis in axes if shape[axis] > 1)
    first, last = (used[0], used[-1] + 1) if used else (0, 0)
    if any(shape[axis] > 1 for axis in set(range(first, last)) - axes):
        raise UnsupportedError(f"{operator.name} over axes {sorted(axes)} of {shape}, expected neighbours")
    outer, count, inner = (math.prod(part) for part in (shape[:first], shape[first:last], shape[last:]))
    if values[out].elements != outer * inner:
        raise ArtifactError(f"damaged: {operator.name} of {shape} over axes {sorted(axes)} to {values[out].shape}")
    kind = REDUCTIONS[operator.name]
    types = values[x].type, values[out].type
    if types[0] != types[1] or (types[0] == INT8 and kind == "sum") or count > MAX_REDUCED:
        raise UnsupportedError(f"{operator.name} of {count:,} numbers of {types[0]} to {types[1]}")
    if kind == "max":
        check_same(operator, values[x], values[out])
    builder.emit(Reduce(kind, x, out, outer, count, inner))


def _time_axis(operator: GraphOperator, shape: tuple[int, ...], window: tuple[int, ...]) -> int:
    """Return the axis of time steps, along which windows move: 2 or 1. The other one must have length 1."""
    for axis, other in ((2, 1), (1, 2)):
        if shape[0] == shape[other] == window[other - 1] == 1:
            return axis
    raise UnsupportedError(f"{operator.name} of shape {shape} with windows {window}, expected one axis of time steps")


def _windows(operator: GraphOperator, axis: int, steps: int, kernel: int, dilations: tuple[int, int]) -> _Windows:
    options = operator.options
    padding, strides = options.byte(0), (options.integer(1), options.integer(2))
    stride, dilation = strides[2 - axis], dilations[2 - axis]
    if not (1 <= kernel <= _MAX_WINDOW and 1 <= stride <= _MAX_WINDOW and 1 <= dilation <= _MAX_WINDOW):
        raise UnsupportedError(f"{operator.name} with windows of {kernel}, stride {stride} and dilation {dilation}")
    size = (kernel - 1) * dilation + 1
    if padding == _VALID:
        if size > steps:
            raise ArtifactError(f"damaged: {operator.name} with windows of {size} in {steps} steps")
        return _Windows((steps - size) // stride + 1, stride, dilation, 0)
    if padding != _SAME:
        raise ArtifactError(f"damaged: {operator.name} with padding {padding}")
    out_steps = -(-steps // stride)
    return _Windows(out_steps, stride, dilation, max((out_steps - 1) * stride + size - steps, 0) // 2)


def _check_out(operator: GraphOperator, shape: tuple[int, ...], axis: int, steps: int, channels: int) -> None:
    expected = (1, 1, steps, channels) if axis == 2 else (1, steps, 1, channels)
    if shape != expected:
        raise ArtifactError(f"damaged: {operator.name} returns shape {shape}, expected {expected}")
