"""What a recurrent cell is, written down once: one file a kind.

A kind is a frozen class of NumPy weights, taken from its Keras layer, with

    project(ops, x)                   the input product of all steps at once
    step(ops, projected, states)      one time step: (output, new states)
    state_sizes, state_activations    how large each state is, and what it came out of
    fused_activation()                what TFLite's fused operator calls its activation
    onnx_operator()                   ONNX's own operator with its gate order

`ops` is what the arithmetic is done with: NumPy is the oracle that tests compare with, `tflite_ops` writes operators.
"""

from typing import Any

from edgernn.errors import ModelError
from edgernn_export.cells.simple_rnn import SimpleRNN

KINDS = {"SimpleRNN": SimpleRNN}
# Keras's own recurrent layers that have no file here yet, to name them in a refusal.
UNSUPPORTED = ("GRU", "LSTM", "RNN", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D", "Bidirectional")

Cell = SimpleRNN


def cell_of(layer: Any) -> Cell:
    """The cell of a recurrent Keras layer.

    Raises:
        ModelError: the kind, or an option of the layer, is not supported.
    """
    kind = KINDS.get(type(layer).__name__)
    if kind is None:
        raise ModelError(
            f"layer {layer.name!r} is a {type(layer).__name__}; supported recurrent layers: {', '.join(KINDS)}"
        )
    return kind.from_keras(layer)
