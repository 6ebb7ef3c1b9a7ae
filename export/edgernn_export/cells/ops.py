"""The arithmetic that cells are written in: by NumPy, the oracle, and by TensorFlow, for graphs."""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np


class Ops(Protocol):
    """What a cell's equations need; arrays and tensors alike."""

    def matmul(self, a: Any, b: Any) -> Any:
        """The matrix product."""

    def activation(self, name: str, x: Any) -> Any:
        """A Keras activation by its name."""


_NUMPY_ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "tanh": np.tanh,
    "sigmoid": lambda x: 0.5 * (np.tanh(0.5 * x) + 1),  # the same function; it cannot overflow
    "relu": lambda x: np.maximum(x, 0),
    "linear": lambda x: x,
}


class NumpyOps:
    """Plain NumPy, in the precision of its inputs."""

    def matmul(self, a: Any, b: Any) -> Any:
        """The matrix product."""
        return a @ b

    def activation(self, name: str, x: Any) -> Any:
        """A Keras activation by its name."""
        return _NUMPY_ACTIVATIONS[name](x)


class TensorFlowOps:
    """TensorFlow operators that LiteRT and ONNX have one each for."""

    def matmul(self, a: Any, b: Any) -> Any:
        """The matrix product."""
        import tensorflow as tf

        return tf.matmul(a, b)

    def activation(self, name: str, x: Any) -> Any:
        """A Keras activation by its name."""
        import tensorflow as tf

        functions = {"tanh": tf.tanh, "sigmoid": tf.sigmoid, "relu": tf.nn.relu, "linear": tf.identity}
        return functions[name](x)
