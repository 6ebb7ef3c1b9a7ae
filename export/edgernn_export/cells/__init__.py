"""Cells: the equations of recurrent layers, one file a kind.

`cell.Cell` is what each kind implements. Its equations use `ops.Ops`: NumPy is the oracle of the tests, `tflite_ops`
writes operators.
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
    """Return the cell of a recurrent Keras layer.

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
