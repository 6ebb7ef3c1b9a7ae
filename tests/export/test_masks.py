"""Models with a mask, whichever rows it excludes, answer as Keras in every layout and format, also row by row."""

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bare_streams import stream_rows
from click.testing import CliRunner

import edgernn
from edgernn.backends import litert, onnxruntime, open_artifact
from edgernn.cli import main
from edgernn.errors import ExportError, InputError, UnsupportedError
from edgernn.golden import inputs_of
from edgernn.inputs import is_masked
from edgernn_export import Settings, export, keras_model, select_targets
from edgernn_export.cells import cell_of
from edgernn_export.cells.ops import NumpyOps
from edgernn_export.formats.onnx import convert as onnx_export
from edgernn_export.formats.tflite import convert as tflite
from edgernn_export.formats.tflite.compact import compact
from edgernn_export.formats.tflite.quantize import quantize
from edgernn_export.masking import keep_masked, mask_value_of, with_masked_rows
from edgernn_export.streaming import why_no_stream

pytestmark = pytest.mark.usefixtures("in_process")

STEPS, FEATURES, MASK = 7, 3, -1.0
# A stack with an answer a step; both directions, whose outputs at masked steps are zeros; backwards in a stack.
KINDS = ("forward", "both ways", "backwards")
STREAMED = 12


def layers_of(kind: str) -> Sequence[Any]:
    from keras import layers

    return {
        "forward": [layers.LSTM(5, return_sequences=True), layers.GRU(4, return_sequences=True), layers.Dense(3)],
        "both ways": [
            layers.Bidirectional(layers.GRU(4, return_sequences=True)),
            layers.Bidirectional(layers.LSTM(3)),
            layers.Dense(2),
        ],
        "backwards": [
            layers.LSTM(4, return_sequences=True, go_backwards=True),
            layers.SimpleRNN(5, zero_output_for_mask=True, return_sequences=True),
            layers.SimpleRNN(3),
            layers.Dense(2),
        ],
        "fused": [layers.SimpleRNN(5, return_sequences=True), layers.LSTM(4), layers.Dense(2)],
    }[kind]


