"""Builder of programs: makes values from a graph's tensors, and appends operators."""

import math
from array import array
from collections.abc import Collection, Sequence

from edgernn.errors import ArtifactError, UnsupportedError
from edgernn.program.file_graph import GraphOperator, Subgraph, Tensor, read_integers
from edgernn.program.integer_arithmetic import MAX_INTEGER, MIN_INTEGER, float32
from edgernn.program.operators import ELEMENT_BYTES, FLOAT32, INT8, Copy, Operator, Value

MAX_VALUE_BYTES = 64 << 20
MAX_PROGRAM_OPERATORS = 100_000

MAX_COPY_AXES = 5
MIN_SCALE, MAX_SCALE = 1e-30, 1e30  # so that the inverse of a scale is a normal float32, too
_NONE, _RELU, _RELU_N1_TO_1, _RELU6 = 0, 1, 2, 3


class ProgramMemory:
    """The values of a program and the content of its constants; the graphs of loops share them."""

    def __init__(self) -> None:
        self.values: list[Value] = []
        self.constants: dict[int, bytes] = {}
        self._bytes = 0
        self._contents: dict[int, tuple[memoryview, bytes]] = {}

    def content(self, constant: memoryview) -> bytes:
        """Return the bytes of a constant, the same object at each call."""
        known = self._contents.get(id(constant))
        if known is None:
            known = self._contents[id(constant)] = constant, bytes(constant)
        return known[1]

    def add(self, shape: tuple[int, ...], like: Value) -> int:
        """Add a value with memory, and with the type, scale and zero point of the value `like`."""
        number = len(self.values)
        self._bytes += math.prod(shape) * ELEMENT_BYTES[like.type]
        if self._bytes > MAX_VALUE_BYTES:
            raise UnsupportedError(f"its values need more than {MAX_VALUE_BYTES >> 20} MiB of memory")
        self.values.append(Value(shape, like.type, like.scale, like.zero_point, number))
        return number


class Builder:
    """Operators of one graph, on values that other graphs share.

    Args:
        graph: the file's graph.
        memory: the values of the program.
    """

    def __init__(self, graph: Subgraph, memory: ProgramMemory) -> None:
        self.graph, self.memory = graph, memory
        self.operators: list[Operator] = []
        self._numbers: dict[int, int] = {}

    def tensor(self, number: int) -> Tensor:
        """Return a tensor; `file_graph` has checked the number."""
        return self.graph.tensors[number]

    def input(self, operator: GraphOperator, place: int) -> int:
        """Return the value of an operator's input."""
        return self.value(tensor_number(operator, place))

    def value(self, tensor_number: int) -> int:
        """Return the value of a tensor that is constant or computed already."""
        number = self._numbers.get(tensor_number)
        if number is not None:
            return number
        tensor = self.graph.tensors[tensor_number]
        if tensor.constant is None:
            raise ArtifactError(f"damaged: an operator takes tensor {tensor_number} before it is computed")
        number = self.add(tensor_number)
        self.memory.constants[number] = self.memory.content(tensor.constant)
        return number

    def add(self, tensor_number: int) -> int:
        """Add a value with memory for a tensor."""
        return self.bind(
            tensor_number, self.memory.add(self.tensor(tensor_number).shape, self.described(tensor_number))
        )

    def output(self, operator: GraphOperator, shape: tuple[int, ...] | None = None) -> int:
        """Add the value of an operator's only output.

        Args:
            operator: the operator.
            shape: expected shape; axes of length 1 may differ. None if it is checked elsewhere.
        """
        if len(operator.outputs) != 1:
            raise ArtifactError(f"damaged: {operator.name} has {len(operator.outputs)} outputs, expected 1")
        found = self.tensor(operator.outputs[0])
        if found.constant is not None:
            raise ArtifactError(f"damaged: {operator.name} has a constant output")
        if shape is not None:
            check_shape(operator, found.shape, shape)
        return self.add(operator.outputs[0])

    def alias(self, tensor_number: int, source: int, offset: int) -> None:
        """Make a tensor a part of a value, without a copy.

        Args:
            tensor_number: the tensor.
            source: the value.
            offset: first element of the part.
        """
        described, value = self.described(tensor_number), self.memory.values[source]
        shape = self.tensor(tensor_number).shape
        if offset < 0 or offset + math.prod(shape) > value.elements:
            raise ArtifactError(
                f"damaged: tensor {tensor_number} of shape {shape}, from element {offset:,} on, exceeds its source of "
                f"shape {value.shape}"
            )
        if (described.type, described.scale, described.zero_point) != (value.type, value.scale, value.zero_point):
            raise UnsupportedError("a reshaped or split tensor whose type or scale is not that of its source")
        self.memory.values.append(
            Value(shape, value.type, value.scale, value.zero_point, value.base, value.offset + offset)
        )
        self.bind(tensor_number, len(self.memory.values) - 1)

    def bind(self, tensor_number: int, value: int) -> int:
        """Bind a tensor to a value; return the value."""
        if tensor_number in self._numbers:
            raise ArtifactError(f"damaged: tensor {tensor_number} is computed twice")
        self._numbers[tensor_number] = value
        return value

    def emit(self, operator: Operator) -> None:
        """Append an operator."""
        self.operators.append(operator)
        if len(self.operators) > MAX_PROGRAM_OPERATORS:
            raise UnsupportedError(f"more than {MAX_PROGRAM_OPERATORS:,} operators")

    def copied(self, source: int, shape: tuple[int, ...], x_strides: tuple[int, ...], x_offset: int = 0) -> int:
        """Append a copy of a value that is read with other strides; return the copy, whose elements are in order."""
        out = self.memory.add(shape, self.memory.values[source])
        self.emit(copy(source, out, shape, x_strides, strides(shape), x_offset=x_offset))
        return out

    def separate(self, tensor_number: int, others: Collection[int]) -> int:
        """Return a tensor's value, or a copy of it if it is constant or shares memory with one of `others`."""
        values, found = self.memory.values, self.value(tensor_number)
        bases = {values[each].base for each in others}
        if values[found].base in bases or values[found].base in self.memory.constants:
            return self.copied(found, values[found].shape, strides(values[found].shape))
        return found

    def integers(self, operator: GraphOperator, place: int) -> tuple[int, ...]:
        """Return an operator's input of constant integers."""
        found = read_integers(self.tensor(tensor_number(operator, place)))
        if found is None:
            raise UnsupportedError(f"{operator.name} with a computed shape, axis or index; expected a constant")
        return found

    def described(self, tensor_number: int) -> Value:
        """Return the description of a tensor as a value: its shape, type, scale and zero point."""
        tensor = self.tensor(tensor_number)
        if tensor.type == FLOAT32 or (tensor.type == "bool" and tensor.constant is None):  # booleans are 1 and 0
            return Value(tensor.shape, FLOAT32, 0.0, 0, 0)
        if tensor.type != INT8:
            raise UnsupportedError(f"values of type {tensor.type}; expected int8 or float32")
        if len(tensor.scales) != 1:
            raise UnsupportedError(f"int8 values with {len(tensor.scales)} scales, expected 1")
        scale, zero_point = check_scale(tensor.scales[0]), tensor.zero_points[0]
        if not MIN_INTEGER <= zero_point <= MAX_INTEGER:
            raise ArtifactError(f"damaged: int8 values with zero point {zero_point}, expected -128 to 127")
        return Value(tensor.shape, INT8, scale, zero_point, 0)


