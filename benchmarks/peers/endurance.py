"""Long runs: memory over very many predictions and very many steps, in one process and through the command (Linux)."""

import gc
from collections.abc import Callable
from pathlib import Path

import numpy as np

import edgernn
from peers.checks import Check
from peers.long_stream import growth, resident_bytes, stream_long

LOOKS = 40
# What an allocator may do; a leak of a single small object a call, 32 bytes, would be six times as much.
MAX_BYTES_A_CALL = 5.0
_MB = 1e6


def endurance_checks(path: Path, calls: int) -> list[Check]:
    """By how much memory grows over long runs, and whether every line is answered."""
    group = f"{path.name}, {calls:,} calls"
    model = edgernn.load(path)
    x = np.random.default_rng(0).random((97, *model.input_shape), np.float32)
    rows, stream = x.reshape(-1, x.shape[-1]), model.stream()
    limit = MAX_BYTES_A_CALL * calls / _MB

    def grows(what: str, size: float) -> Check:
        return Check(group, f"{what}: memory grows by", "MB", size / _MB, limit)

    checks = [
        grows("predictions", growth(_memory(calls, lambda index: model.predict(x[index % len(x)])))),
        grows("steps", growth(_memory(calls, lambda index: stream.push(rows[index % len(rows)])))),
    ]
    streamed = stream_long(path, calls, looks=LOOKS)
    missing = float("nan") if streamed.exit_code else float(streamed.steps - streamed.answers)
    return [
        *checks,
        grows("edgernn stream", streamed.growth_bytes),
        Check(group, "edgernn stream: lines without an answer", "lines", missing, 0.0),
    ]


def _memory(calls: int, call: Callable[[int], object]) -> list[int]:
    """The memory of this process in bytes, at even distances."""
    memory = []
    for index in range(calls):
        call(index)
        if index % (calls // LOOKS) == 0:
            gc.collect()
            memory.append(resident_bytes())
    return memory
