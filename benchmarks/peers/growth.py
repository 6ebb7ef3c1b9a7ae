"""How cost grows: models of many sizes and lengths, exported by us and by others, timed hot and cold."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgernn.datasets import Samples, read_samples
from edgernn.run_folder import write_samples
from edgernn.tensorflow_setup import quiet_tensorflow
from edgernn_export import Settings, keras_model
from peers import exports, stock
from peers.bare_subjects import from_artifact
from peers.bench_frame import Progress
from peers.contest import KINDS
from peers.isolated_tools import ToolResult, make_isolated
from peers.long_sequences import CLASSES, FEATURES, waves
from peers.registry import SAME, Peer, run_tool
from peers.side_by_side import Effort, time_files

HIDDEN, STEPS = (16, 32, 64, 128, 256, 512), (28, 64, 128, 256, 512)
# What the other one is while one of them grows.
USUAL_HIDDEN, USUAL_STEPS = 64, 28
TARGETS = (exports.INT8, exports.INT8_LOOP, exports.FLOAT32, exports.ONNX_FLOAT32)
# Of other tools, files that are made in seconds at any length; what unrolls takes minutes for 512 steps.
OTHERS = (
    stock.STOCK_FLOAT32,
    "MNN float32, ONNX's operator",
    "OpenVINO float32, ONNX's operator",
)
CALIBRATION_SAMPLES, TEST_SAMPLES = 100, 100
_REFERENCE = "reference.npy"


@dataclass(frozen=True)
class ModelSize:
    """One model of the tables: which layer, how many units, how many time steps."""

    kind: str
    hidden: int
    steps: int

    def __str__(self) -> str:
        return f"{self.kind} of {self.hidden} units, {self.steps} steps"


def cells(kinds: Sequence[str], hidden: Sequence[int], steps: Sequence[int]) -> list[ModelSize]:
    """Every number of units at the usual number of steps, and every number of steps at the usual number of units."""
    sizes = [(units, USUAL_STEPS) for units in hidden] + [(USUAL_HIDDEN, length) for length in steps]
    return [ModelSize(kind, *size) for kind in kinds for size in dict.fromkeys(sizes)]


def measure_cell(
    cell: ModelSize, others: Mapping[str, Peer], folder: Path, effort: Effort, say: Progress
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Build a model, export it, have other tools make their files, and time all of them.

    Args:
        cell: which one.
        others: peers, by name.
        folder: where it may go; it is made.
        effort: how thoroughly to time.
        say: called with what is about to be done.

    Returns:
        A row a file: the cell, target, export_s and what `side_by_side.time_files` gives; and why files are missing.
    """
    folder.mkdir(parents=True)
    say(f"{cell}: building")
    # TensorFlow stays out of this process, which times.
    _run_isolated(cell, folder)
    say(f"{cell}: exporting")
    # Untrained, it may miss its checks; refining would take by far the most time, and changes no size or latency.
    settings = Settings(refine=False, keep_failed=True)
    model, samples = folder / "model.keras", folder / "samples.npz"
    rows, seconds = exports.export_timed(model, folder, TARGETS, samples=samples, settings=settings)
    subjects = {str(row.target): from_artifact(row.path) for row in rows if row.path.is_file()}
    missing = {str(row.target): row.reason for row in rows if not row.path.is_file()}
    made, reasons = _make_others(others, folder, lambda step: say(f"{cell}: {step}"))
    say(f"{cell}: timing")
    x, _ = waves(2, 1, cell.steps)
    found = time_files({**subjects, **{name: each.subject for name, each in made.items()}}, x, effort)
    seconds |= {name: each.seconds for name, each in made.items()}
    told = [
        {**asdict(cell), "target": name, "export_s": round(seconds[name], 2), **figures}
        for name, figures in found.items()
    ]
    return told, {**missing, **reasons}


def _make_others(
    others: Mapping[str, Peer], folder: Path, say: Progress
) -> tuple[dict[str, ToolResult], dict[str, str]]:
    if not others:
        return {}, {}
    # Rounding of integers decides classes of an untrained model, whose answers are all alike.
    judged = {name: replace(peer, agreement=0.0) if peer.agreement < SAME else peer for name, peer in others.items()}
    samples = read_samples(folder)
    reference = np.load(folder / _REFERENCE)
    return make_isolated(judged, folder / "model.keras", samples.x_calibration, samples.x_test, reference, say)


def _run_isolated(cell: ModelSize, folder: Path) -> None:
    command = [sys.executable, "-m", "peers.growth", json.dumps(asdict(cell)), str(folder)]
    run_tool(command)  # ourselves


def _build(cell: ModelSize, folder: Path) -> None:
    """Write an untrained model with its own seed, and samples; weights do not change what a call costs."""
    with quiet_tensorflow():
        import keras

    keras.utils.set_random_seed(0)
    layer = dict(zip(KINDS, (keras.layers.SimpleRNN, keras.layers.GRU, keras.layers.LSTM), strict=True))[cell.kind]
    layers = [layer(cell.hidden), keras.layers.Dense(CLASSES, activation="softmax")]
    model = keras.Sequential([keras.Input((cell.steps, FEATURES)), *layers])
    model.save(folder / "model.keras")
    calibration, (x, classes) = waves(0, CALIBRATION_SAMPLES, cell.steps), waves(1, TEST_SAMPLES, cell.steps)
    write_samples(folder, Samples(*calibration, x, classes))
    np.save(folder / _REFERENCE, keras_model.predict(model, x))


if __name__ == "__main__":
    _build(ModelSize(**json.loads(sys.argv[1])), Path(sys.argv[2]))
