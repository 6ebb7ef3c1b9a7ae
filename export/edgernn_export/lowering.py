"""Lowering: replace each recurrent layer of a Keras model by a placeholder.

Only `call` of the recurrent layers is rebound, and a Dense is unwrapped from its TimeDistributed; all other layers are
Keras's own. This reaches layers inside nested models, which `clone_model` does not. It changes the model permanently,
so load a new copy each time.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

from edgernn.errors import ModelError, UnsupportedError
from edgernn_export.causal_padding import CausalPadding, LookBack, causal_paddings
from edgernn_export.cells import Cell, cell_of
from edgernn_export.keras_model import recurrent_layers

# A call of a recurrent layer: x [batch, steps, features] and its mask, bool [batch, steps], or None, to its output.
Call = Callable[[Any, Any], Any]

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
        zero_output: whether its output at a masked step is zero, or that of the step before.
    """

    name: str
    layer: str
    cell: Cell
    return_sequences: bool
    backwards: bool
    zero_output: bool = False


@dataclass(frozen=True)
class PlacedCell:
    """The cell of a placeholder in ONNX.

    Attributes:
        cell: the computation of the layer at each step.
        masked: whether its samples have lengths: the rows that a mask keeps (real rows) then come first in its input.
    """

    cell: Cell
    masked: bool


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
            zero_output=layer.zero_output_for_mask,
        )
        rebind(layer, _composite(placeholders[name]))
    _unwrap(model)
    return placeholders


def _composite(placeholder: RecurrentPlaceholder) -> Call:
    import tensorflow as tf

    implements = f'name: "{placeholder.name}" attr {{ key: "tfl_fusable_op" value {{ b: true }} }}'

    def call(x: Any, *masks: Any) -> Any:
        shape = [1, x.shape[1], placeholder.cell.units] if placeholder.return_sequences else [1, placeholder.cell.units]

        def stand_in(*operands: Any) -> Any:
            # Never run. It has the right shape, and depends on its operands so that the converter keeps them.
            return tf.zeros(shape) + sum(tf.reduce_sum(tf.cast(each, tf.float32)) for each in operands)

        # The mask is a second operand: joined with x, both would have one scale.
        return tf.function(stand_in, autograph=False, experimental_implements=implements)(x, *masks)

    def call_each(x: Any, mask: Any) -> Any:
        # A model that folds windows of steps into the batch has several sequences for one sample.
        sequences = x.shape[0]
        if sequences == 1:
            return call(x) if mask is None else call(x, mask)
        if sequences is None or sequences > MAX_SEQUENCES:
            raise UnsupportedError(
                f"layer {placeholder.layer!r} runs over {sequences or 'an unknown number of'} sequences of each "
                f"sample, expected at most {MAX_SEQUENCES} in a .tflite file; use larger windows, or export to ONNX"
            )
        operands = (x,) if mask is None else (x, mask)
        parts = zip(*(tf.split(each, sequences) for each in operands), strict=True)
        return tf.concat([call(*each) for each in parts], axis=0)

    return call_each


@dataclass(frozen=True)
class PlacedModel:
    """A model with a placeholder operator in place of each recurrent layer, for `onnx`.

    Attributes:
        run: the model as a function of x [batch, steps, features] and of the first states, each [batch, size]; it
            returns the answer and the last states. It may be called without states, which are zeros then.
        state_sizes: size of each state, in the order of the layers.
        cells: the cell of each placeholder, by the last part of the operator's name; filled in while `run` is traced.
    """

    run: Callable[..., tuple[Any, list[Any]]]
    state_sizes: Sequence[int]
    cells: Mapping[str, PlacedCell]


def put_placeholders(model: Any, with_states: bool) -> PlacedModel:
    """Put a placeholder operator in place of each recurrent layer; `onnx` replaces it by ONNX's own operator.

    Args:
        model: changed permanently.
        with_states: whether `run` will get states; then the rows that causal convolutions look back on are states too.
    """
    import tensorflow as tf

    cells = {layer: cell_of(layer) for layer in recurrent_layers(model)}
    paddings = {padding.layer: padding for padding in causal_paddings(model)} if with_states else {}
    sizes = {layer: [cell.units] * len(cell.states) for layer, cell in cells.items()}
    sizes |= {layer: [padding.rows * padding.features] for layer, padding in paddings.items()}
    placed: dict[str, PlacedCell] = {}
    first: dict[Any, tuple[Any, ...]] = dict.fromkeys(sizes, ())
    last: dict[Any, tuple[Any, ...]] = {layer: () for layer in model._flatten_layers() if layer in sizes}

    def place(layer: Any) -> Call:
        def call(x: Any, mask: Any) -> Any:
            # Count calls, not layers: a layer may be called more than once.
            name = f"edgernn_cell_{len(placed)}"
            placed[name] = PlacedCell(cells[layer], masked=mask is not None)
            place_cell = _placeholder if mask is None else partial(_masked_placeholder, mask)
            output, last[layer] = place_cell(cells[layer], layer, name, x, first[layer])
            return output

        return call

    def look_back(padding: CausalPadding) -> LookBack:
        def join(x: Any) -> Any:
            (state,) = first[padding.layer]
            joined = tf.concat([tf.reshape(state, [-1, padding.rows, padding.features]), x], axis=1)
            last[padding.layer] = (tf.reshape(joined[:, -padding.rows :], [-1, padding.rows * padding.features]),)
            return joined

        return join

    def run(x: Any, *states: Any) -> tuple[Any, list[Any]]:
        given = iter(states)
        first.update((layer, tuple(islice(given, len(sizes[layer])))) for layer in last)
        answer = model(x, training=False)
        return answer, [state for group in last.values() for state in group]

    for layer in cells:
        rebind(layer, place(layer))
    for padding in paddings.values():
        padding.rebind(look_back(padding))
    _unwrap(model)
    return PlacedModel(run, [size for layer in last for size in sizes[layer]] if with_states else [], placed)


