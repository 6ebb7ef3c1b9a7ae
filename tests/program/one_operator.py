"""Files with one operator, and their answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

_TYPES = {"float32": 0, "int32": 2, "int8": 9, "int16": 7}
# Versions of operators that accept int8; others are of version 1.
_VERSIONS = dict.fromkeys(("ADD", "MUL", "TANH", "LOGISTIC", "QUANTIZE", "SOFTMAX", "MAX_POOL_2D", "MEAN", "PAD"), 2)
_VERSIONS |= dict.fromkeys(("AVERAGE_POOL_2D", "CONCATENATION", "MINIMUM", "MAXIMUM", "RSQRT", "SQUARED_DIFFERENCE"), 2)
_VERSIONS |= dict.fromkeys(("RELU", "RELU6", "GELU", "EXP", "TRANSPOSE", "LOG", "SQRT", "ABS", "LEAKY_RELU"), 2)
_VERSIONS |= {"SUB": 3, "CONV_2D": 3, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 4}
_OPTIONS = {"CONV_2D": "Conv2DOptions", "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions", "MEAN": "ReducerOptions"}
_OPTIONS |= {"REDUCE_MAX": "ReducerOptions", "MAX_POOL_2D": "Pool2DOptions", "AVERAGE_POOL_2D": "Pool2DOptions"}
_OPTIONS |= {"FULLY_CONNECTED": "FullyConnectedOptions", "SOFTMAX": "SoftmaxOptions", "SPLIT": "SplitOptions"}
_OPTIONS |= {"ADD": "AddOptions", "SUB": "SubOptions", "MUL": "MulOptions", "CONCATENATION": "ConcatenationOptions"}
_OPTIONS |= {"LEAKY_RELU": "LeakyReluOptions"}


@dataclass(frozen=True)
class Port:
    """A tensor: int8 if it has scales; constant if it has data."""

    shape: tuple[int, ...]
    scales: tuple[float, ...] = ()
    zero_point: int = 0
    data: Any = None
    axis: int = 0
    type: str = ""

    @property
    def type_name(self) -> str:
        if self.type:
            return self.type
        return str(np.asarray(self.data).dtype) if self.data is not None else "int8" if self.scales else "float32"


def make_file(
    name: str,
    inputs: Sequence[Port | None],
    out: Port,
    options: Mapping[str, Any] = MappingProxyType({}),
    reshaped: tuple[int, ...] = (),
) -> bytes:
    """Make a .tflite file of one operator.

    Args:
        name: of the operator in the schema.
        inputs: the first one is the file's input.
        out: its result.
        options: of the operator.
        reshaped: shape of the file's input, if a RESHAPE to the shape of the operator's is in front.
    """
    model, graph, operator = schema.ModelT(), schema.SubGraphT(), schema.OperatorT()
    model.version, model.buffers, model.subgraphs = 3, [schema.BufferT()], [graph]
    model.operatorCodes = [_code(name), _code("RESHAPE")]
    graph.tensors, graph.inputs, graph.outputs, graph.operators = [], [], [], [operator]
    operator.opcodeIndex, operator.inputs, operator.outputs = 0, [], []
    for place, port in enumerate((*inputs, out)):
        if port is None:
            operator.inputs.append(-1)
            continue
        number = len(graph.tensors)
        graph.tensors.append(_tensor(model, port, number))
        if place == len(inputs):
            operator.outputs.append(number)
            graph.outputs.append(number)
        else:
            operator.inputs.append(number)
            if port.data is None:
                graph.inputs.append(number)
    if name in _OPTIONS:
        operator.builtinOptionsType = getattr(schema.BuiltinOptions, _OPTIONS[name])
        operator.builtinOptions = getattr(schema, f"{_OPTIONS[name]}T")()
        for key, value in options.items():
            setattr(operator.builtinOptions, key, value)
    if reshaped and inputs[0]:
        graph.tensors.append(_tensor(model, replace(inputs[0], shape=reshaped), len(graph.tensors)))
        reshape = schema.OperatorT()
        reshape.opcodeIndex, reshape.inputs, reshape.outputs = 1, [len(graph.tensors) - 1], [0]
        shape = Port((len(inputs[0].shape),), data=np.array(inputs[0].shape, np.int32))
        graph.tensors.append(_tensor(model, shape, len(graph.tensors)))
        reshape.inputs.append(len(graph.tensors) - 1)
        graph.inputs, graph.operators = [len(graph.tensors) - 2], [reshape, operator]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _code(name: str) -> Any:
    code = schema.OperatorCodeT()
    code.builtinCode = getattr(schema.BuiltinOperator, name)
    code.deprecatedBuiltinCode, code.version = min(code.builtinCode, 127), _VERSIONS.get(name, 1)
    return code


def _tensor(model: Any, port: Port, number: int) -> Any:
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.type = f"t{number}", list(port.shape), _TYPES[port.type_name]
    tensor.buffer = 0
    if port.scales:
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.scale = [float(np.float32(scale)) for scale in port.scales]
        tensor.quantization.zeroPoint = [port.zero_point] * len(port.scales)
        tensor.quantization.quantizedDimension = port.axis
    if port.data is not None:
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(port.data).tobytes(), np.uint8)
        model.buffers.append(buffer)
        tensor.buffer = len(model.buffers) - 1
    return tensor


def litert_answers(data: bytes, samples: Any) -> Any:
    """Return LiteRT's answers to samples [samples, …], one after the other."""
    interpreter = Interpreter(model_content=data, num_threads=1)
    interpreter.allocate_tensors()
    (source,), (target,) = interpreter.get_input_details(), interpreter.get_output_details()
    found = []
    for sample in samples:
        interpreter.set_tensor(source["index"], sample[np.newaxis])
        interpreter.invoke()
        found.append(interpreter.get_tensor(target["index"])[0])
    return np.array(found)
