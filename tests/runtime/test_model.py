import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgernn
from edgernn.card import seal
from edgernn.data.datasets import read_samples

NAMES = ("digits-float32.tflite", "digits-int8.tflite", "digits-float32.onnx")


@pytest.fixture(params=NAMES)
def model(request: pytest.FixtureRequest, artifacts: Path) -> edgernn.Model:
    return edgernn.load(artifacts / request.param)


@pytest.fixture(scope="module")
def x(run_folder: Path) -> np.ndarray:
    return read_samples(run_folder).x_test


def test_one_sample_answers_as_in_a_batch(model: edgernn.Model, x: np.ndarray) -> None:
    one, batch = model.predict(x[3]), model.predict(x[:5])
    assert one.shape == (10,)
    assert batch.shape == (5, 10)
    assert one.dtype == batch.dtype == np.float32
    np.testing.assert_allclose(one, batch[3], atol=1e-6)


def test_batches_of_any_size_score_the_same(model: edgernn.Model, x: np.ndarray) -> None:
    whole = model.predict(x)
    for size in (1, 7):
        parts = np.concatenate([model.predict(x[start : start + size]) for start in range(0, len(x), size)])
        np.testing.assert_array_equal(parts.argmax(1), whole.argmax(1))


def test_calls_leave_no_trace(model: edgernn.Model, x: np.ndarray) -> None:
    first = model.predict(x[0])
    kept = first.copy()
    model.predict(x[1:9])
    np.testing.assert_array_equal(first, kept)
    np.testing.assert_array_equal(model.predict(x[0]), kept)


def unaligned(array: np.ndarray) -> np.ndarray:
    """Return a read-only copy at an address that is no multiple of 4, as in a packet behind a header of one byte."""
    return np.frombuffer(b"\0" + array.tobytes(), array.dtype, offset=1).reshape(array.shape)


def test_uint8_pixels_lists_and_strided_arrays_are_the_same_input(model: edgernn.Model) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (28, 28), np.uint8)
    scaled = pixels.astype(np.float32) / np.float32(255)
    expected = model.predict(scaled)
    big_endian = scaled.astype(">f4")
    strided = np.repeat(scaled, 2, axis=1)[:, ::2]
    for same in (pixels, scaled.tolist(), scaled.astype(np.float64), big_endian, strided, unaligned(scaled)):
        np.testing.assert_array_equal(model.predict(same), expected)


def test_unaligned_batches_and_rows_are_read(model: edgernn.Model, x: np.ndarray) -> None:
    np.testing.assert_array_equal(model.predict(unaligned(x[:9])), model.predict(x[:9]))
    stream, other = model.stream(), model.stream()
    for row in x[0, :3]:
        np.testing.assert_array_equal(stream.push(unaligned(row)), other.push(row))
    np.testing.assert_array_equal(stream.push_many(unaligned(x[0])), other.push_many(x[0]))


def test_masked_states_are_refused(model: edgernn.Model) -> None:
    stream = model.stream()
    masked = [np.ma.masked_array(state) for state in stream.state]
    with pytest.raises(edgernn.InputError, match="masked arrays are not supported"):
        stream.state = masked


def test_classify_names_the_labels(model: edgernn.Model, x: np.ndarray) -> None:
    guesses = model.classify(x[0])
    probabilities = model.predict(x[0])
    assert [guess.label for guess in guesses] == [str(i) for i in np.argsort(-probabilities, kind="stable")]
    assert guesses[0].probability == probabilities.max()
    assert len(model.classify(x[:2], top=3)[1]) == 3


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.zeros((27, 28)), r"shape \(27, 28\), expected \(28, 28\) or \(samples, 28, 28\)"),
        (np.zeros((0, 28, 28)), r"expected \(28, 28\) or \(samples, 28, 28\), samples at least 1"),
        (np.zeros((1, 1, 28, 28)), "shape"),
        (np.full((28, 28), np.nan), "NaN or infinity"),
        (np.full((28, 28), -np.inf), "NaN or infinity"),
        (np.full((28, 28), "a"), "expected numbers"),
        ("digits.npy", "the input is a str, expected an array of numbers; read the file first"),
        (None, "the input is a NoneType, expected an array of numbers"),
    ],
)
def test_bad_input_says_what_is_wrong(model: edgernn.Model, bad: np.ndarray, message: str) -> None:
    with pytest.raises(edgernn.InputError, match=message):
        model.predict(bad)


