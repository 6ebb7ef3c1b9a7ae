"""The command `edgernn compare`, on real artifacts: figures, table, JSON, what is refused."""

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

import edgernn
from edgernn.bench import result as results
from edgernn.bench.document import dump, read_result
from edgernn.bench.isolated import start_isolated
from edgernn.bench.session import open_artifacts
from edgernn.bench.stopwatch import Method
from edgernn.bench.subjects import ArtifactLoader
from edgernn.bench.verdict import judge
from edgernn.cli import main
from edgernn.data.datasets import read_samples
from edgernn_benchmarks.comparison import BASELINE, _read_original, find_unusable
from edgernn_benchmarks.originals import CALL, WAYS, KerasLoader

NAMES = (
    "digits-float32.tflite",
    "digits-int8.tflite",
    "digits-dynamic-fused.tflite",
    "digits-dynamic.tflite",
    "digits-float16.tflite",
    "digits-int16x8.tflite",
    "digits-int8-loop.tflite",
    "digits-float32.onnx",
    "digits-int8.onnx",
)
KERAS = ("Keras predict", "Keras model(x)", "Keras tf.function")
PEERS = ("stock-tflite.tflite", "stock-tf2onnx.onnx")
QUICK = ("--rounds", "2", "--seconds", "0")
# Limits that every build must meet.
FLOOR = Path(__file__).with_name("floor.toml")


@dataclass(frozen=True)
class Compared:
    text: str
    result: results.Result
    html: str


@pytest.fixture(scope="module")
def compared(run_folder: Path, artifacts: Path, tmp_path_factory: pytest.TempPathFactory) -> Compared:
    folder = tmp_path_factory.mktemp("compared")
    json_file, html_file = folder / "result.json", folder / "report.html"
    words = ["compare", run_folder, *(artifacts / name for name in NAMES), "--peers", *QUICK]
    words += ["--json", json_file, "--html", html_file]
    outcome = CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)
    assert outcome.exit_code == 0, outcome.output
    return Compared(outcome.stdout, read_result(json_file), html_file.read_text(encoding="utf-8"))


def test_the_table_fits_80_columns_and_names_everyone(compared: Compared) -> None:
    lines = compared.text.splitlines()
    assert max(map(len, lines)) <= 80
    words = " ".join(compared.text.split())
    for name in (
        *KERAS,
        *NAMES,
        "stock-tflite.tflite",
        "stock-tf2onnx.onnx",
        "bytes",
        "accuracy",
        "agrees",
        "median",
        "speed",
    ):
        assert name in words, name
    # Two rounds are too few, and the table says so.
    assert "all: 2 rounds, expected at least 10" in words
    for line in ("Ship ", "Smallest: ", "Fastest: ", "Best accuracy: "):
        assert sum(each.startswith(line) for each in lines) == 1
    best = judge(compared.result).recommended
    assert (f"Ship {best.name}: " if best else "Ship none of them: ") in words
    assert ("measure again on a quiet machine" in words) is (best is not None)


def test_the_figures_are_those_of_the_files(compared: Compared, run_folder: Path, artifacts: Path) -> None:
    from sklearn.metrics import f1_score

    result, samples = compared.result, read_samples(run_folder)
    assert result.samples == len(samples.x_test)
    assert result.task is not None
    assert (result.task.kind, result.task.logits, result.baseline) == ("classification", False, BASELINE)
    assert [subject.name for subject in result.subjects] == [
        *KERAS,
        *NAMES,
        "stock-tflite.tflite",
        "stock-tf2onnx.onnx",
    ]
    roles = [subject.role for subject in result.subjects]
    assert roles == ["original"] * 3 + ["artifact"] * 9 + ["peer"] * 2
    for name in NAMES:
        subject = result.subject(name)
        answers = edgernn.load(artifacts / name).predict(samples.x_test)
        assert subject.answers is not None
        assert subject.answers.measures["accuracy"] == np.mean(answers.argmax(1) == samples.y_test)
        expected = f1_score(samples.y_test, answers.argmax(1), average="macro")
        assert subject.answers.measures["f1"] == pytest.approx(expected)
        assert subject.size_bytes == (artifacts / name).stat().st_size
        assert set(subject.turns) == {"load", "first answer", "invoke", "predict", "step"}
    for name in KERAS:
        subject = result.subject(name)
        assert subject.answers is not None
        assert subject.answers.agreement == 1
        assert len(subject.turns["predict"]) == 2
    for name in ("digits-float32.tflite", *PEERS):
        answers_of = result.subject(name).answers
        assert answers_of is not None
        assert answers_of.largest_difference <= 2e-5
    assert {"edgernn", "tensorflow", "keras", "ai-edge-litert"} <= set(result.machine["versions"])


