"""Lowering: the same Keras model with a carrier in place of each recurrent layer.

Only `call` of the recurrent layers is rebound, and a Dense is taken out of its TimeDistributed; every other layer stays
Keras's own. This reaches layers that `clone_model` does not (inside nested models), and changes the model for good:
load it afresh each time.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from edgernn.errors import ModelError, UnsupportedError
from edgernn_export.cells import Cell, cell_of
from edgernn_export.keras_model import recurrent_layers

# A call of some recurrent layer: x [batch, steps, features] to its output.
Call = Callable[[Any], Any]

# Each sequence of a sample has its own operators in the file, so more would make it large.
MAX_SEQUENCES = 16


@dataclass(frozen=True)
class RecurrentPlaceholder:
    """What stands for a recurrent layer in a graph on its way through a converter.

    Attributes:
        name: of the operator.
        layer: the Keras layer's name.
        cell: what the layer computes at each step.
        return_sequences: whether it gives every step's output, or only the last one's.
        backwards: whether it goes through the steps from the last to the first.
    """

    name: str
    layer: str
    cell: Cell
    return_sequences: bool
    backwards: bool


def carry_composite(model: Any) -> Mapping[str, RecurrentPlaceholder]:
    """Put a composite in place of each recurrent layer: TensorFlow's converter keeps it as one custom operator.

    Returns:
        What each carrier stands for, by the operator's name.
    """
    carriers = {}
    for index, layer in enumerate(recurrent_layers(model)):
        name = f"edgernn_cell_{index}"
        carriers[name] = RecurrentPlaceholder(
            name, layer.name, cell_of(layer), layer.return_sequences, layer.go_backwards
        )
        rebind(layer, _composite(carriers[name]))
    _unwrap(model)
    return carriers


def _composite(carrier: RecurrentPlaceholder) -> Call:
    import tensorflow as tf

    implements = f'name: "{carrier.name}" attr {{ key: "tfl_fusable_op" value {{ b: true }} }}'

    def call(x: Any) -> Any:
        shape = [1, x.shape[1], carrier.cell.units] if carrier.return_sequences else [1, carrier.cell.units]

        # Never run: it has the right shape, and depends on x so that x is kept.
        composite = tf.function(lambda x: tf.zeros(shape) + tf.reduce_sum(x), experimental_implements=implements)
        return composite(x)

    def call_each(x: Any) -> Any:
        # A model that folds windows of steps into the batch has several sequences for one sample.
        sequences = x.shape[0]
        if sequences == 1:
            return call(x)
        if sequences is None or sequences > MAX_SEQUENCES:
            raise UnsupportedError(
                f"layer {carrier.layer!r} runs over {sequences or 'an unknown number of'} sequences of each sample, "
                f"expected at most {MAX_SEQUENCES} in a .tflite file; use larger windows, or export to ONNX"
            )
        return tf.concat([call(each) for each in tf.split(x, sequences)], axis=0)

    return call_each


def carry(model: Any) -> tuple[Callable[..., tuple[Any, list[Any]]], Mapping[str, Cell]]:
    """Put a carrier operator in place of each recurrent layer, to be turned into ONNX's own.

    Returns:
        The model as a function of x [batch, steps, features] and, if it streams, of the first states of all
        layers, each [batch, size]: it gives the answer and the last states. And the cell of each carrier, by
        the last part of the operator's name; they are filled in while that function is traced.
    """
    layers = recurrent_layers(model)
    cells = [cell_of(layer) for layer in layers]
    carried: dict[str, Cell] = {}
    first: list[tuple[Any, ...]] = [()] * len(cells)
    last: list[tuple[Any, ...]] = [()] * len(cells)

    def place(index: int) -> Call:
        def call(x: Any) -> Any:
            # A layer may be called more than once, so it is the calls that are counted.
            name = f"edgernn_cell_{len(carried)}"
            carried[name] = cells[index]
            output, last[index] = _carrier(cells[index], layers[index], name, x, first[index])
            return output

        return call

    def run(x: Any, *states: Any) -> tuple[Any, list[Any]]:
        given = iter(states)
        first[:] = [tuple(islice(given, len(cell.states))) for cell in cells]
        answer = model(x, training=False)
        return answer, [state for group in last for state in group]

    for index, layer in enumerate(layers):
        rebind(layer, place(index))
    _unwrap(model)
    return run, carried


def rebind(layer: Any, call: Call) -> None:
    """Let a layer do something else when it is called.

    Its call raises a ModelError when it is given a mask or initial states.
    """

    def call_alone(x: Any, initial_state: Any = None, mask: Any = None, **_options: Any) -> Any:
        for given, what in ((initial_state, "initial states"), (mask, "a mask")):
            if given is not None:
                raise ModelError(f"layer {layer.name!r} is given {what}, which is not supported")
        return call(x)

    layer.call = call_alone


def _unwrap(model: Any) -> None:
    """Call each Dense in a TimeDistributed at once for all steps, which gives the same.

    Wrapped, it is written once a step where their number is fixed, and otherwise as a loop.
    """
    import keras

    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.TimeDistributed) and isinstance(layer.layer, keras.layers.Dense):
            rebind(layer, layer.layer)


def _carrier(cell: Cell, layer: Any, name: str, x: Any, states: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
    """The carrier of one call: x [batch, steps, features] to the layer's output and its last states.

    `states` are the first ones, [batch, size] each; none stand for zeros.
    """
    import tensorflow as tf

    time_major = tf.transpose(x, [1, 0, 2])
    if layer.go_backwards:
        time_major = tf.reverse(time_major, axis=[0])
    batch, steps = tf.shape(x)[0], tf.shape(x)[1]
    zeros = tf.zeros([1, batch, cell.units])
    h, c, *_ = *(tf.reshape(state, [1, -1, cell.units]) for state in states), zeros, zeros
    # Never run: it only carries shapes through tf2onnx, whose handler replaces it.
    carrier = tf.raw_ops.CudnnRNNV3(
        input=time_major,
        input_h=h,
        input_c=c,
        params=tf.zeros([1]),
        sequence_lengths=tf.fill([batch], steps),
        rnn_mode="lstm",  # the one with two states
        name=name,
    )
    ends = (carrier.output_h, carrier.output_c)[: len(cell.states)]
    last = tuple(tf.reshape(end, [-1, cell.units]) for end in ends)
    if not layer.return_sequences:
        return last[0], last
    outputs = tf.ensure_shape(carrier.output, [x.shape[1], None, cell.units])
    return tf.transpose(outputs, [1, 0, 2]), last
