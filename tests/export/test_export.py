import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result

import edgernn
from edgernn.data.datasets import read_samples
from edgernn.data.model_digest import model_digest
from edgernn.errors import ArtifactError, OutputError
from edgernn.tasks import Task
from edgernn_export import Target, export, keras_model, proof, select_targets
from edgernn_export.formats import FORMATS
from edgernn_export.formats.tflite.layouts import preferred_layout
from edgernn_export.settings import Settings
from edgernn_export.targets import DEFAULT_TARGETS

pytestmark = pytest.mark.usefixtures("in_process")

NAMES = {target.file_name("digits") for target in DEFAULT_TARGETS}


def test_the_default_export_makes_every_artifact(artifacts: Path) -> None:
    assert {path.name for path in artifacts.iterdir()} == NAMES


@pytest.fixture(scope="module")
def expected(run_folder: Path) -> np.ndarray:
    """Return Keras's answers to the test samples."""
    return keras_model.predict(keras_model.load(run_folder / "model.keras"), read_samples(run_folder).x_test)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_artifacts_answer_as_keras(artifacts: Path, run_folder: Path, expected: np.ndarray, name: str) -> None:
    samples = read_samples(run_folder)
    answers = edgernn.load(artifacts / name).predict(samples.x_test)
    difference = np.abs(answers - expected).max()
    if "float32" in name:
        assert difference <= 2e-5
    elif "float16" in name:
        assert difference <= 1e-2
    else:
        assert np.mean(answers.argmax(1) == expected.argmax(1)) >= 0.985
        lost = np.mean(expected.argmax(1) == samples.y_test) - np.mean(answers.argmax(1) == samples.y_test)
        assert lost <= 0.007


@pytest.mark.parametrize("name", sorted(NAMES))
def test_artifacts_stream_as_they_predict(artifacts: Path, run_folder: Path, name: str) -> None:
    x = read_samples(run_folder).x_test[:100]
    model = edgernn.load(artifacts / name)
    expected = model.predict(x)
    answers = []
    with model.stream() as stream:
        for sample in x:
            stream.reset()
            answers.append([stream.push(row) for row in sample][-1])
    if "int8" in name and name.endswith("tflite"):
        np.testing.assert_array_equal(answers, expected)
    elif "float" in name or name.endswith("onnx"):
        np.testing.assert_allclose(answers, expected, atol=1e-5)
    else:
        assert np.mean(np.argmax(answers, 1) == expected.argmax(1)) >= 0.99


@pytest.mark.parametrize("name", sorted(NAMES))
def test_the_card_says_what_it_is(artifacts: Path, run_folder: Path, name: str) -> None:
    card = edgernn.load(artifacts / name).card
    assert card
    assert (card.name, card.labels) == ("digits", tuple("0123456789"))
    assert (card.input_shape, card.input_meaning, card.output_shape) == ((28, 28), "pixel / 255", (10,))
    assert card.parameters == 6602
    assert card.source_sha256 == model_digest(run_folder / "model.keras")
    assert card.measured["samples"] == len(read_samples(run_folder).x_test)
    assert card.golden
    assert len(card.encode()) <= 1500


def test_sizes_are_small(artifacts: Path) -> None:
    sizes = {path.name: path.stat().st_size for path in artifacts.iterdir()}
    assert sizes["digits-int8.tflite"] <= 16_200
    assert sizes["digits-int8-loop.tflite"] <= 12_900
    assert sizes["digits-dynamic-fused.tflite"] <= 10_400
    assert sizes["digits-float32.tflite"] <= 34_000
    assert sizes["digits-float32.onnx"] <= 30_000
    assert sizes["digits-int8.onnx"] <= 9_500


