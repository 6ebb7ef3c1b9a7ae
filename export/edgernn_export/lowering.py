"""Lowering: the same Keras model with its recurrent layers laid out as a format wants them.

Only `call` of the recurrent layers is rebound; every other layer stays Keras's own. This reaches layers that
`clone_model` does not (inside nested models), and changes the model for good: load it afresh each time.
"""

from collections.abc import Callable, Mapping
from typing import Any

from edgernn.errors import ModelError
from edgernn_export.cells import Cell, cell_of
from edgernn_export.cells.ops import TensorFlowOps
from edgernn_export.keras_model import recurrent_layers

# A time-major call of some recurrent layer: x [batch, steps, features] to its output.
Call = Callable[[Any], Any]


def unroll(model: Any) -> None:
    """Lay the time steps out one after the other, for a batch of one.

    The input product of all steps is one matrix product in front: a step that holds only the
    recurrent product is a third faster than one that holds both.
    """
    for layer in recurrent_layers(model):
        _rebind(layer, _unrolled(cell_of(layer), layer))


def carry(model: Any) -> Mapping[str, Cell]:
    """Put a carrier operator in place of each recurrent layer, to be turned into ONNX's own.

    Returns:
        The cell of each carrier, by the last part of the operator's name.
    """
    carried = {}
    for index, layer in enumerate(recurrent_layers(model)):
        name = f"edgernn_cell_{index}"
        carried[name] = cell_of(layer)
        _rebind(layer, _carrier(carried[name], layer, name))
    return carried


def _rebind(layer: Any, call: Call) -> None:
    def call_without_mask(x: Any, mask: Any = None, **_options: Any) -> Any:
        if mask is not None:
            raise ModelError(f"layer {layer.name!r} is masked, which is not supported")
        return call(x)

    layer.call = call_without_mask


def _unrolled(cell: Cell, layer: Any) -> Call:
    import tensorflow as tf

    ops = TensorFlowOps()

    def call(x: Any) -> Any:
        _, steps, features = x.shape
        # Reshape and split, never x[0]: STRIDED_SLICE is not delegated and costs half as much again.
        projected = cell.project(ops, tf.reshape(x, [steps, features]))
        rows = tf.split(projected, steps)
        states: tuple[Any, ...] = tuple(tf.zeros([1, size]) for size in cell.state_sizes)
        outputs = []
        for row in reversed(rows) if layer.go_backwards else rows:
            output, states = cell.step(ops, row, states)
            outputs.append(output)
        if layer.return_sequences:
            return tf.reshape(tf.concat(outputs, axis=0), [1, steps, cell.units])
        return outputs[-1]

    return call


def _carrier(cell: Cell, layer: Any, name: str) -> Call:
    import tensorflow as tf

    def call(x: Any) -> Any:
        time_major = tf.transpose(x, [1, 0, 2])
        if layer.go_backwards:
            time_major = tf.reverse(time_major, axis=[0])
        batch, steps = tf.shape(x)[0], x.shape[1]
        state = tf.zeros([1, batch, cell.units])
        # Never run: it only carries shapes through tf2onnx, whose handler replaces it.
        carrier = tf.raw_ops.CudnnRNNV3(
            input=time_major,
            input_h=state,
            input_c=state,
            params=tf.zeros([1]),
            sequence_lengths=tf.fill([batch], steps),
            rnn_mode="rnn_tanh",
            name=name,
        )
        if layer.return_sequences:
            outputs = tf.ensure_shape(carrier.output, [steps, None, cell.units])
            return tf.transpose(outputs, [1, 0, 2])
        return tf.reshape(carrier.output_h, [-1, cell.units])

    return call