def test_the_report_is_of_the_same_result(
    compared: Compared, edgernn_command: Callable[..., Result], tmp_path: Path
) -> None:
    (tmp_path / "result.json").write_text(dump(compared.result), encoding="utf-8")
    again = edgernn_command("report", tmp_path / "result.json", "--html", tmp_path / "report.html")
    assert again.exit_code == 0
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == compared.html
    for name in NAMES:
        assert name in compared.html
    # The same lines are printed, except the report's path.
    assert again.stdout.splitlines()[:20] == compared.text.splitlines()[:20]


def test_results_of_several_days_are_compared(
    compared: Compared, edgernn_command: Callable[..., Result], refused: Callable[..., str], tmp_path: Path
) -> None:
    files = [tmp_path / name for name in ("monday.json", "tuesday.json")]
    for file in files:
        file.write_text(dump(compared.result), encoding="utf-8")
    text = " ".join(edgernn_command("report", *files, "--baseline", NAMES[0]).stdout.split())
    for name in (*KERAS, *NAMES):
        assert f"{name}: no difference seen, [2] against [1]." in text
    assert f"times as quick as {NAMES[0]}" in text
    assert "no baseline 'x'; expected one of Keras predict, " in refused("report", files[0], "--baseline", "x")


def test_json_to_standard_output_is_alone_there(
    edgernn_command: Callable[..., Result], run_folder: Path, artifacts: Path
) -> None:
    result = edgernn_command("compare", run_folder, artifacts / NAMES[1], *QUICK, "--baseline", NAMES[1], "--json", "-")
    document = json.loads(result.stdout)
    assert [row["name"] for row in document["subjects"]] == [*KERAS, NAMES[1]]
    assert (document["baseline"], document["believed"]) == (NAMES[1], False)
    best = {"smallest", "fastest", "most_accurate", "recommended", "why", "sentence", "by_device"}
    assert set(document["verdict"]) == best
    assert document["verdict"]["smallest"] == NAMES[1]


def test_the_original_runs_in_each_way_and_in_a_separate_process(run_folder: Path) -> None:
    x = np.linspace(0, 1, 28 * 28, dtype=np.float32).reshape(28, 28)
    loaders = {way: KerasLoader(run_folder / "model.keras", x, way) for way in WAYS}
    first, *others = (np.asarray(loader().calls()["predict"]()) for loader in loaders.values())
    assert first.shape == (1, 10)
    for other in others:
        np.testing.assert_allclose(other, first, atol=1e-6)
    with start_isolated("Keras", loaders[CALL], reload=False) as subject:
        turns = subject.time_round(Method(1, 0))
        memory = subject.memory()
    assert set(turns) == {"load", "first answer", "predict"}
    # The process has loaded TensorFlow.
    assert memory is None or memory.peak_bytes > 200e6


def test_what_every_build_must_hold_is_held(
    compared: Compared, edgernn_command: Callable[..., Result], artifacts: Path, tmp_path: Path
) -> None:
    assert set(NAMES) == {path.name for path in artifacts.iterdir()}
    (tmp_path / "result.json").write_text(dump(compared.result), encoding="utf-8")
    held = edgernn_command("report", tmp_path / "result.json", "--floor", FLOOR)
    assert (held.exit_code, held.stderr) == (0, "")


def test_a_floor_is_held_or_the_exit_code_is_1(
    compared: Compared, edgernn_command: Callable[..., Result], tmp_path: Path
) -> None:
    result, floor = tmp_path / "result.json", tmp_path / "floor.toml"
    result.write_text(dump(compared.result), encoding="utf-8")
    floor.write_text('["digits-int8.tflite"]\nsize_bytes = 15_000\nagreement = 0.9\n', encoding="utf-8")
    assert edgernn_command("report", result, "--floor", floor).exit_code == 0
    floor.write_text('["digits-int8.tflite"]\nsize_bytes = 9_000\nagreement = 0.9\n', encoding="utf-8")
    below = edgernn_command("report", result, "--floor", floor)
    assert below.exit_code == 1
    assert below.stderr.startswith("below the floor: digits-int8.tflite: size bytes ")
    assert below.stderr.endswith("at most 9,000\n")


