"""Graphs of a .tflite file: tensors and operators, with every index, shape and size checked.

Offsets are those of TFLite's schema (tensorflow/lite/schema/schema.fbs); `edgernn.flatbuffer` follows them.
"""

import math
import struct

from edgernn import flatbuffer
from edgernn import tflite_schema as schema
from edgernn.errors import ArtifactError
from edgernn.records import record

MAX_AXES = 6
MAX_ELEMENTS = 1 << 24
MAX_TENSORS, MAX_OPERATORS = 100_000, 50_000
TENSOR_ELEMENT_BYTES = {"float32": 4, "int8": 1, "int32": 4, "int64": 8, "bool": 1}


@record(frozen=True)
class Tensor:
    """A tensor of a graph.

    Attributes:
        shape: size of each axis, at least 1.
        type: name of the number type, as "float32" or "int8".
        scales, zero_points: one of each, or one for each element along `axis`; empty if it is not quantized.
        axis: axis that the scales belong to.
        constant: content, little-endian, with the size that shape and type require; None if the tensor is computed.
    """

    shape: tuple[int, ...]
    type: str
    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    axis: int
    constant: memoryview | None

    @property
    def elements(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


@record(frozen=True)
class Options:
    """Options of an operator: a table of the file, whose fields depend on the operator.

    Attributes:
        data: the file's content.
        table: offset of the table; None if the operator has no options, so that every field has its default.
    """

    data: bytes
    table: int | None

    def byte(self, field: int, default: int = 0) -> int:
        """Read a field of 8 bits."""
        return default if self.table is None else int(flatbuffer.number(self.data, self.table, field, "<b", default))

    def integer(self, field: int, default: int = 0) -> int:
        """Read a field of 32 bits."""
        return default if self.table is None else flatbuffer.integer(self.data, self.table, field, default)

    def real(self, field: int, default: float = 0.0) -> float:
        """Read a float32 field."""
        return default if self.table is None else flatbuffer.number(self.data, self.table, field, "<f", default)

    def integers(self, field: int) -> tuple[int, ...]:
        """Read a list of 32-bit integers."""
        return () if self.table is None else _integers(flatbuffer.numbers(self.data, self.table, field, "i"))


@record(frozen=True)
class GraphOperator:
    """An operator of a graph.

    Attributes:
        name: name in the schema, as "FULLY_CONNECTED".
        inputs: numbers of tensors; -1 for an input that is left out.
        outputs: numbers of tensors.
        options: its options.
    """

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Options


@record(frozen=True)
class Subgraph:
    """A graph of a file.

    Attributes:
        tensors: by number, also those of types that programs do not support.
        operators: in the order of their computation.
        inputs, outputs: numbers of tensors.
    """

    tensors: tuple[Tensor, ...]
    operators: tuple[GraphOperator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


class GraphFile:
    """Content of a .tflite file.

    Args:
        data: the content.

    Raises:
        ArtifactError: the file is damaged. The methods also raise this error, or one of `flatbuffer.DAMAGE`.
    """

    def __init__(self, data: bytes) -> None:
        if data[4:8] != b"TFL3":
            raise ArtifactError(f"not a .tflite file: found {data[4:8]!r} at byte 4, expected b'TFL3'")
        self._data = data
        self._contents: dict[int, memoryview] = {}
        model = flatbuffer.unsigned(data, 0)
        self._names = tuple(
            _operator_name(data, flatbuffer.follow(data, place))
            for place in flatbuffer.table_places(data, model, schema.MODEL_CODES)
        )
        self._graphs = tuple(
            flatbuffer.follow(data, place) for place in flatbuffer.table_places(data, model, schema.MODEL_SUBGRAPHS)
        )
        self._buffers = flatbuffer.table_places(data, model, schema.MODEL_BUFFERS)

    def graph(self, number: int) -> Subgraph:
        """Read a graph."""
        data, place = self._data, self._place(number)
        tensors = tuple(self._tensor(table) for table in self._tensor_tables(place))
        operators = flatbuffer.table_places(data, place, schema.SUBGRAPH_OPERATORS)
        if len(operators) > MAX_OPERATORS:
            raise ArtifactError(f"a graph of {len(operators):,} operators, expected at most {MAX_OPERATORS:,}")
        inputs, outputs = self._ports(place, len(tensors))
        return Subgraph(
            tensors,
            tuple(self._operator(flatbuffer.follow(data, each), len(tensors)) for each in operators),
            inputs,
            outputs,
        )

    def ports(self, number: int) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Read only the inputs and outputs of a graph."""
        place = self._place(number)
        tables = self._tensor_tables(place)
        inputs, outputs = self._ports(place, len(tables))
        return tuple(self._tensor(tables[each]) for each in inputs), tuple(
            self._tensor(tables[each]) for each in outputs
        )

    def _place(self, number: int) -> int:
        if not 0 <= number < len(self._graphs):
            raise ArtifactError(f"damaged: refers to graph {number}, but there are {len(self._graphs)}")
        return self._graphs[number]

    def _tensor_tables(self, graph: int) -> list[int]:
        places = flatbuffer.table_places(self._data, graph, schema.SUBGRAPH_TENSORS)
        if len(places) > MAX_TENSORS:
            raise ArtifactError(f"a graph of {len(places):,} tensors, expected at most {MAX_TENSORS:,}")
        return [flatbuffer.follow(self._data, place) for place in places]

    def _ports(self, graph: int, tensors: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        inputs, outputs = (
            _integers(flatbuffer.numbers(self._data, graph, field, "i"))
            for field in (schema.SUBGRAPH_INPUTS, schema.SUBGRAPH_OUTPUTS)
        )
        for each in (*inputs, *outputs):
            if not 0 <= each < tensors:
                raise ArtifactError(f"damaged: an input or an output is tensor {each} of {tensors}")
        return inputs, outputs

    def _tensor(self, table: int) -> Tensor:
        data = self._data
        shape = _integers(flatbuffer.numbers(data, table, schema.TENSOR_SHAPE, "i"))
        if len(shape) > MAX_AXES or any(size < 1 for size in shape) or math.prod(shape) > MAX_ELEMENTS:
            raise ArtifactError(
                f"a tensor of shape {shape[:16]}, expected at most {MAX_AXES} axes and {MAX_ELEMENTS:,} elements"
            )
        number = flatbuffer.number(data, table, schema.TENSOR_TYPE, "<B")
        name = schema.TYPES[int(number)] if number < len(schema.TYPES) else f"type {number}"
        if flatbuffer.field(data, table, schema.TENSOR_SPARSITY) is not None:
            name = f"sparse {name}"
        if flatbuffer.number(data, table, schema.TENSOR_VARIABLE, "<B"):
            name = f"variable {name}"
        return Tensor(shape, name, *self._quantization(table), self._constant(table, name, math.prod(shape)))

    def _quantization(self, tensor: int) -> tuple[tuple[float, ...], tuple[int, ...], int]:
        place = flatbuffer.field(self._data, tensor, schema.TENSOR_QUANTIZATION)
        if place is None:
            return (), (), 0
        table = flatbuffer.follow(self._data, place)
        scales = flatbuffer.numbers(self._data, table, schema.QUANTIZATION_SCALES, "f")
        zero_points = _integers(flatbuffer.numbers(self._data, table, schema.QUANTIZATION_ZERO_POINTS, "q")) or (
            0,
        ) * len(scales)
        if len(zero_points) != len(scales):
            raise ArtifactError(f"damaged: a tensor has {len(scales)} scales and {len(zero_points)} zero points")
        return scales, zero_points, flatbuffer.integer(self._data, table, schema.QUANTIZATION_AXIS)

    def _content(self, number: int) -> memoryview:
        """Return the content of a buffer, the same object at each call, so that builders can recognize it."""
        found = self._contents.get(number)
        if found is None:
            table = flatbuffer.follow(self._data, self._buffers[number])
            found = self._contents[number] = flatbuffer.content(self._data, table, schema.BUFFER_DATA)
        return found

    def _constant(self, tensor: int, type_name: str, elements: int) -> memoryview | None:
        number = flatbuffer.integer(self._data, tensor, schema.TENSOR_BUFFER)
        if not 0 <= number < len(self._buffers):
            raise ArtifactError(f"damaged: a tensor's content is buffer {number} of {len(self._buffers)}")
        content = self._content(number)
        if not content:
            return None
        expected = TENSOR_ELEMENT_BYTES.get(type_name)
        if expected is not None and len(content) != expected * elements:
            raise ArtifactError(
                f"damaged: a {type_name} tensor of {elements:,} elements has {len(content):,} bytes, expected "
                f"{expected * elements:,}"
            )
        return content

    def _operator(self, table: int, tensors: int) -> GraphOperator:
        data = self._data
        code = flatbuffer.integer(data, table, schema.OPERATOR_CODE)
        if not 0 <= code < len(self._names):
            raise ArtifactError(f"damaged: an operator has code {code} of {len(self._names)}")
        inputs, outputs = (
            _integers(flatbuffer.numbers(data, table, field, "i"))
            for field in (schema.OPERATOR_INPUTS, schema.OPERATOR_OUTPUTS)
        )
        if not all(-1 <= each < tensors for each in inputs) or not all(0 <= each < tensors for each in outputs):
            raise ArtifactError(
                f"damaged: {self._names[code]} takes tensors {inputs[:16]} and returns {outputs[:16]} of {tensors}"
            )
        options = flatbuffer.field(data, table, schema.OPERATOR_OPTIONS)
        return GraphOperator(
            self._names[code],
            inputs,
            outputs,
            Options(data, None if options is None else flatbuffer.follow(data, options)),
        )


def _operator_name(data: bytes, code: int) -> str:
    number = schema.operator_number(data, code)
    return schema.OPERATORS[number] if number < len(schema.OPERATORS) else f"operator {number}"


def _integers(numbers: tuple[float, ...]) -> tuple[int, ...]:
    return numbers  # type: ignore[return-value]  # struct returns integers for the formats of integers


def read_integers(tensor: Tensor) -> tuple[int, ...] | None:
    """Return the elements of a constant tensor of type int32 or int64; None for any other tensor."""
    letter = {"int32": "i", "int64": "q"}.get(tensor.type)
    if tensor.constant is None or letter is None:
        return None
    return struct.unpack(f"<{tensor.elements}{letter}", tensor.constant)
