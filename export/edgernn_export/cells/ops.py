"""The arithmetic that cells are written in: by NumPy, the oracle; TFLite's own is in `tflite_ops`."""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]


class Ops(Protocol):
    """What a cell's equations need; an array for NumPy, a tensor of a graph for TFLite."""

    def linear(self, x: Any, kernel: Float32, bias: Float32 | None = None) -> Any:
        """The product x [rows, inputs] × kernel [inputs, outputs] + bias [outputs]."""

    def add(self, a: Any, b: Any) -> Any:
        """The sum of two of the same shape."""

    def activation(self, name: str, x: Any) -> Any:
        """A Keras activation by its name."""


_ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "tanh": np.tanh,
    "sigmoid": lambda x: 0.5 * (np.tanh(0.5 * x) + 1),  # the same function; it cannot overflow
    "relu": lambda x: np.maximum(x, 0),
    "linear": lambda x: x,
}


class NumpyOps:
    """Plain NumPy, in the precision of its inputs."""

    def linear(self, x: Any, kernel: Float32, bias: Float32 | None = None) -> Any:
        """The product x [rows, inputs] × kernel [inputs, outputs] + bias [outputs]."""
        return x @ kernel if bias is None else x @ kernel + bias

    def add(self, a: Any, b: Any) -> Any:
        """The sum of two of the same shape."""
        return a + b

    def activation(self, name: str, x: Any) -> Any:
        """A Keras activation by its name."""
        return _ACTIVATIONS[name](x)
