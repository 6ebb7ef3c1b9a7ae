"""SimpleRNN: h(t) = activation(x(t) W + b + h(t-1) R)  (Elman, "Finding Structure in Time", 1990)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from edgernn.errors import ModelError, UnsupportedError
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

# Keras's name, then that of TFLite's fused operator; it has no sigmoid.
_FUSED = {"tanh": "TANH", "relu": "RELU", "linear": "NONE"}


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

    @property
    def state_activations(self) -> tuple[str, ...]:
        """The activation that each state comes out of, which is what an integer of it means."""
        return (self.activation,)

    def project(self, ops: Ops, x: Any) -> Any:
        """The input product: [steps, features] to [steps, units]."""
        return ops.linear(x, self.kernel, self.bias)

    def step(self, ops: Ops, projected: Any, states: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
        """One time step: projected [1, units] and the states [1, units] to the output and the new states."""
        state = ops.activation(self.activation, ops.add(projected, ops.linear(states[0], self.recurrent_kernel)))
        return state, (state,)

    def fused_activation(self) -> str:
        """The name of TFLite's fused activation for UNIDIRECTIONAL_SEQUENCE_RNN.

        Raises:
            UnsupportedError: the operator has none for this activation.
        """
        if self.activation not in _FUSED:
            raise UnsupportedError(f"TFLite's fused RNN has no activation {self.activation!r}")
        return _FUSED[self.activation]

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
