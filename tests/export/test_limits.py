"""Limits: those in the card are the values at which the file cuts off; Keras is the oracle."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from click.testing import Result

import edgernn
from edgernn.card import read_card
from edgernn.data.run_folder import Original
from edgernn.data.samples import Samples
from edgernn_export import keras_model
from edgernn_export.artifact import make_artifact
from edgernn_export.formats.tflite.graph import Graph, Operator, Scale, TensorType, write
from edgernn_export.formats.tflite.limits import Limits, limits_of
from edgernn_export.formats.tflite.ranges import HEADROOM
from edgernn_export.settings import Settings
from edgernn_export.source import Source
from edgernn_export.targets import Target

# Inputs beyond the limits are the subject of this module.
pytestmark = pytest.mark.filterwarnings("ignore::edgernn.InputWarning")

STEPS, FEATURES = 6, 3
INT8, INT16 = Target("tflite", "int8", "unrolled"), Target("tflite", "int16x8", "unrolled")
ONNX_INT8 = Target("onnx", "int8", "operator")
# Only sums and products: Keras's answers grow with the inputs, so every cut is visible.
TARGETS = (INT8, INT16, ONNX_INT8, Target("tflite", "float32", "unrolled"), Target("tflite", "dynamic", "unrolled"))


def inputs(count: int = 60) -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 2, (count, STEPS, FEATURES)).astype(np.float32)


@pytest.fixture(scope="module")
def linear(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a Keras model of sums and products, and every artifact of `TARGETS`."""
    from keras import Input, Sequential, layers, utils

    utils.set_random_seed(3)
    folder = tmp_path_factory.mktemp("linear")
    rnn = layers.SimpleRNN(4, activation="linear", recurrent_initializer="zeros")
    Sequential([Input((STEPS, FEATURES)), rnn, layers.Dense(2)]).save(folder / "small.keras")
    x = inputs()
    answers = keras_model.predict(keras_model.load(folder / "small.keras"), x)
    original = Original(
        folder / "small.keras",
        "small",
        labels=(),
        input_meaning="",
        samples=Samples.unnamed(x, answers, x_test=x, y_test=answers),
    )
    source = Source(original, Settings(refine=False, max_drop=100, min_agreement=-9, keep_failed=True))
    for target in TARGETS:
        (folder / target.file_name("small")).write_bytes(make_artifact(source, target).data)
    return folder


def keras_answers(folder: Path, x: np.ndarray) -> np.ndarray:
    return keras_model.predict(keras_model.load(folder / "small.keras"), x)


def load(folder: Path, target: Target) -> edgernn.Model:
    return edgernn.load(folder / target.file_name("small"))


@pytest.mark.parametrize("times", [1.5, 3.0, -3.0])
def test_16_bits_follow_keras_beyond_the_calibration_set(linear: Path, times: float) -> None:
    x = inputs() * np.float32(times)
    expected = keras_answers(linear, x)
    assert np.abs(expected).max() > 1.2 * np.abs(keras_answers(linear, inputs())).max()
    for answers in (
        load(linear, INT16).predict(x),
        np.stack([load(linear, INT16).stream().answer(each) for each in x]),
    ):
        np.testing.assert_allclose(answers, expected, atol=0.03 * np.abs(expected).max())


@pytest.mark.parametrize("target", [INT8, INT16])
def test_integers_end_where_the_card_says(linear: Path, target: Target) -> None:
    model, x = load(linear, target), inputs() * np.float32(40)
    assert model.card is not None
    limits = model.card.outputs[0].limits
    assert limits is not None
    answers = model.predict(x)
    # A sample reaches each end of one output, and none exceeds it.
    assert answers.min() == pytest.approx(limits[0], rel=1e-4)
    assert answers.max() == pytest.approx(limits[1], rel=1e-4)
    measured = np.abs(keras_answers(linear, inputs())).max()
    assert max(map(abs, limits)) == pytest.approx(measured * (HEADROOM if target is INT16 else 1), rel=0.02)


def test_inputs_end_where_the_card_says(linear: Path) -> None:
    model = load(linear, INT8)
    assert model.card is not None
    assert model.card.inputs[0].limits == pytest.approx((-1, 2), abs=0.02)
    low, high = model.card.inputs[0].limits  # type: ignore[misc]
    x = inputs()
    np.testing.assert_array_equal(model.predict(x * 5), model.predict(np.clip(x * 5, low, high)))


