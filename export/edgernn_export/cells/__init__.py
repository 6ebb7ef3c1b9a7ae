"""What a recurrent cell is, written down once: one file a kind.

`cell.Cell` says what a kind must hold. Its equations are written in `ops.Ops`: NumPy is the oracle that tests compare
with, `tflite_ops` writes operators.
"""

from collections.abc import Mapping
from typing import Any

from edgernn.errors import ModelError
from edgernn_export.cells.cell import Cell
from edgernn_export.cells.gru import GRU
from edgernn_export.cells.lstm import LSTM
from edgernn_export.cells.simple_rnn import SimpleRNN

KINDS: Mapping[str, type[Cell]] = {"SimpleRNN": SimpleRNN, "GRU": GRU, "LSTM": LSTM}

__all__ = ["KINDS", "Cell", "cell_of"]


def cell_of(layer: Any) -> Cell:
    """The cell of a recurrent Keras layer.

    Raises:
        ModelError: the kind, or an option of the layer, is not supported.
    """
    kind = KINDS.get(type(layer).__name__)
    if kind is None:
        raise ModelError(
            f"{layer.name!r} is a {type(layer).__name__}; supported recurrent layers: {', '.join(KINDS)}, alone, "
            "stacked or in Bidirectional"
        )
    return kind.from_keras(layer)
