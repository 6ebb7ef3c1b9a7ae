"""Models whose samples are not (steps, features), or whose answers have no axis, are exported as models of rows."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result

from edgernn import load
from edgernn.arrays import Floats
from edgernn.errors import InputError, ModelError
from edgernn_export import Target, early_checks, export, keras_model, rebuilding
from edgernn_export.outline import Outline
from edgernn_export.refine import estimate_seconds

pytestmark = pytest.mark.usefixtures("in_process")
OWN = (8, 3, 1)


@pytest.fixture(scope="module")
def keras_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a recurrent model over pictures whose rows arrive one by one; its samples are beside it."""
    import keras
    from keras import layers

    folder = tmp_path_factory.mktemp("own")
    front = [layers.Rescaling(0.5), layers.TimeDistributed(layers.Flatten())]
    head = layers.Dense(3, activation="softmax")
    keras.Sequential([keras.Input(OWN), *front, layers.GRU(4), head]).save(folder / "rows.keras")
    np.save(folder / "x.npy", np.random.default_rng(0).normal(size=(40, *OWN)).astype(np.float32))
    return folder / "rows.keras"


@pytest.fixture(scope="module")
def exported(keras_file: Path, in_process: None) -> Path:  # noqa: ARG001  a fixture that is only used
    from click.testing import CliRunner

    from edgernn.cli import main

    words = ["export", keras_file, "--samples", keras_file.parent / "x.npy", "--to", "tflite", "--layout", "loop"]
    words += ["--quantize", "int8", "--no-refine", "--max-drop", "100", "--min-agreement", "0"]
    outcome = CliRunner().invoke(main, list(map(str, words)), catch_exceptions=False)
    assert outcome.exit_code == 0, outcome.output
    return keras_file.parent / "rows-int8-loop.tflite"


def test_predict_and_streams_take_both_shapes(exported: Path, keras_file: Path) -> None:
    model, x = load(exported), np.load(keras_file.parent / "x.npy")
    assert model.card is not None
    assert (model.input_shape, model.card.inputs[0].own_shape) == ((8, 3), OWN)
    assert model.card.inputs[0].layers == ("Rescaling",)
    answers = model.predict(x)
    reference = keras_model.predict(keras_model.load(keras_file), x.reshape(-1, 8, 3))
    np.testing.assert_allclose(answers, reference, atol=0.05)
    np.testing.assert_array_equal(model.predict(x.reshape(-1, 8, 3)), answers)
    np.testing.assert_array_equal(model.predict(x[0]), answers[0])
    np.testing.assert_array_equal(model.predict(x[0, ..., 0]), answers[0])
    stream = model.stream()
    np.testing.assert_array_equal(stream.answer(x[0]), answers[0])
    stream.reset()
    np.testing.assert_array_equal([stream.push(row) for row in x[0]][-1], answers[0])
    with pytest.raises(InputError, match=r"expected \(8, 3, 1\) or \(samples, 8, 3, 1\), or \(8, 3\) or"):
        model.predict(x[:, :7])


def test_commands_take_samples_of_the_own_shape(
    exported: Path, keras_file: Path, edgernn_command: Callable[..., Result], refused: Callable[..., str]
) -> None:
    x = keras_file.parent / "x.npy"
    assert "samples of shape [8, 3, 1]" in edgernn_command("info", exported).output
    assert len(json.loads(edgernn_command("predict", exported, x, "--json").stdout)) == 40
    outcome = edgernn_command("compare", keras_file, exported, "--samples", x, "--rounds", "2", "--seconds", "0")
    assert "rows-int8-loop.tflite" in outcome.output
    np.save(keras_file.parent / "wrong.npy", np.zeros((40, 3, 8, 1), np.float32))
    message = refused("predict", exported, keras_file.parent / "wrong.npy")
    assert "has shape (40, 3, 8, 1), expected (8, 3, 1) or (samples, 8, 3, 1)" in message
    np.save(keras_file.parent / "wrong.npy", np.zeros((40, 8, 4), np.float32))
    message = refused("export", keras_file, "--samples", keras_file.parent / "wrong.npy")
    assert (
        "samples of shape (8, 4) do not fit the model, which takes (8, 3, 1), as rows (8, 3); give samples" in message
    )


