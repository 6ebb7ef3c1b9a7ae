"""Streaming: decide whether a model answers row by row as for a whole sequence."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgernn.arrays import Floats
from edgernn.errors import ModelError
from edgernn_export import masking, rebuilding, synthetic_inputs
from edgernn_export.causal_padding import LookBack, advise_on_padding, causal_paddings
from edgernn_export.converter_errors import reason_of
from edgernn_export.keras_model import recurrent_layers
from edgernn_export.lowering import Call, rebind

# A layer may look back further than the length of a sample. Twice as many rows show it, and at least 32 for short
# samples. Each row costs about 0.5 ms.
_MIN_STEPS, _MAX_DOUBLED = 32, 2048
# Numbers of first rows to try: a layer that needs several rows fails on fewer.
_BEGINNINGS = range(1, 6)
# Relative, in float64. A layer that always computes in float32 rounds by a tenth of this.
_TOLERANCE = 1e-6
# Values of a sequence count as zero if they are smaller than those of another sequence by this factor.
_ZERO = 1e-9


def streams(model: Any, x: Floats | None = None) -> bool:
    """Return True if a model can answer row by row; see `why_no_stream`."""
    return not why_no_stream(model, x)


def why_no_stream(model: Any, x: Floats | None = None) -> str:
    """Find the reason why a model cannot stream; empty if it can.

    A model streams if it must keep only the states of its recurrent layers between time steps, and the rows that causal
    convolutions look back on. This is tested in Keras in float64: the inputs of each recurrent layer, and the answers
    to the first rows of a sequence, must be the same for whole sequences and row by row. The test needs no list of
    layer kinds (pooling, other convolutions, attention, flattening, a layer that is used twice). Only layers that go
    backwards, as in Bidirectional, and causal padding are recognized by their options.

    Args:
        model: as `keras_model.load` returns it; it is not changed.
        x: samples, float32 [samples, steps, features]; some are tried, besides noise of many magnitudes.

    Raises:
        ModelError: a recurrent layer gets initial states.
    """
    reason = _find_reason(model, x)
    return f"{reason}{advise_on_padding(model)}" if reason else ""


def _find_reason(model: Any, x: Floats | None) -> str:
    layers = recurrent_layers(model)
    if not layers and not causal_paddings(model):
        return "it has no recurrent layer and no causal convolution, and so no state from one row to the next"
    backwards = [layer.name for layer in layers if layer.go_backwards]
    if backwards:
        return f"layer {backwards[0]!r} goes through the time steps from the last to the first"
    steps, features = model.inputs[0].shape[1:]
    rows = synthetic_inputs.sequences(max(_MIN_STEPS, min(2 * steps, max(steps, _MAX_DOUBLED))), features, x)
    rows = masking.with_masked_rows(model, _within_type(rows, model.inputs[0].dtype))
    try:
        free = rebuilding.in_float64(model)
        rebuilding.check_rebuilt(model, free, rebuilding.rows_of_length(rows if x is None else x, steps))
    except ModelError as error:
        return f"it cannot run with any number of steps: {error}"
    try:
        whole, beginnings = _answer_whole(free, rows)
        stepped = _answer_stepped(free, rows)
    except ModelError:
        raise
    except Exception as error:  # noqa: BLE001 - Keras and TensorFlow raise many kinds for a single row
        return f"it cannot run on one row: {reason_of(error)}"
    return _why_different(whole, beginnings, stepped)


@dataclass(frozen=True)
class _CallRecord:
    """Record of one call of a model.

    Attributes:
        inputs: input of each call of a recurrent layer, [sequences, steps, features].
        layers: the names of these layers.
        answer: of the model.
    """

    inputs: Sequence[Floats]
    layers: Sequence[str]
    answer: Floats


def _answer_whole(model: Any, rows: Floats) -> tuple[_CallRecord, list[Floats]]:
    """Call the model on whole sequences, and on their first rows; the calls of its recurrent layers stay replaced."""
    import tensorflow as tf

    calls: list[tuple[str, Any]] = []

    def note(layer: Any, original: Callable[..., Any]) -> Call:
        def call(x: Any, mask: Any) -> Any:
            calls.append((layer.name, x))
            return original(x, mask=mask)

        return call

    def answer(x: Any) -> tuple[list[Any], Any]:
        calls.clear()
        output = model(x, training=False)
        return [values for _, values in calls], output

    for layer in recurrent_layers(model):
        rebind(layer, note(layer, layer.call))
    given = tf.constant(rows)
    inputs, output = tf.function(answer, autograph=False).get_concrete_function(given)(given)
    whole = _CallRecord([np.asarray(each) for each in inputs], [name for name, _ in calls], np.asarray(output))
    return whole, [np.asarray(model(rows[:, :beginning], training=False)) for beginning in _BEGINNINGS]


def _answer_stepped(model: Any, rows: Floats) -> list[_CallRecord]:
    """Call the model row by row with the last states; the calls of layers with states stay replaced."""
    import tensorflow as tf

    layers, paddings = recurrent_layers(model), causal_paddings(model)
    calls: list[tuple[str, Any]] = []
    states = [layer.cell.get_initial_state(batch_size=len(rows)) for layer in layers]
    states += [tf.zeros([len(rows), each.rows, each.features], each.layer.compute_dtype) for each in paddings]

    def advance(index: int) -> Call:
        def call(x: Any, mask: Any) -> Any:
            layer, outputs = layers[index], []
            calls.append((layer.name, x))
            for number, row in enumerate(tf.unstack(x, axis=1)):
                output, after = layer.cell(row, states[index], training=False)
                if mask is not None:
                    real = mask[:, number, tf.newaxis]
                    after = [tf.where(real, *pair) for pair in zip(after, states[index], strict=True)]
                    output = tf.where(real, output, 0) if layer.zero_output_for_mask else after[0]
                states[index] = after
                outputs.append(output)
            return tf.stack(outputs, axis=1) if layer.return_sequences else outputs[-1]

        return call

    def look_back(index: int, kept: int) -> LookBack:
        def join(x: Any) -> Any:
            joined = tf.concat([states[index], x], axis=1)
            states[index] = joined[:, -kept:]
            return joined

        return join

    def step(row: Any, before: list[Any]) -> tuple[list[Any], Any, list[Any]]:
        calls.clear()
        states[:] = before
        output = model(row, training=False)
        return [values for _, values in calls], output, [*states]

    for index, layer in enumerate(layers):
        rebind(layer, advance(index))
    for index, padding in enumerate(paddings, start=len(layers)):
        padding.rebind(look_back(index, padding.rows))
    last, answers = [*states], list[_CallRecord]()
    run = tf.function(step, autograph=False).get_concrete_function(tf.constant(rows[:, :1]), last)
    for number in range(rows.shape[1]):
        inputs, output, last = run(tf.constant(rows[:, number : number + 1]), last)
        answers.append(
            _CallRecord([np.asarray(each) for each in inputs], [name for name, _ in calls], np.asarray(output))
        )
    return answers


def _why_different(whole: _CallRecord, beginnings: Sequence[Floats], stepped: Sequence[_CallRecord]) -> str:
    """Describe the first difference between whole sequences and their rows one by one; empty if there is none."""
    if list(whole.layers) != list(stepped[0].layers):
        return "it calls other layers for one row than for several"
    for index, (name, x) in enumerate(zip(whole.layers, whole.inputs, strict=True)):
        if not _same(x, np.concatenate([each.inputs[index] for each in stepped], axis=1)):
            return f"the input of layer {name!r} at a time step also depends on other time steps"
    answers = [each.answer for each in stepped]
    pairs = [*zip(beginnings, answers, strict=False), (whole.answer, answers[-1])]
    if whole.answer.ndim == 3 and whole.answer.shape[1] == len(answers):
        pairs = [(whole.answer, np.concatenate(answers, axis=1))]
    if not all(_same(*pair) for pair in pairs):
        return "its answer depends on more than the newest row and the states of its layers"
    if not any(np.isfinite(sequence).all() for sequence in whole.answer):
        return "its answers to all tried rows contain NaN or infinity"
    return ""


def _same(whole: Floats, newest: Floats) -> bool:
    """Return True if the finite values are equal up to rounding, relative to the largest one of each sequence."""
    if whole.shape != newest.shape:
        return False
    known = np.isfinite(whole) & np.isfinite(newest)
    whole, newest = (np.where(known, values, 0).reshape(len(whole), -1) for values in (whole, newest))
    largest = np.abs(whole).max(axis=1, initial=0)
    allowed = _TOLERANCE * np.maximum(largest, _ZERO * largest.max(initial=0))
    return bool((np.abs(whole - newest).max(axis=1, initial=0) <= allowed).all())


def _within_type(rows: Floats, dtype: str) -> Floats:
    """Round and clip rows to an integer type, because casting other values is undefined; others are unchanged."""
    if not np.issubdtype(dtype, np.integer):
        return rows
    limits = np.iinfo(dtype)
    return np.clip(np.round(rows), limits.min, limits.max)
