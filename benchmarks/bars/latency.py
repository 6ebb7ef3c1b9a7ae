"""Latency of our files and the peers, measured side by side."""

from collections.abc import Iterable, Mapping

import numpy as np

from common.bare_subjects import BareSubject
from common.checks import Check
from common.side_by_side import ANSWER, measure_files
from edgernn.arrays import Float32
from edgernn.bench.stopwatch import Method

CHECKED_SAMPLES = 500

Latencies = Mapping[str, Mapping[str, float]]


def time_calls(subjects: Mapping[str, BareSubject], x: Float32, *, cold: bool = False) -> dict[str, dict[str, float]]:
    """Measure the latency of one sample, float32 [1, steps, features], in repeated, interleaved calls.

    With `cold` an array larger than every cache is read between calls.

    Returns:
        By name, a row of `checks.show_latencies`: size, and median, lowest and highest of the rounds' medians.
    """
    measured = measure_files(subjects, x, Method(cold=cold))
    return {
        name: {
            "size_bytes": subjects[name].size_bytes,
            "median_us": float(np.median(calls[ANSWER])),
            "lowest_us": float(calls[ANSWER].min()),
            "highest_us": float(calls[ANSWER].max()),
        }
        for name, calls in measured.items()
    }


def find_quickest(latencies: Latencies, names: Iterable[str]) -> str:
    """Return the name with the lowest median among those that were timed; empty if none was."""
    return min(latencies.keys() & set(names), key=lambda name: latencies[name]["median_us"], default="")


def ratio(
    group: str, latencies: Latencies, name: str, base: str, *, limit: float | None = None, label: str = ""
) -> Check:
    """Return the latency of a subject as a multiple of another's; without a figure if either was not timed.

    Args:
        group: heading of the check's table.
        latencies: latencies by name, as `time_calls` returns them.
        name, base: the subject and the other one.
        limit: largest allowed multiple; None to report the figure only.
        label: name of the check; by default the names of both.
    """
    both = name in latencies and base in latencies
    figure = latencies[name]["median_us"] / latencies[base]["median_us"] if both else None
    return Check(group, label or f"{name} / {base}", "ratio", figure=figure, limit=limit)
