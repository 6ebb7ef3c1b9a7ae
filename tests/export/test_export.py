import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result

import edgernn
from edgernn.datasets import read_samples
from edgernn_export import export, keras_model, proof

NAMES = {"digits-float32.tflite", "digits-int8.tflite", "digits-float32.onnx"}


def test_the_default_export_makes_every_artifact(artifacts: Path) -> None:
    assert {path.name for path in artifacts.iterdir()} == NAMES


@pytest.mark.parametrize("name", sorted(NAMES))
def test_artifacts_answer_as_keras(artifacts: Path, run_folder: Path, name: str) -> None:
    samples = read_samples(run_folder)
    expected = keras_model.probabilities(keras_model.load(run_folder / "model.keras"), samples.x_test)
    answers = edgernn.load(artifacts / name).predict(samples.x_test)
    if "float32" in name:
        assert np.abs(answers - expected).max() <= 1e-5
    else:
        assert np.mean(answers.argmax(1) == expected.argmax(1)) >= 0.985
        lost = np.mean(expected.argmax(1) == samples.y_test) - np.mean(answers.argmax(1) == samples.y_test)
        assert lost <= 0.007


@pytest.mark.parametrize("name", sorted(NAMES))
def test_the_card_says_what_it_is(artifacts: Path, run_folder: Path, name: str) -> None:
    card = edgernn.load(artifacts / name).card
    assert card
    assert (card.name, card.labels) == ("digits", tuple("0123456789"))
    assert (card.input_shape, card.input_meaning, card.output_shape) == ((28, 28), "pixel / 255", (10,))
    assert card.parameters == 6602
    assert card.source_sha256 == hashlib.sha256((run_folder / "model.keras").read_bytes()).hexdigest()
    assert card.measured["samples"] == len(read_samples(run_folder).x_test)
    assert card.golden
    assert len(card.encode()) <= 1500


def test_sizes_are_small(artifacts: Path) -> None:
    sizes = {path.name: path.stat().st_size for path in artifacts.iterdir()}
    assert sizes["digits-int8.tflite"] <= 16_200
    assert sizes["digits-float32.tflite"] <= 34_000
    assert sizes["digits-float32.onnx"] <= 30_000


def test_export_is_repeatable(artifacts: Path, run_folder: Path, tmp_path: Path) -> None:
    export(run_folder, tmp_path)
    for name in NAMES:
        assert (tmp_path / name).read_bytes() == (artifacts / name).read_bytes()


def test_json_is_one_document(edgernn_command: Callable[..., Result], run_folder: Path, tmp_path: Path) -> None:
    result = edgernn_command("export", run_folder, "--to", "onnx", "--out", tmp_path, "--json")
    (row,) = json.loads(result.stdout)
    assert (row["status"], row["format"], row["quantization"]) == ("passed", "onnx", "float32")
    assert row["size_bytes"] == Path(row["path"]).stat().st_size


def test_an_artifact_that_fails_its_bar_is_not_written(
    edgernn_command: Callable[..., Result], run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unreachable = proof.Bar(difference=0.0, agreement=1.0, drop=0.0, golden=0.1)
    monkeypatch.setattr(proof, "BARS", {"float32": unreachable, "int8": unreachable})
    monkeypatch.setattr("edgernn_export.artifact.BARS", proof.BARS)
    result = edgernn_command("export", run_folder, "--out", tmp_path, "--quantize", "int8")
    assert result.exit_code == 1
    assert "failed" in result.stdout
    assert "differs from Keras by" in result.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("measured", "message"),
    [
        ({"largest_difference": 0.5}, "differs from Keras"),
        ({"largest_difference": float("nan")}, "differs from Keras"),
        ({"agreement": 0.98}, "agrees with Keras on 98.0%"),
        ({"accuracy": 0.89}, "loses 1.0 points"),
    ],
)
def test_each_bar_is_checked(measured: dict[str, float], message: str) -> None:
    good = {"samples": 10, "keras_accuracy": 0.9, "accuracy": 0.9, "agreement": 1.0, "largest_difference": 0.01}
    bar = proof.Bar(difference=0.1, agreement=0.985, drop=0.7, golden=0.1)
    proof.Proof(**good).check(bar)
    with pytest.raises(edgernn.ExportError, match=message):
        proof.Proof(**(good | measured)).check(bar)


