"""Cells: the equations of recurrent layers, one file a kind.

`cell.Cell` is what each kind implements. Its equations use `ops.Ops`: NumPy is the oracle of the tests, `tflite_ops`
writes operators.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from edgernn.errors import ModelError
from edgernn_export.cells.cell import Cell
from edgernn_export.cells.gru import GRU
from edgernn_export.cells.lstm import LSTM
from edgernn_export.cells.simple_rnn import SimpleRNN

KINDS: Mapping[str, type[Cell]] = {"SimpleRNN": SimpleRNN, "GRU": GRU, "LSTM": LSTM}
# Kind of the layer that computes the same as Keras's RNN of a cell, by the cell's class.
KIND_OF_CELL: Mapping[str, str] = {f"{kind}Cell": kind for kind in KINDS}

__all__ = ["KINDS", "KIND_OF_CELL", "Cell", "cell_of", "check_cells", "check_kind"]


def cell_of(layer: Any) -> Cell:
    """Return the cell of a recurrent Keras layer.

    Raises:
        ModelError: the kind, or an option of the layer, is not supported.
    """
    kind = type(layer).__name__
    check_kind(kind, layer.name)
    return KINDS[kind].from_keras(layer)


def check_kind(kind: str, name: str) -> None:
    """Check that a recurrent layer is of a supported kind.

    Args:
        kind: name of its class.
        name: its name in the model.

    Raises:
        ModelError: it is not.
    """
    if kind not in KINDS:
        raise ModelError(
            f"{name!r} is a {kind}; supported recurrent layers: {', '.join(KINDS)}, alone, stacked or in Bidirectional"
        )


def check_cells(kinds: Sequence[str], name: str) -> None:
    """Check that the cells of an RNN layer are supported.

    Args:
        kinds: names of their classes.
        name: the layer's name in the model.

    Raises:
        ModelError: there is no cell, or one is not supported.
    """
    if not kinds or not all(kind in KIND_OF_CELL for kind in kinds):
        raise ModelError(
            f"{name!r} is an RNN of {', '.join(kinds) or 'no cell'}; supported cells: {', '.join(KIND_OF_CELL)}, one "
            "or several in a list"
        )