def inputs() -> np.ndarray:
    """Make samples without masked rows, and with some at the end, in front or between; in one sample all are masked."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(40, STEPS, FEATURES)).astype(np.float32)
    for number, sample in enumerate(x):
        length = rng.integers(1, STEPS)
        masked = {0: slice(0, 0), 1: slice(length, None), 2: slice(0, length), 3: rng.random(STEPS) < 0.4}[number % 4]
        sample[masked] = MASK
    x[5] = MASK
    x[6, 3, :2] = MASK  # one feature differs, so the row counts
    return x


@pytest.fixture(scope="module")
def path_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    import keras

    @cache
    def save(kind: str) -> Path:
        keras.utils.set_random_seed(3)
        path = tmp_path_factory.mktemp("masks") / "small.keras"
        source = keras.Input((STEPS, FEATURES))
        keras.Sequential([source, keras.layers.Masking(MASK), *layers_of(kind)]).save(path)
        return path

    return save


@pytest.mark.parametrize("kind", ["SimpleRNN", "GRU", "LSTM"])
def test_a_masked_step_of_a_cell_is_that_of_keras(kind: str) -> None:
    import keras

    layer = getattr(keras.layers, kind)(5, return_sequences=True)
    x = inputs()[3]
    mask = ~(x == MASK).all(axis=1)
    expected = np.asarray(layer(x[np.newaxis], mask=mask[np.newaxis]))[0]
    ops, cell = NumpyOps(), cell_of(layer)
    projected, states = cell.project(ops, x), tuple(np.zeros((1, 5), np.float32) for _ in cell.states)
    for number, answer in enumerate(expected):
        states = cell.masked_step(ops, tuple(values[number : number + 1] for values in projected), states, mask[number])
        np.testing.assert_allclose(states[0][0], answer, atol=2e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_masked_models_answer_as_keras(kind: str, path_of: Callable[[str], Path]) -> None:
    path, x = path_of(kind), inputs()
    model = keras_model.load(path)
    expected = keras_model.predict(model, x)
    assert bool(why_no_stream(model, x)) == (kind != "forward")
    converted = tflite.convert(keras_model.load(path))
    # The layouts are in integers as in float32; two kinds of three show it.
    formats = {"float32": 1e-6} | ({} if kind == "backwards" else {"int8": 0.1})
    for name, tolerance in formats.items():
        quantized = quantize(converted, name, "float32", x, expected)
        files = [compact(quantized.build(layout)) for layout in ("unrolled", "loop")]
        backends = [litert.open_artifact(data, threads=1) for data in files]
        answers, looped = (backend.run((x,))[0] for backend in backends)
        np.testing.assert_allclose(answers, expected, atol=tolerance, err_msg=name)
        np.testing.assert_allclose(looped, answers, atol=0 if name == "int8" else 1e-6, err_msg=name)
        native = open_artifact(Path("small.tflite"), files[0], threads=1)
        assert native.name.startswith("native")
        np.testing.assert_allclose(native.run((x,))[0], answers, atol=0 if name == "int8" else 1e-6, err_msg=name)
        if kind == "forward":
            for backend in (backends[0], native):
                streamed = stream_rows(backend, x[:STREAMED])[:, :, 0]
                np.testing.assert_allclose(streamed, answers[:STREAMED], atol=0 if name == "int8" else 1e-6)
    onnx = onnxruntime.open_artifact(onnx_export.convert(keras_model.load(path)), threads=1)
    np.testing.assert_allclose(onnx.run((x,))[0], expected, atol=1e-6)
    if kind == "forward":
        np.testing.assert_allclose(stream_rows(onnx, x[:STREAMED])[:, :, 0], expected[:STREAMED], atol=1e-6)


def test_fused_operators_take_the_real_rows_and_do_not_stream(path_of: Callable[[str], Path]) -> None:
    path, x = path_of("fused"), inputs()
    expected = keras_model.predict(keras_model.load(path), x)
    whole, streaming = (tflite.convert(keras_model.load(path), stream=each) for each in (False, True))
    data = compact(quantize(whole, "float32", "float32", x, expected).build("fused"))
    np.testing.assert_allclose(litert.open_artifact(data, 1).run((x,))[0], expected, atol=1e-6)
    with pytest.raises(ExportError, match="changes its states at every row, also a masked one"):
        quantize(streaming, "float32", "float32", x, expected).build("fused")
    with pytest.raises(UnsupportedError, match="a mask compares rows before they are rounded"):
        quantize(whole, "int8", "int8", x, expected)


def test_changed_samples_keep_their_masked_rows(path_of: Callable[[str], Path]) -> None:
    model, x = keras_model.load(path_of("fused")), inputs()
    assert mask_value_of(model) == MASK
    masked = (x == MASK).all(axis=2)
    kept = keep_masked(model, x, x * np.float32(1.5))
    assert ((kept == MASK).all(axis=2) == masked).all()
    assert (kept[~masked] == x[~masked] * np.float32(1.5)).all()
    assert (with_masked_rows(model, x + 10) == MASK).all(axis=2).sum(axis=1).tolist() == [4, 0] * 20


def test_shorter_sequences_are_padded(path_of: Callable[[str], Path], tmp_path: Path) -> None:
    x = inputs()
    targets = select_targets(["tflite"], ["int8"], ["unrolled"], "float32")
    settings = Settings(refine=False, min_agreement=0.8)
    samples = tmp_path / "samples.npz"
    np.savez(samples, x_train=x, x_test=x)
    (row,) = export(path_of("forward"), tmp_path, targets=targets, samples=samples, settings=settings)
    model = edgernn.load(row.path)
    assert model.card is not None
    assert model.card.golden is not None
    assert model.card.inputs[0].mask_value == MASK
    masked = is_masked(inputs_of(model.card.golden, model.card)[0], MASK)
    assert masked.any()
    assert not masked.all(axis=1).any()
    whole, answer = x[0], model.predict(x[0, :3])
    padded = np.concatenate([whole[:3], np.full((STEPS - 3, FEATURES), MASK, np.float32)])
    np.testing.assert_array_equal(answer, model.predict(padded))
    np.testing.assert_array_equal(model.predict(x[:2, :3])[0], answer)
    np.testing.assert_array_equal(model.predict([whole[:3].tolist(), whole]), [answer, model.predict(whole)])
    np.testing.assert_array_equal(model.stream().push_many(whole[:3]), answer[:3])
    for wrong, message in (
        ([whole[:3], np.zeros((STEPS + 1, FEATURES))], r"sequence 1 has shape \(8, 3\), expected"),
        ([whole[:0], whole], "sequence 0 has shape"),
        (whole[:3, :2], r"shape \(3, 2\), expected \(7, 3\)"),
        (np.zeros((9, FEATURES)), r"shape \(9, 3\), expected \(7, 3\)"),
    ):
        with pytest.raises(InputError, match=message):
            model.predict(wrong)
    lines = "\n".join(str(each.tolist()) for each in (whole[:3], whole)).encode()
    answered = CliRunner().invoke(main, ["predict", str(row.path), "-", "--json"], input=lines, catch_exceptions=False)
    assert answered.exit_code == 0, answered.output
    assert len(answered.stdout.splitlines()) == 2
