"""Artifacts of a run for the benchmarks, and the cost of an export."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

from edgernn.arrays import Float32
from edgernn.data.datasets import read_samples
from edgernn.data.run_settings import read_settings
from edgernn.data.samples import Samples
from edgernn.errors import EdgernnError, ModelError
from edgernn.system.child import Child
from edgernn_export import Settings, Target, TargetResult, export
from edgernn_export.targets import DEFAULT_TARGETS

INT8 = Target("tflite", "int8", "unrolled")
INT8_LOOP = Target("tflite", "int8", "loop")
FLOAT32 = Target("tflite", "float32", "unrolled")
FLOAT16 = Target("tflite", "float16", "unrolled")
DYNAMIC = Target("tflite", "dynamic", "unrolled")
DYNAMIC_FUSED = Target("tflite", "dynamic", "fused")
INT16X8 = Target("tflite", "int16x8", "unrolled")
ONNX_FLOAT32 = Target("onnx", "float32", "operator")
ONNX_INT8 = Target("onnx", "int8", "operator")
C_INT8 = Target("c", "int8", "step")
C_FLOAT32 = Target("c", "float32", "step")


@dataclass(frozen=True)
class Exported:
    """One trained model and its artifacts; a failed export is a reason, not an error.

    Attributes:
        run: its run folder.
        folder: folder of the artifacts, with weights refined where that helps; those without are in `unrefined`.
        reasons: why artifacts of both folders are missing, one line each.
        seconds: wall-clock time of the command that exports the default set; None: not measured.
        peak_gb: peak memory of any process of that command, in 1e9 bytes; None: not measured.
    """

    run: Path
    folder: Path
    reasons: tuple[str, ...]
    seconds: float | None = None
    peak_gb: float | None = None

    @cached_property
    def samples(self) -> Samples:
        """Calibration and test samples, as the model saw them."""
        return read_samples(self.run)

    @cached_property
    def reference(self) -> Float32:
        """Keras's answers to the test samples, float32 [samples, classes]."""
        return predict_isolated(self.run / "model.keras", self.samples.x_test)

    def path(self, target: Target, *, refined: bool = True) -> Path:
        """Return the path of a target's artifact; the file may be missing."""
        name = target.file_name(read_settings(self.run)["name"])
        return (self.folder if refined else self.folder / "unrefined") / name


def predict_isolated(model: Path, x: Float32) -> Float32:
    """Predict samples, float32 [samples, steps, features], with Keras in a child process."""
    with Child(_keras, model) as child:
        answers: Float32 = child.ask(x)
    return answers


def _keras(model: Path) -> Callable[[Float32], Float32]:
    from edgernn_export import keras_file, keras_model

    keras = keras_file.read(model)
    return lambda x: keras_model.predict(keras, x)


def export_run(
    run: Path, folder: Path, targets: Sequence[Target], progress: Callable[[str], None], *, cost: bool, unrefined: bool
) -> Exported:
    """Export targets.

    Args:
        run: run folder.
        folder: folder for the artifacts.
        targets: targets to export.
        progress: called with the next step.
        cost: True to export the default set, all of it among `targets`, by its command, and to measure that.
        unrefined: True to export int8 without refinement, too.
    """
    progress(f"exporting {run.name}")
    seconds, peak_gb, reasons, rows = None, None, list[str](), list[TargetResult]()
    try:
        if cost:
            seconds, peak_gb, reasons = export_default(run, folder)
            targets = [target for target in targets if target not in DEFAULT_TARGETS]
        rows += export(run, folder, targets=targets)
        if unrefined:
            rows += export(run, folder / "unrefined", targets=[INT8], settings=Settings(refine=False))
    except EdgernnError as error:
        reasons.append(str(error))
    reasons += [f"{row.path.name}: {row.reason}" for row in rows if row.reason]
    named = tuple(f"{run.name}: {reason}" for reason in reasons)
    return Exported(run=run, folder=folder, reasons=named, seconds=seconds, peak_gb=peak_gb)


def export_default(run: Path, folder: Path) -> tuple[float, float, list[str]]:
    """Run `edgernn export RUN` as a user does.

    Call this before TensorFlow is loaded here: the peak of a child starts at its parent's memory.

    Returns:
        Wall-clock seconds, peak memory in 1e9 bytes, and the reasons for missing files.
    """
    command = [sys.executable, "-m", "edgernn", "export", str(run), "--out", str(folder), "--json"]
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE)  # noqa: S603  ourselves
    printed = process.stdout.read() if process.stdout else b""
    # Usage of this child alone, including the children that it has waited for.
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    unit = 1 if sys.platform == "darwin" else 1024
    if not printed:
        raise ModelError(f"{run}: the export ended with exit code {process.returncode}; its message is printed above")
    rows = json.loads(printed)
    reasons = [f"{Path(row['path']).name}: {row['reason']}" for row in rows if row["reason"]]
    return seconds, usage.ru_maxrss * unit / 1e9, reasons


def export_timed(
    source: Path,
    folder: Path,
    targets: Sequence[Target],
    *,
    samples: Path | None = None,
    settings: Settings | None = None,
) -> tuple[list[TargetResult], dict[str, float]]:
    """Export targets in one call, and time each.

    Args:
        source, samples, settings: as `export` takes them.
        folder: folder for the artifacts.
        targets: targets to export.

    Returns:
        One result a target, and the seconds of each by its text, from one progress step to the next. Work that
        several targets share counts for the first of them.
    """
    started: list[float] = []
    # One more ONNX target comes first, and its time is dropped: it includes loading TensorFlow and predicting with
    # Keras. It is an ONNX one, because nothing of it is kept for other targets.
    _, *rows = export(
        source,
        folder,
        targets=[ONNX_FLOAT32, *targets],
        samples=samples,
        settings=settings,
        progress=lambda _step: started.append(time.perf_counter()),
    )
    started.append(time.perf_counter())
    seconds = [end - start for start, end in pairwise(started)]
    return rows, {str(row.target): duration for row, duration in zip(rows, seconds[1:], strict=True)}