@pytest.mark.parametrize("target", [INT8, INT16])
@pytest.mark.parametrize("huge", [1e6, 1e20, -1e9])
def test_what_overflows_the_kernels_keeps_its_sign(linear: Path, target: Target, huge: float) -> None:
    model = load(linear, target)
    assert model.card is not None
    assert model.card.inputs[0].limits is not None
    end = model.card.inputs[0].limits[1 if huge > 0 else 0]
    one = np.full((STEPS, FEATURES), huge, np.float32)
    np.testing.assert_array_equal(model.predict(one), model.predict(np.full_like(one, end)))
    np.testing.assert_array_equal(model.stream().answer(one), model.predict(one))


@pytest.mark.parametrize("target", [target for target in TARGETS if target not in (INT8, INT16)])
@pytest.mark.parametrize("times", [1, 100, 1e4, 1e9])
def test_nothing_is_cut_where_activations_are_float(linear: Path, target: Target, times: float) -> None:
    model, x = load(linear, target), inputs() * np.float32(times)
    assert model.card is not None
    assert (model.card.inputs[0].limits, model.card.outputs[0].limits) == (None, None)
    expected = keras_answers(linear, x)
    np.testing.assert_allclose(model.predict(x), expected, atol=0.05 * np.abs(expected).max())
    if model.card.states:
        streamed = np.stack([model.stream().answer(each) for each in x[:5]])
        np.testing.assert_allclose(streamed, expected[:5], atol=0.05 * np.abs(expected).max())


def test_info_says_where_values_are_cut_off(linear: Path, edgernn_command: Callable[..., Result]) -> None:
    for target in TARGETS:
        path = linear / target.file_name("small")
        lines = [line for line in edgernn_command("info", path).stdout.splitlines() if "cut off at" in line]
        assert len(lines) == (2 if target in (INT8, INT16) else 0)
        limits = read_card(path.read_bytes()).outputs[0].limits
        assert not limits or f"values; cut off at {limits[0]:.4g} and {limits[1]:.4g}" in lines[1]


def graph(code: int, kind: int, scale: Scale, float_io: bool) -> bytes:
    """Make a .tflite file of one operator between an input and an output of scale 0.5."""
    model = schema.ModelT(version=3, operatorCodes=[], subgraphs=[], buffers=[schema.BufferT()], metadata=[])
    graph, _ = Graph.new(model)
    first, last = graph.tensor((1, 4), kind, Scale((0.5,))), graph.tensor((1, 4), kind, scale)
    ends = [first, last]
    if float_io:
        ends = [graph.tensor((1, 4), TensorType.FLOAT32) for _ in range(2)]
        graph.operator(Operator.QUANTIZE, (ends[0],), (first,))
    graph.operator(code, (first,), (last,))
    if float_io:
        shaped = graph.tensor((4,), kind, scale)
        graph.operator(Operator.RESHAPE, (last,), (shaped,))
        graph.operator(Operator.DEQUANTIZE, (shaped,), (ends[1],))
    graph.finish(ends[:1], ends[1:])
    return write(model)


@pytest.mark.parametrize("float_io", [True, False])
@pytest.mark.parametrize(
    ("code", "kind", "scale", "outputs"),
    [
        (Operator.SOFTMAX, TensorType.INT8, Scale((1 / 256,), -128), None),
        (Operator.LOGISTIC, TensorType.INT16, Scale((1 / 2**15,)), None),
        (Operator.TANH, TensorType.INT8, Scale((1 / 128,)), None),
        (Operator.RELU, TensorType.INT8, Scale((0.1,), -128), (0.0, 25.5)),
        (Operator.ADD, TensorType.INT8, Scale((0.25,), -8), (-30.0, 33.75)),
        (Operator.FULLY_CONNECTED, TensorType.INT16, Scale((2.0,)), (-65534.0, 65534.0)),
    ],
)
def test_the_limits_are_those_of_the_graph(
    code: int, kind: int, scale: Scale, outputs: tuple[float, float] | None, float_io: bool
) -> None:
    inputs = (-64.0, 63.5) if kind == TensorType.INT8 else (-16383.5, 16383.5)
    assert limits_of(graph(code, kind, scale, float_io)) == Limits(inputs, outputs)
