"""SimpleRNN: h(t) = activation(x(t) W + b + h(t-1) R)  (Elman, "Finding Structure in Time", 1990)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from edgernn.arrays import Float32
from edgernn_export.cells.cell import Cell, States, activation_name
from edgernn_export.cells.fused_operator import FusedOperator, fused_activation
from edgernn_export.cells.onnx_operator import OnnxOperator, activations
from edgernn_export.cells.ops import Ops, PostActivation, PreActivation, Role


@dataclass(frozen=True)
class SimpleRNN(Cell):
    """The weights of a Keras SimpleRNN layer.

    Attributes:
        kernel: W, float32 [features, units].
        recurrent_kernel: R, float32 [units, units].
        bias: b, float32 [units]; zeros for a layer without bias.
        activation: its Keras name.
    """

    operators: ClassVar[int] = 3

    kernel: Float32
    recurrent_kernel: Float32
    bias: Float32
    activation: str

    @classmethod
    def from_keras(cls, layer: Any) -> Self:
        """See `Cell`."""
        kernel, recurrent_kernel, *bias = (np.asarray(weight, np.float32) for weight in layer.get_weights())
        zeros = np.zeros(layer.units, np.float32)
        return cls(
            kernel=kernel,
            recurrent_kernel=recurrent_kernel,
            bias=bias[0] if bias else zeros,
            activation=activation_name(layer, "activation"),
        )

    @property
    def units(self) -> int:
        """See `Cell`."""
        return len(self.bias)

    @property
    def states(self) -> tuple[str, ...]:
        """See `Cell`."""
        return ("state",)

    @property
    def roles(self) -> Mapping[str, Role]:
        """See `Cell`."""
        return {"sum": PreActivation(self.activation), "state": PostActivation(self.activation, "sum")}

    def project(self, ops: Ops, x: Any) -> tuple[Any, ...]:
        """See `Cell`; [steps, units]."""
        return (ops.linear(x, self.kernel, self.bias, "sum"),)

    def step(self, ops: Ops, projected: tuple[Any, ...], states: States) -> States:
        """See `Cell`."""
        recurrent = ops.linear(states[0], self.recurrent_kernel, None, "sum")
        return (ops.activation(self.activation, ops.add(projected[0], recurrent, "sum"), "state"),)

    def fused_operator(self) -> FusedOperator:
        """Make UNIDIRECTIONAL_SEQUENCE_RNN: W, R, b and the state."""
        return FusedOperator(
            kind="UNIDIRECTIONAL_SEQUENCE_RNN",
            options="SequenceRNNOptions",
            activation=fused_activation(self.activation),
            weights=(self.kernel, self.recurrent_kernel, self.bias),
        )

    def onnx_operator(self) -> OnnxOperator:
        """Make ONNX's RNN (operator set 14); its bias of the recurrent product is zero, because Keras has none."""
        return OnnxOperator(
            kind="RNN",
            w=self.kernel.T[np.newaxis],
            r=self.recurrent_kernel.T[np.newaxis],
            b=np.concatenate([self.bias, np.zeros_like(self.bias)])[np.newaxis],
            attributes={"hidden_size": self.units, **activations([self.activation])},
        )