def test_bad_input_is_refused(refused: Callable[..., str], run_folder: Path, artifacts: Path, tmp_path: Path) -> None:
    good = artifacts / NAMES[1]
    assert "no such file" in refused("compare", run_folder, tmp_path / "missing.tflite")
    assert "no model.keras" in refused("compare", tmp_path, good)
    assert "no samples to prove and compare with" in refused("compare", run_folder / "model.keras", good)
    assert f"edgernn bench {good} {good}" in refused("compare", good, good)
    before = good.read_bytes()
    assert "expected a name that ends with .json, or - for" in refused(
        "compare", run_folder, good, "--json", good, exit_code=2
    )
    assert "expected a name that ends with .html" in refused("compare", run_folder, good, "--html", good, exit_code=2)
    assert good.read_bytes() == before
    assert "no artifact of model.keras there; give .tflite or .onnx files" in refused("compare", run_folder)
    assert "is given twice" in refused("compare", run_folder, good, good)
    assert "no baseline 'Keras'; expected one of Keras predict, " in refused(
        "compare", run_folder, good, "--baseline", "Keras"
    )
    (tmp_path / "floor.toml").write_text("speed", encoding="utf-8")
    assert "cannot be read as TOML" in refused("compare", run_folder, good, "--floor", tmp_path / "floor.toml")
    (tmp_path / "file").touch()
    assert "cannot write" in refused("compare", run_folder, good, "--html", tmp_path / "file" / "a.html")
    np.savez(
        tmp_path / "other.npz",
        x_train=np.zeros((4, 5, 2)),
        y_train=np.arange(4),
        x_test=np.zeros((4, 5, 2)),
        y_test=np.arange(4),
    )
    message = refused("compare", run_folder, good, "--samples", tmp_path / "other.npz")
    assert "samples of shape (5, 2) do not fit the model" in message


def test_found_artifacts_that_cannot_be_run_are_left_out_with_their_reason(artifacts: Path, tmp_path: Path) -> None:
    good, bad = (ArtifactLoader(Path(shutil.copy(artifacts / name, tmp_path))) for name in NAMES[:2])
    content = bytearray(bad.path.read_bytes())
    content[len(content) // 2] ^= 255
    bad.path.write_bytes(content)
    left_out = find_unusable([good, bad])
    assert list(left_out) == [bad.path.name]
    assert str(tmp_path) not in left_out[bad.path.name]
    with pytest.raises(edgernn.ArtifactError, match=re.escape(str(bad.path))):
        find_unusable([bad])


def test_classes_have_the_order_of_the_artifacts(artifacts: Path, run_folder: Path, tmp_path: Path) -> None:
    (artifact,) = open_artifacts([ArtifactLoader(artifacts / "digits-float32.onnx")])
    names = ("zero", "one", *"23456789")  # as names are sorted, zero would be the last one
    card = artifact.model.card
    assert card is not None
    artifact.model.card = replace(card, outputs=(replace(card.outputs[0], labels=names),))
    y = np.arange(200) // 20
    np.savez(tmp_path / "named.npz", x=np.zeros((200, 28, 28), np.float32), y=np.array(names)[y])
    original = _read_original(run_folder / "model.keras", tmp_path / "named.npz", None, [artifact])
    assert original.labels == names
    np.testing.assert_array_equal(original.require_samples().y_test, y[1::2])


def test_an_artifact_of_another_model_or_a_broken_one_is_refused(
    refused: Callable[..., str], run_folder: Path, artifacts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    for name in ("model.keras", "samples.npz", "history.json"):
        (folder / name).write_bytes((run_folder / name).read_bytes())
    settings = json.loads((run_folder / "settings.json").read_text())
    settings["labels"] = settings["labels"][::-1]
    (folder / "settings.json").write_text(json.dumps(settings))
    good = artifacts / NAMES[1]
    message = refused("compare", folder, good)
    assert f"{good}: labels 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, expected the original's: 9, 8, " in message

    def with_nan(_model: edgernn.Model, x: np.ndarray) -> np.ndarray:
        if x.ndim == 2:
            return np.full(10, one, np.float32)
        answers = np.full((len(x), 10), 0.1, np.float32)
        answers[:3] = np.nan
        return answers

    one = 0.1
    monkeypatch.setattr(edgernn.Model, "predict", with_nan)
    message = refused("compare", run_folder, good)
    assert re.search(rf"{re.escape(str(good))}: answers 3 of [\d,]+ samples with NaN or infinity", message)
    # If every answer is broken, no further measurement is needed.
    one = np.nan
    for words in (("compare", run_folder, good), ("bench", good)):
        assert f"{good}: answers with NaN or infinity; export it again" in refused(*words)
