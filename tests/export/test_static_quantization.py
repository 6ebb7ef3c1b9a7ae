"""Integers outside recurrent layers: shared ranges, a float32 front, biases that fit; Keras is the oracle."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bare_streams import stream_rows
from hypothesis import given
from hypothesis import strategies as st

from edgernn.backends import litert
from edgernn.program.linear import MAX_BIAS
from edgernn.program.reader import read_program
from edgernn.rounding import MIN_SCALE
from edgernn_export import keras_model
from edgernn_export.formats.tflite import convert as tflite
from edgernn_export.formats.tflite.arithmetic import min_scales, quantize_bias, quantize_rows
from edgernn_export.formats.tflite.compact import compact
from edgernn_export.formats.tflite.convert import Converted
from edgernn_export.formats.tflite.graph import TensorType, read
from edgernn_export.formats.tflite.quantize import quantize

STEPS, FEATURES = 6, 3
AROUND = ("gated", "less itself", "mean of three", "relu, twice added")
FRONTS = ("normalization", "rescaling", "logarithm")
# Of raw inputs, such as hectopascals, degrees and a share.
SIZES, CENTRES = np.array([40, 3, 0.05], np.float32), np.array([1013, 21, 0.6], np.float32)


def inputs(count: int = 60) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(count, STEPS, FEATURES)).astype(np.float32)


def raw(count: int = 60) -> np.ndarray:
    return inputs(count) * SIZES + CENTRES


def save(path: Path, layers_of: Callable[[Any], Any]) -> Path:
    """Save a functional model of an input [6, 3]."""
    from keras import Input, Model, utils

    utils.set_random_seed(5)
    x = Input((STEPS, FEATURES))
    Model(x, layers_of(x)).save(path)
    return path


@dataclass(frozen=True, eq=False)
class Calibrated:
    """A converted Keras model, its calibration inputs, and Keras's answers to them."""

    converted: Converted
    x: np.ndarray
    expected: np.ndarray

    @classmethod
    def of(cls, path: Path, x: np.ndarray) -> "Calibrated":
        expected = keras_model.predict(keras_model.load(path), x)
        return cls(tflite.convert(keras_model.load(path)), x, expected)

    @cache  # noqa: B019 - the models live as long as the module's fixture
    def build(self, name: str, io_type: str = "float32") -> bytes:
        return compact(quantize(self.converted, name, io_type, self.x, self.expected).build("unrolled"))

    def open(self, name: str) -> Any:
        return litert.open_artifact(self.build(name), threads=1)


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Calibrated]:
    """Return a function that converts the model of a kind once: `around`, `front` or "normalized"."""

    @cache
    def make(kind: str) -> Calibrated:
        layers_of = around(kind) if kind in AROUND else front(kind) if kind in FRONTS else normalized
        x = raw() if kind in FRONTS else inputs(60 if kind in AROUND else 200)
        return Calibrated.of(save(tmp_path_factory.mktemp("kind") / "m.keras", layers_of), x)

    return make


def around(kind: str) -> Callable[[Any], Any]:
    from keras import layers

    def model(x: Any) -> Any:
        inner = {
            "gated": lambda: layers.Multiply()([x, layers.GRU(FEATURES, return_sequences=True)(x)]),
            "less itself": lambda: layers.Subtract()([layers.LSTM(FEATURES, return_sequences=True)(x), x]),
            "mean of three": lambda: layers.Average()(
                [x, *(layers.SimpleRNN(FEATURES, return_sequences=True)(x) for _ in range(2))]
            ),
            "relu, twice added": lambda: layers.Add()(
                [layers.Add()([layers.ReLU()(x), layers.GRU(FEATURES, return_sequences=True)(x)]), x]
            ),
        }[kind]()
        return layers.Dense(2)(layers.GRU(4)(inner))

    return model


@pytest.mark.parametrize(
    ("kind", "name"),
    [("gated", "int8"), ("less itself", "int8"), ("mean of three", "int16x8"), ("relu, twice added", "int8")],
)
def test_what_goes_around_a_recurrent_layer_streams_bit_for_bit(
    kind: str, name: str, calibrated: Callable[[str], Calibrated]
) -> None:
    backend, expected = calibrated(kind).open(name), calibrated(kind).expected
    answers = backend.run((inputs(),))[0]
    np.testing.assert_allclose(answers, expected, atol=0.08 * np.abs(expected).max())
    np.testing.assert_allclose(
        stream_rows(backend, inputs())[:, -1], answers, rtol=0, atol=0 if name == "int8" else 1e-3
    )


def front(kind: str) -> Callable[[Any], Any]:
    from keras import layers, ops

    def model(x: Any) -> Any:
        scaled = {
            "normalization": lambda: layers.Normalization(mean=CENTRES, variance=SIZES**2)(x),
            "rescaling": lambda: layers.Rescaling((1 / SIZES).tolist(), (-CENTRES / SIZES).tolist())(x),
            "logarithm": lambda: layers.Rescaling(4.0, -16.0)(ops.log(ops.abs(x) + 3.0)),
        }[kind]()
        return layers.Dense(2)(layers.GRU(4)(scaled))

    return model


@pytest.mark.parametrize(("kind", "name"), [("normalization", "int8"), ("rescaling", "int16x8"), ("logarithm", "int8")])
def test_raw_inputs_of_different_size_are_rounded_behind_the_models_own_scaling(
    kind: str, name: str, calibrated: Callable[[str], Calibrated]
) -> None:
    x = raw()
    backend, expected = calibrated(kind).open(name), calibrated(kind).expected
    answers = backend.run((x,))[0]
    np.testing.assert_allclose(answers, expected, atol=0.06 * np.abs(expected).max())
    np.testing.assert_array_equal(stream_rows(backend, x)[:, -1], answers)


