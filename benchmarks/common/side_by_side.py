"""Measure files side by side: hot and cold times by round, load times, sizes; as rows for JSON."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from common.bare_subjects import BareSubject
from edgernn.arrays import Float32, Float64
from edgernn.bench.statistics import round_medians_us
from edgernn.bench.stopwatch import LOAD, Local, Method, Ready, measure

ANSWER = "answer"


@dataclass(frozen=True)
class Effort:
    """Methods of a thorough or a quick measurement.

    Attributes:
        hot, cold: methods for the files of one table.
        choosing: method for finding the quickest file of one tool.
    """

    hot: Method
    cold: Method
    choosing: Method


THOROUGH = Effort(Method(30, 1.0), Method(30, 1.0, cold=True), Method(8, 0.24))
# For the many files that show how cost grows.
BRISK = Effort(Method(20, 1.0), Method(20, 1.0, cold=True), Method(8, 0.24))
# Only to see that everything works.
QUICK = Effort(Method(4, 0.1), Method(4, 0.1, cold=True), Method(3, 0.06))


def time_files(subjects: Mapping[str, BareSubject], x: Float32, effort: Effort) -> dict[str, dict[str, Any]]:
    """Time files, interleaved, hot and then cold.

    Args:
        subjects: subjects by name.
        x: one sample, float32 [1, steps, features].
        effort: how thoroughly to time.

    Returns:
        By name, values that `edgernn.system.files.write_json` takes: size_bytes; hot_us and cold_us, the median of each
        round; load_ms, the median of all rounds except the first, which also loads the library.
    """
    hot, cold = (measure_files(subjects, x, method) for method in (effort.hot, effort.cold))
    return {
        name: {
            "size_bytes": subject.size_bytes,
            "hot_us": hot[name][ANSWER].round(3).tolist(),
            "cold_us": cold[name][ANSWER].round(3).tolist(),
            "load_ms": round(float(np.median(hot[name][LOAD][1:])) / 1000, 3),
        }
        for name, subject in subjects.items()
    }


def measure_files(subjects: Mapping[str, BareSubject], x: Float32, method: Method) -> dict[str, dict[str, Float64]]:
    """Measure the median of each round in microseconds, float64 [rounds], by file and call; each round reloads it.

    The calls are `ANSWER`, one sample in and its answer out, and those that the stopwatch adds.
    """
    measured = measure({name: Local(partial(_load, each, x)) for name, each in subjects.items()}, method)
    return {name: {call: round_medians_us(each) for call, each in calls.items()} for name, calls in measured.items()}


def _load(subject: BareSubject, x: Float32) -> Ready:
    return Ready({ANSWER: partial(subject.load(), x)})
