"""A TFLite graph under construction: tensors and operators added to a subgraph of a flatbuffer model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgernn.arrays import AnyArray

TensorType = schema.TensorType
Operator = schema.BuiltinOperator
_TYPES: Mapping[np.dtype[Any], int] = {
    np.dtype(np.float32): TensorType.FLOAT32,
    np.dtype(np.float16): TensorType.FLOAT16,
    np.dtype(np.int8): TensorType.INT8,
    np.dtype(np.int16): TensorType.INT16,
    np.dtype(np.int32): TensorType.INT32,
    np.dtype(np.int64): TensorType.INT64,
    np.dtype(np.bool_): TensorType.BOOL,
}


@dataclass(frozen=True)
class Scale:
    """Scale of quantized integers: real = scale × (integer - zero point).

    Attributes:
        scales: one for the tensor, or one for each index of `axis`.
        zero_point: the integer of the real number 0.
        axis: the axis of several scales.
    """

    scales: tuple[float, ...]
    zero_point: int = 0
    axis: int = 0

    def __post_init__(self) -> None:
        # Rounded to float32 as in the flatbuffer, so that scales can be compared.
        object.__setattr__(self, "scales", tuple(float(np.float32(scale)) for scale in self.scales))

    def is_close(self, other: "Scale") -> bool:
        """Return True if both are the same except for rounding."""
        return self.zero_point == other.zero_point and np.allclose(self.scales, other.scales, rtol=1e-5, atol=0)

    def as_table(self) -> schema.QuantizationParametersT:
        """Return the flatbuffer's table of it."""
        zero_points = [self.zero_point] * len(self.scales)
        return schema.QuantizationParametersT(
            scale=np.array(self.scales, np.float32),
            zeroPoint=np.array(zero_points, np.int64),
            quantizedDimension=self.axis,
        )