def normalized(x: Any) -> Any:
    from keras import layers

    return layers.Dense(2)(layers.GRU(6)(layers.LayerNormalization()(layers.Dense(6)(x))))


def test_normalization_over_features_keeps_small_variances(calibrated: Callable[[str], Calibrated]) -> None:
    model = calibrated("normalized")
    answers = model.open("int16x8").run((model.x,))[0]
    np.testing.assert_allclose(answers, model.expected, atol=0.02 * np.abs(model.expected).max())


@pytest.mark.parametrize("name", ["int8", "int16x8"])
def test_raw_inputs_far_out_keep_their_sign(name: str, calibrated: Callable[[str], Calibrated]) -> None:
    backend = calibrated("normalization").open(name)
    for sign in (1, -1):
        end, *far = (
            np.broadcast_to(CENTRES + SIZES * np.float32(sign * times), (1, STEPS, FEATURES))
            for times in (99, 1e5, 1e15)
        )
        for each in far:
            np.testing.assert_array_equal(backend.run((each.copy(),))[0], backend.run((end.copy(),))[0])


def test_integers_in_leave_nothing_in_float32(calibrated: Callable[[str], Calibrated]) -> None:
    for io_type, floats in (("int8", False), ("float32", True)):
        model = read(calibrated("normalization").build("int8", io_type))
        kinds = {int(tensor.type) for tensor in model.subgraphs[0].tensors}
        assert (TensorType.FLOAT32 in kinds) == floats


@given(
    st.lists(st.floats(-1e3, 1e3), min_size=3, max_size=3),
    st.lists(st.floats(0, 1e-3), min_size=3, max_size=3),
    st.floats(1e-6, 1e3),
    st.floats(1e-6, 1e3),
    st.sampled_from([np.int8, np.int16]),
)
def test_any_bias_fits_beside_any_weights(
    bias: list[float], weights: list[float], step: float, out_step: float, dtype: Any
) -> None:
    values, rows = np.array(bias, np.float32), np.array([weights, weights[::-1], [0, 0, 0]], np.float32)
    integers, scale = quantize_rows(rows, min_scale=min_scales(values, step, out_step))
    rounded, products = quantize_bias(values, np.array(scale.scales), step, dtype)
    assert rounded.dtype == (np.int32 if dtype is np.int8 else np.int64)
    # Limits of the kernels, after the rounding to float32.
    assert np.abs(rounded).max() <= MAX_BIAS
    assert (np.float32(np.array(scale.scales, np.float32) * np.float32(step)) / np.float32(out_step) >= 2**-32).all()
    ordinary = np.abs(rows).max(axis=1) / 127
    # The error of a bias is half a step of an ordinary unit's accumulator, or negligible.
    off = np.abs(rounded * np.array(products.scales, np.float64) - values)
    assert (off <= 0.51 * ordinary * step + 1e-6 * np.abs(values) + 2e-9 * step + 2**-31 * out_step).all()
    # The error of a product with the largest integer is ordinary, or small compared with the bias.
    largest = np.iinfo(dtype).max * step
    lost = np.abs(integers * np.array(scale.scales)[:, np.newaxis] - rows) * largest
    allowed = (
        np.maximum(ordinary * largest, np.abs(values) * 2**-14)
        + 127 * MIN_SCALE * largest
        + 2**-32 * out_step / step * largest
    )
    assert (lost <= allowed[:, np.newaxis]).all()


def tiny(layer: Any, units: Sequence[int]) -> None:
    """Make the input weights of some units tiny or zero, and their biases large."""
    kernel, *recurrent, bias = layer.get_weights()
    kernel[:, list(units)] *= np.float32(1e-9)
    kernel[:, units[0]] = 0
    bias[list(units)] = np.linspace(-0.9, 1.5, len(units))
    layer.set_weights([kernel, *recurrent, bias])


def test_units_with_tiny_weights_keep_their_bias(tmp_path: Path) -> None:
    from keras import Input, Sequential, layers, utils

    utils.set_random_seed(2)
    model = Sequential(
        [
            Input((STEPS, 1)),
            layers.Dense(5, "relu"),
            layers.LSTM(6, return_sequences=True),
            layers.Dense(4),
            layers.Dense(4, use_bias=False),
            layers.LSTM(3),
            layers.Dense(2),
        ]
    )
    tiny(model.layers[0], [1, 3])
    tiny(model.layers[1], [0, 7, 8, 20])
    tiny(model.layers[2], [0, 2])
    (kernel,) = model.layers[3].get_weights()
    model.layers[3].set_weights([kernel * np.array([1, 0, 1e-9, 1], np.float32)])
    tiny(model.layers[5], [1])
    model.save(tmp_path / "m.keras")
    x = inputs()[:, :, :1].copy()
    calibrated = Calibrated.of(tmp_path / "m.keras", x)
    expected = calibrated.expected
    # Our kernels have every product: biases and multipliers are in their range.
    read_program(calibrated.build("int8", "float32"))
    # The second output is almost exactly its bias.
    assert np.ptp(expected[:, 1]) < 1e-6
    for name in ("int8", "int16x8"):
        backend = calibrated.open(name)
        answers = backend.run((x,))[0]
        np.testing.assert_allclose(answers, expected, atol=0.05 * np.abs(expected).max(), err_msg=name)
        if name == "int8":
            np.testing.assert_array_equal(stream_rows(backend, x)[:, -1], answers)
