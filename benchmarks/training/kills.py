"""Trainings that are killed at random moments and go on: their weights beside those of an uninterrupted one."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from common.bench_frame import Progress
from common.checks import Check
from common.programs import run_program
from edgernn.data.model_digest import model_digest
from edgernn.data.run_checkpoint import FOLDER, STATE_FILE, read_checkpoint
from edgernn.data.run_commit import MODEL


def kill_checks(
    data: str, folder: Path, kills: int, seed: int, say: Progress
) -> tuple[list[Check], list[dict[str, float]]]:
    """Kill trainings by recipe `seed` with SIGKILL, each at another moment, and resume them.

    Returns:
        The check, and for each kill its moment in seconds and the number of epochs that were finished.
    """
    rng = np.random.default_rng(seed)
    started = time.monotonic()
    whole = folder / "whole"
    run_program(_command(data, whole))
    duration_s, wanted = time.monotonic() - started, model_digest(whole / MODEL)
    equal, rows = 0, []
    for number in range(kills):
        run, moment_s = folder / f"killed-{number}", float(rng.uniform(0, duration_s))
        say(f"kill {number + 1} of {kills}, after {moment_s:.1f} s")
        finished = _kill(_command(data, run), moment_s, run)
        run_program([*_command(data, run), "--resume"])
        equal += model_digest(run / MODEL) == wanted
        rows.append({"moment_s": round(moment_s, 2), "finished_epochs": finished})
    name = f"resumed trainings with the weights of an uninterrupted one, of {kills}"
    return [Check("kill -9", name, "share", equal / kills, limit=1.0, at_least=True)], rows


def _command(data: str, run: Path) -> list[str]:
    words = ["train", "--data", data, "--recipe", "seed", "--name", "digits", "--out", str(run), "--quiet"]
    return [sys.executable, "-m", "edgernn", *words]


def _kill(command: list[str], moment_s: float, run: Path) -> int:
    """Start a training and kill it after some seconds; return the number of epochs that it had finished."""
    with subprocess.Popen(command) as process:  # noqa: S603  ourselves
        try:
            process.wait(moment_s)
        except subprocess.TimeoutExpired:
            process.kill()
    state = run / FOLDER / STATE_FILE
    return read_checkpoint(state).epochs if state.exists() else 0
