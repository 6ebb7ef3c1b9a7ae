"""The only stopwatch: times subjects side by side in rounds, keeps every time and derives nothing.

In each round every subject is timed once, in a new random order, so that a temporary slowdown of the machine affects
all of them. A subject is loaded again in each round, because the addresses of its tensors, which a load fixes, change
its times by some per cent. Each of its calls is then warmed up until it gets no faster, and timed.
"""

import gc
import random
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import repeat
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np

from edgernn.arrays import Float64, Int64

Name = TypeVar("Name", bound=Hashable)
Call = Callable[[], object]

ROUNDS, SECONDS = 30, 1.0
# Names of two times that every subject has in addition to those of its calls.
LOAD, FIRST_ANSWER = "load", "first answer"
# Calls shorter than this number of clock steps are timed in batches.
CLOCK_STEPS = 100
# A warm-up ends when two windows in a row are not faster than the fastest one by more than the share SETTLED, or after
# WARMUP_SECONDS.
WINDOW_SECONDS, SETTLED, WARMUP_SECONDS = 0.005, 0.02, 0.3
# At most this much of the heap is allocated before a subject is loaded, so that its addresses differ between rounds.
PADDING_BYTES = 1 << 16
# Assumed size where the system does not report its caches.
CACHE_BYTES = 64 << 20


@dataclass(frozen=True)
class Method:
    """Settings of a measurement.

    Attributes:
        rounds: in which each subject is timed once.
        seconds: time for each call, over all rounds, including the walks of cold calls; each round has at least one
            call.
        cold: True to read memory larger than every cache before each call, as other work of a device would.
    """

    rounds: int = ROUNDS
    seconds: float = SECONDS
    cold: bool = False


@dataclass(frozen=True, eq=False)  # arrays are not compared as one
class Round:
    """Times of one call of one subject in one round.

    Attributes:
        durations_ns: int64 [timed]; each is the time of `batch` calls together.
        batch: the number of calls in each duration.
        cpu_share: the share of the time in which this process had a core, at most 1. It says less about a call with
            several threads, because the time of each thread counts.
        settled: True if the warm-up ended because the call got no faster.
    """

    durations_ns: Int64
    batch: int = 1
    cpu_share: float = 1.0
    settled: bool = True


@dataclass(frozen=True)
class Turn:
    """One subject's turn in a round, as progress reports it.

    Attributes:
        name: of the subject.
        place: of the subject in its round, from 1.
        subjects: the number of subjects.
        round: from 1.
        rounds: the number of rounds.
    """

    name: str
    place: int
    subjects: int
    round: int
    rounds: int


class LoadedSubject(Protocol):
    """Subject that is loaded."""

    def answer(self) -> object:
        """Answer one sample; the first call after loading."""
        ...

    def calls(self) -> Mapping[str, Call]:
        """Return the calls to time, by name; each has been prepared."""
        ...


class Subject(Protocol):
    """Something that is timed once in every round."""

    def time_round(self, method: Method) -> Mapping[str, Round]:
        """Load, answer and time; return one `Round` for each call, `LOAD` and `FIRST_ANSWER`, by name."""
        ...


class Local:
    """Subject in this process.

    Args:
        load: loads it.
        reload: True to load it again in every round; False if loading takes seconds.
    """

    def __init__(self, load: Callable[[], LoadedSubject], *, reload: bool = True) -> None:
        self._load, self._reload = load, reload
        self._loaded: LoadedSubject | None = None
        self._random = random.Random(0)  # noqa: S311  it only has to vary

    def time_round(self, method: Method) -> dict[str, Round]:
        """See `Subject`; a subject that is loaded once has `LOAD` and `FIRST_ANSWER` in its first round only."""
        times: dict[str, Round] = {}
        if self._loaded is None or self._reload:
            times |= self._open(method)
        assert self._loaded is not None  # noqa: S101  for mypy
        calls = self._loaded.calls()
        for name in self._random.sample(list(calls), len(calls)):
            times[name] = time_call(calls[name], method)
        return times

    def _open(self, method: Method) -> dict[str, Round]:
        padding = bytearray(self._random.randrange(PADDING_BYTES))
        if method.cold:
            walk_caches()
        start = time.perf_counter_ns()
        reloaded = self._load()
        loaded = time.perf_counter_ns()
        reloaded.answer()
        answered = time.perf_counter_ns()
        # The earlier load is released only now, so that the new one could not reuse its addresses.
        self._loaded = reloaded
        del padding
        return {LOAD: _single(loaded - start), FIRST_ANSWER: _single(answered - start)}


@dataclass(frozen=True)
class Ready:
    """Loaded subject of calls that need no loading."""

    named: Mapping[str, Call]

    def answer(self) -> object:
        """See `LoadedSubject`."""
        return next(iter(self.named.values()))()

    def calls(self) -> Mapping[str, Call]:
        """See `LoadedSubject`."""
        return self.named


