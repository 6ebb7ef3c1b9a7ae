"""The arithmetic of cells in TFLite operators: one class a number format, all with `cells.ops.Ops`.

A value is the index of a tensor in the graph, or a `Zero`: a state before the first step, or a value computed from one.
A value known to be zero is not computed if the result has the same bits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from edgernn.arrays import Float32, Floats, Int8
from edgernn.program.linear import MAX_BIAS, MIN_MULTIPLIER
from edgernn.rounding import round_channels
from edgernn_export.formats.tflite.activations import append_activation
from edgernn_export.formats.tflite.graph import Graph, Operator, Scale, TensorType


@dataclass(frozen=True)
class Zero:
    """A value of a role that is known to be zero."""

    role: str


Value = int | Zero

# Share of a limit that scales may use: their rounding to float32 must not exceed the limit.
_SAFE = 1 - 2.0**-20

_ACTIVATIONS = {"tanh": Operator.TANH, "sigmoid": Operator.LOGISTIC, "relu": Operator.RELU}


class Float32Ops:
    """float32 throughout; the base of all number formats.

    Args:
        graph: where tensors and operators are added.
        names: prefix of the names of tensors, in front of the role; ranges are measured by name. Empty for no names.
    """

    type = TensorType.FLOAT32
    dtype: npt.DTypeLike = np.float32

    def __init__(self, graph: Graph, names: str = "") -> None:
        self.graph = graph
        self._names = names
        self._weights: dict[tuple[int, bool], int] = {}
        self._axes: dict[int, int] = {}

    def linear(self, x: Value, kernel: Float32, bias: Float32 | None, role: str) -> Value:
        """Compute x [rows, inputs] × kernel [inputs, outputs] + bias [outputs]."""
        if isinstance(x, Zero):
            if bias is None:
                return Zero(role)
            # Computed nevertheless: a constant might be rounded differently from the accumulator of the kernel.
            x = self.zeros(kernel.shape[0], x.role)
        rows = self.graph.shape(x)[-2]
        inputs = [x, *self.operands(x, kernel, bias, role)]
        return self._append(
            Operator.FULLY_CONNECTED, inputs, (rows, kernel.shape[1]), role, schema.FullyConnectedOptionsT()
        )

    def add(self, a: Value, b: Value, role: str) -> Value:
        """Add two values of the same shape."""
        if isinstance(a, Zero):
            a, b = b, a
        # A sum with zero is the other value, unless it must be rescaled.
        if isinstance(b, Zero) and (isinstance(a, Zero) or self.graph.scale_or_none(a) == self.scale(role)):
            return a
        return self._append_pair(Operator.ADD, a, b, role, schema.AddOptionsT())

    def subtract(self, a: Value, b: Value, role: str) -> Value:
        """Subtract two values of the same shape."""
        return self._append_pair(Operator.SUB, a, b, role, schema.SubOptionsT())

    def multiply(self, a: Value, b: Value, role: str) -> Value:
        """Multiply two values of the same shape, element by element."""
        if isinstance(a, Zero) or isinstance(b, Zero):
            return Zero(role)
        return self._append_pair(Operator.MUL, a, b, role, schema.MulOptionsT())

    def activation(self, name: str, x: Value, role: str) -> Value:
        """Apply a Keras activation by its name."""
        if isinstance(x, Zero):
            raise TypeError("an activation of zero: a step's sum contains the projected input")
        if name == "linear":
            return x
        if name in _ACTIVATIONS:
            return self._append(_ACTIVATIONS[name], (x,), self.graph.shape(x), role)
        return self._other_activation(name, x, role)

    def select(self, mask: int, new: Value, old: Value, role: str) -> int:
        """Take `new` where the mask, one boolean, is true, otherwise `old`; both are of one role."""
        (shape,) = {self.graph.shape(value) for value in (new, old) if isinstance(value, int)}
        values = [self.zeros(shape[-1], value.role) if isinstance(value, Zero) else value for value in (new, old)]
        return self._append(Operator.SELECT_V2, (mask, *values), shape, role, schema.SelectV2OptionsT())

    def split(self, x: int, count: int) -> Sequence[int]:
        """Split values [rows, count × units] into `count` pieces, each [rows, units]."""
        return self._split(x, count, axis=1)

    def rows(self, x: int) -> Sequence[int]:
        """Split values [steps, units] into rows, each [1, units]."""
        return self._split(x, self.graph.shape(x)[0], axis=0)

    def masks(self, mask: int) -> Sequence[int]:
        """Split a mask, bool [1, steps], into that of each step, [1]."""
        steps = self.graph.shape(mask)[1]
        if steps == 1:
            return (mask,)
        pieces = [self.graph.tensor((1,), TensorType.BOOL) for _ in range(steps)]
        # Not SPLIT, whose kernel has no booleans.
        self.graph.operator(Operator.UNPACK, (mask,), pieces, schema.UnpackOptionsT(num=steps, axis=1))
        return pieces

    def state(self, size: int, role: str) -> int:
        """Add a tensor [1, size] for a state."""
        return self.graph.tensor((1, size), self.type, self.scale(role))

    def zeros(self, size: int, role: str) -> int:
        """Add a constant [1, size] of zeros."""
        scale = self.scale(role)
        return self.graph.constant(np.full((1, size), scale.zero_point if scale else 0, self.dtype), scale)

    def weights(self, kernel: Float32, one_scale: bool = False) -> int:
        """Add a kernel [inputs, outputs] as a constant [outputs, inputs], once a graph.

        Integers have a scale for each output, or `one_scale` for all of them.
        """
        key = (id(kernel), one_scale)
        if key not in self._weights:
            self._weights[key] = self._store(_rows(kernel), one_scale)
        return self._weights[key]

    # Number formats override the following.

    def scale(self, role: str) -> Scale | None:
        """Return the scale of a role's values; None for floating point."""
        return None

    def operands(self, x: int, kernel: Float32, bias: Float32 | None, role: str) -> Sequence[int]:
        """Add the constants of a product with `x`: its kernel, and its bias [outputs] if there is one.

        Args:
            x: the product's input.
            kernel: [inputs, outputs].
            bias: [outputs]; None without one.
            role: of the product's results.
        """
        return [self.weights(kernel)] + ([] if bias is None else [self.graph.constant(bias)])

    def _other_activation(self, name: str, x: int, role: str) -> int:
        """Add an activation that is no single operator; the outermost tensor has the role."""
        result = append_activation(self.graph, name, x)
        if self._names:
            self.graph.name(result, f"{self._names}/{role}")
        return result

    def _store(self, rows: Float32, one_scale: bool) -> int:
        return self.graph.constant(rows)

    def _split(self, x: int, count: int, axis: int) -> Sequence[int]:
        if count == 1:
            return (x,)
        shape = list(self.graph.shape(x))
        shape[axis] //= count
        along = self._axis(axis)
        pieces = [self.graph.tensor(shape, self.type, self.graph.scale_or_none(x)) for _ in range(count)]
        self.graph.operator(Operator.SPLIT, (along, x), pieces, schema.SplitOptionsT(numSplits=count))
        return pieces

    def _axis(self, axis: int) -> int:
        """Add an axis as a constant, once a graph."""
        if axis not in self._axes:
            self._axes[axis] = self.graph.constant(np.array(axis, np.int32))
        return self._axes[axis]

    def _append_pair(self, code: int, a: Value, b: Value, role: str, options: Any) -> int:
        (shape,) = {self.graph.shape(value) for value in (a, b) if isinstance(value, int)}
        inputs = [self.zeros(shape[-1], value.role) if isinstance(value, Zero) else value for value in (a, b)]
        return self._append(code, inputs, shape, role, options)

    def _append(self, code: int, inputs: Sequence[int], shape: Sequence[int], role: str, options: Any = None) -> int:
        name = f"{self._names}/{role}" if self._names else ""
        output = self.graph.tensor(shape, self.type, self.scale(role), name)
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
    """Weights as int8, a scale for each output; activations are float32, quantized by the kernels at run time."""

    def _store(self, rows: Float32, one_scale: bool) -> int:
        return self.graph.constant(*quantize_rows(rows, one_scale))


