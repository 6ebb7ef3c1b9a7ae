"""Wrong inputs are answered by what was found, what is expected, and a way out, without TensorFlow."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).with_name("wrong_inputs.py")
MIN_CASES = 60

sys.path.insert(0, str(PROGRAM.parent))
from wrong_inputs import CASES, Wrong  # noqa: E402


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return the answers to all cases by their words, from one process in which TensorFlow cannot be imported."""
    words = [sys.executable, "-P", str(PROGRAM), str(tmp_path_factory.mktemp("wrong"))]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("wrong", CASES, ids=lambda wrong: wrong.words)
def test_a_wrong_input_is_answered_without_tensorflow(wrong: Wrong, answers: dict[str, Any]) -> None:
    answer = answers[wrong.words]
    assert answer["exit_code"] == wrong.exit_code, answer
    assert answer["raised"].startswith("SystemExit"), answer
    errors = [line for line in answer["error"].splitlines() if line.lower().startswith("error: ")]
    assert len(errors) == 1, answer
    for part in (wrong.found, wrong.expected, wrong.way_out):
        assert part in errors[0]


def test_enough_answers_have_a_way_out() -> None:
    assert len({wrong.words for wrong in CASES}) == len(CASES)
    assert sum(bool(wrong.way_out) for wrong in CASES) >= MIN_CASES
