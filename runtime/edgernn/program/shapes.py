"""Operators that only move elements: aliases if the elements stay contiguous and in order, copies otherwise."""

import math
import struct
from operator import mul as operator_mul

from edgernn.errors import ArtifactError, UnsupportedError
from edgernn.program.builder import Builder, check_shape, copy, strides, tensor_number
from edgernn.program.file_graph import MAX_ELEMENTS, GraphOperator
from edgernn.program.operators import INT8, Fill, Value


def reshape(builder: Builder, operator: GraphOperator) -> None:
    """Bind the output to the input's memory, with the output's shape."""
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


def unpack(builder: Builder, operator: GraphOperator) -> None:
    """Append an UNPACK: a SPLIT into parts without the axis that it goes along."""
    x = builder.input(operator, 0)
    shape = builder.memory.values[x].shape
    axis = normalized(operator, operator.options.integer(1), len(shape))
    if len(operator.outputs) != shape[axis]:
        raise ArtifactError(f"damaged: UNPACK of {shape[axis]} elements into {len(operator.outputs)} parts")
    for number, output in enumerate(operator.outputs):
        part(builder, operator, x, output, (*shape[:axis], 1, *shape[axis + 1 :]), axis, number)


def part(
    builder: Builder, operator: GraphOperator, x: int, output: int, shape: tuple[int, ...], axis: int, start: int
) -> None:
    """Bind a tensor to a part of a value: an alias if the part is contiguous, otherwise a copy.

    Args:
        builder: the program.
        operator: for messages.
        x: the value.
        output: number of the tensor.
        shape: shape of the part, which differs from that of x along one axis only.
        axis: this axis.
        start: first element of the part along this axis.
    """
    check_shape(operator, builder.tensor(output).shape, shape)
    steps = strides(builder.memory.values[x].shape)
    if math.prod(shape[:axis]) == 1:
        builder.alias(output, x, start * steps[axis])
        return
    out = builder.add(output)
    builder.emit(copy(x, out, shape, steps, strides(shape), x_offset=start * steps[axis]))


def concatenation(builder: Builder, operator: GraphOperator) -> None:
    """Append a copy for each input of a CONCATENATION."""
    sources = [builder.input(operator, place) for place in range(len(operator.inputs))]
    out = builder.output(operator)
    values, out_value = builder.memory.values, builder.memory.values[out]
    axis = normalized(operator, operator.options.integer(0), len(out_value.shape))
    if operator.options.byte(1):
        raise UnsupportedError(f"CONCATENATION with fused activation {operator.options.byte(1)}")
    steps, start = strides(out_value.shape), 0
    for source in sources:
        shape = values[source].shape
        if (*shape[:axis], *shape[axis + 1 :]) != (*out_value.shape[:axis], *out_value.shape[axis + 1 :]):
            raise ArtifactError(f"damaged: CONCATENATION of shape {shape} to {out_value.shape} along axis {axis}")
        check_same(operator, values[source], out_value)
        if start + shape[axis] > out_value.shape[axis]:
            break
        builder.emit(copy(source, out, shape, strides(shape), steps, out_offset=start * steps[axis]))
        start += shape[axis]
    if start != out_value.shape[axis]:
        raise ArtifactError(f"damaged: CONCATENATION along axis {axis} of {start} elements to {out_value.shape}")


def reverse(builder: Builder, operator: GraphOperator) -> None:
    """Append a REVERSE_V2."""
    x = builder.input(operator, 0)
    values = builder.memory.values
    shape = values[x].shape
    out = builder.output(operator, shape)
    check_same(operator, values[x], values[out])
    reversed_axes = {normalized(operator, axis, len(shape)) for axis in builder.integers(operator, 1)}
    steps = list(strides(shape))
    start = 0
    for axis in reversed_axes:
        start += (shape[axis] - 1) * steps[axis]
        steps[axis] = -steps[axis]
    builder.emit(copy(x, out, shape, tuple(steps), strides(shape), x_offset=start))


def transpose(builder: Builder, operator: GraphOperator) -> None:
    """Append a TRANSPOSE; an alias if the order of the elements stays."""
    x, order = builder.input(operator, 0), builder.integers(operator, 1)
    values = builder.memory.values
    shape = values[x].shape
    if sorted(order) != list(range(len(shape))):
        raise ArtifactError(f"damaged: TRANSPOSE of {len(shape)} axes in the order {order}")
    sizes = tuple(shape[axis] for axis in order)
    _check_one_output(operator)
    if builder.tensor(operator.outputs[0]).shape != sizes:
        raise ArtifactError(f"damaged: TRANSPOSE of {shape} to {builder.tensor(operator.outputs[0]).shape}")
    if [axis for axis in order if shape[axis] > 1] == [axis for axis in range(len(shape)) if shape[axis] > 1]:
        builder.alias(operator.outputs[0], x, 0)
        return
    out = builder.output(operator)
    check_same(operator, values[x], values[out])
    steps = strides(shape)
    builder.emit(copy(x, out, sizes, tuple(steps[axis] for axis in order), strides(sizes)))


