"""Models of other number types, stateful ones and RNN of cells become plain float32 layers; Keras is the oracle."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result

import edgernn
from edgernn.errors import ModelError
from edgernn_export import early_checks, keras_model, plain_layers, rebuilding
from edgernn_export.streaming import streams

pytestmark = pytest.mark.usefixtures("in_process")

STEPS, FEATURES, BATCH = 6, 3, 4
# Not a multiple of the batch size.
SAMPLES = 10


def x_of(samples: int = SAMPLES) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(samples, STEPS, FEATURES)).astype(np.float32)


def sequential(*layers: Any, batch: int | None = None, steps: int | None = STEPS) -> Any:
    import keras

    given = keras.Input(batch_shape=(batch, steps, FEATURES))
    return keras.Sequential([given, *layers, keras.layers.Dense(2, activation="softmax")])


def with_states() -> Any:
    """Return a model that uses the output and the state h of every step, of the last step, and of a nested model."""
    import keras
    from keras import layers

    given = keras.Input((STEPS, FEATURES))
    every, last, _ = layers.LSTM(4, return_sequences=True, return_state=True)(given)
    inner = keras.Input((STEPS, 4))
    body = keras.Model(inner, layers.GRU(4, return_state=True)(inner)[1], name="body")
    both, *_ = layers.Bidirectional(layers.SimpleRNN(4, return_state=True), merge_mode="sum")(every)
    return keras.Model(given, layers.Dense(2)(layers.Concatenate()([last, body(every), both])))


def of_policy(policy: str) -> Any:
    import keras
    from keras import layers

    keras.config.set_dtype_policy(policy)
    try:
        return sequential(layers.LSTM(4, return_sequences=True), layers.Rescaling(2.0), layers.GRU(4))
    finally:
        keras.config.set_dtype_policy("float32")


def model_of(kind: str) -> Any:
    from keras import layers

    if kind == "cells":
        return sequential(
            layers.RNN(layers.GRUCell(4, activation="relu", reset_after=False), return_sequences=True),
            layers.Bidirectional(layers.RNN(layers.SimpleRNNCell(3), return_sequences=True)),
            layers.RNN([layers.LSTMCell(5), layers.GRUCell(4, use_bias=False)], go_backwards=True),
        )
    if kind == "stateful":
        cells = layers.StackedRNNCells([layers.LSTMCell(5), layers.LSTMCell(4)])
        return sequential(layers.RNN(cells, stateful=True, return_sequences=True), layers.Flatten(), batch=BATCH)
    return with_states() if kind == "states" else of_policy(kind)


# By kind: the words for what is replaced, and the classes of the recurrent layers in the rebuilt model.
KINDS = {
    "cells": ("RNN of cells replaced by layers", ["GRU", "SimpleRNN", "SimpleRNN", "LSTM", "GRU"]),
    "stateful": ("batch size 4 replaced by any, stateful=True replaced by states of zero", ["LSTM", "LSTM"]),
    "states": ("return_state=True replaced by the last output", ["LSTM", "GRU", "SimpleRNN", "SimpleRNN"]),
    "float64": ("float64 replaced by float32", ["LSTM", "GRU"]),
    "float16": ("float16 replaced by float32", ["LSTM", "GRU"]),
    "mixed_bfloat16": ("bfloat16 replaced by float32", ["LSTM", "GRU"]),
}
TOLERANCES = {"float16": 5e-3, "mixed_bfloat16": 4e-2}


def expected_of(model: Any, x: np.ndarray) -> np.ndarray:
    """Return the original's answers, each batch from states of zero."""
    import keras

    answers = []
    for first in range(0, len(x), BATCH):
        for layer in model.layers:
            if getattr(layer, "stateful", False):
                for state in keras.tree.flatten(layer.states):
                    state.assign(np.zeros(state.shape))
        batch = x[first : first + BATCH]
        padded = np.concatenate([batch, np.zeros((BATCH - len(batch), STEPS, FEATURES), np.float32)])
        answers.append(np.asarray(model(padded, training=False), np.float32)[: len(batch)])
    return np.concatenate(answers)


