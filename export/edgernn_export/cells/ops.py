"""The arithmetic that cells are written in, and what they say of the values in it.

NumPy's is here, the oracle; TFLite's is in `tflite_ops`. Every value has a role, a name that the cell chooses: values
of one role have one range, at every time step, in a sequence and in a stream.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

import numpy as np

from edgernn.arrays import Float32
from edgernn.tensorflow_setup import quiet_tensorflow

# Activations from 0 to 1: a mean weighted by them lies between what it is a mean of.
BOUNDED = ("sigmoid", "hard_sigmoid", "hard_sigmoid_keras2", "sparse_sigmoid", "softmax", "sparsemax")


@dataclass(frozen=True)
class PreActivation:
    """The role of what is fed to an activation: its range may be cut off, where that costs less than it gives."""

    feeds: str


@dataclass(frozen=True)
class PostActivation:
    """The role of what comes out of an activation, or lies between such values and 0.

    Attributes:
        activation: its Keras name.
        of: the role of what was fed to it.
    """

    activation: str
    of: str


@dataclass(frozen=True)
class MeasuredRange:
    """The role of everything else: its range is what was measured."""


Role = PreActivation | PostActivation | MeasuredRange


class Ops(Protocol):
    """What a cell's equations need; a value is an array for NumPy, a tensor of a graph for TFLite."""

    def linear(self, x: Any, kernel: Float32, bias: Float32 | None, role: str) -> Any:
        """The product x [rows, inputs] × kernel [inputs, outputs] + bias [outputs]."""

    def add(self, a: Any, b: Any, role: str) -> Any:
        """The sum of two of the same shape."""

    def subtract(self, a: Any, b: Any, role: str) -> Any:
        """The difference of two of the same shape."""

    def multiply(self, a: Any, b: Any, role: str) -> Any:
        """The product, value by value, of two of the same shape."""

    def activation(self, name: str, x: Any, role: str) -> Any:
        """A Keras activation by its name."""

    def split(self, x: Any, count: int) -> Sequence[Any]:
        """Values [rows, count × units] in `count` pieces, each [rows, units]."""


# Of a row's values together, so that it matters which ones are in a row.
_OF_ALL_UNITS = ("softmax", "log_softmax", "sparsemax")


def open_gates(ops: Ops, activation: str, gates: Any, count: int) -> Sequence[Any]:
    """The activation of gates [1, count × units], each [1, units]; of all of them at once where that is the same."""
    if activation in _OF_ALL_UNITS:
        return [ops.activation(activation, gate, "gate") for gate in ops.split(gates, count)]
    return ops.split(ops.activation(activation, gates, "gate"), count)


class NumpyOps:
    """Plain NumPy, in the precision of its inputs."""

    def linear(self, x: Any, kernel: Float32, bias: Float32 | None, _role: str) -> Any:
        """The product x [rows, inputs] × kernel [inputs, outputs] + bias [outputs]."""
        return x @ kernel if bias is None else x @ kernel + bias

    def add(self, a: Any, b: Any, _role: str) -> Any:
        """The sum of two of the same shape."""
        return a + b

    def subtract(self, a: Any, b: Any, _role: str) -> Any:
        """The difference of two of the same shape."""
        return a - b

    def multiply(self, a: Any, b: Any, _role: str) -> Any:
        """The product, value by value, of two of the same shape."""
        return a * b

    def activation(self, name: str, x: Any, _role: str) -> Any:
        """A Keras activation by its name."""
        return np.asarray(keras_activation(name)(x))

    def split(self, x: Any, count: int) -> Sequence[Any]:
        """Values [rows, count × units] in `count` pieces, each [rows, units]."""
        return np.split(x, count, axis=-1)


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
    """The activations of Keras 2 that Keras 3 lacks, registered so that Keras can save and load them."""
    with quiet_tensorflow():
        import keras

    def hard_sigmoid_keras2(x: Any) -> Any:
        """Compute the hard sigmoid of Keras 2, whose slope is 0.2; that of Keras 3 is 1/6."""
        return keras.ops.clip(0.2 * x + 0.5, 0.0, 1.0)

    activations = {"hard_sigmoid_keras2": hard_sigmoid_keras2}
    for name, function in activations.items():
        keras.saving.register_keras_serializable("edgernn", name)(function)
    return activations
