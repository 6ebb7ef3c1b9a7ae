"""Growth of cost: models of many sizes and lengths, exported by edgernn and by other tools, timed hot and cold."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from bars.long_sequences import CLASSES, FEATURES, waves
from common import exports
from common.bare_subjects import from_artifact
from common.bench_frame import Progress
from common.side_by_side import Effort, time_files
from edgernn.arrays import Float32
from edgernn.data.datasets import read_samples
from edgernn.data.run_folder import write_samples
from edgernn.data.samples import Samples
from edgernn.system.child import Child
from edgernn.system.tensorflow_setup import quiet_tensorflow
from edgernn_export import Settings, keras_model
from peers import stock
from peers.contest import KINDS
from peers.isolated_tools import ToolResult, make_isolated
from peers.our_files import NATIVE, native_subject
from peers.registry import SAME, Peer

HIDDEN, STEPS = (16, 32, 64, 128, 256, 512), (28, 64, 128, 256, 512)
# The number of units while steps grow, and of steps while units grow.
USUAL_HIDDEN, USUAL_STEPS = 64, 28
TARGETS = (exports.INT8, exports.INT8_LOOP, exports.FLOAT32, exports.ONNX_FLOAT32)
# Files of other tools that take seconds to make at any length; an unrolled one takes minutes at 512 steps.
OTHERS = (
    stock.STOCK_FLOAT32,
    "MNN float32, ONNX's operator",
    "OpenVINO float32, ONNX's operator",
)
CALIBRATION_SAMPLES, TEST_SAMPLES = 100, 100


@dataclass(frozen=True)
class ModelSize:
    """Size of one model of the tables: kind of layer, number of units, number of time steps."""

    kind: str
    hidden: int
    steps: int

    def __str__(self) -> str:
        return f"{self.kind} of {self.hidden} units, {self.steps} steps"


def model_sizes(kinds: Sequence[str], hidden: Sequence[int], steps: Sequence[int]) -> list[ModelSize]:
    """Combine each number of units with the usual number of steps, and each number of steps with the usual units."""
    sizes = [(units, USUAL_STEPS) for units in hidden] + [(USUAL_HIDDEN, length) for length in steps]
    return [ModelSize(kind, *size) for kind in kinds for size in dict.fromkeys(sizes)]


def measure_size(
    size: ModelSize, others: Mapping[str, Peer], folder: Path, effort: Effort, say: Progress
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Build a model, export it, have other tools make their files, and time all of them.

    Args:
        size: size of the model.
        others: peers by name.
        folder: working folder; it is created.
        effort: how thoroughly to time.
        say: called with the next step.

    Returns:
        One row a file, with the size, target, export_s and the fields of `side_by_side.time_files`; and the reasons
        for missing files.
    """
    say(f"{size}: building")
    reference = build_isolated(size, folder)
    say(f"{size}: exporting")
    # An untrained model may fail its proof. Refining would take by far the most time, and changes no size or latency.
    settings = Settings(refine=False, keep_failed=True)
    model, samples = folder / "model.keras", folder / "samples.npz"
    rows, seconds = exports.export_timed(model, folder, TARGETS, samples=samples, settings=settings)
    subjects = {str(row.target): from_artifact(row.path) for row in rows if row.path.is_file()}
    native = {f"{row.target}, {NATIVE}": row for row in rows if row.target == exports.INT8 and row.path.is_file()}
    subjects |= {name: native_subject(row.path) for name, row in native.items()}
    missing = {str(row.target): row.reason for row in rows if not row.path.is_file()}
    results, reasons = _make_others(others, folder, reference, lambda step: say(f"{size}: {step}"))
    say(f"{size}: timing")
    x, _ = waves(2, 1, size.steps)
    found = time_files({**subjects, **{name: each.subject for name, each in results.items()}}, x, effort)
    seconds |= {name: each.seconds for name, each in results.items()}
    seconds |= {name: seconds[str(row.target)] for name, row in native.items()}
    files = [
        {**asdict(size), "target": name, "export_s": round(seconds[name], 2), **figures}
        for name, figures in found.items()
    ]
    return files, {**missing, **reasons}


def _make_others(
    others: Mapping[str, Peer], folder: Path, reference: Float32, say: Progress
) -> tuple[dict[str, ToolResult], dict[str, str]]:
    # The answers of an untrained model are nearly alike, so integer rounding changes classes: accept any agreement.
    judged = {name: replace(peer, agreement=0.0) if peer.agreement < SAME else peer for name, peer in others.items()}
    samples = read_samples(folder)
    return make_isolated(
        judged,
        folder / "model.keras",
        x_calibration=samples.x_calibration,
        x=samples.x_test,
        reference=reference,
        progress=say,
    )


def build_isolated(size: ModelSize, folder: Path) -> Float32:
    """Write an untrained model and samples into a new folder; return its answers to the test samples.

    The child process keeps TensorFlow out of this one, which times.
    """
    folder.mkdir(parents=True)
    with Child(_builder) as child:
        reference: Float32 = child.ask((size, folder))
    return reference


def _builder() -> Callable[[tuple[ModelSize, Path]], Float32]:
    """Return the function that answers the requests to the child process."""
    return lambda request: _build(*request)


def _build(size: ModelSize, folder: Path) -> Float32:
    """Write an untrained model with a fixed seed, and samples; return its answers to the test samples.

    Weights do not change the cost of a call.
    """
    with quiet_tensorflow():
        import keras

    keras.utils.set_random_seed(0)
    layer = dict(zip(KINDS, (keras.layers.SimpleRNN, keras.layers.GRU, keras.layers.LSTM), strict=True))[size.kind]
    layers = [layer(size.hidden), keras.layers.Dense(CLASSES, activation="softmax")]
    model = keras.Sequential([keras.Input((size.steps, FEATURES)), *layers])
    model.save(folder / "model.keras")
    calibration, (x, classes) = waves(0, CALIBRATION_SAMPLES, size.steps), waves(1, TEST_SAMPLES, size.steps)
    write_samples(folder, Samples.unnamed(*calibration, x, classes))
    return keras_model.predict(model, x)
