"""GRU, with the reset gate before or after the recurrent product.

    z(t) = σ(x(t) Wz + bz + h(t-1) Rz)        the update gate
    r(t) = σ(x(t) Wr + br + h(t-1) Rr)        the reset gate
    c(t) = activation(x(t) Wh + bh + s)       the candidate
    h(t) = c(t) + z(t) (h(t-1) - c(t))

with s = r(t) (h(t-1) Rh + bs) for `reset_after` (cuDNN's form, Keras's default) and s = (r(t) h(t-1)) Rh otherwise
(Cho et al., arXiv:1406.1078v1). The last line is Keras's z h + (1 - z) c with one product fewer.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from edgernn.arrays import Float32
from edgernn_export.cells.cell import States, activation_name
from edgernn_export.cells.gated_cell import GatedCell
from edgernn_export.cells.onnx_operator import OnnxOperator, activations
from edgernn_export.cells.ops import BOUNDED, MeasuredRange, Ops, PostActivation, Role, open_gates


@dataclass(frozen=True)
class GRU(GatedCell):
    """The weights of a Keras GRU layer; gates are in Keras's order, update and then reset.

    Attributes:
        gates_kernel, candidate_kernel: Wz and Wr, float32 [features, 2 × units], and Wh, [features, units].
        gates_recurrent, candidate_recurrent: Rz and Rr, float32 [units, 2 × units], and Rh, [units, units].
        gates_bias, candidate_bias: bz and br, float32 [2 × units], and bh, [units]; zeros for a layer without them.
        reset_bias: bs, float32 [units]; None with the reset gate before the recurrent product.
        activation, recurrent_activation: their Keras names; the latter is that of the gates.
    """

    operators: ClassVar[int] = 11

    reset_bias: Float32 | None

    @classmethod
    def from_keras(cls, layer: Any) -> Self:
        """See `Cell`."""
        kernel, recurrent, *rest = (np.asarray(weight, np.float32) for weight in layer.get_weights())
        gates = 2 * layer.units
        # [input and recurrent bias, 3 × units] for reset_after, else [3 × units].
        bias = rest[0].reshape(-1, 3 * layer.units) if rest else np.zeros((1, 3 * layer.units), np.float32)
        reset_bias = np.zeros(layer.units, np.float32) if len(bias) == 1 else bias[1, gates:].copy()
        return cls(
            gates_kernel=kernel[:, :gates],
            candidate_kernel=kernel[:, gates:],
            gates_recurrent=recurrent[:, :gates],
            candidate_recurrent=recurrent[:, gates:],
            gates_bias=bias[:, :gates].sum(axis=0),
            candidate_bias=bias[0, gates:].copy(),
            reset_bias=reset_bias if layer.reset_after else None,
            activation=activation_name(layer, "activation"),
            recurrent_activation=activation_name(layer, "recurrent_activation"),
        )

    @property
    def states(self) -> tuple[str, ...]:
        """See `Cell`."""
        return ("state",)

    @property
    def roles(self) -> Mapping[str, Role]:
        """See `Cell`."""
        candidate = PostActivation(self.activation, "candidate")
        return {
            **super().roles,
            "activated": candidate,
            "reset": MeasuredRange(),
            "difference": MeasuredRange(),
            "change": MeasuredRange(),
            "state": candidate if self.recurrent_activation in BOUNDED else MeasuredRange(),
        }

    def step(self, ops: Ops, projected: tuple[Any, ...], states: States) -> States:
        """See `Cell`."""
        state = states[0]
        gates = ops.add(projected[0], ops.linear(state, self.gates_recurrent, None, "gates"), "gates")
        update, reset = open_gates(ops, self.recurrent_activation, gates, 2)
        if self.reset_bias is None:
            remembered = ops.linear(ops.multiply(reset, state, "reset"), self.candidate_recurrent, None, "candidate")
        else:
            product = ops.linear(state, self.candidate_recurrent, self.reset_bias, "reset")
            remembered = ops.multiply(reset, product, "candidate")
        total = ops.add(projected[1], remembered, "candidate")
        candidate = ops.activation(self.activation, total, "activated")
        change = ops.multiply(update, ops.subtract(state, candidate, "difference"), "change")
        return (ops.add(candidate, change, "state"),)

    def onnx_operator(self) -> OnnxOperator:
        """Make ONNX's GRU (operator set 14): gates in the order update, reset, candidate, which is Keras's."""
        reset_bias = np.zeros_like(self.candidate_bias) if self.reset_bias is None else self.reset_bias
        biases = (self.gates_bias, self.candidate_bias, np.zeros_like(self.gates_bias), reset_bias)
        return OnnxOperator(
            kind="GRU",
            w=np.concatenate([self.gates_kernel, self.candidate_kernel], axis=1).T[np.newaxis],
            r=np.concatenate([self.gates_recurrent, self.candidate_recurrent], axis=1).T[np.newaxis],
            b=np.concatenate(biases)[np.newaxis],
            attributes={
                "hidden_size": self.units,
                "linear_before_reset": int(self.reset_bias is not None),
                **activations([self.recurrent_activation, self.activation]),
            },
        )
