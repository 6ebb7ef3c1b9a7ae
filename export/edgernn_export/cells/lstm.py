"""LSTM, as Keras has it, without peepholes (Hochreiter and Schmidhuber, 1997; Gers et al., 2000).

    i(t), f(t), o(t) = σ(x(t) W + b + h(t-1) R)        input, forget and output gate, each with its own W, b and R
    g(t) = activation(x(t) Wc + bc + h(t-1) Rc)        the candidate
    c(t) = f(t) c(t-1) + i(t) g(t)                     the cell state
    h(t) = o(t) activation(c(t))

In integers the range of c is cut off at 2 to 4 although c reaches 10: a wider range leaves too few steps for small
values.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from edgernn.arrays import Float32
from edgernn.errors import UnsupportedError
from edgernn_export.cells.cell import States, activation_name
from edgernn_export.cells.fused_operator import FusedOperator, fused_activation
from edgernn_export.cells.gated_cell import GatedCell
from edgernn_export.cells.onnx_operator import OnnxOperator, activations
from edgernn_export.cells.ops import BOUNDED, MeasuredRange, Ops, PostActivation, PreActivation, Role, open_gates


@dataclass(frozen=True)
class LSTM(GatedCell):
    """The weights of a Keras LSTM layer; gates are in the order input, forget, output.

    Attributes:
        gates_kernel, candidate_kernel: W, float32 [features, 3 × units], and Wc, [features, units].
        gates_recurrent, candidate_recurrent: R, float32 [units, 3 × units], and Rc, [units, units].
        gates_bias, candidate_bias: b, float32 [3 × units], and bc, [units]; zeros for a layer without them.
        activation, recurrent_activation: their Keras names; the latter is that of the gates.
    """

    operators: ClassVar[int] = 12

    @classmethod
    def from_keras(cls, layer: Any) -> Self:
        """See `Cell`."""
        weights = [np.asarray(weight, np.float32) for weight in layer.get_weights()]
        if not layer.use_bias:
            weights.append(np.zeros(4 * layer.units, np.float32))
        # Keras's order is input, forget, candidate, output.
        quarters = [np.split(weight, 4, axis=-1) for weight in weights]
        gates = [np.concatenate([i, f, o], axis=-1) for i, f, _, o in quarters]
        candidates = [candidate for _, _, candidate, _ in quarters]
        return cls(
            gates_kernel=gates[0],
            candidate_kernel=candidates[0],
            gates_recurrent=gates[1],
            candidate_recurrent=candidates[1],
            gates_bias=gates[2],
            candidate_bias=candidates[2],
            activation=activation_name(layer, "activation"),
            recurrent_activation=activation_name(layer, "recurrent_activation"),
        )

    @property
    def states(self) -> tuple[str, ...]:
        """See `Cell`; h and c."""
        return ("state", "cell")

    @property
    def roles(self) -> Mapping[str, Role]:
        """See `Cell`."""
        squashed = PostActivation(self.activation, "cell")
        return {
            **super().roles,
            "activated": PostActivation(self.activation, "candidate"),
            "cell": PreActivation(self.activation),
            "squashed": squashed,
            "state": squashed if self.recurrent_activation in BOUNDED else MeasuredRange(),
        }

    def step(self, ops: Ops, projected: tuple[Any, ...], states: States) -> States:
        """See `Cell`."""
        state, cell = states
        gates = ops.add(projected[0], ops.linear(state, self.gates_recurrent, None, "gates"), "gates")
        total = ops.add(projected[1], ops.linear(state, self.candidate_recurrent, None, "candidate"), "candidate")
        input_gate, forget_gate, output_gate = open_gates(ops, self.recurrent_activation, gates, 3)
        # Both products have the scale of the cell state, so that their sum is not rounded once more.
        entered = ops.multiply(input_gate, ops.activation(self.activation, total, "activated"), "cell")
        cell = ops.add(ops.multiply(forget_gate, cell, "cell"), entered, "cell")
        return ops.multiply(output_gate, ops.activation(self.activation, cell, "squashed"), "state"), cell

    def fused_operator(self) -> FusedOperator:
        """Make UNIDIRECTIONAL_SEQUENCE_LSTM: gates in the order input, forget, cell, output; no peepholes.

        It has no projection either.
        """
        if self.recurrent_activation != "sigmoid":
            raise UnsupportedError(f"TFLite's fused LSTM has sigmoid gates, not {self.recurrent_activation}")
        if self.activation == "linear":
            # The kernel skips NONE and multiplies the output gate with the old content of the result's memory.
            raise UnsupportedError("TFLite's fused LSTM answers wrongly with a linear activation")
        gates = ((self.gates_kernel, self.candidate_kernel), (self.gates_recurrent, self.candidate_recurrent))
        kernels = [part for group in gates for part in self._in_keras_order(*group)]
        biases = self._in_keras_order(self.gates_bias, self.candidate_bias)
        return FusedOperator(
            kind="UNIDIRECTIONAL_SEQUENCE_LSTM",
            options="UnidirectionalSequenceLSTMOptions",
            activation=fused_activation(self.activation),
            weights=(*kernels, *(None,) * 3, *biases, *(None,) * 2),
            left_out=4,
        )

    def onnx_operator(self) -> OnnxOperator:
        """Make ONNX's LSTM (operator set 14): gates in the order input, output, forget, candidate."""

        def in_order(gates: Float32, candidate: Float32) -> Float32:
            i, f, o = np.split(gates, 3, axis=-1)
            return np.concatenate([i, o, f, candidate], axis=-1)

        bias = in_order(self.gates_bias, self.candidate_bias)
        return OnnxOperator(
            kind="LSTM",
            w=in_order(self.gates_kernel, self.candidate_kernel).T[np.newaxis],
            r=in_order(self.gates_recurrent, self.candidate_recurrent).T[np.newaxis],
            b=np.concatenate([bias, np.zeros_like(bias)])[np.newaxis],
            attributes={
                "hidden_size": self.units,
                **activations([self.recurrent_activation, self.activation, self.activation]),
            },
        )

    def _in_keras_order(self, gates: Float32, candidate: Float32) -> tuple[Float32, ...]:
        """Split into input, forget, candidate and output."""
        i, f, o = np.split(gates, 3, axis=-1)
        return i, f, candidate, o
