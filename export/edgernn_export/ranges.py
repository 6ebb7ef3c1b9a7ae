"""Ranges: what each activation of a float32 TFLite graph may be, for full-integer quantization.

The quantizer's own calibration keeps a moving average of every tensor's extremes. For an unrolled recurrent
graph that is wrong twice: an average is not a range, and the same state gets another scale at every step, which
costs a rescaling each. Here tensors that are added, split or reshaped into each other share one range.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

Float32 = npt.NDArray[np.float32]
Range = tuple[float, float]

_OPERATOR = schema.BuiltinOperator
# Their inputs and outputs are the same quantity, so they share a scale and nothing is rescaled between them.
_SAME_QUANTITY = {_OPERATOR.ADD, _OPERATOR.SPLIT, _OPERATOR.RESHAPE, _OPERATOR.CONCATENATION}
# Scale and zero point that the int8 kernels demand (LiteRT's 8-bit quantization specification).
_FIXED: Mapping[int, Range] = {
    _OPERATOR.TANH: (-1.0, 127 / 128),
    _OPERATOR.LOGISTIC: (0.0, 255 / 256),
    _OPERATOR.SOFTMAX: (0.0, 255 / 256),
}
# What a saturating activation is fed may be cut off where the activation is flat.
_SATURATING = {_OPERATOR.TANH, _OPERATOR.LOGISTIC}


@dataclass(frozen=True)
class Group:
    """Activations that share one range.

    Attributes:
        names: of the tensors.
        measured: the extremes over the calibration samples.
        fixed: the range that an int8 kernel demands, or None.
        saturates: a saturating activation reads it.
    """

    names: tuple[str, ...]
    measured: Range
    fixed: Range | None
    saturates: bool

    def range(self, limit: float) -> Range:
        """The range to quantize with; what saturates is cut off at ± `limit`."""
        if self.fixed:
            return self.fixed
        low, high = self.measured
        if not self.saturates:
            return low, high
        # Symmetric, so that the zero point is 0 and adding two of them needs no correction.
        bound = min(limit, max(-low, high))
        return -bound, bound * 127 / 128


def measure_groups(model: bytes, x: Float32) -> list[Group]:
    """Group the activations of a float32 graph and measure each group on calibration samples.

    Args:
        model: the .tflite file's content, with one float32 input of batch 1.
        x: float32 [samples, *input_shape].
    """
    flatbuffer = schema.ModelT.InitFromPackedBuf(model, 0)
    graph = flatbuffer.subgraphs[0]
    codes = [code.builtinCode for code in flatbuffer.operatorCodes]
    activations = _activations(flatbuffer, graph)
    extremes = _extremes(model, x, activations)
    fixed = {}
    saturating = set()
    for operator in graph.operators:
        code = codes[operator.opcodeIndex]
        if code in _FIXED:
            fixed[int(operator.outputs[0])] = _FIXED[code]
        if code in _SATURATING:
            saturating.add(int(operator.inputs[0]))
    return [
        Group(
            names=tuple(graph.tensors[index].name.decode() for index in members),
            measured=(
                min(extremes[index][0] for index in members),
                max(extremes[index][1] for index in members),
            ),
            fixed=next((fixed[index] for index in members if index in fixed), None),
            saturates=not saturating.isdisjoint(members),
        )
        for members in _same_quantity(graph, codes, activations)
    ]


def _activations(flatbuffer: schema.ModelT, graph: schema.SubGraphT) -> list[int]:
    """The float32 tensors that are not constants."""

    def is_constant(tensor: schema.TensorT) -> bool:
        data = flatbuffer.buffers[tensor.buffer].data
        return data is not None and len(data) > 0

    return [
        index
        for index, tensor in enumerate(graph.tensors)
        if tensor.type == schema.TensorType.FLOAT32 and not is_constant(tensor)
    ]


def _same_quantity(graph: schema.SubGraphT, codes: list[int], activations: list[int]) -> list[list[int]]:
    """Partition the activations: joined by an operator of `_SAME_QUANTITY`, directly or through others."""
    parent = {index: index for index in activations}

    def root(index: int) -> int:
        while parent[index] != index:
            index = parent[index]
        return index

    for operator in graph.operators:
        if codes[operator.opcodeIndex] in _SAME_QUANTITY:
            touched = [int(index) for index in (*operator.inputs, *operator.outputs) if int(index) in parent]
            for index in touched[1:]:
                parent[root(index)] = root(touched[0])
    members = defaultdict(list)
    for index in activations:
        members[root(index)].append(index)
    return list(members.values())


def _extremes(model: bytes, x: Float32, activations: list[int]) -> dict[int, Range]:
    interpreter = Interpreter(
        model_content=model,
        experimental_preserve_all_tensors=True,
        # A delegate computes groups of operators at once and keeps nothing in between.
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    interpreter.allocate_tensors()
    source = interpreter.get_input_details()[0]["index"]
    low = dict.fromkeys(activations, 0.0)
    high = dict.fromkeys(activations, 0.0)
    for sample in x:
        interpreter.set_tensor(source, sample[np.newaxis])
        interpreter.invoke()
        for index in activations:
            values = interpreter.get_tensor(index)
            low[index] = min(low[index], float(values.min()))
            high[index] = max(high[index], float(values.max()))
    return {index: (low[index], high[index]) for index in activations}