class Graph:
    """One subgraph of a model, to which tensors and operators are added.

    Attributes:
        model: the flatbuffer's object tree.
        subgraph: the one under construction.
        operators: those added since; the caller inserts them.
    """

    def __init__(self, model: schema.ModelT, subgraph: schema.SubGraphT) -> None:
        self.model = model
        self.subgraph = subgraph
        self.operators: list[schema.OperatorT] = []

    @classmethod
    def new(cls, model: schema.ModelT) -> tuple[Self, int]:
        """Add an empty subgraph to the model; return it and its index."""
        subgraph = schema.SubGraphT(tensors=[], inputs=[], outputs=[], operators=[])
        model.subgraphs.append(subgraph)
        return cls(model, subgraph), len(model.subgraphs) - 1

    def tensor(self, shape: Sequence[int], tensor_type: int, scale: Scale | None = None, name: str = "") -> int:
        """Add a tensor that is computed or an input; return its index."""
        return self._add(shape, tensor_type, 0, scale, name)

    def name(self, index: int, name: str) -> None:
        """Name a tensor."""
        self.subgraph.tensors[index].name = name.encode()

    def make_variable(self, index: int) -> None:
        """Mark a tensor that an operator changes in place."""
        self.subgraph.tensors[index].isVariable = True

    def constant(self, values: AnyArray, scale: Scale | None = None, name: str = "") -> int:
        """Add a constant; return its index."""
        data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
        self.model.buffers.append(schema.BufferT(data=data))
        return self._add(values.shape, _TYPES[values.dtype], len(self.model.buffers) - 1, scale, name)

    def operator(
        self, code: int, inputs: Sequence[int], outputs: Sequence[int], options: Any = None, version: int = 1
    ) -> None:
        """Add an operator; -1 stands for an input that is left out."""
        self.operators.append(
            schema.OperatorT(
                opcodeIndex=self._code(code, version),
                inputs=list(inputs),
                outputs=list(outputs),
                builtinOptionsType=_options_type(options),
                builtinOptions=options,
            )
        )

    def reshape(self, x: int, shape: Sequence[int]) -> int:
        """Add a RESHAPE of a tensor; return its result."""
        reshaped = self.tensor(shape, self.type(x), self.scale_or_none(x))
        self.reshape_into(x, reshaped)
        return reshaped

    def reshape_into(self, source: int, target: int) -> None:
        """Add a RESHAPE of a tensor whose result is another tensor of the graph."""
        shape = self.constant(np.array(self.shape(target), np.int32))
        self.operator(Operator.RESHAPE, (source, shape), (target,), schema.ReshapeOptionsT())

    def reverse(self, x: int, axis: int) -> int:
        """Add a REVERSE_V2 of a tensor along one axis; return its result."""
        axes = self.constant(np.array([axis], np.int32))
        backwards = self.tensor(self.shape(x), self.type(x), self.scale_or_none(x))
        self.operator(Operator.REVERSE_V2, (x, axes), (backwards,), schema.ReverseV2OptionsT())
        return backwards

    def shape(self, index: int) -> tuple[int, ...]:
        """Return the shape of a tensor."""
        shape = self.subgraph.tensors[index].shape
        return () if shape is None else tuple(int(size) for size in shape)

    def type(self, index: int) -> int:
        """Return the type of a tensor."""
        return int(self.subgraph.tensors[index].type)

    def dtype(self, index: int) -> np.dtype[Any]:
        """Return NumPy's name for the type of a tensor."""
        return next(dtype for dtype, known in _TYPES.items() if known == self.type(index))

    def values(self, index: int) -> AnyArray:
        """Read the values of a constant."""
        data = self.model.buffers[self.subgraph.tensors[index].buffer].data
        return np.frombuffer(bytes(data), self.dtype(index)).reshape(self.shape(index))

    def scale(self, index: int) -> Scale:
        """Return the only scale of a tensor of integers."""
        table = self.subgraph.tensors[index].quantization
        return Scale((float(table.scale[0]),), int(table.zeroPoint[0]))

    def scale_or_none(self, index: int) -> Scale | None:
        """Return the scale of a tensor; None for floating point."""
        table = self.subgraph.tensors[index].quantization
        return None if table is None or table.scale is None or not len(table.scale) else self.scale(index)

    def append(self, model: schema.ModelT, x: int) -> int:
        """Append the only subgraph of another model, with one input and one output, to `x`; return its result."""
        (other,) = model.subgraphs
        places = {int(other.inputs[0]): x, -1: -1}
        for operator in other.operators:
            for index in map(int, (*operator.inputs, *operator.outputs)):
                if index not in places:
                    places[index] = self._copy(model, other.tensors[index])
            code = model.operatorCodes[operator.opcodeIndex]
            inputs, outputs = ([places[int(index)] for index in group] for group in (operator.inputs, operator.outputs))
            self.operator(code.builtinCode, inputs, outputs, operator.builtinOptions, code.version)
        return places[int(other.outputs[0])]

    def _copy(self, model: schema.ModelT, tensor: schema.TensorT) -> int:
        data = model.buffers[tensor.buffer].data
        buffer = 0
        if data is not None and len(data):
            self.model.buffers.append(schema.BufferT(data=data))
            buffer = len(self.model.buffers) - 1
        return self._add([int(size) for size in tensor.shape], tensor.type, buffer, None, "")

    def finish(self, inputs: Sequence[int], outputs: Sequence[int]) -> None:
        """Complete a subgraph from `new`."""
        self.subgraph.inputs = list(inputs)
        self.subgraph.outputs = list(outputs)
        self.subgraph.operators = self.operators

    def _add(self, shape: Sequence[int], tensor_type: int, buffer: int, scale: Scale | None, name: str) -> int:
        self.subgraph.tensors.append(
            schema.TensorT(
                shape=list(shape),
                type=tensor_type,
                buffer=buffer,
                name=name.encode() or None,
                quantization=scale.as_table() if scale else None,
                hasRank=True,
            )
        )
        return len(self.subgraph.tensors) - 1

    def _code(self, code: int, version: int) -> int:
        for index, known in enumerate(self.model.operatorCodes):
            if known.builtinCode == code and known.version == version:
                return index
        # Readers older than 2020 read only the deprecated field; 127 refers them to the new one.
        self.model.operatorCodes.append(
            schema.OperatorCodeT(builtinCode=code, deprecatedBuiltinCode=min(code, 127), version=version)
        )
        return len(self.model.operatorCodes) - 1


def read(data: bytes) -> schema.ModelT:
    """Parse a .tflite file's content into an object tree."""
    model = schema.ModelT.InitFromPackedBuf(data, 0)
    take_in_weights(model, data)
    return model


def take_in_weights(model: schema.ModelT, data: bytes) -> int:
    """Move weights from behind the flatbuffer into it; litert-quantizer writes them there from 256 KB on.

    Returns:
        Their end in the file, in bytes; 0 if there are none.

    Raises:
        ValueError: they extend beyond the end of the file.
    """
    reach = 0
    for buffer in model.buffers or ():
        # 1 is no offset but a mark: an empty buffer behind the flatbuffer.
        if buffer.offset > 1:
            buffer.data = np.frombuffer(data, np.uint8, buffer.size, buffer.offset)
            reach = max(reach, buffer.offset + buffer.size)
        buffer.offset = buffer.size = 0
    return reach


def write(model: schema.ModelT) -> bytes:
    """Serialize an object tree to a .tflite file's content."""
    builder = flatbuffers.Builder(1 << 16)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def _options_type(options: Any) -> int:
    """Return the union's tag, which has the table's name in the schema."""
    if options is None:
        return int(schema.BuiltinOptions.NONE)
    return int(getattr(schema.BuiltinOptions, type(options).__name__.removesuffix("T")))
