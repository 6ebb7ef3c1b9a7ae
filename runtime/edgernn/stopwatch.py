"""The one stopwatch: several subjects timed side by side, and the statistics of what it saw."""

import gc
import random
import time
from array import array
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

Name = TypeVar("Name", bound=Hashable)
Nanoseconds = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Latency:
    """How long one call of a subject took.

    Attributes:
        calls: how many calls were timed.
        median_us: half of them were quicker, in microseconds.
        p95_us: 95 of 100 were quicker, in microseconds.
    """

    calls: int
    median_us: float
    p95_us: float


def measure(
    subjects: Mapping[Name, Callable[[], object]],
    *,
    rounds: int = 20,
    round_seconds: float = 0.02,
    warmup_seconds: float = 0.2,
    progress: Callable[[int], None] = lambda _done: None,
) -> dict[Name, Nanoseconds]:
    """Time the calls of several subjects, interleaved.

    Each round calls every subject for a while, in an order of its own, so that what slows the machine
    down for a moment falls on all of them. Garbage is not collected meanwhile.

    Args:
        subjects: what to call, by name.
        rounds: how often every subject has its turn.
        round_seconds: how long a turn is; each has at least one call.
        warmup_seconds: how long each subject is called beforehand, untimed.
        progress: called with the number of rounds done, between two of them.

    Returns:
        The duration of every timed call in nanoseconds, by name, int64 [calls].
    """
    for call in subjects.values():
        _time_calls(call, warmup_seconds)
    # A quarter of a list's memory, of which a device has little.
    durations = {name: array("q") for name in subjects}
    # The order only has to vary; a fixed seed makes a measurement repeatable as far as it can be.
    order = random.Random(0)  # noqa: S311
    collecting = gc.isenabled()
    gc.disable()
    try:
        for done in range(1, rounds + 1):
            for name in order.sample(list(subjects), len(subjects)):
                durations[name].extend(_time_calls(subjects[name], round_seconds))
            progress(done)
    finally:
        if collecting:
            gc.enable()
    return {name: np.array(values, np.int64) for name, values in durations.items()}


def summarize(durations: Nanoseconds) -> Latency:
    """The latency that durations of single calls in nanoseconds amount to."""
    median, p95 = np.percentile(durations, [50, 95]) / 1000
    return Latency(calls=len(durations), median_us=float(median), p95_us=float(p95))


def _time_calls(call: Callable[[], object], seconds: float) -> list[int]:
    clock = time.perf_counter_ns
    durations = []
    end = clock() + int(seconds * 1e9)
    while True:
        start = clock()
        call()
        stop = clock()
        durations.append(stop - start)
        if stop >= end:
            return durations