def test_guess_and_bare_call_take_one_of_the_models_own(model: edgernn.Model) -> None:
    for answer in ([0.5, 0.5], np.zeros((2, 10), np.float32), np.zeros(10, int), "7"):
        with pytest.raises(edgernn.InputError, match=r"answer has shape|the input is a str"):
            model.guess(answer)  # type: ignore[arg-type]
    for x in (np.zeros((2, 28, 28)), np.zeros(28), "a.npy"):
        with pytest.raises(edgernn.InputError, match="the input"):
            model.bare_call(x)  # type: ignore[arg-type]


@pytest.mark.parametrize("x", [np.full((28, 28), 255.0), np.eye(28) * 1e30, np.full((2, 28, 28), -70)])
def test_unscaled_pixels_are_refused(model: edgernn.Model, x: np.ndarray) -> None:
    with pytest.raises(
        edgernn.InputError, match=r"expected 0 to 1 \(pixel / 255\); divide by 255, or pass an array or"
    ):
        model.predict(x)
    with pytest.raises(edgernn.InputError, match="divide by 255"):
        model.stream().push(x.reshape(-1, 28)[0])


def test_noise_beyond_the_range_is_accepted(model: edgernn.Model) -> None:
    assert np.isfinite(model.predict(np.random.default_rng(0).uniform(-0.9, 1.9, (28, 28)))).all()


@pytest.mark.parametrize("name", NAMES)
def test_damaged_artifacts_are_refused(artifacts: Path, tmp_path: Path, name: str) -> None:
    data = (artifacts / name).read_bytes()
    path = tmp_path / name
    rng = np.random.default_rng(0)
    for position in rng.integers(0, len(data), 50):
        damaged = bytearray(data)
        damaged[position] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        with pytest.raises(edgernn.ArtifactError):
            edgernn.load(path)


def test_files_that_are_no_artifacts_are_refused(tmp_path: Path) -> None:
    cases: dict[str, Callable[[Path], object]] = {
        "empty.tflite": lambda path: path.write_bytes(b""),
        "noise.tflite": lambda path: path.write_bytes(bytes(1000)),
        "noise.onnx": lambda path: path.write_bytes(b"\xff" * 1000),
        "folder.onnx": lambda path: path.mkdir(),
        "missing.tflite": lambda _path: None,
        "model.h5": lambda path: path.write_bytes(b"x"),
    }
    for name, make in cases.items():
        make(tmp_path / name)
        for unverified in (False, True):
            with pytest.raises(edgernn.ArtifactError, match=name):
                edgernn.load(tmp_path / name, unverified=unverified)


def test_golden_samples_refuse_other_answers(artifacts: Path, tmp_path: Path) -> None:
    """Use a file whose digest is right but whose weights differ from those of its golden samples."""
    from edgernn.card import read_card

    data = (artifacts / "digits-float32.onnx").read_bytes()
    digest = read_card(data), data.index(b'"sha256":"') + len(b'"sha256":"')
    weight = data.index(np.float32(0).tobytes() * 8)  # the recurrent bias, zeros
    edited = bytearray(data)
    edited[weight : weight + 4] = np.float32(3).tobytes()
    edited[digest[1] : digest[1] + 64] = b"0" * 64
    path = tmp_path / "edited.onnx"
    path.write_bytes(seal(bytes(edited)))
    with pytest.raises(edgernn.ArtifactError, match="misreads this float32 artifact"):
        edgernn.load(path)


def test_a_file_without_a_card_runs_only_when_asked_for(tmp_path: Path) -> None:
    import tensorflow as tf

    kernel = tf.constant(np.random.default_rng(0).normal(size=(784, 10)), tf.float32)
    spec = tf.TensorSpec([1, 28, 28], tf.float32)
    function = tf.function(lambda x: tf.nn.softmax(tf.reshape(x, [1, 784]) @ kernel)).get_concrete_function(spec)
    path = tmp_path / "foreign.tflite"
    path.write_bytes(tf.lite.TFLiteConverter.from_concrete_functions([function], tf.Module()).convert())
    with pytest.raises(edgernn.ArtifactError, match="unverified=True"):
        edgernn.load(path)
    model = edgernn.load(path, unverified=True)
    assert model.card is None
    assert model.classify(np.zeros((28, 28)), top=1)[0].label in set("0123456789")
    with pytest.raises(edgernn.InputError, match="uint8 inputs found"):
        model.predict(np.zeros((28, 28), np.uint8))


