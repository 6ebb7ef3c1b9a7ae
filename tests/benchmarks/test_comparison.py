import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from sklearn.metrics import f1_score

import edgernn
from edgernn.datasets import read_samples
from edgernn.stopwatch import Latency
from edgernn.tasks import MEASURES, Task
from edgernn_benchmarks import Comparison, Subject

NAMES = ("digits-float32.tflite", "digits-int8.tflite", "digits-float32.onnx")


@pytest.fixture(scope="module")
def table(run_folder: Path, artifacts: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict]:
    from click.testing import CliRunner

    from edgernn.cli import main

    json_file = tmp_path_factory.mktemp("table") / "table.json"
    words = ["compare", run_folder, *(artifacts / name for name in NAMES), "--json", json_file]
    result = CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout, json.loads(json_file.read_text())


def test_the_table_fits_80_columns_and_names_everyone(table: tuple[str, dict]) -> None:
    text, _ = table
    assert max(map(len, text.splitlines())) <= 80
    for name in ("Keras", *NAMES, "bytes", "accuracy", "agreement", "median", "p95"):
        assert name in text


def test_the_figures_are_those_of_the_files(table: tuple[str, dict], run_folder: Path, artifacts: Path) -> None:
    _, document = table
    samples = read_samples(run_folder)
    assert document["samples"] == len(samples.x_test)
    assert (document["task"], document["logits"]) == ("classification", False)
    subjects = {subject["name"]: subject for subject in document["subjects"]}
    assert set(subjects) == {"Keras", *NAMES}
    for name in NAMES:
        answers = edgernn.load(artifacts / name).predict(samples.x_test)
        assert subjects[name]["accuracy"] == np.mean(answers.argmax(1) == samples.y_test)
        expected = f1_score(samples.y_test, answers.argmax(1), average="macro")
        assert subjects[name]["f1"] == pytest.approx(expected)
        assert subjects[name]["size_bytes"] == (artifacts / name).stat().st_size
        latency = subjects[name]["latency"]
        assert 0 < latency["median_us"] <= latency["p95_us"]
        assert latency["calls"] > 100
    assert subjects["Keras"]["agreement"] == 1
    assert subjects["digits-float32.tflite"]["largest_difference"] <= 2e-5
    assert document["environment"]["versions"]["edgernn"] == edgernn.__version__


def subject(name: str, score: float, median_us: float, agreement: float = 1.0) -> Subject:
    # Another measure than the headline does not matter.
    measures = dict.fromkeys(MEASURES, 0.0 if name != "Keras" else 1.0)
    return Subject(name, "backend", 100, measures | {"f1": score}, agreement, 0.0, Latency(10, median_us, median_us))


def test_the_quickest_that_keeps_the_headline_measure_is_recommended() -> None:
    task, keras = Task("multilabel"), subject("Keras", 0.900, 1000)
    quick_but_wrong, good, slow = subject("a", 0.892, 1), subject("b", 0.894, 5), subject("c", 0.9, 9)
    assert Comparison(task, 1000, keras, (slow, good, quick_but_wrong), {}).recommended == good
    assert Comparison(task, 1000, keras, (quick_but_wrong,), {}).recommended is None
    another_model = subject("d", 0.91, 1, agreement=0.9)
    assert Comparison(task, 1000, keras, (another_model, slow), {}).recommended == slow
    broken = subject("e", float("nan"), 1)
    assert Comparison(task, 1000, keras, (broken, slow), {}).recommended == slow


def test_json_to_standard_output_is_alone_there(
    edgernn_command: Callable[..., Result], run_folder: Path, artifacts: Path
) -> None:
    result = edgernn_command("compare", run_folder, artifacts / NAMES[1], "--json", "-")
    assert [row["name"] for row in json.loads(result.stdout)["subjects"]] == ["Keras", NAMES[1]]


def test_bad_input_is_refused(refused: Callable[..., str], run_folder: Path, artifacts: Path, tmp_path: Path) -> None:
    good = artifacts / NAMES[1]
    assert "no such file" in refused("compare", run_folder, tmp_path / "missing.tflite")
    assert "no model.keras" in refused("compare", tmp_path, good)
    assert "no samples to prove and compare with" in refused("compare", run_folder / "model.keras", good)
    before = good.read_bytes()
    assert "--json takes a file named .json" in refused("compare", run_folder, good, "--json", good, exit_code=2)
    assert good.read_bytes() == before
    assert "Missing argument" in refused("compare", run_folder, exit_code=2)
    np.savez(
        tmp_path / "other.npz",
        x_train=np.zeros((4, 5, 2)),
        y_train=np.arange(4),
        x_test=np.zeros((4, 5, 2)),
        y_test=np.arange(4),
    )
    message = refused("compare", run_folder, good, "--samples", tmp_path / "other.npz")
    assert "samples of shape (5, 2) do not fit the model" in message