def measure(
    subjects: Mapping[Name, Subject],
    method: Method,
    after_round: Callable[[], None] = lambda: None,
    before_turn: Callable[[Turn], None] = lambda _turn: None,
) -> dict[Name, dict[str, list[Round]]]:
    """Time subjects, interleaved.

    Args:
        subjects: by name.
        method: of measuring.
        after_round: called after each round.
        before_turn: called before each subject is timed.

    Returns:
        A list of rounds by subject and call. The same index is the same round in every list, so that two calls can be
        compared round by round.
    """
    # A fixed seed makes the order repeatable.
    order = random.Random(0)  # noqa: S311
    times: dict[Name, dict[str, list[Round]]] = {name: {} for name in subjects}
    for number in range(1, method.rounds + 1):
        for place, name in enumerate(order.sample(list(subjects), len(subjects)), start=1):
            before_turn(Turn(str(name), place, len(subjects), number, method.rounds))
            for call, one in subjects[name].time_round(method).items():
                times[name].setdefault(call, []).append(one)
        after_round()
    return times


def measure_calls(calls: Mapping[Name, Call], method: Method) -> dict[Name, list[Round]]:
    """Time calls that need no loading, interleaved; return the rounds of each by name."""
    subjects = {name: Local(lambda call=call: Ready({"call": call}), reload=False) for name, call in calls.items()}  # type: ignore[misc]
    return {name: times["call"] for name, times in measure(subjects, method).items()}


def time_call(call: Call, method: Method) -> Round:
    """Warm a call up and time it for one round's share of the seconds, without garbage collection."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        once_ns, settled = _warm_up(call)
        start, start_cpu = time.perf_counter_ns(), time.process_time_ns()
        end = start + int(method.seconds / method.rounds * 1e9)
        # A cold call comes directly after a walk, so it is timed alone.
        batch = 1 if method.cold else max(1, -int(-CLOCK_STEPS * clock_step_ns() // max(1.0, once_ns)))
        durations = _time_cold(call, end) if method.cold else _time_hot(call, end, batch)
        cpu = time.process_time_ns() - start_cpu
        wall = time.perf_counter_ns() - start
    finally:
        if collecting:
            gc.enable()
    return Round(np.array(durations, np.int64), batch=batch, cpu_share=min(1.0, cpu / wall), settled=settled)


@cache
def clock_step_ns() -> int:
    """Return the resolution of the clock: the smallest non-zero difference of two consecutive readings."""
    clock = time.perf_counter_ns
    differences = (-clock() + clock() for _ in range(10_000))
    return min(difference for difference in differences if difference > 0)


@cache
def _other_work() -> Float64:
    return np.ones(2 * largest_cache_bytes() // 8)


def walk_caches() -> None:
    """Read twice as much memory as fits into the last-level cache."""
    _other_work().sum()


def largest_cache_bytes() -> int:
    """Return the size of the last-level cache."""
    return max(cache_bytes().values(), default=CACHE_BYTES)


def cache_bytes() -> dict[str, int]:
    """Return the sizes of the first core's data caches, by level; empty where the system does not report them."""
    units = {"K": 1 << 10, "M": 1 << 20}
    caches = {}
    for folder in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        kind, level, size = ((folder / name).read_text(encoding="ascii").strip() for name in ("type", "level", "size"))
        if kind != "Instruction" and size[-1:] in units:
            caches[f"L{level} cache"] = int(size[:-1]) * units[size[-1]]
    return caches


def _warm_up(call: Call) -> tuple[float, bool]:
    """Call until times settle.

    Returns:
        The time of one call at the end, in nanoseconds, and True if times have settled.
    """
    clock = time.perf_counter_ns
    end = clock() + int(WARMUP_SECONDS * 1e9)
    quickest, since = np.inf, 0
    while True:
        # Single calls, because the batch is not known yet; the median of a window tolerates the clock's resolution.
        median = float(np.median(_time_hot(call, clock() + int(WINDOW_SECONDS * 1e9), 1)))
        since = 0 if median < (1 - SETTLED) * quickest else since + 1
        quickest = min(quickest, median)
        if since == 2:
            return median, True
        if clock() >= end:
            return median, False


def _time_hot(call: Call, end: int, batch: int) -> list[int]:
    clock = time.perf_counter_ns
    durations = []
    while True:
        if batch == 1:
            start = clock()
            call()
            stop = clock()
        else:
            calls = repeat(None, batch)
            start = clock()
            for _ in calls:
                call()
            stop = clock()
        durations.append(stop - start)
        if stop >= end:
            return durations


def _time_cold(call: Call, end: int) -> list[int]:
    clock, walk = time.perf_counter_ns, walk_caches
    durations = []
    while True:
        walk()
        start = clock()
        call()
        stop = clock()
        durations.append(stop - start)
        if stop >= end:
            return durations


def _single(duration_ns: int) -> Round:
    return Round(np.array([duration_ns], np.int64))