@pytest.mark.parametrize("kind", KINDS)
def test_the_rebuilt_model_has_plain_layers_and_the_answers_of_the_original(kind: str, tmp_path: Path) -> None:
    words, classes = KINDS[kind]
    model, path, x = model_of(kind), tmp_path / "m.keras", x_of()
    model.save(path)
    outline = early_checks.check_model(path)
    loaded = keras_model.load_both(path, x=x)
    expected = expected_of(model, x)
    assert words in loaded.changes
    assert plain_layers.is_plain(loaded.model)
    assert sorted(type(each).__name__ for each in keras_model.recurrent_layers(loaded.model)) == sorted(classes)
    first = loaded.answer(x)
    np.testing.assert_allclose(first, expected, atol=1e-6)
    np.testing.assert_array_equal(loaded.answer(x), first)  # of a stateful model as well
    np.testing.assert_allclose(keras_model.predict(loaded.model, x), expected, atol=TOLERANCES.get(kind, 1e-5))
    assert outline is not None
    assert outline.answer_shape((STEPS, FEATURES)) in (None, (None, *expected.shape[1:]))


def test_masked_cells_for_any_number_of_steps_are_rebuilt_for_those_of_the_samples(tmp_path: Path) -> None:
    from keras import layers

    path, x = tmp_path / "free.h5", x_of()
    x[::2, 4:], x[::3, 1] = 0, 0
    stack = layers.RNN([layers.GRUCell(4), layers.SimpleRNNCell(3)], return_sequences=True)
    model = sequential(layers.Masking(), stack, layers.LSTM(3), steps=None)
    model.save(path)
    loaded = keras_model.load_both(path, x=x)
    assert loaded.model.inputs[0].shape == (None, STEPS, FEATURES)
    np.testing.assert_allclose(keras_model.predict(loaded.model, x), np.asarray(model(x)), atol=1e-6)
    assert streams(loaded.model)  # also without warnings, which are errors here


@pytest.mark.parametrize("kind", ["cells", "float16"])
def test_a_rebuilt_model_with_other_weights_is_refused(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, in_float32 = model_of(kind), rebuilding.in_float32

    def damaged(given: Any) -> Any:
        rebuilt = in_float32(given)
        weights = rebuilt.get_weights()
        weights[1] = weights[1][:, ::-1]
        rebuilt.set_weights(weights)
        return rebuilt

    monkeypatch.setattr(rebuilding, "in_float32", damaged)
    with pytest.raises(ModelError, match="the rebuilt model's answers differ by"):
        plain_layers.check(model, plain_layers.rebuild(model), x_of())


def test_an_export_is_proven_against_the_model_in_float16_and_says_so(
    tmp_path: Path, edgernn_command: Callable[..., Result]
) -> None:
    import keras

    path, x = tmp_path / "half.keras", x_of(300)
    of_policy("mixed_float16").save(path)
    y = np.asarray(keras.saving.load_model(path)(x), np.float32)
    np.savez(tmp_path / "s.npz", x_calibration=x[:100], x_test=x[100:])
    words = ("--samples", tmp_path / "s.npz", "--quantize", "float32", "--layout", "unrolled", "--no-measure")
    result = edgernn_command("export", path, *words)
    assert result.exit_code == 0, result.output
    text = " ".join(result.output.split())
    assert "The Keras model is exported with float16 replaced by float32; its answers differ by up to" in text
    assert "and the limits of the proof are wider by that" in text
    model = edgernn.load(tmp_path / "half-float32.tflite")
    assert model.card is not None
    difference = np.abs(model.predict(x[100:]) - y[100:]).max()
    # The reference is the original: float32 alone would differ by less than 1e-6.
    assert 2e-5 < difference < TOLERANCES["float16"]
    assert model.card.measured["difference"] == pytest.approx(difference, rel=1e-3)


def test_answers_beyond_the_range_of_float16_are_refused() -> None:
    loaded = keras_model.LoadedModel(None, None, (), "float16 replaced by float32", "float16")
    with pytest.raises(ModelError, match="NaN or infinity in float16, expected numbers; use samples as the model was"):
        loaded.exact_answers(x_of(), np.full((SAMPLES, 1), np.inf, np.float32))
