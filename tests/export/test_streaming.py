"""Streaming: the decision for models that use more than one row, and for inputs of any size."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgernn_export import keras_model
from edgernn_export.streaming import why_no_stream

FEATURES = 3


def fronts() -> dict[str, tuple[Callable[[], Any], int, bool]]:
    """List layers in front of the recurrent one, the number of steps, and whether the model streams."""
    from keras import initializers, layers, ops

    def look_ahead(**options: Any) -> Callable[[Any], Any]:
        return layers.Conv1D(4, 3, **({"padding": "same", "activation": "relu"} | options))

    def hardly(x: Any) -> Any:
        return x + 1e-4 * ops.mean(x, axis=1, keepdims=True)

    def counts(x: Any) -> Any:
        return look_ahead()(layers.Rescaling(1 / 32768)(x))

    def pressure(x: Any) -> Any:
        return look_ahead(activation="tanh")(layers.Normalization(mean=[1013.0] * 3, variance=[25.0] * 3)(x))

    def causal(dilation: int, **options: Any) -> Callable[[Any], Any]:
        return layers.Conv1D(4, 2, dilation_rate=dilation, padding="causal", **options)

    def gated(x: Any) -> Any:
        return layers.Multiply()([causal(2, activation="tanh")(x), causal(2, activation="sigmoid")(x)])

    def padded(rows: int) -> Callable[[Any], Any]:
        return lambda x: layers.DepthwiseConv1D(3)(layers.ZeroPadding1D((rows, 0))(x))

    return {
        "raw counts, looking ahead": (counts, 16, False),
        "pressure, looking ahead": (pressure, 16, False),
        "a dead relu": (look_ahead(bias_initializer=initializers.Constant(-9.0)), 8, False),
        "hardly anything of the mean": (hardly, 8, False),
        "looking back 10 of 16": (causal(10), 16, True),
        "looking back further than a sample": (causal(20), 16, True),
        "causal convolutions, multiplied": (gated, 8, True),
        "padded as far as the convolution looks back": (padded(2), 8, True),
        "padded further": (padded(3), 8, False),
        "every second step": (causal(1, strides=2), 8, False),
        "a difference to the row before": (lambda x: x - ops.pad(x, [[0, 0], [1, 0], [0, 0]])[:, :-1], 8, False),
        "logarithm": (lambda x: ops.log(x + 1e-3), 8, True),
        "root": (ops.sqrt, 8, True),
        "logit": (lambda x: ops.log(x / (1 - x)), 8, True),
        "sine": (lambda x: ops.sin(100 * x), 8, True),
        "thresholds": (lambda x: ops.cast(x > 0.5, "float32") * ops.round(x), 8, True),
        "convolution of one row": (layers.Conv1D(4, 1, activation="relu"), 8, True),
        "normed": (layers.LayerNormalization(), 8, True),
    }


@pytest.mark.parametrize(
    "kind",
    [
        *("raw counts, looking ahead", "pressure, looking ahead", "a dead relu", "hardly anything of the mean"),
        *("looking back 10 of 16", "looking back further than a sample", "causal convolutions, multiplied"),
        *("padded as far as the convolution looks back", "padded further", "every second step"),
        "a difference to the row before",
        *("logarithm", "root", "logit", "sine", "thresholds", "convolution of one row", "normed"),
    ],
)
def test_the_answer_is_right_without_samples(kind: str, tmp_path: Path) -> None:
    import keras

    front, steps, expected = fronts()[kind]
    keras.utils.set_random_seed(1)
    given = keras.Input((steps, FEATURES))
    keras.Model(given, keras.layers.Dense(2)(keras.layers.GRU(3, name="gru")(front(given)))).save(tmp_path / "m.keras")
    reason = why_no_stream(keras_model.load(tmp_path / "m.keras"))
    assert (reason == "") == expected, reason
    if not expected:
        assert "'gru' at a time step also depends on other time steps" in reason


def test_samples_show_what_noise_does_not(tmp_path: Path) -> None:
    import keras
    from keras import layers, ops

    def narrow(x: Any) -> Any:  # NaN except from 7000 to 7001
        return ops.sqrt(x - 7000) + ops.sqrt(7001 - x)

    given = keras.Input((8, FEATURES))
    x = (7000 + np.random.default_rng(0).random((20, 8, FEATURES))).astype(np.float32)
    for front, streams in ((narrow, True), (lambda x: layers.Conv1D(3, 3, padding="same")(narrow(x)), False)):
        keras.Model(given, layers.GRU(3)(front(given))).save(tmp_path / "m.keras")
        model = keras_model.load(tmp_path / "m.keras")
        assert why_no_stream(model)
        assert (why_no_stream(model, x) == "") == streams


def test_no_finite_answer_is_no_evidence(tmp_path: Path) -> None:
    import keras

    given = keras.Input((8, FEATURES))
    keras.Model(given, keras.layers.GRU(3)(keras.ops.log(-keras.ops.exp(given)))).save(tmp_path / "m.keras")
    assert (
        why_no_stream(keras_model.load(tmp_path / "m.keras")) == "its answers to all tried rows contain NaN or infinity"
    )


@pytest.mark.parametrize("kind", ["every step", "of the newest row", "mean of the steps", "next step"])
def test_what_comes_behind_the_recurrent_layer_counts(kind: str, tmp_path: Path) -> None:
    import keras
    from keras import layers

    given = keras.Input((8, FEATURES))
    h = layers.GRU(3, return_sequences=True)(given)
    answer, expected = {
        "every step": (lambda: layers.Dense(2)(h), True),
        "of the newest row": (lambda: layers.Concatenate()([h, layers.Dense(2)(given)]), True),
        "mean of the steps": (lambda: layers.GlobalAveragePooling1D()(h), False),
        "next step": (lambda: layers.Conv1D(2, 3, padding="same")(h), False),
    }[kind]
    keras.Model(given, answer()).save(tmp_path / "m.keras")
    assert (why_no_stream(keras_model.load(tmp_path / "m.keras")) == "") == expected


@pytest.mark.parametrize(
    ("kind", "options", "way_out"),
    [
        (
            "Conv1D",
            {"filters": 4, "padding": "same"},
            "layer 'c' has padding='same'; it would stream with padding='causal'",
        ),
        ("Conv1D", {"filters": 4}, "layer 'c' has padding='valid'; it would stream with padding='causal'"),
        (
            "DepthwiseConv1D",
            {"padding": "same", "dilation_rate": 2},
            "padding='same'; it would stream with ZeroPadding1D((4, 0)) in front of it and padding='valid'",
        ),
        ("MaxPooling1D", {}, ""),
    ],
)
def test_the_reason_names_the_padding_that_would_stream(
    kind: str, options: dict[str, Any], way_out: str, tmp_path: Path
) -> None:
    import keras
    from keras import layers

    size = {} if kind == "MaxPooling1D" else {"kernel_size": 3}
    front = getattr(layers, kind)(name="c", **size, **options)
    keras.Sequential([keras.Input((8, FEATURES)), front, layers.GRU(3)]).save(tmp_path / "m.keras")
    reason = why_no_stream(keras_model.load(tmp_path / "m.keras"))
    assert reason
    assert reason.endswith(way_out)
    assert bool(way_out) == ("would stream" in reason)
