"""NAME_test.c, the test beside C source: which answers it accepts."""

import re
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_up_programs import float32, whole

import edgernn
from edgernn.card import read_card
from edgernn.program.operators import Function, Program, ProgramState
from edgernn_export.formats.c.compiled import FLAGS, find_compiler
from edgernn_export.formats.c.golden_test import write_test
from edgernn_export.formats.c.writer import make_source, write_header, write_source


def logarithm() -> Program:
    """Return a float32 program that answers each row of two numbers with their logarithms."""
    operator = Function(0, 1, "log")
    made = whole((float32(1, 2), float32(1, 2), replace(float32(1, 2), base=2)), [operator])
    state = ProgramState(before=2, after=1, zero=0)
    return replace(made, step=(operator,), answer=(), output=1, states=(state,), answers_every_step=True)


@pytest.mark.parametrize(
    ("row", "expected", "wrong"),
    [
        ((1.0, np.e), (0.0, 1.0), 0),
        ((1.0, np.e), (0.0, 1.01), 1),
        ((1.0, np.e**80), (5e-3, 80.001), 0),  # a share of the largest answer
        ((1.0, np.e**80), (0.0, 80.1), 1),
        ((-1.0, 1.0), (0.0, 0.0), 1),  # the logarithm of -1 is NaN
    ],
)
def test_float_answers_are_accepted_by_their_size(
    row: tuple[float, float], expected: tuple[float, float], wrong: int, tmp_path: Path
) -> None:
    card, source = read_card(edgernn.sample().read_bytes()), make_source(logarithm(), "log")
    rows, answers = (np.array([[each]], np.float32) for each in (row, expected))
    files = {
        "log.h": write_header(source, card),
        "log.c": write_source(source, card, "", "log.h"),
        "log_test.c": write_test(source, rows, answers, "log.h"),
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text, "utf-8")
    command = [*find_compiler(), *FLAGS, "log.c", "log_test.c", "-o", "program", "-lm"]
    subprocess.run(command, cwd=tmp_path, check=True)
    done = subprocess.run([tmp_path / "program"], capture_output=True, text=True, check=False)
    assert re.search(r"1 samples, (\d+) wrong numbers, 0 streams", done.stdout)[1] == str(wrong)
    assert done.returncode == (wrong > 0)
