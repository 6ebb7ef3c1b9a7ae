"""The Keras model: load it, check that it is supported, and predict with it."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np

from edgernn.arrays import Float32
from edgernn.errors import ModelError
from edgernn.sample_shape import SampleShape
from edgernn_export import keras_file, plain_layers, rebuilding, rules, synthetic_inputs
from edgernn_export.cells import Cell, cell_of
from edgernn_export.outline import used_states

# Layers and activations whose operators every format has.
_COMMON_LAYERS = frozenset(
    ("Activation", "Dense", "Dropout", "Flatten", "ReLU", "Reshape", "Softmax", "TimeDistributed")
)
_COMMON_ACTIVATIONS = frozenset(("linear", "tanh", "sigmoid", "relu", "softmax"))
_TO_OUTPUTS = "edgernn_to_outputs"
# Layers that `_of_rows` adds, which are not part of the user's model.
_ADDED = frozenset((rebuilding.TO_OWN_SHAPE, _TO_OUTPUTS))
# Number of samples that Keras answers at once, which limits the memory that it takes.
_BATCH = 500


@dataclass(frozen=True)
class LoadedModel:
    """A Keras model, loaded.

    Attributes:
        original: the model in the file.
        model: the model to export, of plain layers and with a fixed number of steps; this may be `original` itself.
        own_shape: shape of the samples that the model in the file takes; empty if it is (steps, features). Otherwise
            `original` is that model behind a layer that makes its samples of rows.
        changes: what was replaced by plain layers, in words; empty if nothing was replaced.
        precision: number type that the original computes in, if it has fewer digits than float32; otherwise empty.
    """

    original: Any
    model: Any
    own_shape: tuple[int, ...]
    changes: str = ""
    precision: str = ""

    def answer(self, x: Float32) -> Float32:
        """Predict with the original, or with `model` if only that takes this number of steps."""
        import tensorflow as tf

        if self.original.inputs[0].shape[1] in (None, x.shape[1]):
            try:
                return self._predict_original(x)
            except (ValueError, tf.errors.OpError):
                # Keras cannot run all layers over a free number of steps (such as many in TimeDistributed).
                if self.model is self.original:
                    raise
        return predict(self.model, x)

    def exact_answers(self, x: Float32, answers: Float32) -> Float32:
        """Predict with `model` if it was rebuilt of plain layers; otherwise return the original's answers to `x`.

        Answers in float16 or bfloat16 are no exact probabilities, and too coarse to measure the rounding of float32.

        Raises:
            ModelError: an answer of the original is NaN or infinite, as beyond float16's range.
        """
        if not self.changes:
            return answers
        if not np.isfinite(answers).all():
            where = f" in {self.precision}" if self.precision else ""
            raise ModelError(
                f"answers the samples with NaN or infinity{where}, expected numbers; use samples as the model was "
                "trained on, or train it again in float32"
            )
        return predict(self.model, x)

    @cached_property
    def _predict_original(self) -> Callable[[Float32], Float32]:
        return predictor(self.original)


def load(path: Path, steps: int | None = None, *, x: Float32 | None = None) -> Any:
    """Load a Keras file and check that it is a model edgernn can export: `load_both(…).model`."""
    return load_both(path, steps, x=x).model


def load_both(path: Path, steps: int | None = None, *, x: Float32 | None = None) -> LoadedModel:
    """Load a Keras file and check that it is a model edgernn can export.

    A model that is not of plain layers, or for another number of steps, is rebuilt, and the result compared with the
    loaded model first.

    Args:
        path: a .keras or .h5 file, as `keras_file.read` reads it.
        steps: number of time steps; by default that of the model, or that of `x` if the model takes any number.
        x: samples, float32 [samples, steps, features], on which a rebuilt model is compared.

    Raises:
        ModelError: it is no Keras file, cannot be read safely, has a part that is not supported, or answers differently
            after it is rebuilt.
    """
    original = keras_file.read(path)
    try:
        original = _with_bare_tensors(original)
        layers = _all_facts(original)
        shape = rules.find_sample_shape(tuple(original.inputs[0].shape), [part for parts in layers for part in parts])
        original = plain = _of_rows(original, shape, steps, x)
        is_plain = plain_layers.is_plain(original)
        if not is_plain:
            rules.check_layers(layers)
            plain = plain_layers.rebuild(original)
            plain_layers.check(original, plain, x)
        own = original.inputs[0].shape[1]
        wanted = steps or own or (x.shape[1] if x is not None else None)
        changed = wanted is not None and wanted != own
        model = rebuilding.with_steps(plain, wanted) if changed else plain
        _check_supported(model)
        if changed:
            _check_rebuilt(plain, model, x)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error
    own_shape = shape.own_with(model.inputs[0].shape[1])
    if is_plain:
        return LoadedModel(original, model, own_shape)
    return LoadedModel(original, model, own_shape, plain_layers.describe(original), plain_layers.precision_of(original))


def recurrent_layers(model: Any) -> list[Any]:
    """Return all recurrent layers, including nested ones, in the order of the model."""
    import keras

    return [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.RNN)]


def cells(model: Any) -> list[Cell]:
    """Return the cell of each recurrent layer.

    Raises:
        ModelError: one is not supported.
    """
    return [cell_of(layer) for layer in recurrent_layers(model)]


def scaling_layers(model: Any) -> tuple[str, ...]:
    """Return the kinds of the layers in front of a model that scale its inputs: Normalization and Rescaling."""
    import keras

    kinds = (keras.layers.Normalization, keras.layers.Rescaling)
    return tuple(type(layer).__name__ for layer in takewhile(lambda layer: isinstance(layer, kinds), _layers(model)))


def special_layers(model: Any) -> tuple[str, ...]:
    """Describe the layers that may need operators which a format lacks: of a rare kind, or with a rare activation."""
    import keras

    found = []
    for layer in _layers(model):
        activation = getattr(getattr(layer, "activation", None), "__name__", "linear")
        if not isinstance(layer, keras.layers.RNN) and type(layer).__name__ not in _COMMON_LAYERS:
            found.append(f"'{layer.name}' ({type(layer).__name__})")
        elif activation not in _COMMON_ACTIVATIONS:
            found.append(f"'{layer.name}' (activation {activation})")
    return tuple(found)


def predict(model: Any, x: Float32) -> Float32:
    """Predict from [samples, steps, features] to float32 [samples, outputs] or [samples, steps, outputs]."""
    return predictor(model)(x)


def predictor(model: Any) -> Callable[[Float32], Float32]:
    """Return a function like `predict` for one model, which is compiled once for all calls.

    Each sequence begins with states of zero, also in a stateful model.

    The answers are those of Keras's own `predict`, bit for bit. That compiles twice for each number of samples, and
    each call takes about 0.1 s more, which matters for the few samples of an export.
    """
    import tensorflow as tf

    @cache
    def compile_for(steps: int, features: int) -> Any:
        spec = tf.TensorSpec([model.inputs[0].shape[0], steps, features], tf.float32)
        return tf.function(lambda x: model(x, training=False), input_signature=[spec], autograph=False)

    def answer(x: Float32) -> Float32:
        batches = rebuilding.in_own_batches(model, compile_for(*x.shape[1:]), _BATCH)
        return np.concatenate([np.asarray(each, np.float32) for each in batches(x)])

    return answer


def compiled(model: Any) -> Callable[[Float32], Float32]:
    """Compile the model to a function, Keras's fastest way to answer one sample."""
    import tensorflow as tf

    function = tf.function(lambda x: model(x, training=False))
    return lambda x: np.asarray(function(x), np.float32)