def test_a_vector_and_its_row_are_told_apart(tmp_path: Path) -> None:
    from keras import layers

    path = _saved(tmp_path, (6,), layers.Dense(5, activation="relu"), layers.Dense(3))
    x = np.random.default_rng(2).normal(size=(40, 6)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    rows = export(path, targets=[Target("tflite", "float32", "unrolled")], samples=tmp_path / "x.npy")
    assert [row.status for row in rows] == ["passed"]
    model = load(rows[0].path)
    answers = model.predict(x)
    assert answers.shape == (40, 3)
    np.testing.assert_allclose(model.predict(x[0]), answers[0], atol=1e-6)
    assert model.predict(x[:1]).shape == (1, 3)
    model.bare_call(x[:1])()
    with pytest.raises(InputError, match="expected one sample"):
        model.bare_call(x)


def _saved(tmp_path: Path, shape: Sequence[int | None], *layers: Any) -> Path:
    import keras

    keras.Sequential([keras.Input(tuple(shape)), *layers]).save(tmp_path / "own.keras")
    return tmp_path / "own.keras"


def test_each_kind_of_input_becomes_rows(tmp_path: Path) -> None:
    from keras import layers

    cases: list[tuple[Sequence[int | None], Sequence[Any], Any, tuple[int, int]]] = [
        ((6,), [layers.Dense(3)], (6,), (1, 6)),
        ((6,), [layers.Reshape((6, 1)), layers.Conv1D(2, 3), layers.Flatten()], (6,), (6, 1)),
        ((6, 5, 2), [layers.Conv2D(2, 3), layers.Flatten()], (6, 5, 2), (6, 10)),
        ((None, 2, 2), [layers.Reshape((-1, 4)), layers.GRU(2)], (6, 2, 2), (6, 4)),
        ((6, 4), [layers.Flatten(), layers.Dense(1), layers.Reshape(())], (), (6, 4)),
    ]
    for shape, after, own, rows in cases:
        path = _saved(tmp_path, shape, *after)
        outline = early_checks.check_model(path)
        assert outline is not None
        x = np.random.default_rng(1).normal(size=(3, *(own or rows))).astype(np.float32)
        folded = x.reshape(3, *rows)
        loaded = keras_model.load_both(path, x=folded)
        assert outline.sample_shape is not None
        assert (loaded.own_shape, outline.sample_shape.own_with(rows[0])) == (own, own)
        answers = loaded.answer(folded)
        assert answers.ndim == 2
        import keras

        expected = np.asarray(keras.saving.load_model(path)(x))
        np.testing.assert_array_equal(answers.ravel(), expected.ravel())


def test_what_becomes_no_rows_is_refused_early_and_late(tmp_path: Path) -> None:
    from keras import layers

    path = _saved(tmp_path, (6, None, 2), layers.GlobalAveragePooling2D(), layers.Dense(2))
    for check in (early_checks.check_model, keras_model.load):
        with pytest.raises(ModelError, match=r"shape \(None, 6, None, 2\), expected fixed sizes behind the steps"):
            check(path)
    path = _saved(tmp_path, (6, 5, 2), layers.Conv2D(2, 3))
    with pytest.raises(ModelError, match=r"answers with shape \(None, 4, 3, 2\).*Reshape\(\(4, 6\)\)"):
        keras_model.load(path)


def test_a_copy_that_answers_otherwise_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from keras import layers

    path = _saved(tmp_path, (6, 4, 1), layers.Flatten(), layers.Dense(2))

    def answer_by_layers(model: Any, _x: Floats) -> Callable[[Floats], Floats]:
        return lambda x: np.full((len(x), 2), float(len(model.layers)))

    monkeypatch.setattr(rebuilding, "_compiled", answer_by_layers)
    with pytest.raises(ModelError, match="the rebuilt model's answers differ by"):
        keras_model.load(path)


def test_the_estimate_of_a_refinement_counts_the_pixels_of_a_convolution(tmp_path: Path) -> None:
    from keras import layers

    def estimate(strides: int) -> float:
        convolution = layers.Conv2D(2, 3, strides=strides)
        path = _saved(tmp_path, (12, 12, 1), convolution, layers.GlobalAveragePooling2D(), layers.Dense(1))
        return estimate_seconds(keras_model.load(path), 1000)

    # Kernels of 18 and 2 weights; the first at 10 x 10 or 2 x 2 pixels, and at least as often as there are steps.
    assert estimate(1) / estimate(5) == pytest.approx((18 * 100 + 2 * 12) / (18 * 12 + 2 * 12))


def test_an_outline_without_a_shape_has_no_sample_shape() -> None:
    flatten = {"class_name": "Flatten", "config": {"name": "flat"}}
    config = {"class_name": "Sequential", "config": {"name": "m", "layers": [flatten]}}
    outline = Outline.read(config)
    assert outline is not None
    assert outline.sample_shape is None
