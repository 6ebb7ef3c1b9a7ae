"""Refinement on small models with large weights, in which rounding is visible."""

import contextlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgernn.errors import DataError
from edgernn.tasks import Task
from edgernn_export import keras_model
from edgernn_export.refine import Refinement, estimate_seconds, loss_of, refine, rounded_weights

EPOCHS = 15
STEPS, FEATURES = 6, 3
CLASSES = Task("classification")


def layers_of(kind: str) -> list[Any]:
    from keras import layers

    rnn = layers.SimpleRNN(12, recurrent_initializer="he_normal", bias_initializer="normal")
    # Small gaps between the classes: otherwise rounding changes no top class.
    head = layers.Dense(4, activation="softmax", kernel_initializer="he_normal")
    return {
        "plain": [rnn, head],
        "frozen": [layers.SimpleRNN(12, trainable=False), head],
        "others between": [rnn, layers.Dropout(0.5), layers.BatchNormalization(), head],
    }[kind]


@pytest.fixture
def model_file(save_model: Callable[..., Path]) -> Callable[..., Path]:
    """Return a function that saves the same random model of a kind at each call."""

    def save(kind: str = "plain") -> Path:
        import keras

        keras.utils.set_random_seed(7)
        return save_model(layers_of(kind), name=f"{kind.replace(' ', '_')}.keras")

    return save


@pytest.fixture
def refined(model_file: Callable[..., Path]) -> Callable[..., Refinement]:
    return lambda kind="plain", **options: refine_file(model_file(kind), **options)


def samples(seed: int, count: int = 1500) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, STEPS, FEATURES)).astype(np.float32)


def refine_file(path: Path, count: int = 1500, **options: Any) -> Refinement:
    x, model = samples(0, count), keras_model.load(path)
    reference = keras_model.predict(model, x)
    options = {"epochs": EPOCHS, "loss": loss_of(CLASSES, reference)} | options
    return refine(model, x, reference, **options)


def answers_with(path: Path, weights: list[np.ndarray], x: np.ndarray) -> np.ndarray:
    model = keras_model.load(path)
    model.set_weights(weights)
    return keras_model.predict(model, x)


def on_grid(kernel: np.ndarray) -> bool:
    scales = np.abs(kernel).max(axis=0).astype(np.float64) / 127
    quotients = kernel / np.where(scales > 0, scales, 1)
    return bool(np.abs(quotients - np.round(quotients)).max() < 1e-4)


@pytest.mark.parametrize("kind", ["plain", "frozen", "others between"])
def test_every_kernel_is_on_its_grid(
    kind: str, refined: Callable[..., Refinement], model_file: Callable[..., Path]
) -> None:
    result = refined(kind)
    assert result.epoch > 0
    model = keras_model.load(model_file(kind))
    for variable, before, after in zip(model.weights, model.get_weights(), result.weights, strict=True):
        assert (after.shape, after.dtype) == (before.shape, before.dtype), variable.path
        assert after.ndim < 2 or on_grid(after), variable.path
        # The loss does not depend on the statistics of a normalization.
        assert ("moving" in variable.path) == (after == before).all(), variable.path


def test_rounding_alone_touches_kernels_only_and_takes_channels_of_zeros(model_file: Callable[..., Path]) -> None:
    model = keras_model.load(model_file())
    weights = model.get_weights()
    weights[0][:, 3] = 0
    model.set_weights(weights)
    rounded = rounded_weights(model)
    for before, after in zip(weights, rounded, strict=True):
        if before.ndim == 2:
            assert on_grid(after)
            assert not on_grid(before)
            assert (np.abs(after - before) <= 0.501 * np.abs(before).max(axis=0) / 127).all()
        else:
            assert (after == before).all()
    assert not rounded[0][:, 3].any()


def test_channels_of_zeros_do_not_stop_it(model_file: Callable[..., Path]) -> None:
    model, x = keras_model.load(model_file()), samples(0, 100)
    weights = model.get_weights()
    weights[0][:, 3] = 0
    model.set_weights(weights)
    reference = keras_model.predict(model, x)
    result = refine(model, x, reference, loss_of(CLASSES, reference), epochs=3)
    assert all(np.isfinite(weight).all() for weight in result.weights)
    assert all(on_grid(weight) for weight in result.weights if weight.ndim == 2)


def test_the_quantizer_finds_the_same_integers(refined: Callable[..., Refinement]) -> None:
    import keras
    import tensorflow as tf
    from ai_edge_litert import schema_py_generated as schema
    from litert_quantizer import quantizer, recipe

    result = refined()
    inputs = keras.Input(batch_shape=(1, STEPS, FEATURES))
    outputs = keras.layers.Dense(4)(keras.layers.SimpleRNN(12, unroll=True)(inputs))
    model = keras.Model(inputs, outputs)
    model.set_weights(result.weights)
    with contextlib.redirect_stderr(io.StringIO()):
        data = tf.lite.TFLiteConverter.from_keras_model(model).convert()
        data = quantizer.Quantizer(data, recipe.dynamic_wi8_afp32()).quantize(None).quantized_model
    file = schema.ModelT.InitFromPackedBuf(bytes(data), 0)
    found = {}
    for tensor in file.subgraphs[0].tensors:
        if tensor.type == schema.TensorType.INT8:
            integers = np.asarray(file.buffers[tensor.buffer].data, np.uint8).view(np.int8).reshape(tensor.shape)
            found[integers.shape] = (integers, np.asarray(tensor.quantization.scale))
    kernels = [weight for weight in result.weights if weight.ndim == 2]
    assert sorted(found) == sorted(kernel.T.shape for kernel in kernels)
    for kernel in kernels:
        integers, scales = found[kernel.T.shape]
        np.testing.assert_allclose(integers * scales[:, np.newaxis], kernel.T, rtol=1e-6)


