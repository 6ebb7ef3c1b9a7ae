"""A long run of `edgernn stream` that counts every answer and samples the memory (Linux)."""

import json
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import IO

import numpy as np

from common.memory import memory_bytes
from edgernn.card import read_card

SEED = 0
# Number of different rows; they are sent repeatedly.
ROWS = 997


@dataclass(frozen=True)
class LongStream:
    """Result of a long run.

    Attributes:
        answers: number of answers received, each to the next line.
        memory_bytes: resident memory of the process at even intervals, from the first answer to the last.
        exit_code: exit code of the process.
    """

    answers: int
    memory_bytes: tuple[int, ...]
    exit_code: int

    @property
    def growth_bytes(self) -> float:
        """Memory growth over the whole run."""
        return growth(self.memory_bytes)


def growth(memory_bytes: Sequence[int]) -> float:
    """Return the bytes by which memory grows over a run that was sampled at even intervals.

    The slope is that of a straight line through all samples except the first quarter, in which allocators and caches
    reach their size.
    """
    settled = memory_bytes[len(memory_bytes) // 4 :]
    slope = np.polyfit(np.arange(len(settled)), settled, 1)[0]
    return float(slope) * len(memory_bytes)


def stream_long(artifact: Path, steps: int, *, backend: str | None = None, memory_samples: int = 20) -> LongStream:
    """Send rows through `edgernn stream`.

    Args:
        artifact: an artifact that can stream, with a card.
        steps: number of rows.
        backend: name of the backend; by default that of `edgernn stream`.
        memory_samples: number of times that memory is sampled.

    Raises:
        ArtifactError: the artifact has no card.
    """
    rows = _rows(artifact)
    # The interpreter and the arguments are this project's own.
    command = [sys.executable, "-m", "edgernn", "stream", str(artifact), "--json"]
    command += ["--backend", backend] if backend else []
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:  # noqa: S603
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("expected pipes to the process, found none")
        sender = threading.Thread(target=_send, args=(process.stdin, rows, steps))
        sender.start()
        answers, memory = 0, []
        for answers, line in enumerate(process.stdout, 1):
            if json.loads(line)["line"] != answers:
                raise RuntimeError(f"expected the answer to line {answers}, read {line!r}")
            if answers % max(steps // memory_samples, 1) == 0:
                memory.append(memory_bytes(process=process.pid))
        sender.join()
    return LongStream(answers=answers, memory_bytes=tuple(memory), exit_code=process.returncode)


def _rows(artifact: Path) -> list[bytes]:
    card = read_card(artifact.read_bytes())
    values = np.random.default_rng(SEED).uniform(*card.input_range, (ROWS, card.input_shape[-1]))
    return [" ".join(f"{value:.4f}" for value in row).encode() + b"\n" for row in values]


def _send(target: IO[bytes], rows: list[bytes], steps: int) -> None:
    with target:
        for row in islice(cycle(rows), steps):
            target.write(row)
