"""Lowering: replace each recurrent layer of a Keras model by a placeholder.

Only `call` of the recurrent layers is rebound, and a Dense is unwrapped from its TimeDistributed; all other layers are
Keras's own. This reaches layers inside nested models, which `clone_model` does not. It changes the model permanently,
so load a new copy each time.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from edgernn.errors import ModelError, UnsupportedError
from edgernn_export.cells import Cell, cell_of
from edgernn_export.keras_model import recurrent_layers

# A call of a recurrent layer: x [batch, steps, features] to its output.
Call = Callable[[Any], Any]

# Each sequence of a sample has its own operators in the file, so more would make it large.
MAX_SEQUENCES = 16


@dataclass(frozen=True)
class RecurrentPlaceholder:
    """The stand-in for a recurrent layer in a graph while a converter processes it.

    Attributes:
        name: of the operator.
        layer: the Keras layer's name.
        cell: the computation of the layer at each step.
        return_sequences: whether it returns the output of every step, or only the last one.
        backwards: whether it goes through the steps from the last to the first.
    """

    name: str
    layer: str
    cell: Cell
    return_sequences: bool
    backwards: bool


def put_composites(model: Any) -> Mapping[str, RecurrentPlaceholder]:
    """Put a composite in place of each recurrent layer: TensorFlow's converter keeps it as one custom operator.

    Returns:
        The placeholders, by the names of their operators.
    """
    placeholders = {}
    for index, layer in enumerate(recurrent_layers(model)):
        name = f"edgernn_cell_{index}"
        placeholders[name] = RecurrentPlaceholder(
            name=name,
            layer=layer.name,
            cell=cell_of(layer),
            return_sequences=layer.return_sequences,
            backwards=layer.go_backwards,
        )
        rebind(layer, _composite(placeholders[name]))
    _unwrap(model)
    return placeholders


def _composite(placeholder: RecurrentPlaceholder) -> Call:
    import tensorflow as tf

    implements = f'name: "{placeholder.name}" attr {{ key: "tfl_fusable_op" value {{ b: true }} }}'

    def call(x: Any) -> Any:
        shape = [1, x.shape[1], placeholder.cell.units] if placeholder.return_sequences else [1, placeholder.cell.units]

        # Never run. It has the right shape, and depends on x so that the converter keeps x.
        composite = tf.function(
            lambda x: tf.zeros(shape) + tf.reduce_sum(x), autograph=False, experimental_implements=implements
        )
        return composite(x)

    def call_each(x: Any) -> Any:
        # A model that folds windows of steps into the batch has several sequences for one sample.
        sequences = x.shape[0]
        if sequences == 1:
            return call(x)
        if sequences is None or sequences > MAX_SEQUENCES:
            raise UnsupportedError(
                f"layer {placeholder.layer!r} runs over {sequences or 'an unknown number of'} sequences of each "
                f"sample, expected at most {MAX_SEQUENCES} in a .tflite file; use larger windows, or export to ONNX"
            )
        return tf.concat([call(each) for each in tf.split(x, sequences)], axis=0)

    return call_each


def put_placeholders(model: Any) -> tuple[Callable[..., tuple[Any, list[Any]]], Mapping[str, Cell]]:
    """Put a placeholder operator in place of each recurrent layer; `onnx` replaces it by ONNX's own operator.

    Returns:
        The model as a function of x [batch, steps, features] and, if it streams, of the first states of all
        layers, each [batch, size]. It returns the answer and the last states. And the cell of each placeholder, by
        the last part of the operator's name; they are filled in while that function is traced.
    """
    layers = recurrent_layers(model)
    cells = [cell_of(layer) for layer in layers]
    placed: dict[str, Cell] = {}
    first: list[tuple[Any, ...]] = [()] * len(cells)
    last: list[tuple[Any, ...]] = [()] * len(cells)

    def place(index: int) -> Call:
        def call(x: Any) -> Any:
            # Count calls, not layers: a layer may be called more than once.
            name = f"edgernn_cell_{len(placed)}"
            placed[name] = cells[index]
            output, last[index] = _placeholder(cells[index], layers[index], name, x, first[index])
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
    return run, placed


def rebind(layer: Any, call: Call) -> None:
    """Replace the call of a layer.

    The new call raises a ModelError if it gets a mask or initial states.
    """

    def call_alone(x: Any, initial_state: Any = None, mask: Any = None, **_options: Any) -> Any:
        for given, what in ((initial_state, "initial states"), (mask, "a mask")):
            if given is not None:
                raise ModelError(f"layer {layer.name!r} gets {what}, which is not supported")
        return call(x)

    layer.call = call_alone


def _unwrap(model: Any) -> None:
    """Call each Dense in a TimeDistributed once for all steps; the result is the same.

    Converters write a wrapped layer once a step if the number of steps is fixed, and as a loop otherwise.
    """
    import keras

    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.TimeDistributed) and isinstance(layer.layer, keras.layers.Dense):
            rebind(layer, layer.layer)


def _placeholder(cell: Cell, layer: Any, name: str, x: Any, states: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
    """Make the placeholder of one call; return the layer's output and its last states.

    Args:
        cell, layer: the layer's cell, and the Keras layer.
        name: of the operator.
        x: [batch, steps, features].
        states: the first states, [batch, size] each; empty for zeros.
    """
    import tensorflow as tf

    time_major = tf.transpose(x, [1, 0, 2])
    if layer.go_backwards:
        time_major = tf.reverse(time_major, axis=[0])
    batch, steps = tf.shape(x)[0], tf.shape(x)[1]
    zeros = tf.zeros([1, batch, cell.units])
    h, c, *_ = *(tf.reshape(state, [1, -1, cell.units]) for state in states), zeros, zeros
    # Never run. It only passes shapes through tf2onnx, whose handler replaces it.
    placeholder = tf.raw_ops.CudnnRNNV3(
        input=time_major,
        input_h=h,
        input_c=c,
        params=tf.zeros([1]),
        sequence_lengths=tf.fill([batch], steps),
        rnn_mode="lstm",  # the mode with two states
        name=name,
    )
    ends = (placeholder.output_h, placeholder.output_c)[: len(cell.states)]
    last = tuple(tf.reshape(end, [-1, cell.units]) for end in ends)
    if not layer.return_sequences:
        return last[0], last
    outputs = tf.ensure_shape(placeholder.output, [x.shape[1], None, cell.units])
    return tf.transpose(outputs, [1, 0, 2]), last