def _with_bare_tensors(model: Any) -> Any:
    """Make a model of the same layers whose input and output are single tensors.

    A model that was built with a list or a dictionary of outputs would answer with one.
    """
    import keras

    if not isinstance(model, keras.Model) or not (model.inputs and model.outputs):
        raise ModelError(
            f"{type(model).__name__} has no fixed inputs and outputs; expected a functional or Sequential model"
        )
    rules.check_ports(len(model.inputs), len(model.outputs))
    if isinstance(model, keras.Sequential) or all(
        isinstance(t, keras.KerasTensor) for t in (model.input, model.output)
    ):
        return model
    return keras.Model(model.inputs[0], model.outputs[0], name=model.name)


def _of_rows(original: Any, shape: SampleShape, steps: int | None, x: Float32 | None) -> Any:
    """Make a model that takes rows and answers with an axis of outputs; return the original if it does both.

    The answers of the new model are compared with those of the original.

    Args:
        original: the model in the file.
        shape: shape of its samples, in both forms.
        steps: number of steps to compare with, if that of the model is free; None for that of `x`.
        x: samples to compare with, float32 [samples, steps, features]; None for generated ones.

    Raises:
        ModelError: the answers differ.
    """
    import keras

    needs_axis = len(original.outputs[0].shape) == 1
    if not shape.own and not needs_axis:
        return original
    inputs = keras.Input(batch_shape=(original.inputs[0].shape[0], *shape.rows), dtype=original.inputs[0].dtype)
    samples = inputs
    if shape.own:
        samples = keras.layers.Reshape((-1, *shape.own[1:]), name=rebuilding.TO_OWN_SHAPE)(inputs)
    answers = original(samples)
    if needs_axis:
        answers = keras.layers.Reshape((1,), name=_TO_OUTPUTS)(answers)
    model = keras.Model(inputs, answers, name=original.name)
    length, features = inputs.shape[1:]
    length = length or steps or (synthetic_inputs.MIN_STEPS if x is None else x.shape[1])
    rows = rebuilding.rows_of_length(synthetic_inputs.fitting_samples(x, length, features), length)
    rebuilding.check_rebuilt(original, model, rows, own=shape.own_with(length))
    return model