def rebind(layer: Any, call: Call) -> None:
    """Replace the call of a layer.

    The new call raises a ModelError if it gets initial states.
    """

    def call_alone(x: Any, initial_state: Any = None, mask: Any = None, **_options: Any) -> Any:
        if initial_state is not None:
            raise ModelError(f"layer {layer.name!r} gets initial states, which is not supported")
        return call(x, mask)

    layer.call = call_alone


def _unwrap(model: Any) -> None:
    """Call each Dense in a TimeDistributed once for all steps; the result is the same.

    Converters write a wrapped layer once a step if the number of steps is fixed, and as a loop otherwise.
    """
    import keras

    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.TimeDistributed) and isinstance(layer.layer, keras.layers.Dense):
            rebind(layer, _without_mask(layer.layer))


def _without_mask(layer: Any) -> Call:
    return lambda x, _mask: layer(x)


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
    outputs, last = _cudnn_rnn(cell, name, time_major, states, tf.fill([batch], steps), batch)
    if not layer.return_sequences:
        return last[0], last
    outputs = tf.ensure_shape(outputs, [x.shape[1], None, cell.units])
    return tf.transpose(outputs, [1, 0, 2]), last


def _masked_placeholder(
    mask: Any, cell: Cell, layer: Any, name: str, x: Any, states: tuple[Any, ...]
) -> tuple[Any, tuple[Any, ...]]:
    """Make the placeholder of one call with a mask, bool [batch, steps]; otherwise as `_placeholder`.

    The rows that the mask keeps (real rows) are moved to the front and run with their number as the sample's length.
    Then the outputs are moved back, and those of masked steps are filled in. `formats.tflite.real_rows` does the same
    with the operators of TFLite.
    """
    import tensorflow as tf

    is_real = tf.cast(mask, tf.int32)
    if layer.go_backwards:
        x, is_real = (tf.reverse(each, axis=[1]) for each in (x, is_real))
    steps, count = tf.shape(x)[1], tf.reduce_sum(is_real, axis=1)
    # A real row's key is larger than that of any masked one, and than that of any later real one.
    order = tf.math.top_k(is_real * steps - tf.range(steps), k=steps).indices
    rows = tf.transpose(tf.gather(x, order, batch_dims=1), [1, 0, 2])
    outputs, ends = _cudnn_rnn(cell, name, rows, states, count, tf.shape(x)[0])
    before = states or tuple(tf.zeros_like(end) for end in ends)
    # ONNX Runtime answers a sample of length 0 with zeros, not with its first states.
    last = tuple(tf.where(count[:, tf.newaxis] > 0, *pair) for pair in zip(ends, before, strict=True))
    if not layer.return_sequences:
        return (tf.where(mask[:, -1:], last[0], 0.0) if layer.zero_output_for_mask else last[0]), last
    # Output 0 is that before the first real row. A state may have one row for all samples; this repeats it.
    first, places = tf.where(count[:, tf.newaxis] < 0, ends[0], before[0]), tf.cumsum(is_real, axis=1)
    if layer.zero_output_for_mask:
        first, places = tf.zeros_like(ends[0]), places * is_real
    padded = tf.concat([first[:, tf.newaxis], tf.transpose(outputs, [1, 0, 2])], axis=1)
    restored = tf.gather(padded, places, batch_dims=1)
    return tf.ensure_shape(restored, [None, x.shape[1], cell.units]), last


def _cudnn_rnn(
    cell: Cell, name: str, time_major: Any, states: tuple[Any, ...], lengths: Any, batch: Any
) -> tuple[Any, tuple[Any, ...]]:
    """Make the operator that tf2onnx's handler replaces; return all outputs, [steps, batch, units], and last states."""
    import tensorflow as tf

    zeros = tf.zeros([1, batch, cell.units])
    h, c, *_ = *(tf.reshape(state, [1, -1, cell.units]) for state in states), zeros, zeros
    # Never run. It only passes shapes through tf2onnx.
    placeholder = tf.raw_ops.CudnnRNNV3(
        input=time_major,
        input_h=h,
        input_c=c,
        params=tf.zeros([1]),
        sequence_lengths=lengths,
        rnn_mode="lstm",  # the mode with two states
        name=name,
    )
    ends = (placeholder.output_h, placeholder.output_c)[: len(cell.states)]
    return placeholder.output, tuple(tf.reshape(end, [-1, cell.units]) for end in ends)
