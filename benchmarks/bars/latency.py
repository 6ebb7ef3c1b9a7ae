"""Latency of our files and the peers, measured side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from common.bare_subjects import BareSubject
from common.checks import Check
from common.side_by_side import ANSWER, measure_files
from edgernn.arrays import Float32
from edgernn.bench.statistics import round_medians_us, summarize
from edgernn.bench.stopwatch import Method, Round

CHECKED_SAMPLES = 500


@dataclass(frozen=True)
class Timing:
    """Latency of one call of a subject, in microseconds.

    Attributes:
        median_us: median of the medians of all rounds; each round reloads the subject.
        lowest_us, highest_us: lowest and highest of those medians.
    """

    median_us: float
    lowest_us: float
    highest_us: float


def time_calls(subjects: Mapping[str, BareSubject], x: Float32, *, cold: bool = False) -> dict[str, Timing]:
    """Measure the latency of one sample, float32 [1, steps, features], in repeated, interleaved calls.

    With `cold` an array larger than every cache is read between calls.
    """
    rounds = measure_files(subjects, x, Method(cold=cold))
    return {name: _timing(calls[ANSWER]) for name, calls in rounds.items()}


def ratio(
    group: str, timings: Mapping[str, Timing], name: str, base: str, limit: float | None = None, label: str = ""
) -> Check:
    """Return the latency of a subject as a multiple of another's; without a figure if either was not timed.

    Args:
        label: name of the check; by default the names of both.
    """
    both = name in timings and base in timings
    figure = timings[name].median_us / timings[base].median_us if both else None
    return Check(group, label or f"{name} / {base}", "ratio", figure=figure, limit=limit)


def as_rows(subjects: Mapping[str, BareSubject], timings: Mapping[str, Timing]) -> dict[str, Any]:
    """Return sizes and latencies by subject, for `checks.show_latencies` and for programs."""
    return {name: {"size_bytes": subjects[name].size_bytes, **asdict(timing)} for name, timing in timings.items()}


def _timing(rounds: Sequence[Round]) -> Timing:
    medians = round_medians_us(rounds)
    return Timing(summarize(rounds).median_us, float(medians.min()), float(medians.max()))