def pad(builder: Builder, operator: GraphOperator) -> None:
    """Append a PAD with zeros."""
    x, pairs = builder.input(operator, 0), builder.integers(operator, 1)
    values = builder.memory.values
    shape = values[x].shape
    if len(pairs) != 2 * len(shape) or any(not 0 <= each < MAX_ELEMENTS for each in pairs):
        raise ArtifactError(f"damaged: PAD of {len(shape)} axes by {pairs[:12]}")
    before, behind = pairs[::2], pairs[1::2]
    sizes = tuple(sum(each) for each in zip(shape, before, behind, strict=True))
    out = builder.output(operator)
    if values[out].shape != sizes:
        raise ArtifactError(f"damaged: PAD of {shape} to {values[out].shape}, expected {sizes}")
    check_same(operator, values[x], values[out])
    steps = strides(sizes)
    builder.emit(Fill(out, values[out].zero_point))
    builder.emit(copy(x, out, shape, strides(shape), steps, out_offset=sum(map(operator_mul, before, steps))))


def slice_(builder: Builder, operator: GraphOperator) -> None:
    """Append a STRIDED_SLICE or SLICE: an alias if the part is contiguous, otherwise a copy."""
    x = builder.input(operator, 0)
    shape = builder.memory.values[x].shape
    begins, ends, steps = _slice_bounds(builder, operator, shape)
    sizes = tuple(max(0, -(-(end - begin) // step)) for begin, end, step in zip(begins, ends, steps, strict=True))
    _check_one_output(operator)
    found = builder.tensor(operator.outputs[0]).shape
    if math.prod(found) != math.prod(sizes) or not math.prod(sizes):
        raise ArtifactError(f"damaged: {operator.name} of {shape} returns shape {found}, expected {sizes}")
    own = strides(shape)
    start = sum(map(operator_mul, begins, own))
    x_strides = tuple(map(operator_mul, steps, own))
    described = copy(x, x, sizes, x_strides, strides(sizes))
    if len(described.sizes) == 1 and described.x_strides == (1,):
        builder.alias(operator.outputs[0], x, start)
        return
    out = builder.output(operator)
    check_same(operator, builder.memory.values[x], builder.memory.values[out])
    builder.emit(copy(x, out, sizes, x_strides, strides(sizes), x_offset=start))


def _slice_bounds(
    builder: Builder, operator: GraphOperator, shape: tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    begins, ends = builder.integers(operator, 1), builder.integers(operator, 2)
    axes = len(shape)
    if operator.name == "SLICE":
        steps: tuple[int, ...] = (1,) * len(begins)
        ends = tuple(
            size if length == -1 else begin + length for size, begin, length in zip(shape, begins, ends, strict=False)
        )
        masks: tuple[int, ...] = (0, 0, 0, 0, 0)
    else:
        steps = builder.integers(operator, 3)
        masks = tuple(operator.options.integer(field) for field in range(5))
    begin_mask, end_mask, ellipsis, new_axes, shrink = masks
    if ellipsis or new_axes or operator.options.byte(5) or any(step < 1 for step in steps):
        raise UnsupportedError(f"{operator.name} with new axes, an ellipsis, offsets or steps below 1")
    if not len(begins) == len(ends) == len(steps) == axes:
        raise UnsupportedError(f"{operator.name} of {len(begins)} of {axes} axes")
    first, last = [], []
    for axis, size in enumerate(shape):
        begin = 0 if begin_mask >> axis & 1 else begins[axis] + (size if begins[axis] < 0 else 0)
        end = size if end_mask >> axis & 1 else ends[axis] + (size if ends[axis] < 0 else 0)
        if shrink >> axis & 1:
            end = begin + 1
        if not 0 <= begin < end <= size:
            raise ArtifactError(f"damaged: {operator.name} of elements {begin} to {end} of {size}")
        first.append(begin)
        last.append(end)
    return tuple(first), tuple(last), steps


def check_same(operator: GraphOperator, x: Value, out: Value) -> None:
    """Check that two values have the same type, scale and zero point.

    Raises:
        UnsupportedError: they differ.
    """
    if (x.type, x.scale, x.zero_point) != (out.type, out.scale, out.zero_point):
        first, second = (f"{each.type} (scale {each.scale:g}, zero point {each.zero_point})" for each in (x, out))
        raise UnsupportedError(f"{operator.name} of {first} to {second}, expected the same")


def normalized(operator: GraphOperator, axis: int, axes: int) -> int:
    """Return an axis counted from the front."""
    if not -axes <= axis < axes:
        raise ArtifactError(f"damaged: {operator.name} along axis {axis} of {axes}")
    return axis % axes


def fill(builder: Builder, operator: GraphOperator) -> None:
    """Append a FILL by a constant."""
    tensor = builder.tensor(tensor_number(operator, 1))
    out = builder.output(operator, builder.integers(operator, 0))
    value = builder.memory.values[out]
    if tensor.constant is None or tensor.elements != 1 or tensor.type != value.type:
        raise UnsupportedError(f"FILL of {value.type} with {tensor.elements} numbers of {tensor.type}")
    number: float = struct.unpack("<b" if value.type == INT8 else "<f", tensor.constant)[0]
    builder.emit(Fill(out, number))


def _check_one_output(operator: GraphOperator) -> None:
    if len(operator.outputs) != 1:
        raise ArtifactError(f"damaged: {operator.name} has {len(operator.outputs)} outputs, expected 1")
