"""The one stopwatch: subjects timed side by side in rounds; it keeps every time and derives nothing.

A round gives every subject one turn, in an order of its own, so that what slows the machine down for a while falls on
all of them. In its turn a subject is loaded afresh, for where its tensors come to lie in memory moves its times by some
per cent, as long as it is loaded; then each of its calls is warmed up until it gets no quicker, and timed.
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
# Two figures that every subject has beside those of its calls.
LOAD, FIRST_ANSWER = "load", "first answer"
# A call shorter than so many steps of the clock is timed with others of its kind, as one.
CLOCK_STEPS = 100
# A warm-up ends after two windows in a row that are not quicker than the quickest by more than this; then or never.
WINDOW_SECONDS, SETTLED, WARMUP_SECONDS = 0.005, 0.02, 0.3
# Before a subject is loaded, so much at most is taken from the heap, for it to come to lie elsewhere.
PADDING_BYTES = 1 << 16
# Where Linux says nothing of its caches.
CACHE_BYTES = 64 << 20


@dataclass(frozen=True)
class Method:
    """How to measure.

    Attributes:
        rounds: how many turns each subject has.
        seconds: how long each call is timed, in all its turns, cold ones with the walks between them; every turn has at
            least one call.
        cold: between calls something larger than every cache is walked through, as other work of a device would.
    """

    rounds: int = ROUNDS
    seconds: float = SECONDS
    cold: bool = False


@dataclass(frozen=True, eq=False)  # arrays are not compared as one
class Round:
    """What was seen in one turn.

    Attributes:
        durations_ns: int64 [timed]; each of `batch` calls together.
        batch: how many calls each of them is.
        cpu_share: of the turn's time, how much this process had a core, 1 at most; less where another had it. Of a call
            that works in several threads it tells less, for each of them counts.
        settled: whether the warm-up ended because times did not fall any more.
    """

    durations_ns: Int64
    batch: int = 1
    cpu_share: float = 1.0
    settled: bool = True


class LoadedSubject(Protocol):
    """A subject, loaded."""

    def answer(self) -> object:
        """Answer one sample, as the first call after loading."""
        ...

    def calls(self) -> Mapping[str, Call]:
        """What is timed, by name; each is ready."""
        ...


class Subject(Protocol):
    """What has a turn in every round."""

    def turn(self, method: Method) -> Mapping[str, Round]:
        """Load, answer and time: turns by the names of the calls, `LOAD` and `FIRST_ANSWER`."""
        ...


class Local:
    """A subject in this process.

    Args:
        load: makes it ready.
        afresh: whether it is loaded again for every turn; not what takes seconds.
    """

    def __init__(self, load: Callable[[], LoadedSubject], *, reload: bool = True) -> None:
        self._load, self._reload = load, reload
        self._loaded: LoadedSubject | None = None
        self._random = random.Random(0)  # noqa: S311  it only has to vary

    def turn(self, method: Method) -> dict[str, Round]:
        """See `Subject`; a subject that is not loaded afresh has `LOAD` and `FIRST_ANSWER` in its first turn only."""
        turns: dict[str, Round] = {}
        if self._loaded is None or self._reload:
            turns |= self._open(method)
        assert self._loaded is not None  # noqa: S101  for mypy
        calls = self._loaded.calls()
        for name in self._random.sample(list(calls), len(calls)):
            turns[name] = time_turn(calls[name], method)
        return turns

    def _open(self, method: Method) -> dict[str, Round]:
        padding = bytearray(self._random.randrange(PADDING_BYTES))
        if method.cold:
            walk_caches()
        start = time.perf_counter_ns()
        fresh = self._load()
        loaded = time.perf_counter_ns()
        fresh.answer()
        answered = time.perf_counter_ns()
        # What was loaded before is given up only now: its place in memory was not free for this one.
        self._loaded = fresh
        del padding
        return {LOAD: _single(loaded - start), FIRST_ANSWER: _single(answered - start)}


@dataclass(frozen=True)
class Ready:
    """Calls that need no loading, as a subject."""

    named: Mapping[str, Call]

    def answer(self) -> object:
        """See `LoadedSubject`."""
        return next(iter(self.named.values()))()

    def calls(self) -> Mapping[str, Call]:
        """See `LoadedSubject`."""
        return self.named


def measure(
    subjects: Mapping[Name, Subject], method: Method, progress: Callable[[int], None] = lambda _done: None
) -> dict[Name, dict[str, list[Round]]]:
    """Time subjects, interleaved.

    Args:
        subjects: by name.
        method: how.
        progress: called with the number of rounds done, between two of them.

    Returns:
        By subject and call one `Round` a round; those of a call have the same place as those of any other, so that two
        calls can be compared round by round.
    """
    # A fixed seed makes a measurement repeatable as far as it can be.
    order = random.Random(0)  # noqa: S311
    seen: dict[Name, dict[str, list[Round]]] = {name: {} for name in subjects}
    for done in range(1, method.rounds + 1):
        for name in order.sample(list(subjects), len(subjects)):
            for call, turn in subjects[name].turn(method).items():
                seen[name].setdefault(call, []).append(turn)
        progress(done)
    return seen


def measure_calls(
    calls: Mapping[Name, Call], method: Method, progress: Callable[[int], None] = lambda _done: None
) -> dict[Name, list[Round]]:
    """The same for calls that are ready: one `Round` a round for each."""
    subjects = {name: Local(lambda call=call: Ready({"call": call}), reload=False) for name, call in calls.items()}  # type: ignore[misc]
    return {name: turns["call"] for name, turns in measure(subjects, method, progress).items()}


def time_turn(call: Call, method: Method) -> Round:
    """Warm a call up and time it for its share of the seconds; garbage is not collected meanwhile."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        once_ns, settled = _warm_up(call)
        start, start_cpu = time.perf_counter_ns(), time.process_time_ns()
        end = start + int(method.seconds / method.rounds * 1e9)
        # Cold, one call is all there is between two walks.
        batch = 1 if method.cold else max(1, -int(-CLOCK_STEPS * clock_step_ns() // max(1.0, once_ns)))
        durations = _time_cold(call, end) if method.cold else _time_hot(call, end, batch)
        cpu = time.process_time_ns() - start_cpu
        wall = time.perf_counter_ns() - start
    finally:
        if collecting:
            gc.enable()
    return Round(np.array(durations, np.int64), batch, min(1.0, cpu / wall), settled)


@cache
def clock_step_ns() -> int:
    """The shortest time that can be told from none: the smallest difference of two readings, one after the other."""
    clock = time.perf_counter_ns
    differences = (-clock() + clock() for _ in range(10_000))
    return min(difference for difference in differences if difference > 0)


@cache
def _other_work() -> Float64:
    return np.ones(2 * largest_cache_bytes() // 8)


def walk_caches() -> None:
    """Walk through twice as much memory as the last-level cache holds."""
    _other_work().sum()


def largest_cache_bytes() -> int:
    """The size of the last-level cache."""
    return max(cache_bytes().values(), default=CACHE_BYTES)


def cache_bytes() -> dict[str, int]:
    """The sizes of the first core's caches that hold data, by their levels, where Linux tells."""
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
        How long one call takes in the end, in nanoseconds, and whether times have settled.
    """
    clock = time.perf_counter_ns
    end = clock() + int(WARMUP_SECONDS * 1e9)
    quickest, since = np.inf, 0
    while True:
        # One by one only until it is known how short they are: the median of a window does not mind the clock.
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