def tensor_number(operator: GraphOperator, place: int) -> int:
    """Return the tensor number of a required input.

    Raises:
        ArtifactError: the operator lacks this input.
    """
    if place >= len(operator.inputs) or operator.inputs[place] < 0:
        raise ArtifactError(f"damaged: {operator.name} has no input {place}")
    return operator.inputs[place]


def check_shape(operator: GraphOperator, found: tuple[int, ...], expected: tuple[int, ...]) -> None:
    """Check that two shapes are equal, apart from axes of length 1.

    Raises:
        ArtifactError: they differ.
    """
    if [size for size in found if size != 1] != [size for size in expected if size != 1]:
        raise ArtifactError(f"damaged: {operator.name} returns shape {found}, expected {expected}")


def check_scale(scale: float) -> float:
    """Return a scale after a check of its range.

    Raises:
        ArtifactError: it is not between `MIN_SCALE` and `MAX_SCALE`.
    """
    if not MIN_SCALE < scale < MAX_SCALE:
        raise ArtifactError(f"damaged: a scale of {scale:g}, expected {MIN_SCALE:g} to {MAX_SCALE:g}")
    return scale


def limits(operator: GraphOperator, out: Value, activation: int) -> tuple[float, float]:
    """Return the limits that a fused activation sets: integers for an int8 value, otherwise real numbers."""
    if activation not in (_NONE, _RELU, _RELU_N1_TO_1, _RELU6):
        raise UnsupportedError(f"{operator.name} with fused activation {activation}")
    low = {_RELU: 0.0, _RELU6: 0.0, _RELU_N1_TO_1: -1.0}.get(activation, -math.inf)
    high = {_RELU6: 6.0, _RELU_N1_TO_1: 1.0}.get(activation, math.inf)
    return (low, high) if out.type == FLOAT32 else (_quantized(low, out), _quantized(high, out))


def _quantized(real: float, value: Value) -> int:
    if math.isinf(real):
        return MIN_INTEGER if real < 0 else MAX_INTEGER
    integer = round(float32(float32(real / value.scale) + value.zero_point))
    return min(max(integer, MIN_INTEGER), MAX_INTEGER)


def float32s(numbers: Sequence[float]) -> tuple[float, ...]:
    """Round numbers to float32."""
    return tuple(array("f", numbers))


def strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the strides of a C-contiguous array, in elements."""
    found: list[int] = []
    step = 1
    for size in reversed(shape):
        found.append(step)
        step *= size
    return tuple(reversed(found))


def copy(
    x: int,
    out: int,
    sizes: tuple[int, ...],
    x_strides: tuple[int, ...],
    out_strides: tuple[int, ...],
    *,
    x_offset: int = 0,
    out_offset: int = 0,
) -> Copy:
    """Return a `Copy` with as few axes as possible: without those of length 1, and with contiguous ones joined."""
    axes: list[tuple[int, int, int]] = []
    for size, x_stride, out_stride in zip(sizes, x_strides, out_strides, strict=True):
        if size == 1:
            continue
        if axes and axes[-1][1:] == (x_stride * size, out_stride * size):
            axes[-1] = (axes[-1][0] * size, x_stride, out_stride)
        else:
            axes.append((size, x_stride, out_stride))
    axes = axes or [(1, 1, 1)]
    if len(axes) > MAX_COPY_AXES:
        raise UnsupportedError(f"a transposition or slice of {len(axes)} axes, expected at most {MAX_COPY_AXES}")
    sizes, x_strides, out_strides = (tuple(axis[which] for axis in axes) for which in range(3))
    return Copy(x, out, sizes, x_strides, out_strides, x_offset, out_offset)
