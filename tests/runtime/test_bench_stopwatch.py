"""The stopwatch: rounds, batches and garbage, with simulated clocks and calls."""

import gc
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from types import SimpleNamespace

import numpy as np
import pytest

from edgernn.bench import stopwatch
from edgernn.bench.stopwatch import Local, Method, Ready, Turn, measure, measure_calls, time_call


@dataclass
class Noted:
    """Subject that notes when it is loaded, answers and is called."""

    name: str
    notes: list[str]
    names: tuple[str, ...] = ("a", "b")
    loads: int = field(default=0)

    def __call__(self) -> "Noted":
        self.loads += 1
        self.notes.append(f"{self.name} load")
        return self

    def answer(self) -> None:
        self.notes.append(f"{self.name} answer")

    def calls(self) -> Mapping[str, Callable[[], object]]:
        return {name: lambda name=name: self.notes.append(f"{self.name} {name}") for name in self.names}


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Method:
    """Make every round have as few calls as possible."""
    monkeypatch.setattr(stopwatch, "WINDOW_SECONDS", 0)
    monkeypatch.setattr(stopwatch, "WARMUP_SECONDS", 0)
    return Method(rounds=5, seconds=0)


def test_every_subject_is_timed_once_in_every_round_in_random_order(quick: Method) -> None:
    notes: list[str] = []
    subjects = {name: Local(Noted(name, notes)) for name in "xyz"}
    times = measure(subjects, quick)
    assert set(times) == set("xyz")
    for rounds_of in times.values():
        assert {name: len(each) for name, each in rounds_of.items()} == dict.fromkeys(
            ("load", "first answer", "a", "b"), 5
        )
    order = [note.partition(" ")[0] for note in notes if note.endswith("load")]
    rounds = [order[start : start + 3] for start in range(0, 15, 3)]
    assert all(sorted(names) == ["x", "y", "z"] for names in rounds)
    assert len({tuple(names) for names in rounds}) > 1
    # Loaded, asked once, and then timed, before the next subject is loaded.
    first = notes[: notes.index(next(note for note in notes[1:] if note.endswith("load")))]
    assert len({note.partition(" ")[0] for note in first}) == 1
    assert [note.partition(" ")[2] for note in first[:2]] == ["load", "answer"]


def test_a_subject_that_is_not_reloaded_is_loaded_once(quick: Method) -> None:
    subject = Noted("x", [])
    times = measure({"x": Local(subject, reload=False)}, quick)["x"]
    assert subject.loads == 1
    assert (len(times["load"]), len(times["a"])) == (1, 5)


def test_garbage_is_not_collected_while_timing_and_is_again_after_an_error() -> None:
    collecting: list[bool] = []

    def call() -> None:
        collecting.append(gc.isenabled())
        if len(collecting) == 3:
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError):
        time_call(call, Method())
    assert collecting == [False] * 3
    assert gc.isenabled()


def test_short_calls_are_timed_in_batches_of_a_hundred_steps_of_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = [0]

    def call() -> None:
        counted[0] += 1

    monkeypatch.setattr(stopwatch, "clock_step_ns", lambda: 1000)
    monkeypatch.setattr(stopwatch, "_warm_up", lambda _call: (40.0, True))
    timed = time_call(call, Method(rounds=1, seconds=0))
    assert (timed.batch, counted[0], len(timed.durations_ns)) == (2500, 2500, 1)
    monkeypatch.setattr(stopwatch, "_warm_up", lambda _call: (100_000.0, True))
    assert time_call(call, Method(rounds=1, seconds=0)).batch == 1
    monkeypatch.setattr(stopwatch, "_warm_up", lambda _call: (99_999.0, True))
    assert time_call(call, Method(rounds=1, seconds=0)).batch == 2
    # A cold call follows a walk through memory, so it is timed alone.
    assert time_call(call, Method(rounds=1, seconds=0, cold=True)).batch == 1


@pytest.mark.usefixtures("quick")
def test_cold_calls_have_other_work_before_each(monkeypatch: pytest.MonkeyPatch) -> None:
    notes: list[str] = []
    # A simulated clock: on a busy machine the whole time may pass between two readings.
    readings = count(step=100_000)
    clock = SimpleNamespace(perf_counter_ns=lambda: next(readings), process_time_ns=time.process_time_ns)
    monkeypatch.setattr(stopwatch, "time", clock)
    monkeypatch.setattr(stopwatch, "walk_caches", lambda: notes.append("walk"))
    timed = time_call(lambda: notes.append("call"), Method(rounds=2, seconds=0.002, cold=True))
    assert timed.durations_ns.tolist() == [100_000] * 5
    assert notes[-10:] == ["walk", "call"] * 5


def test_the_walk_is_longer_than_the_last_level_cache() -> None:
    assert stopwatch._other_work().nbytes >= 2 * stopwatch.largest_cache_bytes() > 1 << 20


def test_a_warm_up_lasts_until_times_do_not_fall(monkeypatch: pytest.MonkeyPatch) -> None:
    medians = iter([100, 50, 30, 29.9, 30.2, 1, 1])
    windows: list[float] = []

    def window(*_arguments: object) -> list[float]:
        windows.append(next(medians))
        return [windows[-1]]

    monkeypatch.setattr(stopwatch, "_time_hot", window)
    assert stopwatch._warm_up(lambda: None) == (30.2, True)
    assert windows == [100, 50, 30, 29.9, 30.2]
    monkeypatch.setattr(stopwatch, "WARMUP_SECONDS", 0)
    medians = iter([100, 50])
    assert stopwatch._warm_up(lambda: None) == (100, False)  # the time is up before it settles


def test_times_are_of_the_calls_and_the_share_of_a_process_that_sleeps_is_small() -> None:
    rounds = measure_calls({"sleep": lambda: time.sleep(0.002)}, Method(rounds=2, seconds=0.02))["sleep"]
    durations = np.concatenate([each.durations_ns for each in rounds])
    assert durations.min() >= 2_000_000  # a sleep is never shorter
    assert all(each.cpu_share < 0.5 for each in rounds)
    assert all(each.batch == 1 for each in rounds)


def test_the_clock_has_a_step() -> None:
    assert 0 < stopwatch.clock_step_ns() < 1_000_000


def test_progress_is_reported_before_every_turn_and_after_every_round(quick: Method) -> None:
    turns: list[Turn] = []
    rounds: list[int] = []
    subjects = {name: Local(lambda: Ready({"call": lambda: None})) for name in ("x", "y")}
    measure(subjects, quick, lambda: rounds.append(len(turns)), turns.append)
    assert rounds == [2, 4, 6, 8, 10]
    assert [(each.place, each.subjects, each.round, each.rounds) for each in turns] == [
        (place, 2, number, 5) for number in range(1, 6) for place in (1, 2)
    ]
    assert {each.name for each in turns[:2]} == {"x", "y"}
