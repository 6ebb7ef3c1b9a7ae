"""Rebuilt Keras models answer like the loaded ones, whatever their layers store; Keras itself is the oracle."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result

import edgernn
from edgernn.backends import litert, onnxruntime
from edgernn.errors import ModelError
from edgernn_export import keras_model, rebuilding
from edgernn_export.formats.onnx import convert as onnx
from edgernn_export.formats.tflite import convert as tflite
from edgernn_export.formats.tflite.compact import compact
from edgernn_export.formats.tflite.quantize import quantize

pytestmark = pytest.mark.usefixtures("in_process")

STEPS, FEATURES = 6, 3


def pressures(count: int = 30, steps: int = STEPS) -> np.ndarray:
    walk = np.cumsum(np.random.default_rng(0).normal(size=(count, steps, FEATURES)), axis=1)
    return (walk * [50, 2, 8] + [1013, 21, 55]).astype(np.float32)


def layers_of(kind: str) -> list[Any]:
    import keras
    from keras import Sequential, layers

    mean, variance = [1013.0, 21.0, 55.0], [2500.0, 4.0, 64.0]
    adapted, both_axes, every = (
        layers.Normalization(),
        layers.Normalization(axis=(1, 2)),
        layers.Normalization(axis=None),
    )
    bins = layers.Discretization(num_bins=4)
    for layer in (adapted, both_axes, every, bins):
        layer.adapt(pressures())
    batch = layers.BatchNormalization(moving_mean_initializer=keras.initializers.Constant(40))
    return {
        "adapted": [adapted, layers.GRU(4)],
        "adapted by step and feature": [both_axes, layers.GRU(4)],
        "adapted over all": [every, layers.LSTM(4)],
        "given": [layers.Normalization(mean=mean, variance=variance), layers.SimpleRNN(4)],
        "inverted": [
            layers.Normalization(mean=mean, variance=variance, invert=True),
            layers.Rescaling(1e-3),
            layers.GRU(4),
        ],
        "nested": [Sequential([adapted, layers.GRU(4, return_sequences=True)]), layers.GRU(3)],
        "bins": [bins, layers.Rescaling(0.5), layers.GRU(4)],
        "random and normed": [
            adapted,
            layers.GaussianNoise(0.5, seed=3),
            batch,
            layers.Bidirectional(layers.GRU(3, return_sequences=True)),
            layers.Dropout(0.5, seed=4),
            layers.TimeDistributed(layers.SpectralNormalization(layers.Dense(3))),
            layers.LSTM(3),
        ],
    }[kind]


KINDS = ("adapted", "adapted over all", "given", "inverted", "nested", "bins", "random and normed")


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_for_other_steps_keeps_the_values_of_its_layers(kind: str, save_model: Callable[..., Path]) -> None:
    import keras

    path, x = save_model(layers_of(kind), steps=None), pressures()
    loaded = keras_model.load_both(path, x=x)
    model, expected = loaded.model, np.asarray(keras.saving.load_model(path)(x))
    assert model.inputs[0].shape[1] == STEPS
    np.testing.assert_allclose(loaded.answer(x), expected, atol=1e-5)
    np.testing.assert_allclose(keras_model.predict(model, x), expected, atol=1e-5)
    longer = pressures(steps=9)
    free = rebuilding.with_steps(model, None)
    np.testing.assert_allclose(np.asarray(free(x)), expected, atol=1e-5)
    rebuilt = keras_model.load(path, 9, x=longer)
    np.testing.assert_allclose(keras_model.predict(rebuilt, longer), np.asarray(free(longer)), atol=1e-5)


@pytest.mark.parametrize("kind", ["adapted", "adapted by step and feature", "inverted"])
def test_normalization_is_exported(kind: str, save_model: Callable[..., Path]) -> None:
    import keras

    path, x = save_model(layers_of(kind)), pressures()
    expected = keras.saving.load_model(path).predict(x, verbose=0)
    data = quantize(tflite.convert(keras_model.load(path)), "float32", "float32", x, expected).build("unrolled")
    opened = [
        litert.open_artifact(compact(data), 1),
        onnxruntime.open_artifact(onnx.convert(keras_model.load(path)), 1),
    ]
    for backend in opened:
        np.testing.assert_allclose(backend.run((x,))[0], expected, atol=1e-5)
        if kind != "adapted by step and feature":  # it supports no other number of steps
            stream = backend.start()
            for row in x[0]:
                answer = stream.step((row,))[0]
            np.testing.assert_allclose(answer, expected[0], atol=1e-5)


def test_the_proof_compares_with_the_model_in_the_file(
    save_model: Callable[..., Path], tmp_path: Path, edgernn_command: Callable[..., Result]
) -> None:
    import keras
    from keras import layers

    path = save_model([*layers_of("adapted"), layers.Dense(1)], name="free.keras", steps=None)
    x = pressures(60)
    y = keras.saving.load_model(path).predict(x, verbose=0)
    np.savez(tmp_path / "s.npz", x_calibration=x[:40], y_calibration=y[:40], x_test=x[40:], y_test=y[40:])
    words = ("--samples", tmp_path / "s.npz", "--quantize", "float32", "--layout", "loop", "--out", tmp_path / "out")
    result = edgernn_command("export", path, *words)
    assert result.exit_code == 0, result.output
    answers = edgernn.load(tmp_path / "out" / "free-float32-loop.tflite").predict(x)
    np.testing.assert_allclose(answers, y, atol=1e-5)


def test_a_rebuilt_model_that_answers_differently_is_refused(
    save_model: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    import keras

    path, x = save_model(layers_of("adapted"), steps=None), pressures()
    # A layer whose loading does not restore the values derived from its weights.
    monkeypatch.setattr(keras.layers.Normalization, "load_own_variables", keras.layers.Layer.load_own_variables)
    original = keras.saving.load_model(path)
    original.layers[0].finalize_state()
    with pytest.raises(ModelError, match=r"the rebuilt model\'s answers differ by .* from the loaded model\'s"):
        rebuilding.check_rebuilt(original, rebuilding.with_steps(original, STEPS), x)


def test_refined_weights_update_derived_values(save_model: Callable[..., Path]) -> None:
    model, x = keras_model.load(save_model(layers_of("adapted"))), pressures()
    names, weights = [weight.path for weight in model.weights], model.get_weights()
    place = next(index for index, name in enumerate(names) if name.endswith("/mean"))
    before = keras_model.predict(model, x)
    weights[place] = weights[place] + 100
    rebuilding.set_weights(model, weights)
    np.testing.assert_allclose(keras_model.predict(model, x + np.float32(100)), before, atol=1e-4)


@pytest.mark.parametrize("shape", ["dictionary", "list", "dictionary of inputs"])
def test_one_named_output_is_that_output(shape: str, tmp_path: Path) -> None:
    import keras

    x, given = pressures(), keras.Input((STEPS, FEATURES), name="rows")
    answer = keras.layers.Dense(4)(keras.layers.GRU(3)(given))
    inputs = {"rows": given} if shape == "dictionary of inputs" else given
    keras.Model(inputs, [answer] if shape == "list" else {"label": answer}).save(tmp_path / "m.keras")
    model = keras_model.load(tmp_path / "m.keras")
    expected = np.asarray(keras.Model(given, answer)(x))
    answers = keras_model.predict(model, x)
    assert answers.shape == (len(x), 4)
    again = keras.saving.load_model(tmp_path / "m.keras")({"rows": x} if shape == "dictionary of inputs" else x)
    again = again["label"] if isinstance(again, dict) else again  # Keras itself unpacks a list of one answer
    np.testing.assert_allclose(answers, np.asarray(again), atol=1e-6)
    assert answers.shape == expected.shape
    backend = onnxruntime.open_artifact(onnx.convert(model, stream=True), 1)
    np.testing.assert_allclose(backend.run((x,))[0], answers, atol=1e-5)


@pytest.mark.parametrize("window", [2, 3])
def test_windows_folded_into_the_batch_are_exported(window: int, tmp_path: Path) -> None:
    import keras
    from keras import layers, ops

    x, given = pressures() / np.float32(1000), keras.Input((STEPS, FEATURES))
    windows = layers.GRU(4, name="inner")(ops.reshape(given, (-1, window, FEATURES)))
    answer = layers.Dense(2)(layers.GRU(3)(ops.reshape(windows, (-1, STEPS // window, 4))))
    keras.Model(given, answer).save(tmp_path / "m.keras")
    path = tmp_path / "m.keras"
    expected = keras.saving.load_model(path).predict(x, verbose=0)
    for layout in ("unrolled", "loop"):
        data = quantize(tflite.convert(keras_model.load(path), False), "float32", "float32", x, expected).build(layout)
        np.testing.assert_allclose(litert.open_artifact(compact(data), 1).run((x,))[0], expected, atol=1e-5)
    backend = onnxruntime.open_artifact(onnx.convert(keras_model.load(path), False), 1)
    np.testing.assert_allclose(backend.run((x,))[0], expected, atol=1e-5)


def test_too_many_windows_are_refused_with_the_layer_and_the_way_out(tmp_path: Path) -> None:
    import keras
    from keras import layers, ops

    given = keras.Input((40, FEATURES))
    windows = layers.GRU(4, name="inner")(ops.reshape(given, (-1, 2, FEATURES)))
    keras.Model(given, layers.GRU(2)(ops.reshape(windows, (-1, 20, 4)))).save(tmp_path / "m.keras")
    with pytest.raises(
        edgernn.ExportError, match="'inner' runs over 20 sequences of each sample, expected at most 16"
    ) as caught:
        tflite.convert(keras_model.load(tmp_path / "m.keras"), False)
    assert "export to ONNX" in str(caught.value)
    assert "\n" not in str(caught.value)
