"""Builder of a Keras model from an architecture, with random weights instead of defaults, and of its samples."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from edgernn.arrays import AnyArray, Bools, Float32
from edgernn.data.run_folder import Original
from edgernn.data.samples import Samples
from edgernn.system.tensorflow_setup import quiet_tensorflow
from edgernn_export.keras_model import recurrent_layers
from matrix.architectures import (
    BINARY,
    FUNCTIONAL,
    MULTILABEL,
    NESTED,
    OF_CELLS,
    PRECISIONS,
    RETURN_STATE,
    SOFTMAX,
    STATEFUL,
    VALUES,
    Architecture,
    LayerSpec,
    can_stack_cells,
)

CALIBRATION_SAMPLES, TEST_SAMPLES = 100, 20
# Not a divisor of the numbers of samples.
_STATEFUL_BATCH = 8
# Options of an RNN layer, which its cell does not have.
_OF_LAYER = ("return_sequences", "go_backwards", "unroll")
_HEAD_ACTIVATIONS = {SOFTMAX: "softmax", BINARY: "sigmoid", MULTILABEL: "sigmoid"}
# The gain of recurrent kernels by activation: states of unbounded ones grow from step to step, of exponential most.
_BOUNDED = ("tanh", "sigmoid", "hard_sigmoid", "hard_tanh", "softsign", "softmax", "sparsemax", "sparse_sigmoid")
_GAINS = {"exponential": 0.05} | dict.fromkeys(_BOUNDED, 0.9)
_GAIN = 0.4
# The gain of both kernels if the gates are unbounded: values are then multiplied with each other at each step.
_GAIN_OF_OPEN_GATES = 0.2


def build(architecture: Architecture) -> Any:
    """Build the Keras model, with weights from the architecture's seed."""
    with quiet_tensorflow():
        import keras

    if architecture.rebuilt in PRECISIONS:
        usual = keras.config.dtype_policy()
        keras.config.set_dtype_policy(architecture.rebuilt)
        try:
            return _build(architecture)
        finally:
            keras.config.set_dtype_policy(usual)
    return _build(architecture)


def _build(architecture: Architecture) -> Any:
    import keras

    batch = _STATEFUL_BATCH if architecture.rebuilt == STATEFUL else None
    inputs = keras.Input(batch_shape=(batch, *(architecture.own or (architecture.steps, architecture.features))))
    if architecture.form == FUNCTIONAL:
        model = keras.Model(inputs, _with_skip(architecture, inputs))
    else:
        layers = [*map(_make, architecture.front), *_recurrent(architecture)]
        if architecture.form == NESTED:
            first = len(architecture.front) if architecture.recurrent else 0
            layers = [*layers[:first], keras.Sequential(layers[first:])]
        model = keras.Sequential([inputs, *layers, *map(_make, architecture.behind), _head(architecture)])
    _set_weights(model, np.random.default_rng(architecture.seed))
    return model


def original(architecture: Architecture, folder: Path) -> Original:
    """Save the model in a folder as small.keras, and return it with its samples."""
    path = folder / "small.keras"
    model = build(architecture)
    model.save(path)
    return Original(
        model=path,
        name="small",
        labels=(),
        input_meaning="",
        samples=_samples(architecture, tuple(model.outputs[0].shape[1:])),
    )


def _make(each: LayerSpec) -> Any:
    import keras

    layer = getattr(keras.layers, each.kind)(**dict(each.options))
    return keras.layers.TimeDistributed(layer) if each.time_distributed else layer


def _make_recurrent(each: LayerSpec, rebuilt: str, **more: object) -> Any:
    import keras

    options: dict[str, object] = dict(each.options) | more
    if rebuilt == OF_CELLS:
        of_layer = {name: options.pop(name) for name in _OF_LAYER if name in options}
        layer = keras.layers.RNN(getattr(keras.layers, f"{each.kind}Cell")(**options), **of_layer)
    else:
        extra = {STATEFUL: {"stateful": True}, RETURN_STATE: {"return_state": True}}.get(rebuilt, {})
        layer = getattr(keras.layers, each.kind)(**options, **extra)
    return keras.layers.Bidirectional(layer, merge_mode=each.merge_mode) if each.merge_mode else layer


def _make_stacked_cells(architecture: Architecture) -> Any:
    """Make one RNN of the cells of all recurrent layers."""
    import keras

    options = [dict(each.options) for each in architecture.recurrent]
    cells = [
        getattr(keras.layers, f"{each.kind}Cell")(**{name: own[name] for name in own if name not in _OF_LAYER})
        for each, own in zip(architecture.recurrent, options, strict=True)
    ]
    backwards = options[0].get("go_backwards", False)
    return keras.layers.RNN(cells, return_sequences=architecture.sequences, go_backwards=backwards)


def _output(layer: Any, x: Any) -> Any:
    """Call a layer; of one that also returns states, take h if it is the output of the last step."""
    y = layer(x)
    if not isinstance(y, list | tuple):
        return y
    import keras

    return y[1] if isinstance(layer, keras.layers.RNN) and len(y[0].shape) == 2 else y[0]


