"""Operators that only move elements: aliases where the order stays, copies otherwise."""

import math

from edgernn.errors import ArtifactError
from edgernn.program.builder import Builder, check_shape, copy, strides
from edgernn.program.graph import GraphOperator


def reshape(builder: Builder, operator: GraphOperator) -> None:
    """Let the output share the memory of the input; its own shape counts."""
    x = builder.input(operator, 0)
    _check_one_output(operator)
    found, expected = (
        math.prod(shape) for shape in (builder.tensor(operator.outputs[0]).shape, builder.memory.values[x].shape)
    )
    if found != expected:
        raise ArtifactError(f"damaged: {operator.name} returns {found:,} elements, expected {expected:,}")
    builder.alias(operator.outputs[0], x, 0)


def split(builder: Builder, operator: GraphOperator) -> None:
    """Append a SPLIT into equal parts."""
    axes = builder.integers(operator, 0)
    x = builder.input(operator, 1)
    shape = builder.memory.values[x].shape
    axis = normalized(operator, axes[0] if axes else len(shape), len(shape))
    count = len(operator.outputs)
    if not count or shape[axis] % count:
        raise ArtifactError(f"damaged: SPLIT of {shape[axis]} elements into {count} parts")
    size = shape[axis] // count
    for number, output in enumerate(operator.outputs):
        part(builder, operator, x, output, (*shape[:axis], size, *shape[axis + 1 :]), axis, number * size)


def part(
    builder: Builder, operator: GraphOperator, x: int, output: int, shape: tuple[int, ...], axis: int, start: int
) -> None:
    """Let a tensor be a part of a value: an alias if the part is contiguous, else a copy.

    Args:
        builder: the program.
        operator: for messages.
        x: the value.
        output: number of the tensor.
        shape: of the part, all axes as in x but one.
        axis: that axis.
        start: first element of the part along that axis.
    """
    check_shape(operator, builder.tensor(output).shape, shape)
    steps = strides(builder.memory.values[x].shape)
    if math.prod(shape[:axis]) == 1:
        builder.alias(output, x, start * steps[axis])
        return
    out = builder.add(output)
    builder.emit(copy(x, out, shape, steps, strides(shape), x_offset=start * steps[axis]))


def normalized(operator: GraphOperator, axis: int, axes: int) -> int:
    """Return an axis counted from the front."""
    if not -axes <= axis < axes:
        raise ArtifactError(f"damaged: {operator.name} along axis {axis} of {axes}")
    return axis % axes


def _check_one_output(operator: GraphOperator) -> None:
    if len(operator.outputs) != 1:
        raise ArtifactError(f"damaged: {operator.name} has {len(operator.outputs)} outputs, expected 1")