def _check_rebuilt(original: Any, model: Any, x: Float32 | None) -> None:
    """Check that a model rebuilt for another number of steps answers like the original.

    If the original has a fixed number of steps, a third model that takes any number is compared with both. If no such
    model can be built, the original is compared with a model rebuilt for its own number.
    """
    own, wanted = original.inputs[0].shape[1], model.inputs[0].shape[1]
    features = model.inputs[0].shape[2]
    # `rules.check_sample_shapes` refuses samples that do not fit the model later.
    rows = synthetic_inputs.fitting_samples(x, wanted, features)
    if own is None:
        rebuilding.check_rebuilt(original, model, rebuilding.rows_of_length(rows, wanted))
        return
    try:
        free = rebuilding.with_steps(original, None)
    except ModelError:
        again = rebuilding.with_steps(original, own)
        rebuilding.check_rebuilt(original, again, rebuilding.rows_of_length(rows, own))
        return
    rebuilding.check_rebuilt(original, free, rebuilding.rows_of_length(rows, own))
    rebuilding.check_rebuilt(free, model, rebuilding.rows_of_length(rows, wanted))


def _check_supported(model: Any) -> None:
    layers = _all_facts(model)
    rules.check_input_shape(tuple(model.inputs[0].shape), [part.kind for parts in layers for part in parts])
    rules.check_answer_shape(tuple(model.outputs[0].shape))
    rules.check_layers(layers)
    cells(model)  # refuses unsupported options of a cell
    for weight in model.weights:
        if not np.isfinite(np.asarray(weight)).all():
            raise ModelError(f"weight {weight.path!r} contains NaN or infinity; train the model again")


def _layers(model: Any) -> Iterator[Any]:
    """Yield the layers in order: nested models are replaced by their layers, inputs left out, wrappers kept whole."""
    import keras

    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _layers(layer)
        elif not isinstance(layer, keras.layers.InputLayer) and layer.name not in _ADDED:
            yield layer


def _all_facts(model: Any) -> list[list[rules.LayerFacts]]:
    returning = any(getattr(layer, "return_state", False) for layer in model._flatten_layers())
    used = used_states(json.loads(model.to_json())) if returning else {}
    return [[_facts(part, used) for part in layer._flatten_layers()] for layer in _layers(model)]


def _facts(layer: Any, used: Mapping[str, frozenset[int]]) -> rules.LayerFacts:
    import keras

    recurrent = isinstance(layer, keras.layers.RNN)
    cells = getattr(layer.cell, "cells", [layer.cell]) if type(layer) is keras.layers.RNN else ()
    return rules.LayerFacts(
        kind=type(layer).__name__,
        name=layer.name,
        masks_ids=bool(getattr(layer, "mask_zero", False)),
        recurrent=recurrent,
        cells=tuple(type(cell).__name__ for cell in cells),
        initial_state=recurrent
        and any(node.arguments.kwargs.get("initial_state") is not None for node in layer._inbound_nodes),
        used_states=used.get(layer.name, frozenset()),
    )
