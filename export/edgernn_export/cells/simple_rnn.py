"""SimpleRNN: h(t) = activation(x(t) W + b + h(t-1) R)  (Elman, "Finding Structure in Time", 1990)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from edgernn.errors import ModelError
from edgernn_export.cells.onnx_operator import OnnxOperator
from edgernn_export.cells.ops import Ops

Float32 = npt.NDArray[np.float32]

# Keras's name, then the attributes of ONNX's operator.
_ACTIVATIONS: Mapping[str, Mapping[str, Any]] = {
    "tanh": {"activations": ["Tanh"]},
    "sigmoid": {"activations": ["Sigmoid"]},
    "relu": {"activations": ["Relu"]},
    # alpha x + beta; ONNX Runtime takes both for 0 where they are left out.
    "linear": {"activations": ["Affine"], "activation_alpha": [1.0], "activation_beta": [0.0]},
}


@dataclass(frozen=True)
class SimpleRNN:
    """The weights of a Keras SimpleRNN layer.

    Attributes:
        kernel: W, float32 [features, units].
        recurrent_kernel: R, float32 [units, units].
        bias: b, float32 [units]; zeros for a layer without one.
        activation: its Keras name.
    """

    kernel: Float32
    recurrent_kernel: Float32
    bias: Float32
    activation: str

    @classmethod
    def from_keras(cls, layer: Any) -> Self:
        """Take the weights of a built Keras layer.

        Raises:
            ModelError: its activation is not supported.
        """
        activation = layer.activation.__name__
        if activation not in _ACTIVATIONS:
            raise ModelError(
                f"layer {layer.name!r} (SimpleRNN) has activation {activation!r}; supported: {', '.join(_ACTIVATIONS)}"
            )
        weights = [np.asarray(weight, np.float32) for weight in layer.get_weights()]
        bias = weights[2] if layer.use_bias else np.zeros(layer.units, np.float32)
        return cls(weights[0], weights[1], bias, activation)

    @property
    def units(self) -> int:
        """How many values the state has."""
        return len(self.bias)

    @property
    def state_sizes(self) -> tuple[int, ...]:
        """The size of each state that goes from one time step to the next."""
        return (self.units,)

    def project(self, ops: Ops, x: Any) -> Any:
        """The input product: [steps, features] to [steps, units]."""
        return ops.matmul(x, self.kernel) + self.bias

    def step(self, ops: Ops, projected: Any, states: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
        """One time step: projected [1, units] and the states [1, units] to the output and the new states."""
        state = ops.activation(self.activation, projected + ops.matmul(states[0], self.recurrent_kernel))
        return state, (state,)

    def onnx_operator(self) -> OnnxOperator:
        """ONNX's RNN (operator set 14): W [1, units, features], R [1, units, units], B [1, 2 × units].

        B is the bias of the input product, then that of the recurrent product, which Keras has not.
        """
        return OnnxOperator(
            kind="RNN",
            w=self.kernel.T[np.newaxis],
            r=self.recurrent_kernel.T[np.newaxis],
            b=np.concatenate([self.bias, np.zeros_like(self.bias)])[np.newaxis],
            attributes={"hidden_size": self.units, **_ACTIVATIONS[self.activation]},
        )
