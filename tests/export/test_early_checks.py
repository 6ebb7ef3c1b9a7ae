"""Checks before TensorFlow is imported say the same as those of the loaded model."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgernn.data.datasets import read_input_shapes
from edgernn.data.readers import Archive
from edgernn.errors import DataError, ModelError
from edgernn_export import early_checks, keras_model
from edgernn_export.outline import Outline
from edgernn_export.settings import Settings
from matrix.refused import REFUSED

STEPS, FEATURES, CLASSES = 6, 3, 4


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_model_is_refused_with_the_words_of_the_loaded_one(name: str, suffix: str, tmp_path: Path) -> None:
    import keras

    path = tmp_path / f"refused{suffix}"
    REFUSED[name].make(keras).save(path)
    with pytest.raises(ModelError) as early:
        early_checks.check_model(path)
    with pytest.raises(ModelError) as late:
        keras_model.load(path)
    assert str(early.value) == str(late.value)


def _functional(*layers: Any) -> Any:
    import keras

    x = inputs = keras.Input((STEPS, FEATURES))
    for layer in layers:
        x = layer(x)
    return keras.Model(inputs, x)


def _sequential(*layers: Any) -> Any:
    import keras

    return keras.Sequential([keras.Input((STEPS, FEATURES)), *layers])


def _models() -> dict[str, tuple[Any, bool]]:
    """Return models whose answers' shape is known, and whether they are those of a softmax."""
    from keras import layers

    def head(**options: Any) -> Any:
        return layers.Dense(CLASSES, **({"activation": "softmax"} | options))

    return {
        "one answer": (_sequential(layers.SimpleRNN(5), head()), True),
        "logits": (_sequential(layers.GRU(5), layers.Dropout(0.1), head(activation=None)), False),
        "an answer for each step": (_sequential(layers.LSTM(5, return_sequences=True), head()), True),
        "both ways": (_functional(layers.Bidirectional(layers.GRU(5)), layers.LayerNormalization()), False),
        "both ways, added": (
            _functional(layers.Bidirectional(layers.GRU(5), merge_mode="sum"), head(), layers.Dropout(0.1)),
            False,
        ),
        "time distributed": (
            _functional(layers.LSTM(5, return_sequences=True), layers.TimeDistributed(head())),
            True,
        ),
        "flattened": (_functional(layers.LSTM(5, return_sequences=True), layers.Flatten()), False),
        "pooled": (_sequential(layers.GRU(5, return_sequences=True), layers.GlobalMaxPooling1D(), head()), True),
        "without recurrent layers": (
            _functional(
                layers.Conv1D(8, 3, padding="causal", dilation_rate=2),
                layers.MaxPooling1D(2, padding="same"),
                layers.SeparableConv1D(5, 2, strides=2),
                layers.DepthwiseConv1D(1, depth_multiplier=2),
                layers.AveragePooling1D(1),
                layers.Flatten(),
                head(),
            ),
            True,
        ),
        "a model inside": (_functional(layers.Rescaling(2.0), _sequential(layers.GRU(5)), head()), True),
        "a separate softmax": (_sequential(layers.GRU(5), head(activation=None), layers.Softmax()), True),
    }


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_the_outline_of_a_model_agrees_with_keras(suffix: str, tmp_path: Path) -> None:
    for name, (model, softmax) in _models().items():
        path = tmp_path / f"model{suffix}"
        model.save(path)
        outline = early_checks.check_model(path)
        assert outline is not None
        assert outline.input_shape == tuple(model.inputs[0].shape)
        assert outline.answer_shape((STEPS, FEATURES)) == tuple(model.outputs[0].shape), name
        assert outline.softmax == softmax, name


def test_what_the_configuration_does_not_tell_is_left_to_keras(tmp_path: Path) -> None:
    import keras
    from keras import layers

    inputs = keras.Input((STEPS, FEATURES))
    both = layers.Concatenate()([layers.GRU(3)(inputs), layers.LSTM(3)(inputs)])
    keras.Model(inputs, layers.Dense(CLASSES)(both)).save(tmp_path / "branches.keras")
    outline = early_checks.check_model(tmp_path / "branches.keras")
    assert outline is not None
    assert outline.answer_shape((STEPS, FEATURES)) is None


@pytest.mark.parametrize(
    "config",
    [
        {"class_name": "Sequential", "config": {"layers": 3}},
        {"class_name": "Sequential", "config": {"layers": [None]}},
        {"class_name": "Functional", "config": {"layers": [], "input_layers": [], "output_layers": []}},
        {"class_name": "Other", "config": {}},
        {"class_name": ["Sequential"], "config": {}},
        [],
    ],
)
def test_a_damaged_configuration_has_no_outline(config: Any) -> None:
    assert Outline.read(config) is None


@pytest.fixture
def own_layer() -> Callable[[], Any]:
    """Return a function that makes a layer that is not Keras's own."""
    import keras

    class Own(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            return x

    return Own


def test_a_class_of_the_users_code_is_refused_unless_it_is_registered(
    own_layer: Callable[[], Any], tmp_path: Path
) -> None:
    import keras

    path = tmp_path / "own.keras"
    _sequential(own_layer(), keras.layers.GRU(3)).save(path)
    with pytest.raises(ModelError, match="'own' is of the class Own, which is not Keras's own"):
        early_checks.check_model(path)
    with keras.saving.custom_object_scope({"Own": own_layer}):
        assert early_checks.check_model(path) is not None


def test_the_header_of_samples_is_enough_to_refuse_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import keras

    path, samples = tmp_path / "model.keras", tmp_path / "samples.npz"
    _sequential(keras.layers.GRU(3)).save(path)
    np.savez(samples, x_train=np.ones((2, STEPS, FEATURES)), x_test=np.ones((2, STEPS, FEATURES + 1)))
    outline = early_checks.check_model(path)
    monkeypatch.setattr(Archive, "__getitem__", lambda *_: pytest.fail("the data are read"))
    with pytest.raises(DataError, match=r"x_test of .*npz: samples of shape \(6, 4\) do not fit the model.*\(6, 3\)"):
        early_checks.check_header(outline, samples)
    np.savez(samples, x=np.ones((2, STEPS, FEATURES)))
    early_checks.check_header(outline, samples)
    with pytest.raises(DataError, match=r"which takes \(8, 3\)"):
        early_checks.check_header(outline, samples, Settings(steps=8))


def test_a_header_that_cannot_be_read_is_left_to_the_reader(tmp_path: Path) -> None:
    path = tmp_path / "samples.npz"
    assert read_input_shapes(path) == {}
    path.write_text("not an archive")
    assert read_input_shapes(path) == {}
    np.savez(path, y=np.ones(3))
    assert read_input_shapes(path) == {}
