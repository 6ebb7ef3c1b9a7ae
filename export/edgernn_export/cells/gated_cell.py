"""The common part of cells with gates: their weights, and the input products of all gates and of the candidate."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgernn.arrays import Float32
from edgernn_export.cells.cell import Cell
from edgernn_export.cells.ops import Ops, PostActivation, PreActivation, Role


@dataclass(frozen=True)
class GatedCell(Cell):
    """The weights of a layer with gates and a candidate; all gates share one product.

    Attributes:
        gates_kernel, candidate_kernel: float32 [features, gates × units] and [features, units].
        gates_recurrent, candidate_recurrent: float32 [units, gates × units] and [units, units].
        gates_bias, candidate_bias: float32 [gates × units] and [units]; zeros for a layer without them.
        activation, recurrent_activation: their Keras names; the latter is that of the gates.
    """

    gates_kernel: Float32
    candidate_kernel: Float32
    gates_recurrent: Float32
    candidate_recurrent: Float32
    gates_bias: Float32
    candidate_bias: Float32
    activation: str
    recurrent_activation: str

    @property
    def units(self) -> int:
        """See `Cell`."""
        return len(self.candidate_bias)

    @property
    def roles(self) -> Mapping[str, Role]:
        """See `Cell`; the roles up to the candidate's sum."""
        return {
            "gates": PreActivation(self.recurrent_activation),
            "gate": PostActivation(self.recurrent_activation, "gates"),
            "candidate": PreActivation(self.activation),
        }

    def project(self, ops: Ops, x: Any) -> tuple[Any, ...]:
        """See `Cell`; of the gates [steps, gates × units], of the candidate [steps, units]."""
        return (
            ops.linear(x, self.gates_kernel, self.gates_bias, "gates"),
            ops.linear(x, self.candidate_kernel, self.candidate_bias, "candidate"),
        )
