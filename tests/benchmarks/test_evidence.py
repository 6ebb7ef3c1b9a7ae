import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from made_up_report import write_run

import edgernn
from edgernn.bench.result import Result
from edgernn.data.corruptions import CORRUPTIONS
from edgernn.errors import NoStepError
from edgernn.tasks import BINARY, CLASSIFICATION, KINDS, MULTILABEL, REGRESSION, Task
from edgernn_benchmarks.evidence import MAX_DISAGREEMENTS, MAX_SIDE, collect
from edgernn_benchmarks.question import Question
from edgernn_benchmarks.report.shown import read_evidence

RANDOM = np.random.default_rng(0)


class NoStep:
    card = None

    def stream(self) -> None:
        raise NoStepError("it reads backwards")


def answer(task: Task, shape: tuple[int, ...]) -> np.ndarray:
    outputs = 1 if task.kind == BINARY else 3
    return RANDOM.random((*shape, outputs), np.float32)


def truth_of(task: Task, answers: np.ndarray) -> np.ndarray:
    return answers.copy() if task.kind == REGRESSION else task.decide(answers)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(40,), (40, 12)])
def test_every_task_has_evidence_that_is_json_and_can_be_read(
    tmp_path: Path, kind: str, shape: tuple[int, ...]
) -> None:
    task, x = Task(kind), RANDOM.normal(size=(40, 12, 5)).astype(np.float32)
    keras, artifact = answer(task, shape), answer(task, shape)
    artifact[0] = np.nan
    truth = truth_of(task, keras)
    original = write_run(tmp_path / "run", x, np.zeros(40, np.int64))
    question = Question(x, truth, task, reference=keras, labels=original.labels)
    evidence = collect(None, question, {"a.onnx": artifact}, {"a.onnx": NoStep()})  # type: ignore[dict-item]
    assert json.loads(json.dumps(evidence, allow_nan=False)) == evidence
    assert ("decisions" in evidence) == (kind in (CLASSIFICATION, BINARY))
    assert ("values" in evidence) == (kind == REGRESSION)
    assert ("pictures" in evidence) == ("decisions" in evidence and len(shape) == 1)
    assert ("rows" in evidence) == ("decisions" in evidence and len(shape) == 2)
    if kind == MULTILABEL:
        assert not evidence
    read_evidence(evidence, "a.onnx")


def test_what_disagrees_is_shown(made_up_result: Result) -> None:
    evidence = made_up_result.evidence
    assert len(evidence["truth"]) == 40
    shown = evidence["pictures"]["disagreements"]
    # The original answers the first samples of 0, 1 and 2 with 9, 8 and 7.
    assert [each["sample"] for each in shown] == [0, 1, 2]
    assert shown[0]["keras"] == 9
    assert shown[0]["answers"] == {"digits-int8.tflite": 0, "digits-float32.onnx": 0}
    assert [each["condition"] for each in shown] == ["clean", "noisy", "clean"]
    assert evidence["history"]["loss"] == [0.9, 0.5, 0.4]


def test_the_mistakes_of_the_original_are_shown_with_their_confidence(made_up_result: Result) -> None:
    mistakes = made_up_result.evidence["pictures"]["mistakes"]
    assert {0, 1, 2} <= {each["sample"] for each in mistakes}
    assert all(each["keras"] != each["truth"] for each in mistakes)
    confidences = [each["confidence"] for each in mistakes]
    assert confidences == sorted(confidences, reverse=True)
    shown = read_evidence(made_up_result.evidence, "").mistakes
    assert [each.confidence for each in shown] == [f"{share:.1%}" for share in confidences]


def test_artifacts_are_tested_on_corrupted_copies_of_the_clean_pictures(made_up_result: Result) -> None:
    evidence = made_up_result.evidence
    (name, shares), *_ = evidence["corruptions"]["accuracy"].items()
    # Every second of the 40 samples is clean.
    assert evidence["corruptions"]["samples"] == 20
    assert list(shares) == ["clean", *CORRUPTIONS]
    decisions = np.array(evidence["decisions"][name])[::2]
    assert shares["clean"] == np.mean(decisions == np.array(evidence["truth"])[::2])
    table = read_evidence(evidence, name).corruptions
    assert table is not None
    assert [title for title, _ in table.columns] == list(shares)


def test_answers_as_rows_arrive_are_those_of_a_stream(made_up_result: Result) -> None:
    rows = made_up_result.evidence["rows"]
    accuracy, settled = (np.array(rows[name]["digits-int8.tflite"]) for name in ("accuracy", "settled"))
    assert len(accuracy) == rows["steps"] == 28
    assert accuracy[-1] == settled[-1] == made_up_result.artifacts[0].answers.measures["accuracy"]
    assert (np.diff(settled) >= 0).all()
    assert (settled <= accuracy).all()


def test_conditions_are_those_of_the_samples_of_the_run_only(tmp_path: Path) -> None:
    x, keras = RANDOM.random((40, 9, 9), np.float32), RANDOM.random((40, 3), np.float32)
    task, folder = Task(CLASSIFICATION), tmp_path / "run"
    original = write_run(folder, x, np.zeros(40, np.int64))

    def conditions(samples: np.ndarray) -> object:
        question = Question(samples, task.decide(keras), task, reference=keras, labels=original.labels)
        return collect(folder, question, {}, {}).get("conditions")

    assert conditions(x) == ["clean", "noisy"]
    assert conditions(x[::-1].copy()) is None


def test_evidence_stays_small(tmp_path: Path) -> None:
    x = RANDOM.random((2000, 28, 28), np.float32)
    keras = RANDOM.random((2000, 10), np.float32)
    answers = {f"digits-{index}.tflite": RANDOM.random((2000, 10), np.float32) for index in range(9)}
    original = write_run(tmp_path / "run", x[:10], np.zeros(10, np.int64))
    model = edgernn.load(edgernn.sample())
    task = Task(CLASSIFICATION)
    question = Question(x, task.decide(keras), task, reference=keras, labels=original.labels)
    evidence = collect(None, question, answers, {"digits-1.tflite": model})
    assert len(json.dumps(evidence)) < 1 << 20
    disagreements = evidence["pictures"]["disagreements"]
    assert len(disagreements) == MAX_DISAGREEMENTS
    assert set.union(*(set(each["answers"]) for each in disagreements)) == set(answers)


def test_long_sequences_are_shrunk_and_lie_on_their_side(tmp_path: Path) -> None:
    x = RANDOM.normal(size=(6, 1000, 3)).astype(np.float32)
    keras = RANDOM.random((6, 2), np.float32)
    original = write_run(tmp_path / "run", x, np.zeros(6, np.int64))
    task = Task(CLASSIFICATION)
    question = Question(x, task.decide(keras), task, reference=keras, labels=original.labels)
    card = SimpleNamespace(inputs=[SimpleNamespace(features=("x", "y", "z"))])
    model = SimpleNamespace(card=card, stream=NoStep().stream)
    evidence = collect(None, question, {}, {"a.onnx": model})  # type: ignore[dict-item]
    pictures = evidence["pictures"]
    assert (pictures["steps"], pictures["features"], pictures["names"]) == (MAX_SIDE, 3, ["x", "y", "z"])
    np.testing.assert_allclose(pictures["high"], x.max(axis=(0, 1)), rtol=1e-4)
    shown = read_evidence(evidence, "")
    assert shown.wide
    assert shown.as_lines
    assert [name for name, _ in shown.examples["samples"][0].lines] == ["x", "y", "z"]
