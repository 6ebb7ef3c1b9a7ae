"""Latency of our files and the peers, measured side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from edgernn.arrays import Float32
from edgernn.bench.statistics import round_medians_us, summarize
from edgernn.bench.stopwatch import Method, Round
from edgernn.errors import ModelError
from edgernn_export import Target, keras_model
from peers import exports, stock
from peers.bare_subjects import BareSubject, from_artifact
from peers.checks import Check
from peers.exports import Export
from peers.side_by_side import ANSWER, measure_files
from peers.stock import make_peers

CHECKED_SAMPLES = 500
TIMED = (exports.FLOAT32, exports.INT8, exports.INT8_LOOP, exports.ONNX_FLOAT32, exports.ONNX_INT8)
HOT, COLD = Method(), Method(cold=True)


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


def time_hot(subjects: Mapping[str, BareSubject], x: Float32) -> dict[str, Timing]:
    """Measure the latency of one sample, float32 [1, steps, features], in repeated, interleaved calls."""
    return _timings(measure_files(subjects, x, HOT))


def time_cold(subjects: Mapping[str, BareSubject], x: Float32) -> dict[str, Timing]:
    """Measure the same with cold caches: an array larger than every cache is read between calls."""
    return _timings(measure_files(subjects, x, COLD))


def _timings(rounds: Mapping[str, Mapping[str, Sequence[Round]]]) -> dict[str, Timing]:
    return {name: _timing(calls[ANSWER]) for name, calls in rounds.items()}


def latency_checks(export: Export) -> tuple[list[Check], dict[str, Any]]:
    """Compare our files with each other and with the peers; return the checks and all latencies by subject.

    Raises:
        ModelError: an artifact is missing, or a peer answers differently from Keras.
    """
    model = keras_model.load(export.run / "model.keras")
    samples = export.samples
    x = np.ascontiguousarray(samples.x_test[:CHECKED_SAMPLES])
    peers = make_peers(model, samples.x_calibration, x, keras_model.predict(model, x))
    ours = {str(target): _artifact(export, target) for target in TIMED}
    subjects = {**ours, **peers}
    hot = time_hot(subjects, x[:1])
    cold = time_cold({str(target): ours[str(target)] for target in (exports.INT8, exports.INT8_LOOP)}, x[:1])
    return _checks(hot, cold), as_rows(subjects, hot)


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


def _checks(hot: Mapping[str, Timing], cold: Mapping[str, Timing]) -> list[Check]:
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


def _timing(rounds: Sequence[Round]) -> Timing:
    medians = round_medians_us(rounds)
    return Timing(summarize(rounds).median_us, float(medians.min()), float(medians.max()))


def _artifact(export: Export, target: Target) -> BareSubject:
    path = export.path(target)
    if not path.is_file():
        raise ModelError(f"{path.name} was not exported, so its latency cannot be measured")
    return from_artifact(path)