class IntegerOps(DynamicOps):
    """Integers throughout: int8 weights with a scale for each output, int8 or int16 activations.

    Args:
        graph: where tensors and operators are added.
        bits: of the activations, 8 or 16.
        scales: of the values of each role: the same at every step, in a sequence and in a stream.
    """

    def __init__(self, graph: Graph, bits: int, scales: Mapping[str, Scale]) -> None:
        super().__init__(graph)
        self._bits = bits
        self._scales = scales
        self.type = TensorType.INT8 if bits == 8 else TensorType.INT16
        self.dtype = np.int8 if bits == 8 else np.int16

    def scale(self, role: str) -> Scale:
        """Return the scale of a role's values."""
        return self._scales[role]

    def operands(self, x: int, kernel: Float32, bias: Float32 | None, role: str) -> Sequence[int]:
        """Add a kernel and a bias in the accumulator's scale: that of the input times that of the weights."""
        if bias is None:
            return [self.weights(kernel)]
        (step,), (out_step,) = self.graph.scale(x).scales, self.scale(role).scales
        key = (id(kernel), False)
        rows, scale = quantize_rows(_rows(kernel), min_scale=min_scales(bias, step, out_step))
        if key not in self._weights:
            self._weights[key] = self.graph.constant(rows, scale)
        return [self._weights[key], self.graph.constant(*quantize_bias(bias, np.array(scale.scales), step, self.dtype))]

    def _other_activation(self, name: str, x: int, role: str) -> int:
        """Add it in float32 between integers: such activations have no integer kernels, or inexact ones."""
        shape = self.graph.shape(x)
        real = self.graph.tensor(shape, TensorType.FLOAT32)
        self.graph.operator(Operator.DEQUANTIZE, (x,), (real,), schema.DequantizeOptionsT())
        return self._append(
            Operator.QUANTIZE, (append_activation(self.graph, name, real),), shape, role, schema.QuantizeOptionsT()
        )


