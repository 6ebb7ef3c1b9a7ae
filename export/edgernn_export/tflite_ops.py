"""The arithmetic of cells in TFLite operators: one class a number format, all with `cells.ops.Ops`.

A value is the index of a tensor in the graph, or `ZERO`: the state before the first step. What is known to be zero
is never computed, so the first step costs one activation.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from edgernn_export.graph import Graph, Operator, Scale, TensorType

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Zero:
    """A value that is known to be zero."""


ZERO = Zero()
Value = int | Zero

_ACTIVATIONS = {"tanh": Operator.TANH, "sigmoid": Operator.LOGISTIC, "relu": Operator.RELU}


class Float32Ops:
    """float32 throughout; the base of all number formats.

    Attributes:
        graph: where tensors and operators are added.
        type: of what is computed.
        sum_name: of what is fed to activations, to measure its range by.
    """

    type = TensorType.FLOAT32

    def __init__(self, graph: Graph, sum_name: str = "") -> None:
        self.graph = graph
        self.sum_name = sum_name
        self._weights: dict[tuple[int, bool], int] = {}

    def linear(self, x: Value, kernel: Float32, bias: Float32 | None = None) -> Value:
        """The product x [rows, inputs] × kernel [inputs, outputs] + bias [outputs]."""
        if isinstance(x, Zero):
            assert bias is None  # noqa: S101 - only states can be zero, and no cell gives their product a bias
            return ZERO
        rows = self.graph.shape(x)[-2]
        inputs = (x, self.weights(kernel), -1 if bias is None else self.bias(x, kernel, bias))
        return self._append(Operator.FULLY_CONNECTED, inputs, (rows, kernel.shape[1]), schema.FullyConnectedOptionsT())

    def add(self, a: Value, b: Value) -> Value:
        """The sum of two of the same shape."""
        if isinstance(a, Zero) or isinstance(b, Zero):
            return b if isinstance(a, Zero) else a
        return self._append(Operator.ADD, (a, b), self.graph.shape(a), schema.AddOptionsT())

    def activation(self, name: str, x: Value) -> Value:
        """A Keras activation by its name."""
        if isinstance(x, Zero):
            raise TypeError("an activation of nothing: a step's sum has the projected input in it")
        if name == "linear":
            return x
        output = self.graph.tensor(self.graph.shape(x), self.type, self.activation_scale(name))
        self.graph.operator(_ACTIVATIONS[name], (x,), (output,))
        return output

    def split(self, x: int, count: int) -> Sequence[int]:
        """Split x [count, units] into its rows, each [1, units]."""
        if count == 1:
            return (x,)
        axis = self.graph.constant(np.array(0, np.int32))
        size = self.graph.shape(x)[-1]
        rows = [self.graph.tensor((1, size), self.type, self.sum_scale) for _ in range(count)]
        self.graph.operator(Operator.SPLIT, (axis, x), rows, schema.SplitOptionsT(numSplits=count))
        return rows

    def state(self, size: int, activation: str) -> int:
        """A tensor [1, size] that holds a state which came out of an activation."""
        return self.graph.tensor((1, size), self.type, self.activation_scale(activation))

    def zero_state(self, size: int, activation: str) -> int:
        """A state that is zero, as a constant [1, size]."""
        scale = self.activation_scale(activation)
        zero_point = scale.zero_point if scale else 0
        return self.graph.constant(np.full((1, size), zero_point, self.dtype), scale)

    # What a number format may do in its own way.

    dtype: npt.DTypeLike = np.float32

    sum_scale: Scale | None = None

    def activation_scale(self, name: str) -> Scale | None:
        """What the integers of an activation's output mean; None for floating point."""
        return None

    def weights(self, kernel: Float32, one_scale: bool = False) -> int:
        """A kernel [inputs, outputs] as a constant [outputs, inputs], once a graph.

        Integers have a scale for each output, or `one_scale` for all of them.
        """
        key = (id(kernel), one_scale)
        if key not in self._weights:
            self._weights[key] = self._store(np.ascontiguousarray(kernel.T), one_scale)
        return self._weights[key]

    def bias(self, x: int, kernel: Float32, bias: Float32) -> int:
        """A bias [outputs] as a constant."""
        return self.graph.constant(bias)

    def _store(self, rows: Float32, one_scale: bool) -> int:
        return self.graph.constant(rows)

    def _append(self, code: int, inputs: Sequence[int], shape: Sequence[int], options: Any) -> int:
        output = self.graph.tensor(shape, self.type, self.sum_scale, self.sum_name)
        self.graph.operator(code, inputs, (output,), options)
        return output


class Float16Ops(Float32Ops):
    """Weights stored as float16, arithmetic in float32."""

    def _store(self, rows: Float32, one_scale: bool) -> int:
        stored = self.graph.constant(rows.astype(np.float16))
        weights = self.graph.tensor(rows.shape, TensorType.FLOAT32)
        self.graph.operator(Operator.DEQUANTIZE, (stored,), (weights,), schema.DequantizeOptionsT())
        return weights


class DynamicOps(Float32Ops):
    """Weights as int8, a scale for each output; activations are float32, quantized by the kernels as they come."""

    def _store(self, rows: Float32, one_scale: bool) -> int:
        return self.graph.constant(*quantize_rows(rows, one_scale))


class IntegerOps(DynamicOps):
    """Integers throughout: int8 weights with a scale for each output, int8 or int16 activations.

    Args:
        graph: where tensors and operators are added.
        bits: of the activations, 8 or 16.
        limit: projection, recurrent product and their sum share one range, ± `limit`: added without rescaling,
            and the same at every step, in a sequence and in a stream.
    """

    def __init__(self, graph: Graph, bits: int, limit: float) -> None:
        super().__init__(graph)
        self.bits = bits
        self.type = TensorType.INT8 if bits == 8 else TensorType.INT16
        self.dtype = np.int8 if bits == 8 else np.int16
        self.sum_scale = Scale((limit / 2 ** (bits - 1),))

    def activation_scale(self, name: str) -> Scale:
        """The scale that an activation's kernel demands (LiteRT's quantization specification)."""
        return state_scale(name, self.bits, self.sum_scale)

    def bias(self, x: int, kernel: Float32, bias: Float32) -> int:
        """A bias in the scale of the product's accumulator: that of the input times that of the weights."""
        _, weights = quantize_rows(np.ascontiguousarray(kernel.T))
        (scale,) = self.graph.scale(x).scales
        scales = np.array(weights.scales) * scale
        integers = np.round(bias / scales).astype(np.int32 if self.bits == 8 else np.int64)
        return self.graph.constant(integers, Scale(tuple(scales)))


def state_scale(activation: str, bits: int, sum_scale: Scale | None) -> Scale:
    """What the integers of an activation's output mean: fixed by the kernels for tanh and sigmoid."""
    if activation == "tanh":
        return Scale((1 / 2 ** (bits - 1),))
    if activation == "sigmoid":
        return Scale((1 / 256,), -128) if bits == 8 else Scale((1 / 2**15,))
    assert sum_scale  # noqa: S101 - relu and linear keep the scale of what they are given
    return sum_scale


def quantize_rows(rows: Float32, one_scale: bool = False) -> tuple[npt.NDArray[np.int8], Scale]:
    """Round weights [outputs, inputs] to int8, symmetric, with a scale for each output or one for all."""
    largest = np.abs(rows).max(axis=None if one_scale else 1, keepdims=True)
    scales = np.where(largest > 0, largest / 127, 1).astype(np.float32)
    integers = np.round(rows / scales).astype(np.int8)
    return integers, Scale(tuple(float(scale) for scale in scales[:, 0]))