def _recurrent(architecture: Architecture) -> list[Any]:
    """Make the recurrent layers with the layers between them."""
    if not architecture.recurrent:
        return []
    *first, last = architecture.recurrent
    rebuilt = architecture.rebuilt
    if rebuilt == OF_CELLS and can_stack_cells(architecture):
        return [_make_stacked_cells(architecture)]
    layers = []
    for each in first:
        layers += [_make_recurrent(each, rebuilt, return_sequences=True), *map(_make, architecture.between)]
    return [*layers, _make_recurrent(last, rebuilt, return_sequences=architecture.sequences)]


def _with_skip(architecture: Architecture, inputs: Any) -> Any:
    """Return the functional model's answer: with a skip around the first recurrent layer, or a Dense if it is alone.

    Without recurrent layers there is a skip around each layer that keeps the shape, as in a temporal convolution.
    """
    import keras

    x = inputs
    for each in architecture.front:
        y = _make(each)(x)
        x = keras.layers.Add()([x, y]) if not architecture.recurrent and y.shape == x.shape else y
    first, *rest = _recurrent(architecture) or [None]
    y = _output(first, x) if first else x
    if first and len(y.shape) == 3:
        y = keras.layers.Concatenate()([y, x])
    elif first:
        y = keras.layers.Add()([y, keras.layers.Dense(y.shape[-1])(y)])
    for layer in [*rest, *map(_make, architecture.behind), _head(architecture)]:
        y = _output(layer, y)
    return y


def _head(architecture: Architecture) -> Any:
    import keras

    return keras.layers.Dense(architecture.outputs, activation=_HEAD_ACTIVATIONS.get(architecture.head))


def _set_weights(model: Any, rng: np.random.Generator) -> None:
    """Set every weight to values that affect the answer: biases are not 0, statistics not 0 and 1."""
    gains = {id(weight): gain for layer in recurrent_layers(model) for weight, gain in _gains(layer)}
    for weight in model.weights:
        shape = tuple(weight.shape)
        if weight.name in ("moving_variance", "gamma"):
            weight.assign(rng.uniform(0.5, 1.5, shape))
        elif weight.name in ("bias", "beta", "moving_mean"):
            weight.assign(rng.normal(0, 0.3, shape))
        elif weight.name.endswith("kernel"):
            gain = gains.get(id(weight), 1.0)
            weight.assign(rng.normal(0, gain / np.sqrt(np.prod(shape[:-1])), shape))


def _gains(layer: Any) -> Iterator[tuple[Any, float]]:
    """Yield the kernels of a recurrent layer, each with its gain."""
    for cell in getattr(layer.cell, "cells", [layer.cell]):
        gates = getattr(cell, "recurrent_activation", None)
        unbounded = gates is not None and gates.__name__ not in _BOUNDED
        for weight in cell.weights:
            if unbounded and weight.name.endswith("kernel"):
                yield weight, _GAIN_OF_OPEN_GATES
            elif weight.name == "recurrent_kernel":
                yield weight, _GAINS.get(cell.activation.__name__, _GAIN)


def _masked_rows(rng: np.random.Generator, count: int, steps: int) -> Bools:
    """Draw masked rows, [samples, steps]: none, the last, the first or any, but never all of a sample."""
    lengths, places = rng.integers(1, steps + 1, (count, 1)), np.arange(steps)
    kinds = np.stack(
        [
            np.zeros((count, steps), np.bool_),
            np.broadcast_to(places >= lengths, (count, steps)),
            np.broadcast_to(places < steps - lengths, (count, steps)),
            (rng.random((count, steps)) < 0.4) & (places != lengths - 1),
        ]
    )
    masked: Bools = kinds[np.arange(count) % len(kinds), np.arange(count)]
    return masked


def _samples(architecture: Architecture, answer: tuple[int, ...]) -> Samples:
    """Draw random samples; `answer` is the shape of one answer, [outputs] or [steps, outputs].

    The test samples are also calibration samples. The matrix tests the arithmetic, not whether a few samples have the
    ranges of others.
    """
    rng = np.random.default_rng((architecture.seed, 1))

    def inputs(count: int) -> Float32:
        shape = (count, architecture.steps, architecture.features)
        x = rng.random(shape, np.float32) if architecture.uniform else rng.normal(size=shape).astype(np.float32)
        if architecture.mask_value is not None:
            x[_masked_rows(rng, count, architecture.steps)] = architecture.mask_value
        return x

    def truth(count: int) -> AnyArray:
        if architecture.head == VALUES:
            return rng.normal(size=(count, *answer)).astype(np.float32)
        if architecture.head in (BINARY, MULTILABEL):
            return rng.integers(0, 2, (count, *answer))
        return rng.integers(0, answer[-1], (count, *answer[:-1]))

    x, y = inputs(CALIBRATION_SAMPLES), truth(CALIBRATION_SAMPLES)
    return Samples.unnamed(x_calibration=x, y_calibration=y, x_test=x[:TEST_SAMPLES], y_test=y[:TEST_SAMPLES])
