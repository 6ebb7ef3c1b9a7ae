"""Latency: our files and the peers, side by side in one measurement."""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgernn.errors import ModelError
from edgernn.stopwatch import Nanoseconds, measure
from edgernn_export import Target, keras_model
from peers import exports, stock
from peers.bars import Bar
from peers.exports import Export
from peers.stock import make_peers
from peers.subjects import Subject, from_artifact

Float32 = npt.NDArray[np.float32]

CHECKED_SAMPLES = 500
TIMED = (exports.FLOAT32, exports.INT8, exports.INT8_LOOP, exports.ONNX_FLOAT32, exports.ONNX_INT8)
# Where a file's tensors come to lie in memory moves its time by up to 4 % either way, for as long as it is loaded. So
# each is loaded several times.
LOADS = 7
ROUNDS, ROUND_SECONDS, WARMUP_SECONDS = 30, 0.01, 0.05
COLD_ROUNDS = 100
# Where Linux says nothing of its caches.
_CACHE_BYTES = 64 << 20


@dataclass(frozen=True)
class Timing:
    """How long one call of a subject takes.

    Attributes:
        median_us: in microseconds, of the medians of all its loads.
        lowest_us, highest_us: of those medians.
    """

    median_us: float
    lowest_us: float
    highest_us: float


def time_hot(subjects: Mapping[str, Subject], x: Float32) -> dict[str, Timing]:
    """The latency of one sample, float32 [1, steps, features], called again and again, interleaved."""
    calls = {(name, load): partial(each.load(), x) for name, each in subjects.items() for load in range(LOADS)}
    numbered: dict[str, Callable[[], object]] = {f"{name} {load}": call for (name, load), call in calls.items()}
    durations = measure(numbered, rounds=ROUNDS, round_seconds=ROUND_SECONDS, warmup_seconds=WARMUP_SECONDS)
    return {name: _timing([durations[f"{name} {load}"] for load in range(LOADS)]) for name in subjects}


def time_cold(subjects: Mapping[str, Subject], x: Float32) -> dict[str, Timing]:
    """The same after other work each time: an array larger than every cache is walked through between calls."""
    other_work = np.ones(2 * largest_cache_bytes() // 8)
    calls = {name: partial(each.load(), x) for name, each in subjects.items()}
    durations: dict[str, list[int]] = {name: [] for name in calls}
    order = random.Random(0)  # noqa: S311  it only has to vary
    for _ in range(COLD_ROUNDS):
        for name in order.sample(list(calls), len(calls)):
            other_work.sum()
            start = time.perf_counter_ns()
            calls[name]()
            durations[name].append(time.perf_counter_ns() - start)
    return {name: _timing([np.array(values, np.int64)]) for name, values in durations.items()}


def largest_cache_bytes() -> int:
    """The size of the last-level cache."""
    units = {"K": 1 << 10, "M": 1 << 20}
    files = Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size")
    sizes = [file.read_text(encoding="ascii").strip() for file in files]
    return max((int(size[:-1]) * units[size[-1]] for size in sizes), default=_CACHE_BYTES)


def latency_bars(export: Export) -> tuple[list[Bar], dict[str, Any]]:
    """Our files against each other and against the peers; beside the bars all latencies by subject.

    Raises:
        ModelError: an artifact is missing, or a peer answers otherwise than Keras.
    """
    model = keras_model.load(export.run / "model.keras")
    samples = export.samples
    x = np.ascontiguousarray(samples.x_test[:CHECKED_SAMPLES])
    peers = make_peers(model, samples.x_calibration, x, keras_model.predict(model, x))
    ours = {str(target): _artifact(export, target) for target in TIMED}
    subjects = {**ours, **peers}
    hot = time_hot(subjects, x[:1])
    cold = time_cold({str(target): ours[str(target)] for target in (exports.INT8, exports.INT8_LOOP)}, x[:1])
    return _bars(hot, cold), as_rows(subjects, hot)


def ratio(
    group: str, timings: Mapping[str, Timing], name: str, base: str, limit: float | None = None, label: str = ""
) -> Bar:
    """The latency of a subject as a multiple of another's; without a figure where either was not timed.

    Args:
        label: what the bar is called, if not by the names of both.
    """
    both = name in timings and base in timings
    figure = timings[name].median_us / timings[base].median_us if both else None
    return Bar(group, label or f"{name} / {base}", "ratio", figure, limit)


def as_rows(subjects: Mapping[str, Subject], timings: Mapping[str, Timing]) -> dict[str, Any]:
    """Sizes and latencies by subject, for `bars.show_latencies` and for programs."""
    return {name: {"size_bytes": subjects[name].size_bytes, **asdict(timing)} for name, timing in timings.items()}


def _bars(hot: Mapping[str, Timing], cold: Mapping[str, Timing]) -> list[Bar]:
    group = "latency, ratio of medians"
    int8, float32, loop = str(exports.INT8), str(exports.FLOAT32), str(exports.INT8_LOOP)
    onnx = str(exports.ONNX_FLOAT32)
    quickest = min(stock.UNROLLED_INT8, key=lambda name: hot[name].median_us)
    return [
        ratio(group, hot, int8, float32, 0.65),
        ratio(group, hot, int8, quickest, 0.85),
        ratio(group, hot, int8, stock.STOCK_FLOAT32, 0.25),
        ratio(group, hot, onnx, stock.TF2ONNX, 0.3),
        ratio(group, hot, str(exports.ONNX_INT8), onnx, 1.1),
        ratio(group, hot, loop, int8),
        ratio(group, cold, loop, int8, label="the same with cold caches"),
    ]


def _timing(loads: Sequence[Nanoseconds]) -> Timing:
    medians = [float(np.median(durations)) / 1000 for durations in loads]
    return Timing(float(np.median(medians)), min(medians), max(medians))


def _artifact(export: Export, target: Target) -> Subject:
    path = export.path(target)
    if not path.is_file():
        raise ModelError(f"{path.name} was not exported, so that its latency cannot be measured")
    return from_artifact(path)