def quantize_rows(rows: Float32, one_scale: bool = False, min_scale: Float32 | None = None) -> tuple[Int8, Scale]:
    """Round weights [outputs, inputs] to int8, symmetric, with a scale for each output or one for all.

    Args:
        rows: the weights.
        one_scale: whether all outputs share a scale.
        min_scale: lowest allowed scale of each output, [outputs], from `min_scales`.
    """
    lowest = None if min_scale is None else min_scale[:, np.newaxis]
    integers, scales = round_channels(rows, None if one_scale else 0, lowest)
    return integers, Scale(tuple(float(scale) for scale in scales[:, 0]))


def min_scales(bias: Float32, step: float, out_step: float) -> Float32:
    """Return the lowest scale of each output's weights at which its bias and its multiplier are in the kernels' range.

    A unit with weights much smaller than its bias, or than the results of other units, gets coarser weights. The error
    is at most half a scale times the largest input: 2**-17 of the bias with 16 bits, 2**-25 with 8 bits, or 2**-17 of
    the results' scale.

    Args:
        bias: float32 [outputs].
        step: the scale of the product's input.
        out_step: the scale of the product's results.
    """
    lowest = MIN_MULTIPLIER * out_step / step
    return (np.maximum(np.abs(bias) / (step * MAX_BIAS), lowest) / _SAFE).astype(np.float32)


def quantize_bias(
    bias: Float32, scales: Floats, step: float, dtype: npt.DTypeLike
) -> tuple[npt.NDArray[np.integer], Scale]:
    """Round a bias [outputs] to the accumulator's integers: int32, or int64 for activations of type int16.

    Args:
        bias: float32 [outputs].
        scales: of the weights, [outputs].
        step: the scale of the product's input.
        dtype: the type of the product's input.
    """
    products = scales.astype(np.float64) * step
    kind = np.int64 if np.dtype(dtype) == np.int16 else np.int32
    return np.round(bias / products).astype(kind), Scale(tuple(products))


def _rows(kernel: Float32) -> Float32:
    """Transpose a kernel [inputs, outputs] to TFLite's order, [outputs, inputs]."""
    return np.ascontiguousarray(kernel.T)
