"""Files side by side: hot and cold times round by round, load times, sizes; as rows that become JSON."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from edgernn.arrays import Float32
from edgernn.bench.statistics import round_medians_us
from edgernn.bench.stopwatch import LOAD, Local, Method, Ready, Round, measure
from peers.bare_subjects import BareSubject

ANSWER = "answer"


@dataclass(frozen=True)
class Effort:
    """How thoroughly to measure.

    Attributes:
        hot, cold: how files of one table are timed.
        choosing: how those of one tool are, to find the quickest.
    """

    hot: Method
    cold: Method
    choosing: Method


THOROUGH = Effort(Method(30, 1.0), Method(30, 1.0, cold=True), Method(8, 0.24))
# Of the many files that show how cost grows.
BRISK = Effort(Method(20, 1.0), Method(20, 1.0, cold=True), Method(8, 0.24))
# To see that all of it works.
QUICK = Effort(Method(4, 0.1), Method(4, 0.1, cold=True), Method(3, 0.06))


def time_files(subjects: Mapping[str, BareSubject], x: Float32, effort: Effort) -> dict[str, dict[str, Any]]:
    """Time files, interleaved, hot and then cold.

    Args:
        subjects: by name.
        x: one sample, float32 [1, steps, features].
        effort: how thoroughly.

    Returns:
        By name what `edgernn.files.write_json` takes: size_bytes; hot_us and cold_us, the median of each round;
        load_ms, the median of all rounds but the first, which loads the library as well.
    """
    hot, cold = (measure_files(subjects, x, method) for method in (effort.hot, effort.cold))
    return {
        name: {
            "size_bytes": subject.size_bytes,
            "hot_us": _rounded(hot[name][ANSWER]),
            "cold_us": _rounded(cold[name][ANSWER]),
            "load_ms": round(float(np.median(round_medians_us(hot[name][LOAD][1:]))) / 1000, 3),
        }
        for name, subject in subjects.items()
    }


def time_briefly(subjects: Mapping[str, BareSubject], x: Float32, effort: Effort) -> dict[str, float]:
    """The hot median of each in microseconds, by name, to choose by; the arguments are those of `time_files`."""
    turns = measure_files(subjects, x, effort.choosing)
    return {name: float(np.median(round_medians_us(turns[name][ANSWER]))) for name in subjects}


def measure_files(subjects: Mapping[str, BareSubject], x: Float32, method: Method) -> dict[str, dict[str, list[Round]]]:
    """The turns of each by name and call, `ANSWER` or what the stopwatch adds; each round loads afresh."""
    return measure({name: Local(partial(_load, each, x)) for name, each in subjects.items()}, method)


def _load(subject: BareSubject, x: Float32) -> Ready:
    return Ready({ANSWER: partial(subject.load(), x)})


def _rounded(turns: list[Round]) -> list[float]:
    return [round(float(value), 3) for value in round_medians_us(turns)]