def test_on_other_samples_it_answers_nearer_to_the_original_than_the_rounded_one(
    refined: Callable[..., Refinement], model_file: Callable[..., Path]
) -> None:
    path, x = model_file(), samples(1, 4000)
    original = keras_model.load(path)
    expected = keras_model.predict(original, x)
    result = refined()
    rounded = answers_with(path, rounded_weights(original), x)
    answers = answers_with(path, result.weights, x)
    assert np.abs(answers - expected).mean() < 0.8 * np.abs(rounded - expected).mean()
    assert (answers.argmax(1) == expected.argmax(1)).sum() >= (rounded.argmax(1) == expected.argmax(1)).sum()


def test_the_loss_is_that_of_the_returned_weights(
    refined: Callable[..., Refinement], model_file: Callable[..., Path]
) -> None:
    result = refined()
    assert result.loss < result.loss_rounded
    x = samples(0)
    held_out = np.random.default_rng(0).permutation(len(x))[: len(x) // 5]
    expected = keras_model.predict(keras_model.load(model_file()), x[held_out])
    answers = answers_with(model_file(), result.weights, x[held_out])
    divergence = (expected * (np.log(expected) - np.log(answers))).sum(axis=1).mean()
    assert divergence == pytest.approx(result.loss, rel=0.05)


def test_it_is_repeatable_bit_for_bit(refined: Callable[..., Refinement]) -> None:
    import keras

    first = refined()
    # Other random numbers in the process, and earlier refinements, must not change the result.
    keras.utils.set_random_seed(99)
    second = refined()
    assert first.epoch == second.epoch
    assert all((a == b).all() for a, b in zip(first.weights, second.weights, strict=True))


def softmax(x: np.ndarray) -> np.ndarray:
    powers = np.exp(x)
    return powers / powers.sum(axis=-1, keepdims=True)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def kullback_leibler(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    return (p * (np.log(p) - np.log(q))).sum(axis=-1)


@pytest.mark.parametrize("shape", [(50, 4), (50, 6, 4)])
@pytest.mark.parametrize("kind", ["classification", "binary", "multilabel", "regression"])
@pytest.mark.parametrize("logits", [False, True])
def test_each_loss_is_that_of_its_task(shape: tuple[int, ...], kind: str, logits: bool) -> None:
    rng = np.random.default_rng(0)
    ours, theirs = (rng.normal(size=shape) for _ in range(2))
    if kind == "regression":
        variance = ours.reshape(-1, 4).var(axis=0)
        expected = (((ours - theirs) ** 2).reshape(-1, 4).mean(axis=0) / variance).mean()
        assert expected == pytest.approx(1 - Task(kind).agreement(theirs, ours))
    elif kind == "classification":
        expected = kullback_leibler(softmax(ours), softmax(theirs)).mean()
    else:
        p, q = (np.stack([sigmoid(x), sigmoid(-x)], axis=-1) for x in (ours, theirs))
        expected = kullback_leibler(p, q).sum(axis=-1).mean()
    if kind != "regression" and not logits:
        ours, theirs = (softmax(x) if kind == "classification" else sigmoid(x) for x in (ours, theirs))
    ours, theirs = ours.astype(np.float32), theirs.astype(np.float32)
    loss = loss_of(Task(kind, logits), ours)
    assert float(loss(ours, theirs)) == pytest.approx(expected, rel=1e-4)
    assert float(loss(ours, ours)) == 0


def test_logits_of_any_size_have_a_finite_loss() -> None:
    ours, theirs = np.array([[1000.0, -1000]], np.float32), np.array([[-1000.0, 1000]], np.float32)
    for kind in ("classification", "multilabel"):
        assert np.isfinite(float(loss_of(Task(kind, logits=True), ours)(ours, theirs)))


def test_an_output_that_is_always_the_same_has_a_finite_loss() -> None:
    ours = np.array([[1.0, 5], [2, 5]], np.float32)
    assert float(loss_of(Task("regression"), ours)(ours, ours + np.float32(0.5))) == pytest.approx((1 + 0.25) / 2)


@pytest.mark.parametrize("value", [1.0, float("nan")])
def test_weights_that_are_no_better_are_refused(value: float, model_file: Callable[..., Path]) -> None:
    import tensorflow as tf

    path = model_file()
    result = refine_file(path, epochs=2, loss=lambda _reference, answers: 0 * tf.reduce_sum(answers) + value)
    assert result.epoch == 0
    rounded = rounded_weights(keras_model.load(path))
    assert all((a == b).all() for a, b in zip(result.weights, rounded, strict=True))


def test_few_samples_are_refused(model_file: Callable[..., Path]) -> None:
    with pytest.raises(DataError, match="19 calibration samples, expected at least 20"):
        refine_file(model_file(), count=19)
    assert refine_file(model_file(), count=20, epochs=1).weights


def test_the_estimate_grows_with_what_there_is_to_do(model_file: Callable[..., Path]) -> None:
    model = keras_model.load(model_file())
    once = estimate_seconds(model, 1000)
    assert once > 0
    assert estimate_seconds(model, 2000) == pytest.approx(2 * once)
    assert estimate_seconds(model, 1000, epochs=80) == pytest.approx(2 * once)
