"""The arithmetic of cells, and the roles of values in it.

`NumpyOps` is the oracle; `tflite_ops` has TFLite's arithmetic. Every value has a role, a name that the cell chooses.
Values of one role have one range, at every time step, in a sequence and in a stream.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

import numpy as np

from edgernn.arrays import Float32
from edgernn.system.tensorflow_setup import quiet_tensorflow

# Activations from 0 to 1: a mean with these weights is between the averaged values.
BOUNDED = ("sigmoid", "hard_sigmoid", "hard_sigmoid_keras2", "sparse_sigmoid", "softmax", "sparsemax")


@dataclass(frozen=True)
class PreActivation:
    """Role of the input of an activation; its range may be cut off if finer steps reduce the error."""

    feeds: str


@dataclass(frozen=True)
class PostActivation:
    """Role of the output of an activation, or of values between such outputs and 0.

    Attributes:
        activation: its Keras name.
        of: the role of its input.
    """

    activation: str
    of: str


@dataclass(frozen=True)
class MeasuredRange:
    """Role of all other values; their range is measured."""


Role = PreActivation | PostActivation | MeasuredRange


class Ops(Protocol):
    """Operations in a cell's equations; a value is an array for NumPy, a tensor of a graph for TFLite."""

    def linear(self, x: Any, kernel: Float32, bias: Float32 | None, role: str) -> Any:
        """Compute x [rows, inputs] × kernel [inputs, outputs] + bias [outputs]."""

    def add(self, a: Any, b: Any, role: str) -> Any:
        """Add two values of the same shape."""

    def subtract(self, a: Any, b: Any, role: str) -> Any:
        """Subtract two values of the same shape."""

    def multiply(self, a: Any, b: Any, role: str) -> Any:
        """Multiply two values of the same shape, element by element."""

    def activation(self, name: str, x: Any, role: str) -> Any:
        """Apply a Keras activation by its name."""

    def split(self, x: Any, count: int) -> Sequence[Any]:
        """Split values [rows, count × units] into `count` pieces, each [rows, units]."""

    def select(self, mask: Any, new: Any, old: Any, role: str) -> Any:
        """Take `new` where the mask, one boolean, is true, otherwise `old`; both are of one role."""


# Activations of all values of a row together: the result depends on which values share a row.
_OF_ALL_UNITS = ("softmax", "log_softmax", "sparsemax")


def open_gates(ops: Ops, activation: str, gates: Any, count: int) -> Sequence[Any]:
    """Apply the activation to gates [1, count × units], at once if possible; return each gate, [1, units]."""
    if activation in _OF_ALL_UNITS:
        return [ops.activation(activation, gate, "gate") for gate in ops.split(gates, count)]
    return ops.split(ops.activation(activation, gates, "gate"), count)


class NumpyOps:
    """Operations in NumPy, in the precision of their inputs."""

    def linear(self, x: Any, kernel: Float32, bias: Float32 | None, _role: str) -> Any:
        """Compute x [rows, inputs] × kernel [inputs, outputs] + bias [outputs]."""
        return x @ kernel if bias is None else x @ kernel + bias

    def add(self, a: Any, b: Any, _role: str) -> Any:
        """Add two values of the same shape."""
        return a + b

    def subtract(self, a: Any, b: Any, _role: str) -> Any:
        """Subtract two values of the same shape."""
        return a - b

    def multiply(self, a: Any, b: Any, _role: str) -> Any:
        """Multiply two values of the same shape, element by element."""
        return a * b

    def activation(self, name: str, x: Any, _role: str) -> Any:
        """Apply a Keras activation by its name."""
        return np.asarray(keras_activation(name)(x))

    def split(self, x: Any, count: int) -> Sequence[Any]:
        """Split values [rows, count × units] into `count` pieces, each [rows, units]."""
        return np.split(x, count, axis=-1)

    def select(self, mask: Any, new: Any, old: Any, _role: str) -> Any:
        """Take `new` where the mask, one boolean, is true, otherwise `old`; both are of one role."""
        return np.where(mask, new, old)


def keras_activation(name: str) -> Callable[[Any], Any]:
    """Look up Keras's activation of this name, or edgernn's for one that only Keras 2 has.

    Raises:
        ValueError: neither has one.
    """
    with quiet_tensorflow():
        import keras

    function: Callable[[Any], Any] = older_activations().get(name) or keras.activations.get(name)
    return function


@cache
def older_activations() -> Mapping[str, Callable[[Any], Any]]:
    """Register the activations of Keras 2 that Keras 3 lacks, so that Keras can save and load them; return them."""
    with quiet_tensorflow():
        import keras

    def hard_sigmoid_keras2(x: Any) -> Any:
        """Compute the hard sigmoid of Keras 2, whose slope is 0.2; that of Keras 3 is 1/6."""
        return keras.ops.clip(0.2 * x + 0.5, 0.0, 1.0)

    activations = {"hard_sigmoid_keras2": hard_sigmoid_keras2}
    for name, function in activations.items():
        keras.saving.register_keras_serializable("edgernn", name)(function)
    return activations
