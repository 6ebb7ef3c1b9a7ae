"""Compare one trained model's artifacts with the best file of every other tool."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bars.latency import CHECKED_SAMPLES
from common import bench_runs, exports
from common.bare_subjects import CLASSIFIER, answer_all
from common.bench_frame import Progress
from common.side_by_side import ANSWER, Effort, measure_files, time_files
from edgernn.arrays import Float32
from edgernn.data.datasets import read_samples
from edgernn.errors import ModelError
from peers.isolated_tools import ToolResult, make_isolated
from peers.our_files import subjects_of
from peers.registry import Peer
from peers.tools import PEERS

OURS = (
    exports.INT8,
    exports.INT8_LOOP,
    exports.FLOAT32,
    exports.ONNX_FLOAT32,
    exports.ONNX_INT8,
    exports.C_INT8,
    exports.C_FLOAT32,
)
EDGERNN = "edgernn"
SIMPLE_RNN, GRU, LSTM = KINDS = ("simplernn", "gru", "lstm")
MODELS = {SIMPLE_RNN: bench_runs.DIGITS, GRU: bench_runs.GRU64, LSTM: bench_runs.LSTM64}
# Files within this multiple of their tool's quickest, in a few rounds, are timed thoroughly, too.
_NEAR = 1.25
# Run folder of `edgernn demo` and `make demo`.
_DEMO = "demo"


@dataclass(frozen=True)
class Contest:
    """Results for one model.

    Attributes:
        rows: one row a file, as `side_by_side.time_files` returns them, with tool, agreement and export_s; ours first.
        missing: reasons for missing files, by name; files slower than their tool's best are in `slower` instead.
        slower: hot medians in microseconds of files slower than their tool's best, by name.
    """

    rows: Sequence[Mapping[str, Any]]
    missing: Mapping[str, str]
    slower: Mapping[str, float]


def find_run(folder: Path, kind: str, data: str | None, say: Progress) -> Path:
    """Return the run folder of a kind; train it on digits with recipe `robust` if it is missing.

    Raises:
        ModelError: the folder is missing, and there is no data to train with.
    """
    demo = folder / _DEMO
    if kind == SIMPLE_RNN and (demo / "model.keras").is_file():
        return demo
    return bench_runs.find_run(folder, MODELS[kind], 0, data, say)


def compare_tools(run: Path, folder: Path, effort: Effort, say: Progress) -> Contest:
    """Export a run, have every tool make its files, and time the best of each side by side.

    Args:
        run: the run folder.
        folder: folder for our artifacts.
        effort: how thoroughly to time.
        say: called with the next step.
    """
    samples = read_samples(run)
    x = np.ascontiguousarray(samples.x_test[:CHECKED_SAMPLES])
    say("predicting with Keras")
    reference = exports.predict_isolated(run / "model.keras", x)
    ours, missing = _export(run, folder, x, reference, say)
    others, reasons = make_isolated(
        PEERS, run / "model.keras", x_calibration=samples.x_calibration, x=x, reference=reference, progress=say
    )
    say(f"choosing among {len(others)} files of others")
    brief = measure_files({name: each.subject for name, each in others.items()}, x[:1], effort.choosing)
    times = {name: float(np.median(calls[ANSWER])) for name, calls in brief.items()}
    results = {**ours, **{name: others[name] for name in find_finalists(PEERS, times)}}
    say(f"timing {len(results)} files, hot and cold")
    found = time_files({name: each.subject for name, each in results.items()}, x[:1], effort)
    times |= {name: float(np.median(found[name]["hot_us"])) for name in found if name in others}
    best = choose_best(PEERS, {name: time for name, time in times.items() if name in found})
    rows = [_row(name, results[name], figures) for name, figures in found.items() if name in ours or name in best]
    slower = {name: round(time, 1) for name, time in times.items() if name not in best}
    return Contest(rows, {**missing, **reasons}, slower)


def find_finalists(peers: Mapping[str, Peer], times: Mapping[str, float]) -> list[str]:
    """Return the names of files that may be their tool's quickest: a few rounds cannot separate them.

    Args:
        peers: peers by name.
        times: times of the peers that answer as Keras does, by name.
    """
    best = {peers[name].tool: times[name] for name in choose_best(peers, times)}
    return [name for name in times if times[name] <= _NEAR * best[peers[name].tool]]


def choose_best(peers: Mapping[str, Peer], times: Mapping[str, float]) -> list[str]:
    """Return the name of each tool's quickest file, in the order of tools; arguments as in `find_finalists`."""
    best: dict[str, str] = {}
    for name in peers:
        tool = peers[name].tool
        if name in times and (tool not in best or times[name] < times[best[tool]]):
            best[tool] = name
    return list(best.values())


def _export(
    run: Path, folder: Path, x: Float32, reference: Float32, say: Progress
) -> tuple[dict[str, ToolResult], dict[str, str]]:
    """Export our artifacts; return their subjects by name, native int8 first, and the reasons for missing ones."""
    say("exporting")
    rows, seconds = exports.export_timed(run, folder, OURS)
    results, missing = {}, {}
    for row in rows:
        if not row.passed:
            missing[f"{EDGERNN} {row.target}"] = row.reason
            continue
        for way, subject in subjects_of(row, reference.shape[-1]):
            agreement = CLASSIFIER.agreement(answer_all(subject, x), reference)
            results[f"{EDGERNN} {way}"] = ToolResult(subject, seconds[str(row.target)], agreement)
    if not rows[0].passed:
        raise ModelError(f"{run}: int8, the base of every ratio, was not exported: {rows[0].reason}")
    return results, missing


def _row(name: str, result: ToolResult, figures: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "tool": PEERS[name].tool if name in PEERS else EDGERNN,
        "agreement": round(float(result.agreement), 4),
        "export_s": round(result.seconds, 2),
        **figures,
    }
