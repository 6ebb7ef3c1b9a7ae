"""A long run of `edgernn stream`: every answer counted, its memory looked at on the way (Linux)."""

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

from edgernn.card import read_card

SEED = 0
# Different rows; they come again and again.
ROWS = 997


@dataclass(frozen=True)
class LongStream:
    """What was seen of a long run.

    Attributes:
        steps: how many rows went in.
        answers: how many came out, each the next line's.
        memory_bytes: resident memory of the process at even distances, from the first answer to the last.
        exit_code: of the process.
    """

    steps: int
    answers: int
    memory_bytes: tuple[int, ...]
    exit_code: int

    @property
    def growth_bytes(self) -> float:
        """By how much memory grows over the whole run."""
        return growth(self.memory_bytes)


def growth(memory_bytes: Sequence[int]) -> float:
    """Bytes by which memory grows over a run of which this was seen at even distances.

    By a straight line through all but the first quarter, in which allocators and caches take what they go on using.
    """
    settled = memory_bytes[len(memory_bytes) // 4 :]
    slope = np.polyfit(np.arange(len(settled)), settled, 1)[0]
    return float(slope) * len(memory_bytes)


def stream_long(artifact: Path, steps: int, *, looks: int = 20) -> LongStream:
    """Send so many rows through `edgernn stream`.

    Args:
        artifact: an artifact that can stream, with a card.
        steps: how many rows.
        looks: how often memory is looked at.

    Raises:
        ArtifactError: it has no card.
    """
    rows = _rows(artifact)
    # The interpreter and the arguments are this project's own.
    command = [sys.executable, "-m", "edgernn", "stream", str(artifact), "--json"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:  # noqa: S603
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("a pipe was asked for")
        sender = threading.Thread(target=_send, args=(process.stdin, rows, steps))
        sender.start()
        answers, memory = 0, []
        for answers, line in enumerate(process.stdout, 1):
            if json.loads(line)["line"] != answers:
                raise RuntimeError(f"expected the answer to line {answers}, read {line!r}")
            if answers % max(steps // looks, 1) == 0:
                memory.append(resident_bytes(process.pid))
        sender.join()
    return LongStream(steps, answers, tuple(memory), process.returncode)


def _rows(artifact: Path) -> list[bytes]:
    card = read_card(artifact.read_bytes())
    values = np.random.default_rng(SEED).uniform(*card.input_range, (ROWS, card.input_shape[-1]))
    return [" ".join(f"{value:.4f}" for value in row).encode() + b"\n" for row in values]


def _send(target: IO[bytes], rows: list[bytes], steps: int) -> None:
    with target:
        for row in islice(cycle(rows), steps):
            target.write(row)


def resident_bytes(process: int | str = "self") -> int:
    """The memory that a process, by default this one, holds now; 0 when it has ended."""
    for line in Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0
