"""Run other programs to their end."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from edgernn.errors import ModelError


def run_program(command: Sequence[str | Path], folder: Path | None = None, time_limit_s: float | None = None) -> str:
    """Run a program in a folder; return its standard output.

    Raises:
        ModelError: the program exceeds the time limit, or ends with an error; the message has its last line.
    """
    name = Path(command[0]).name
    try:
        done = subprocess.run(  # noqa: S603
            command, cwd=folder, capture_output=True, text=True, check=False, timeout=time_limit_s
        )
    except subprocess.TimeoutExpired as error:
        raise ModelError(f"{name} took longer than {time_limit_s:g} s and was stopped") from error
    if done.returncode:
        raise ModelError(f"{name}: {last_line(done)}")
    return done.stdout


def last_line(done: "subprocess.CompletedProcess[str]") -> str:
    """Return the last line that a program printed, or else its exit code."""
    lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
    return lines[-1] if lines else f"exit code {done.returncode}"