def test_export_is_repeatable_and_says_what_to_ship(
    artifacts: Path, run_folder: Path, tmp_path: Path, edgernn_command: Callable[..., Result]
) -> None:
    text = edgernn_command("export", run_folder, "--out", tmp_path).stdout
    left_out = {"digits-float16.tflite", "digits-int16x8.tflite"}
    assert {path.name for path in tmp_path.iterdir()} == NAMES - left_out
    for path in tmp_path.iterdir():
        assert path.read_bytes() == (artifacts / path.name).read_bytes()
    words = " ".join(text.split())
    assert "Left out: digits-float16.tflite, digits-int16x8.tflite: only needed where all files with" in words
    wheel = "pip install edgernn-0.1.0-cp311-abi3-manylinux_2_17_aarch64.whl"
    assert text.splitlines()[-2:] == ["On a 64-bit Raspberry Pi:", f"    {wheel}"]
    # The recommended artifact is in the first row; its sentence is before the devices and the last line.
    (best,) = re.findall(r"^Ship (\S+): [\d,]+ bytes, [\d.]+% agreement with Keras, ", text, re.MULTILINE)
    rows = re.findall(r"^ ?(digits-\S+) ", text, re.MULTILINE)
    assert rows[0] == best
    assert set(rows) == NAMES - left_out
    devices = text[text.index("By device (--for):\n") :]
    assert re.search(r"^    .*mcu: digits-int8-loop.tflite$", devices, re.MULTILINE)
    assert "browser: digits-" in devices


def test_a_model_that_is_saved_again_gives_the_same_bytes(
    save_model: Callable[..., Path], samples_file: Path, tmp_path: Path
) -> None:
    import keras

    first = save_model([keras.layers.SimpleRNN(3), keras.layers.Dense(4, activation="softmax")])
    again = tmp_path / "again" / first.name
    again.parent.mkdir()
    keras.models.load_model(first).save(again)
    assert first.read_bytes() != again.read_bytes()
    targets = select_targets(["tflite"], ["float32", "int8"], ["unrolled"])
    for path in (first, again):
        rows = export(path, path.parent / "out", targets=targets, samples=samples_file, settings=Settings(refine=False))
        assert all(row.size_bytes for row in rows)
    names = [target.file_name("small") for target in targets]
    for name in names:
        made = [folder / "out" / name for folder in (first.parent, again.parent)]
        assert made[0].exists() == made[1].exists()
        assert not made[0].exists() or made[0].read_bytes() == made[1].read_bytes()
    assert (first.parent / "out" / names[0]).exists()


def test_proven_artifacts_are_kept_if_they_cannot_be_timed(
    edgernn_command: Callable[..., Result], run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object, **_options: object) -> None:
        raise ArtifactError("the process ended")

    monkeypatch.setattr("edgernn_export.command.measure", fail)
    result = edgernn_command("export", run_folder, "--to", "onnx", "--quantize", "float32", "--out", tmp_path)
    assert result.exit_code == 0
    assert "note: the artifacts were not timed, and none is recommended: the process ended" in result.stderr
    assert "Ship " not in result.stdout
    assert "µs" not in result.stdout  # no column without a value, and no explanation of it
    assert [path.name for path in tmp_path.iterdir()] == ["digits-float32.onnx"]


def test_json_is_one_document(edgernn_command: Callable[..., Result], run_folder: Path, tmp_path: Path) -> None:
    result = edgernn_command("export", run_folder, "--to", "onnx", "--quantize", "float32", "--out", tmp_path, "--json")
    (row,) = json.loads(result.stdout)
    assert (row["status"], row["format"], row["quantization"]) == ("passed", "onnx", "float32")
    assert row["recommended"] is True
    assert row["recommended_for"] == ["pi5", "pi4", "pi3", "browser"]
    assert row["predict_us"] > 0
    assert row["size_bytes"] == Path(row["path"]).stat().st_size


def test_an_artifact_that_fails_the_proof_is_written_only_on_request(
    edgernn_command: Callable[..., Result], run_folder: Path, tmp_path: Path
) -> None:
    words = ("export", run_folder, "--out", tmp_path, "--quantize", "dynamic", "--layout", "fused")
    words = (*words, "--min-agreement", "1.0")
    result = edgernn_command(*words)
    assert result.exit_code == 1
    assert "digits-dynamic-fused.tflite: failed: agreement with Keras is" in result.stdout
    reason = " ".join(result.stdout.split())
    assert "choose a finer format with --quantize float16; --min-agreement sets this limit, --keep-failed" in reason
    assert list(tmp_path.iterdir()) == []
    assert "Nothing was written.\ndigits-dynamic-fused.tflite: failed: " in result.stdout
    assert result.stdout.count("--keep-failed") == 1
    assert f"In {tmp_path}" not in result.stdout
    result = edgernn_command(*words, "--keep-failed")
    assert result.exit_code == 1
    assert f"In {tmp_path}" in result.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["digits-dynamic-fused.tflite"]
    shown = edgernn_command("info", tmp_path / "digits-dynamic-fused.tflite").stdout
    assert "FAILED        agreement with Keras is" in shown


