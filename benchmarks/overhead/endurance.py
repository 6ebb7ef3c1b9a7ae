"""Long runs: memory growth over many predictions and steps, in one process and through `edgernn stream` (Linux)."""

import gc
from collections.abc import Callable
from pathlib import Path

import numpy as np

import edgernn
from common.checks import Check
from common.memory import memory_bytes
from overhead.long_stream import growth, stream_long

SAMPLES = 40
# Allowance for the allocator; a leak of one small object a call, 32 bytes, would be six times as much.
MAX_BYTES_A_CALL = 5.0
_MB = 1e6


def endurance_checks(path: Path, backend: str, calls: int) -> list[Check]:
    """Measure memory growth over long runs of a backend, and check that every line is answered."""
    group = f"{path.name}, {backend}, {calls:,} calls"
    model = edgernn.load(path, backend=backend)
    x = np.random.default_rng(0).random((97, *model.input_shape), np.float32)
    rows, stream = x.reshape(-1, x.shape[-1]), model.stream()
    limit = MAX_BYTES_A_CALL * calls / _MB

    def growth_check(name: str, size: float) -> Check:
        return Check(group, f"{name}: memory growth", "MB", figure=size / _MB, limit=limit)

    checks = [
        growth_check("predictions", growth(_memory(calls, lambda index: model.predict(x[index % len(x)])))),
        growth_check("steps", growth(_memory(calls, lambda index: stream.push(rows[index % len(rows)])))),
    ]
    streamed = stream_long(path, calls, backend=backend, memory_samples=SAMPLES)
    missing = float("nan") if streamed.exit_code else float(calls - streamed.answers)
    return [
        *checks,
        growth_check("edgernn stream", streamed.growth_bytes),
        Check(group, "edgernn stream: lines without an answer", "lines", figure=missing, limit=0.0),
    ]


def _memory(calls: int, call: Callable[[int], object]) -> list[int]:
    """Call repeatedly; return the memory of this process in bytes, at even intervals."""
    memory = []
    for index in range(calls):
        call(index)
        if index % (calls // SAMPLES) == 0:
            gc.collect()
            memory.append(memory_bytes())
    return memory