@pytest.mark.parametrize("top", [0, -1])
def test_less_than_one_class_is_refused(model: edgernn.Model, x: np.ndarray, top: int) -> None:
    with pytest.raises(edgernn.SettingError, match=f"top={top}; expected at least 1"):
        model.classify(x[0], top=top)


def test_a_stream_takes_what_predict_takes(model: edgernn.Model) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (28, 28), np.uint8)
    with model.stream() as stream:
        answers = [stream.push(row) for row in pixels]
        np.testing.assert_allclose(answers[-1], model.predict(pixels), atol=1e-5)
        for bad, message in (
            (np.full(28, np.nan), "NaN or infinity"),
            (np.zeros(27), r"shape \(27,\), expected \(28,\)"),
            (["a"] * 28, "expected numbers"),
        ):
            with pytest.raises(edgernn.InputError, match=message):
                stream.push(bad)


@pytest.mark.parametrize("threads", [0, -1, 65, 100_000, 1.5, "2"])
def test_a_number_of_threads_that_no_device_has_is_refused(artifacts: Path, threads: int) -> None:
    with pytest.raises(edgernn.SettingError, match=f"threads={threads!r}; expected a whole number from 1 to 64"):
        edgernn.load(artifacts / NAMES[1], threads=threads)


@pytest.mark.parametrize("backend", [3, "Native", "", b"native", ("native",)])
def test_an_unknown_backend_of_any_type_is_refused(backend: Any) -> None:
    with pytest.raises(edgernn.SettingError, match=re.escape(f"unknown backend {backend!r}; expected native, litert")):
        edgernn.load(edgernn.sample(), backend=backend)


def test_the_golden_samples_are_streamed_too(artifacts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A backend that answers sequences rightly and steps wrongly is refused when a stream begins."""
    from edgernn.backends import interpreter

    model = edgernn.load(artifacts / "digits-float32.tflite", backend="litert")
    step = interpreter._TfliteStepper.step
    monkeypatch.setattr(interpreter._TfliteStepper, "step", lambda stepper, row: step(stepper, row) + np.float32(0.01))
    with pytest.raises(edgernn.ArtifactError, match=r"litert .*, row by row, misreads this float32 artifact"):
        model.stream()
    monkeypatch.undo()
    assert model.stream().push(np.zeros(28)).shape == (10,)


def test_a_file_without_a_step_names_the_one_that_has(artifacts: Path, tmp_path: Path) -> None:
    """Use a file whose signature `step` is renamed, and which is sealed again."""
    data = (artifacts / "digits-float32.tflite").read_bytes()
    alone = tmp_path / "alone.tflite"
    digest = data.index(b'"sha256":"') + len(b'"sha256":"')
    unsealed = data[:digest] + b"0" * 64 + data[digest + 64 :]
    alone.write_bytes(seal(unsealed.replace(b"\x04\x00\x00\x00step", b"\x04\x00\x00\x00stop")))
    with pytest.raises(edgernn.NoStepError, match=r"alone\.tflite: has no signature `step`, so .* sequences$"):
        edgernn.load(alone).stream()
    (tmp_path / "other.onnx").write_bytes((artifacts / "digits-float32.onnx").read_bytes())
    with pytest.raises(edgernn.NoStepError, match=r"; other\.onnx, of the same model, can$"):
        edgernn.load(alone).stream()


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ([[0.0] * 28] * 27 + [[0.0]], "no array of numbers"),
        ([[None] * 28] * 28, "expected numbers"),
        (np.zeros((28, 28), complex), "type complex128, expected numbers"),
        (np.zeros((28, 28), bool), "type bool, expected numbers"),
        (np.full((28, 28), 1e300), "too large for float32"),
        (None, "is a NoneType, expected an array of numbers"),
        (np.ma.masked_array(np.zeros((28, 28)), mask=True), "masked array"),
        ("digits", "is a str, expected an array of numbers"),
    ],
)
def test_what_is_no_array_of_numbers_is_refused(model: edgernn.Model, bad: object, message: str) -> None:
    with pytest.raises(edgernn.InputError, match=message):
        model.predict(bad)  # type: ignore[arg-type]
