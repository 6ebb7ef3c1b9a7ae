"""The contest: one trained model, our artifacts and the best file of every other tool."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgernn.arrays import Float32
from edgernn.datasets import read_samples
from edgernn.errors import ModelError
from peers import bench_runs, exports
from peers.bare_subjects import CLASSIFIER, answer_all, from_artifact
from peers.bench_frame import Progress
from peers.isolated_tools import ToolResult, make_isolated, predict_isolated
from peers.latency import CHECKED_SAMPLES
from peers.registry import Peer
from peers.side_by_side import Effort, time_briefly, time_files
from peers.tools import PEERS

OURS = (exports.INT8, exports.INT8_LOOP, exports.FLOAT32, exports.ONNX_FLOAT32, exports.ONNX_INT8)
EDGERNN = "edgernn"
SIMPLE_RNN, GRU, LSTM = KINDS = ("simplernn", "gru", "lstm")
TITLES = {SIMPLE_RNN: "SimpleRNN(64)", GRU: "GRU(64)", LSTM: "LSTM(64)"}
# So many times its tool's quickest in a few rounds, and a file is timed thoroughly, too.
_NEAR = 1.25
# What `edgernn demo` and `make demo` leave.
_DEMO = "demo"


@dataclass(frozen=True)
class Contest:
    """What came out for one model.

    Attributes:
        rows: a row a file, as `side_by_side.time_files` gives them, with tool, agreement and export_s; ours first.
        missing: why files are not among them, by name; those that are slower than their tool's best are not.
        slower: the hot medians in microseconds of files that another one of their tool outdid, by name.
    """

    rows: Sequence[Mapping[str, Any]]
    missing: Mapping[str, str]
    slower: Mapping[str, float]


def find_run(folder: Path, kind: str, data: str | None, say: Progress) -> Path:
    """The run folder of a kind, trained on digits by recipe `robust` if it is not there.

    Raises:
        ModelError: it is not there, and there is no data to train with.
    """
    if kind != SIMPLE_RNN:
        (model,) = (model for model in bench_runs.MODELS if model.name == f"{kind}64")
        return bench_runs.find_run(folder, model, 0, data, say)
    demo = folder / _DEMO
    return demo if (demo / "model.keras").is_file() else exports.find_run(folder, 0, data, say)


def compare_tools(run: Path, folder: Path, effort: Effort, say: Progress) -> Contest:
    """Export a run, have every tool make its files, and time the best of each side by side.

    Args:
        run: the run folder.
        folder: where our artifacts may go.
        effort: how thoroughly to time.
        say: called with what is about to be done.
    """
    samples = read_samples(run)
    x = np.ascontiguousarray(samples.x_test[:CHECKED_SAMPLES])
    say("asking Keras")
    reference = predict_isolated(run / "model.keras", x)
    ours, missing = _export(run, folder, x, reference, say)
    others, reasons = make_isolated(PEERS, run / "model.keras", samples.x_calibration, x, reference, say)
    say(f"choosing among {len(others)} files of others")
    times = time_briefly({name: each.subject for name, each in others.items()}, x[:1], effort)
    made = {**ours, **{name: others[name] for name in find_finalists(PEERS, times)}}
    say(f"timing {len(made)} files, hot and cold")
    found = time_files({name: each.subject for name, each in made.items()}, x[:1], effort)
    times |= {name: float(np.median(found[name]["hot_us"])) for name in found if name in others}
    best = choose_best(PEERS, {name: time for name, time in times.items() if name in found})
    rows = [_row(name, made[name], figures) for name, figures in found.items() if name in ours or name in best]
    slower = {name: round(time, 1) for name, time in times.items() if name not in best}
    return Contest(rows, {**missing, **reasons}, slower)


def find_finalists(peers: Mapping[str, Peer], times: Mapping[str, float]) -> list[str]:
    """The names of the files that may be their tool's quickest: what a few rounds do not tell apart.

    Args:
        peers: by name.
        times: of those that answer as Keras does, by name.
    """
    best = {peers[name].tool: times[name] for name in choose_best(peers, times)}
    return [name for name in times if times[name] <= _NEAR * best[peers[name].tool]]


def choose_best(peers: Mapping[str, Peer], times: Mapping[str, float]) -> list[str]:
    """The names of the quickest file of each tool, in the order of the tools; the arguments are those above."""
    best: dict[str, str] = {}
    for name in peers:
        tool = peers[name].tool
        if name in times and (tool not in best or times[name] < times[best[tool]]):
            best[tool] = name
    return list(best.values())


def _export(
    run: Path, folder: Path, x: Float32, reference: Float32, say: Progress
) -> tuple[dict[str, ToolResult], dict[str, str]]:
    """Our artifacts by name, and why others are missing."""
    say("exporting")
    rows, seconds = exports.export_timed(run, folder, OURS)
    made, missing = {}, {}
    for row in rows:
        name = f"{EDGERNN} {row.target}"
        if not row.passed:
            missing[name] = row.reason
            continue
        subject = from_artifact(row.path)
        agreement = CLASSIFIER.agreement(answer_all(subject, x), reference)
        made[name] = ToolResult(subject, seconds[str(row.target)], agreement)
    if f"{EDGERNN} {exports.INT8}" not in made:
        raise ModelError(f"{run}: int8 was not exported, beside which everything is measured: {rows[0].reason}")
    return made, missing


def _row(name: str, made: ToolResult, figures: Mapping[str, Any]) -> dict[str, Any]:
    """What is told of a file."""
    tool = PEERS[name].tool if name in PEERS else EDGERNN
    return {
        "name": name,
        "tool": tool,
        "agreement": round(float(made.agreement), 4),
        "export_s": round(made.seconds, 2),
        **figures,
    }