def test_existing_artifacts_are_kept(artifacts: Path, run_folder: Path, refused: Callable[..., str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in artifacts.iterdir()}
    message = refused("export", run_folder, "--out", artifacts)
    assert "already there; --overwrite replaces them" in message
    assert before == {path: path.stat().st_mtime_ns for path in artifacts.iterdir()}


def test_a_bare_model_needs_samples(save_model: Callable[..., Path], refused: Callable[..., str]) -> None:
    from keras import layers

    path = save_model([layers.SimpleRNN(3), layers.Dense(4, activation="softmax")])
    assert "no samples to prove the artifacts with; pass --samples" in refused("export", path)


def test_a_bare_model_with_samples_is_exported(
    save_model: Callable[..., Path], samples_file: Path, edgernn_command: Callable[..., Result], tmp_path: Path
) -> None:
    from keras import layers

    path = save_model([layers.SimpleRNN(3), layers.Dense(4, activation="softmax")], name="gesture.keras")
    arguments = ("export", path, "--samples", samples_file, "--quantize", "float32", "--out", tmp_path / "out")
    assert edgernn_command(*arguments).exit_code == 0
    model = edgernn.load(tmp_path / "out" / "gesture-float32.tflite")
    assert model.classify(np.zeros((6, 3)))[0].label in set("0123")


def test_bad_models_are_refused(
    save_model: Callable[..., Path], samples_file: Path, refused: Callable[..., str], tmp_path: Path
) -> None:
    from keras import layers

    def head() -> layers.Dense:
        return layers.Dense(4, activation="softmax")

    (tmp_path / "text.keras").write_text("not a model")
    (tmp_path / "empty.keras").write_bytes(b"")
    (tmp_path / "old.h5").write_bytes(b"x")
    np.savez(tmp_path / "zip.npz", x=np.zeros(3))
    (tmp_path / "zip.npz").rename(tmp_path / "zip.keras")
    cases = {
        tmp_path / "text.keras": "not a .keras file",
        tmp_path / "empty.keras": "the file is empty",
        tmp_path / "zip.keras": "Keras cannot read it",
        tmp_path / "old.h5": "nobody reads the suffix '.h5'",
        tmp_path / "missing.keras": "no such file",
        save_model([layers.Flatten(), head()], "flat.keras"): "no recurrent layer among",
        save_model([layers.GRU(3, name="g"), head()], "gru.keras"): "layer 'g' is a GRU; supported recurrent",
        save_model([layers.Bidirectional(layers.SimpleRNN(3)), head()], "bi.keras"): "is a Bidirectional",
        save_model([layers.SimpleRNN(3, stateful=False), head()], "free.keras", None): "with both fixed",
        save_model([layers.SimpleRNN(3, return_sequences=True)], "all.keras"): "expected (None, classes)",
    }
    for path, message in cases.items():
        assert message in refused("export", path, "--samples", samples_file), path
    assert {path.suffix for path in tmp_path.iterdir()} == {".keras", ".h5", ".npz"}


def test_weights_that_are_not_finite_are_refused(
    tmp_path: Path, samples_file: Path, refused: Callable[..., str]
) -> None:
    import keras

    layers = [keras.Input((6, 3)), keras.layers.SimpleRNN(3), keras.layers.Dense(4, activation="softmax")]
    model = keras.Sequential(layers)
    weights = model.get_weights()
    weights[1][0, 0] = np.nan
    model.set_weights(weights)
    model.save(tmp_path / "nan.keras")
    message = refused("export", tmp_path / "nan.keras", "--samples", samples_file)
    assert "holds NaN or infinity; train the model again" in message


def test_samples_that_do_not_fit_are_refused(
    run_folder: Path, samples_file: Path, refused: Callable[..., str], tmp_path: Path
) -> None:
    message = refused("export", run_folder, "--samples", samples_file, "--out", tmp_path / "out")
    assert "samples of shape (6, 3) do not fit the model, which takes (28, 28)" in message


def test_an_unwritable_folder_is_refused(run_folder: Path, refused: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert "cannot write" in refused("export", run_folder, "--out", tmp_path / "file" / "out")


def test_unknown_choices_are_wrong_usage(run_folder: Path, refused: Callable[..., str]) -> None:
    assert "'int9' is not one of" in refused("export", run_folder, "--quantize", "int9", exit_code=2)
    message = refused("export", run_folder, "--to", "onnx", "--quantize", "int8")
    assert "nothing to export for quantization 'int8'" in message or "nothing to export" in message


def test_a_damaged_run_folder_is_refused(run_folder: Path, refused: Callable[..., str], tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    assert "no model.keras in this folder" in refused("export", folder)
    (folder / "model.keras").write_bytes((run_folder / "model.keras").read_bytes())
    assert "settings.json: cannot be read" in refused("export", folder)
    (folder / "settings.json").write_text('{"format": 7}')
    assert "expected settings of format 1" in refused("export", folder)
    (folder / "settings.json").write_bytes((run_folder / "settings.json").read_bytes())
    (folder / "samples.npz").write_bytes((run_folder / "samples.npz").read_bytes()[:5000])
    assert "samples.npz: cannot be read as .npz" in refused("export", folder)