@pytest.mark.parametrize(
    ("measured", "message"),
    [
        ({"difference": 0.5}, "differs from Keras by 0.5 in a probability"),
        ({"difference": float("nan")}, "differs from Keras"),
        ({"agreement": 0.98}, "agreement with Keras is 98.00%, expected at least 98.50%"),
        ({"agreement": float("nan")}, "agreement with Keras is nan"),
        ({"artifact": {"accuracy": 0.89, "f1": 0.9}}, "loses 1.00 points of accuracy"),
        ({"artifact": {"accuracy": float("nan"), "f1": 0.9}}, "points of accuracy"),
        ({"stream_difference": 1e-6}, "its stream differs from its predictions"),
        ({"stream_agreement": 0.99}, "its stream differs from its predictions"),
    ],
)
def test_each_limit_is_checked(measured: dict[str, Any], message: str) -> None:
    same = {"accuracy": 0.9, "f1": 0.8}
    good = {"samples": 10, "keras": same, "artifact": same, "agreement": 1.0, "difference": 0.01}
    task, tolerance = (
        Task("classification"),
        proof.Tolerance(
            difference=0.1, agreement=0.985, drop=0.7, golden=0.1, stream_difference=0.0, stream_agreement=1.0
        ),
    )
    proof.Proof(task, **good).check(tolerance)
    with pytest.raises(edgernn.ExportError, match=message):
        proof.Proof(task, **(good | measured)).check(tolerance)


@pytest.mark.parametrize(
    ("task", "measured", "message"),
    [
        (
            Task("regression"),
            {"r2": 0.888, "mae": 0.1},
            r"loses 1.20 points of R² against Keras, expected at most 0.70",
        ),
        (Task("multilabel"), {"accuracy": 0.9, "f1": 0.88}, "loses 2.00 points of F1"),
    ],
)
def test_the_headline_measure_is_checked_against_its_tolerance(
    task: Task, measured: dict[str, float], message: str
) -> None:
    result = proof.Proof(task, 10, keras=dict.fromkeys(measured, 0.9), artifact=measured, agreement=1.0, difference=0.0)
    with pytest.raises(edgernn.ExportError, match=message):
        result.check(FORMATS["tflite"].tolerances["int8"])


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (Task("regression"), "differs from Keras by 0.5 of the largest value, expected at most 2e-05"),
        (Task("binary", logits=True), "differs from Keras by 0.5 of the largest logit"),
    ],
)
def test_a_relative_difference_says_so(task: Task, message: str) -> None:
    same = {task.headline: 0.9}
    with pytest.raises(edgernn.ExportError, match=message):
        proof.Proof(task, 10, keras=same, artifact=same, agreement=1.0, difference=0.5).check(
            FORMATS["tflite"].tolerances["float32"]
        )


@pytest.mark.parametrize("option", ["--max-drop", "--min-agreement"])
def test_a_limit_that_is_not_a_number_is_refused(option: str, run_folder: Path, refused: Callable[..., str]) -> None:
    assert "'nan' is not a number." in refused("export", run_folder, option, "nan", exit_code=2)


