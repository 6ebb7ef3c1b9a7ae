"""Terminal tables of made-up results: every figure under its own heading, in 80 columns."""

from dataclasses import replace

import numpy as np
import pytest
from made_up import measured, result, turns

from edgernn.bench.result import Answers
from edgernn.bench.stopwatch import Round
from edgernn.console.grading import count_test_samples
from edgernn.system.machine import Memory
from edgernn.tasks import Task
from edgernn_benchmarks.changes import find_changes
from edgernn_benchmarks.terminal_table import print_changes, print_result


def lines_of(capsys: pytest.CaptureFixture[str]) -> list[str]:
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    return lines


def test_each_figure_stands_under_its_own_heading(capsys: pytest.CaptureFixture[str]) -> None:
    times = {"predict": (Round(np.array([1_680_000])),) * 12}
    keras = measured("Keras tf.function", role="original", turns=times, answers=Answers({"f1": 0.94}, 1.0, 0.0))
    quick = measured("digits-dynamic-fused.tflite", turns={"predict": turns(16.8, noise=0.3)})
    quick = replace(quick, answers=Answers({"f1": 0.93}, 0.991, 0.1), memory=Memory(40_000_000, 41_500_000))
    print_result(result(keras, quick, task=Task("multilabel")))
    lines = lines_of(capsys)
    # Sorted by time: the artifact is not recommended, but faster.
    heading, first, second = (lines[place].split() for place in (1, 4, 3))
    assert heading == ["artifact", "bytes", "F1", "agrees", "peak", "MB", "median", "±", "speed"]
    assert first == ["Keras", "tf.function", "14,736", "94.00%", "100.00%", "–", "1.68", "ms", "±0.0%", "1"]
    assert second[1:5] == ["14,736", "93.00%", "99.10%", "41.5"]
    # Both are marked, and no figure of Keras.
    assert [cell[-2:] for cell in second[7:]] == ["%!", "×!"]
    assert "! Unreliable times and speeds, and their causes:" in lines


def test_a_table_names_only_causes_of_times_that_it_shows(capsys: pytest.CaptureFixture[str]) -> None:
    keras = measured("Keras", role="original")
    noisy = {"invoke": turns(16.0, noise=0.4)}
    artifact = measured("a.tflite", seed=1)
    print_result(result(keras, replace(artifact, turns={**artifact.turns, **noisy})))
    assert not any("!" in line for line in lines_of(capsys))


def test_values_have_their_measures_and_names_their_brackets(capsys: pytest.CaptureFixture[str]) -> None:
    answers = Answers({"r2": 0.9, "mae": 1.234}, 0.99, 0.1)
    keras = measured("Keras", role="original", answers=answers)
    odd = measured("level[/b].tflite", seed=3, answers=answers)
    print_result(result(keras, odd, task=Task("regression")))
    lines = lines_of(capsys)
    assert lines[1].split() == ["artifact", "bytes", "R²", "MAE", "agrees", "median", "±", "speed"]
    assert lines[3].split()[:6] == ["level[/b].tflite", "14,736", "0.9000", "1.23", "R²", "0.9900"]
    assert not any("!" in line for line in lines)


def test_changes_are_shown_with_their_results(capsys: pytest.CaptureFixture[str]) -> None:
    before, after = result(measured("[a].tflite", 20.0)), result(measured("[a].tflite", 40.0, seed=2, sha256="1" * 64))
    print_changes([before, after], ["monday.json", "tuesday.json"], find_changes([before, after]))
    text = " ".join(" ".join(lines_of(capsys)).split())
    assert "[a].tflite * [1] 20.0 µs [2] 40.0 µs 0.50×" in text
    assert "[1] monday.json: 2026-11-27" in text
    assert "[a].tflite: slower, [2] against [1]." in text
    print_changes([before, result(measured("b.tflite"))], ["monday.json", "tuesday.json"], [])
    assert "nothing can be compared" in " ".join(lines_of(capsys))


def test_few_test_samples_have_a_remark() -> None:
    assert count_test_samples(1000) == "1,000 test samples"
    assert count_test_samples(3).startswith("Only 3 test samples, which prove little: give at least 100")
    assert count_test_samples(1).startswith("Only 1 test sample, which proves little")
