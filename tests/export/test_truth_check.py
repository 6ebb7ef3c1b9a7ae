"""Doubts about the truths: samples or labels that do not belong to the Keras model."""

import re
from pathlib import Path

import numpy as np
import pytest

from edgernn.tasks import Task
from edgernn_export.pipeline import TargetResult
from edgernn_export.proof import Proof
from edgernn_export.result_table import print_rows
from edgernn_export.targets import Target
from edgernn_export.truth_check import find_doubt

LABELS = ("rest", "run", "walk")
CLASSES = np.arange(300) % 3
ANSWERS = np.eye(3, dtype=np.float32)[np.where(np.arange(300) < 12, 0, CLASSES)]  # 8 of 300 are wrong


def test_right_truths_are_not_doubted() -> None:
    assert find_doubt(Task("classification"), ANSWERS, CLASSES, LABELS) == ""
    assert find_doubt(Task("classification"), ANSWERS, None, LABELS) == ""
    steps = np.repeat(ANSWERS[:, np.newaxis], 2, axis=1)
    assert find_doubt(Task("classification"), steps, np.repeat(CLASSES[:, np.newaxis], 2, axis=1), ()) == ""
    values = np.linspace(0, 1, 50, dtype=np.float32)[:, np.newaxis]
    assert find_doubt(Task("regression"), values, values[:, 0] + 0.1, ()) == ""


@pytest.mark.parametrize(("labels", "names"), [(LABELS, "rest,walk,run"), ((), "0,2,1")])
def test_another_order_of_the_classes_is_found(labels: tuple[str, ...], names: str) -> None:
    swapped = np.array([0, 2, 1])[CLASSES]
    doubt = find_doubt(Task("classification"), ANSWERS, swapped, labels)
    assert f"another order than the model's outputs: Keras has accuracy 33.33%, and with the order {names} it" in doubt
    advice = f"If y has names, pass --labels {names};" if labels else "Number the classes of y in this order."
    assert f"would have 97.33%. {advice}" in doubt


def test_an_order_that_is_no_exchange_is_given_for_the_outputs() -> None:
    doubt = find_doubt(Task("classification"), ANSWERS, np.array([2, 0, 1])[CLASSES], LABELS)
    assert "the order walk,rest,run it would" in doubt  # output 0 is y's class 2


@pytest.mark.parametrize("task", [Task("classification"), Task("binary")])
def test_a_model_that_guesses_is_reported(task: Task) -> None:
    truth = np.arange(100) % 4 // 3  # a quarter is 1
    answers = np.zeros((100, 2 if task.kind == "classification" else 1), np.float32)
    doubt = find_doubt(task, answers, truth, ("no", "yes"))
    assert "on these samples, hardly more than the constant answer 'no', which has 75.00%. Check that the" in doubt
    assert find_doubt(task, answers, np.zeros(100, int), ("no", "yes")) == ""  # one class alone tells nothing


def test_a_regression_that_is_worse_than_the_mean_is_reported() -> None:
    truth = np.linspace(0, 1, 50)
    doubt = find_doubt(Task("regression"), np.full((50, 1), 9, np.float32), truth, ())
    assert re.match(
        r"Keras has R² -\S+ on these samples, no more than the constant answer mean\(y\), which has 0", doubt
    )


def test_a_doubt_is_printed_and_times_are_explained_only_if_there_are_any(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    same = {"accuracy": 0.5, "f1": 0.5}
    proof = Proof(Task("classification"), 10, same, same, 1.0, 0.0, doubt="Keras is hardly better. Check it.")
    target = Target("tflite", "int8", "loop")
    row = TargetResult(target, Path("motion-int8-loop.tflite"), "passed", size_bytes=9, proof=proof)
    print_rows([row], None, None, keep_failed=False)
    out = capsys.readouterr().out
    assert f"Keras is hardly better. Check it.\nIn {tmp_path}\n" in out
    assert "µs: one prediction" not in out
