import gc

import numpy as np
import pytest

from edgernn.stopwatch import measure, summarize


def test_every_subject_has_its_turn_in_every_round() -> None:
    turns: list[str] = []
    subjects = {name: lambda name=name: turns.append(name) for name in "abc"}
    durations = measure(subjects, rounds=5, round_seconds=0, warmup_seconds=0)
    # A turn of no length is one call; the first three are the warm-up.
    assert [len(values) for values in durations.values()] == [5, 5, 5]
    rounds = [turns[start : start + 3] for start in range(3, 18, 3)]
    assert all(sorted(names) == ["a", "b", "c"] for names in rounds)
    assert len({tuple(names) for names in rounds}) > 1


def test_garbage_collection_is_off_meanwhile_and_on_again_after_an_error() -> None:
    seen: list[bool] = []

    def call() -> None:
        seen.append(gc.isenabled())
        if len(seen) == 3:
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError):
        measure({"a": call}, rounds=5, round_seconds=0, warmup_seconds=0)
    assert seen == [True, False, False]
    assert gc.isenabled()


def test_the_summary_is_of_single_calls_in_microseconds() -> None:
    latency = summarize(np.arange(1, 101) * 1000)
    assert (latency.calls, latency.median_us) == (100, 50.5)
    assert latency.p95_us == pytest.approx(95.05)


def test_progress_is_told_after_every_round() -> None:
    told: list[tuple[int, int]] = []
    calls: list[None] = []
    measure(
        {"a": lambda: calls.append(None)},
        rounds=3,
        round_seconds=0,
        warmup_seconds=0,
        progress=lambda done: told.append((done, len(calls))),
    )
    assert told == [(1, 2), (2, 3), (3, 4)]  # the first call is the warm-up