def test_existing_artifacts_are_kept(artifacts: Path, run_folder: Path, refused: Callable[..., str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in artifacts.iterdir()}
    message = refused("export", run_folder, "--out", artifacts)
    assert "already there; --overwrite replaces them" in message
    assert before == {path: path.stat().st_mtime_ns for path in artifacts.iterdir()}


def test_a_bare_model_needs_samples(save_model: Callable[..., Path], refused: Callable[..., str]) -> None:
    from keras import layers

    path = save_model([layers.SimpleRNN(3), layers.Dense(4, activation="softmax")])
    assert "no samples to prove and compare with; pass --samples" in refused("export", path)


def test_a_bare_model_with_samples_is_exported(
    save_model: Callable[..., Path], samples_file: Path, edgernn_command: Callable[..., Result], tmp_path: Path
) -> None:
    from keras import layers

    path = save_model([layers.SimpleRNN(3), layers.Dense(4, activation="softmax")], name="gesture.keras")
    arguments = ("export", path, "--samples", samples_file, "--quantize", "float32", "--out", tmp_path / "out")
    assert edgernn_command(*arguments).exit_code == 0
    model = edgernn.load(tmp_path / "out" / "gesture-float32.tflite")
    assert model.classify(np.zeros((6, 3)))[0].label in set("0123")


def test_files_that_are_no_models_are_refused(samples_file: Path, refused: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "text.keras").write_text("not a model")
    (tmp_path / "empty.keras").write_bytes(b"")
    (tmp_path / "old.h5").write_bytes(b"x")
    np.savez(tmp_path / "zip.npz", x=np.zeros(3))
    (tmp_path / "zip.npz").rename(tmp_path / "zip.keras")
    for name, message in {
        "text.keras": "not a Keras file",
        "empty.keras": "the file is empty",
        "zip.keras": "a zip archive without config.json",
        "old.h5": "not a Keras file: it starts with b'x'",
        "missing.keras": "no such file",
    }.items():
        assert message in refused("export", tmp_path / name, "--samples", samples_file), name
    assert {path.suffix for path in tmp_path.iterdir()} == {".keras", ".h5", ".npz"}


def test_models_that_are_not_supported_are_refused(save_model: Callable[..., Path]) -> None:
    from keras import layers

    def head() -> layers.Dense:
        return layers.Dense(4, activation="softmax")

    cases = {
        save_model(
            [layers.Bidirectional(layers.RNN([layers.GRUCell(3), layers.GRUCell(3)], name="g")), head()], "g.keras"
        ): "layer 1 of 2: .*g' is an RNN of 2 cells in Bidirectional",
        save_model([layers.Reshape((6, 3, 1)), layers.ConvLSTM1D(3, 2), layers.Flatten(), head()], "conv.keras"): (
            "layer 2 of 4: '.*' is a ConvLSTM1D; supported recurrent layers: SimpleRNN, GRU, LSTM"
        ),
        save_model([layers.SimpleRNN(3), head()], "free.keras", None): "a free number of steps is fixed by --steps",
        save_model([layers.SimpleRNN(3), layers.Reshape((1, 1, 3))], "deep.keras"): r"expected \(None, outputs\) or",
    }
    for path, message in cases.items():
        with pytest.raises(edgernn.ModelError, match=message):
            keras_model.load(path)


def test_weights_that_are_not_finite_are_refused(save_model: Callable[..., Path]) -> None:
    import keras

    path = save_model([keras.layers.SimpleRNN(3), keras.layers.Dense(4, activation="softmax")])
    model = keras.saving.load_model(path)
    weights = model.get_weights()
    weights[1][0, 0] = np.nan
    model.set_weights(weights)
    model.save(path)
    with pytest.raises(edgernn.ModelError, match="contains NaN or infinity; train the model again"):
        keras_model.load(path)


def test_samples_that_do_not_fit_are_refused(
    run_folder: Path, samples_file: Path, refused: Callable[..., str], tmp_path: Path
) -> None:
    message = refused("export", run_folder, "--samples", samples_file, "--out", tmp_path / "out")
    assert f" of {samples_file}: samples of shape (6, 3) do not fit the model, which takes (28, 28)" in message


def test_an_unwritable_folder_is_refused(run_folder: Path, refused: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert "cannot write" in refused("export", run_folder, "--out", tmp_path / "file" / "out")


def test_unknown_choices_name_the_nearest_one(run_folder: Path, refused: Callable[..., str]) -> None:
    message = refused("export", run_folder, "--quantize", "int9", exit_code=2)
    assert "'int9' is not one of float32, float16, dynamic, int8, int16x8. Did you mean 'int8'?" in message
    assert "Did you mean 'unrolled'?" in refused("export", run_folder, "--layout", "unroled", exit_code=2)
    message = refused("export", run_folder, "--to", "onnx", "--quantize", "float16")
    assert message.endswith(
        "nothing to export for format 'onnx' with the other options; onnx is possible as onnx float32 operator, onnx "
        "int8 operator; float16 is possible as tflite float16 unrolled"
    )


def test_targets_are_the_default_ones_unless_chosen() -> None:
    assert select_targets() == list(DEFAULT_TARGETS)
    assert select_targets(["onnx"]) == [Target("onnx", "float32", "operator"), Target("onnx", "int8", "operator")]
    assert {target.quantization for target in select_targets(layouts=["loop"])} == {"float32", "dynamic", "int8"}
    assert [target.file_name("m") for target in select_targets(io_type="int8")] == [
        "m-int8-io8.tflite",
        "m-int8-loop-io8.tflite",
    ]
    assert [target.file_name("m") for target in select_targets(static=True)] == [
        "m-float32-static.onnx",
        "m-int8-static.onnx",
    ]
    assert select_targets(["onnx"], ["int8"], static=True) == [Target("onnx", "int8", "operator", static=True)]
    assert [preferred_layout(steps, 3) for steps in (28, 512, 1024)] == ["unrolled", "unrolled", "loop"]
    assert [preferred_layout(steps, 11) for steps in (28, 64, 80, 131)] == ["unrolled", "unrolled", "loop", "unrolled"]


def test_static_files_are_onnx_and_take_float32(run_folder: Path, refused: Callable[..., str]) -> None:
    message = refused("export", run_folder, "--static", "--to", "tflite")
    assert (
        "nothing to export for format 'tflite' with the other options; possible: onnx float32 operator static"
        in message
    )
    assert "leave out --io int8" in refused("export", run_folder, "--static", "--io", "int8")


def test_a_static_export_is_an_artifact_without_streams(
    save_model: Callable[..., Path],
    samples_file: Path,
    edgernn_command: Callable[..., Result],
    tmp_path: Path,
) -> None:
    from keras import layers

    path = save_model([layers.SimpleRNN(3), layers.Dense(4, activation="softmax")], "fixed.keras", None)
    words = ("export", path, "--samples", samples_file, "--static", "--quantize", "float32", "--json")
    (row,) = json.loads(edgernn_command(*words).stdout)
    assert (row["static"], row["proof"]["streamed"], row["status"]) == (True, 0, "passed")
    model = edgernn.load(tmp_path / "fixed-float32-static.onnx")
    assert model.input_shape == (6, 3)
    x = np.random.default_rng(0).normal(size=(5, 6, 3)).astype(np.float32)
    np.testing.assert_allclose(model.predict(x), keras_model.predict(keras_model.load(path, 6), x), atol=1e-5)
    with pytest.raises(edgernn.NoStepError):
        model.stream()


def test_a_free_number_of_steps_is_fixed_by_an_option(
    save_model: Callable[..., Path], samples_file: Path, edgernn_command: Callable[..., Result], tmp_path: Path
) -> None:
    from keras import layers

    path = save_model([layers.SimpleRNN(3), layers.Dense(4, activation="softmax")], "free.keras", None)
    words = ("export", path, "--samples", samples_file, "--quantize", "float32", "--layout", "unrolled")
    assert edgernn_command(*words, "--steps", 6).exit_code == 0
    assert edgernn.load(tmp_path / "free-float32.tflite").input_shape == (6, 3)


def test_of_the_default_set_a_model_need_not_have_every_one(
    save_model: Callable[..., Path], samples_file: Path, edgernn_command: Callable[..., Result], tmp_path: Path
) -> None:
    from keras import layers

    path = save_model([layers.GRU(3), layers.Dense(4, activation="softmax")], "gru.keras")
    words = ("export", path, "--samples", samples_file, "--min-agreement", 0, "--max-drop", 100, "--no-refine")
    result = edgernn_command(*words, "--out", tmp_path / "all")
    assert result.exit_code == 0, result.output
    assert "gru-dynamic-fused.tflite: not possible: layer" in result.stdout
    assert edgernn_command(*words, "--layout", "fused", "--out", tmp_path / "fused").exit_code == 1


def test_constant_samples_are_refused(run_folder: Path, refused: Callable[..., str], tmp_path: Path) -> None:
    zeros = np.zeros((20, 28, 28), np.float32)
    y = np.arange(20) % 10
    np.savez(tmp_path / "zeros.npz", x_train=zeros, y_train=y, x_test=zeros, y_test=y)
    message = refused("export", run_folder, "--samples", tmp_path / "zeros.npz", "--out", tmp_path / "out")
    assert "all values of the calibration samples are 0" in message


def test_without_targets_the_default_ones_are_exported(run_folder: Path, tmp_path: Path) -> None:
    names = [target.file_name("digits") for target in DEFAULT_TARGETS]
    for name in names:
        (tmp_path / name).touch()
    with pytest.raises(OutputError, match=", ".join(names)):
        export(run_folder, tmp_path)


def test_two_exports_into_one_folder_do_not_meet(run_folder: Path, refused: Callable[..., str], tmp_path: Path) -> None:
    from edgernn_export.pipeline import _alone_in

    with _alone_in(tmp_path):
        assert "another `edgernn train` or `edgernn export` writes" in refused("export", run_folder, "--out", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_export_leaves_no_folder(run_folder: Path, tmp_path: Path) -> None:
    targets = select_targets(["tflite"], ["float32"], ["unrolled"])

    def interrupt(_step: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(run_folder, tmp_path / "a" / "b", targets=targets, progress=interrupt)
    assert list(tmp_path.iterdir()) == []


def test_refinement_is_noted_and_can_be_left_out(run_folder: Path, artifacts: Path, tmp_path: Path) -> None:
    targets = select_targets(["tflite"], ["int8"], ["unrolled"])
    (row,) = export(run_folder, tmp_path, targets=targets, settings=Settings(refine=False))
    assert row.passed
    plain, refined = (edgernn.load(folder / "digits-int8.tflite").card for folder in (tmp_path, artifacts))
    assert plain
    assert refined
    assert (plain.calibration["refined"], refined.calibration["refined"]) == (False, True)


def test_a_damaged_run_folder_is_refused(run_folder: Path, refused: Callable[..., str], tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    assert "no model.keras in this folder" in refused("export", folder)
    (folder / "model.keras").write_bytes((run_folder / "model.keras").read_bytes())
    assert "no settings.json in this folder" in refused("export", folder)
    (folder / "settings.json").write_text('{"format": 7}')
    assert "expected settings of format 1" in refused("export", folder)
    (folder / "settings.json").write_bytes((run_folder / "settings.json").read_bytes())
    (folder / "samples.npz").write_bytes((run_folder / "samples.npz").read_bytes()[:5000])
    assert "samples.npz has another SHA-256 than settings.json expects" in refused("export", folder)
    settings = json.loads((run_folder / "settings.json").read_text())
    (folder / "settings.json").write_text(json.dumps({**settings, "sha256": {}}))
    assert "samples.npz: cannot be read as .npz" in refused("export", folder)


def test_samples_that_lack_the_highest_class_are_accepted(
    save_model: Callable[..., Path], edgernn_command: Callable[..., Result], tmp_path: Path
) -> None:
    from keras import layers

    x, y = np.random.default_rng(0).random((20, 6, 3), np.float32), np.arange(20) % 2
    np.savez(tmp_path / "two.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    path = save_model([layers.SimpleRNN(3), layers.Dense(4, activation="softmax")], "four.keras")
    words = ("export", path, "--samples", tmp_path / "two.npz", "--to", "onnx", "--quantize", "float32")
    assert edgernn_command(*words).exit_code == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--all", "--to", "onnx"), "--all makes every kind of artifact; leave out --to"),
        (("--for", "pi4", "--no-measure"), "--for chooses by a measurement; leave out --no-measure"),
        (("--quantize", "INT9"), "'INT9' is not one of float32, float16, dynamic, int8, int16x8. Did you mean 'int8'?"),
        (("--for", "PI4", "--no-measure"), "--for chooses by a measurement"),
        (("--for", "pi9"), "'pi9' is not one of pi5, pi4, pi3, pi2, pizero, mcu, browser. Did you mean 'pi"),
    ],
)
def test_options_that_exclude_each_other_are_refused(
    words: tuple[str, ...], message: str, run_folder: Path, refused: Callable[..., str]
) -> None:
    assert message in refused("export", run_folder, *words, exit_code=2)
