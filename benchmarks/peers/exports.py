"""Models, trained if missing, their artifacts, and the cost of an export."""

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

from edgernn.data.datasets import Samples, read_samples
from edgernn.data.run_folder import read_settings
from edgernn.errors import ModelError
from edgernn_export import Settings, Target, TargetResult, export, select_targets
from edgernn_export.targets import DEFAULT_TARGETS, TARGETS
from peers.checks import Check

INT8 = Target("tflite", "int8", "unrolled")
INT8_LOOP = Target("tflite", "int8", "loop")
INT8_IO, INT8_LOOP_IO = (
    Target(format="tflite", quantization="int8", layout=layout, io="int8") for layout in ("unrolled", "loop")
)
FLOAT32 = Target("tflite", "float32", "unrolled")
FLOAT16 = Target("tflite", "float16", "unrolled")
DYNAMIC = Target("tflite", "dynamic", "unrolled")
DYNAMIC_FUSED = Target("tflite", "dynamic", "fused")
INT16X8 = Target("tflite", "int16x8", "unrolled")
ONNX_FLOAT32 = Target("onnx", "float32", "operator")
ONNX_INT8 = Target("onnx", "int8", "operator")

# Targets that an export does not make by default.
EXTRA_TARGETS = tuple(target for target in TARGETS if target not in DEFAULT_TARGETS)
MAX_SECONDS, MAX_GB = 60, 3
MAX_BYTES = ((INT8, 16_200), (INT8_LOOP, 12_900), (DYNAMIC_FUSED, 10_400), (FLOAT32, 34_000), (ONNX_INT8, 9_500))


@dataclass(frozen=True)
class Export:
    """One model and its artifacts.

    Attributes:
        run: its run folder.
        folder: folder of the artifacts, with weights refined where that helps.
        unrefined: folder of the int8 artifact without refinement.
        seconds: wall-clock time of the command that exports the default set.
        peak_gb: peak memory of any process of that command, in 1e9 bytes.
        reasons: why artifacts of both folders are missing, one line each.
    """

    run: Path
    folder: Path
    unrefined: Path
    seconds: float
    peak_gb: float
    reasons: tuple[str, ...]

    @cached_property
    def name(self) -> str:
        """Name of the artifacts."""
        return str(read_settings(self.run)["name"])

    @cached_property
    def samples(self) -> Samples:
        """Calibration and test samples, as the model saw them."""
        return read_samples(self.run)

    def path(self, target: Target) -> Path:
        """Return the path of a target's artifact; the file may be missing."""
        return self.folder / target.file_name(self.name)

    @property
    def unrefined_int8(self) -> Path:
        """Path of the int8 artifact without refinement; the file may be missing."""
        return self.unrefined / INT8.file_name(self.name)


def find_run(folder: Path, seed: int, data: str | None, progress: Callable[[str], None]) -> Path:
    """Return the run folder of a seed; train it with recipe `robust` if it is missing.

    Raises:
        ModelError: the folder is missing, and there is no data to train with.
    """
    run = folder / f"robust-{seed}"
    if not (run / "model.keras").is_file():
        if data is None:
            raise ModelError(f"{run}: no such run folder; pass --data to train the model")
        progress(f"training seed {seed}")
        command = ["train", "--data", data, "--recipe", "robust", "--seed", str(seed), "--out", str(run), "--quiet"]
        subprocess.run([sys.executable, "-m", "edgernn", *command], check=True)  # noqa: S603  ourselves
    return run


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


def export_all(run: Path, folder: Path, progress: Callable[[str], None]) -> Export:
    """Export the default set by its command, then every other artifact, then int8 without refinement."""
    artifacts, unrefined = folder / run.name, folder / f"{run.name}-unrefined"
    progress(f"exporting {run.name}: the default set")
    seconds, peak_gb, reasons = export_default(run, artifacts)
    progress(f"exporting {run.name}: the others")
    rows = export(run, artifacts, targets=[*EXTRA_TARGETS, *select_targets(io_type="int8")])
    progress(f"exporting {run.name}: int8, unrefined")
    rows += export(run, unrefined, targets=[INT8], settings=Settings(refine=False))
    reasons += [f"{row.path.name}: {row.reason}" for row in rows if row.reason]
    named = tuple(f"{run.name}: {reason}" for reason in reasons)
    return Export(run=run, folder=artifacts, unrefined=unrefined, seconds=seconds, peak_gb=peak_gb, reasons=named)


def size_checks(exports: Sequence[Export]) -> list[Check]:
    """Check the sizes of the files, card included: the largest over the models."""
    group = f"size with card, bytes, largest of {len(exports)}"
    checks = []
    for target, limit in MAX_BYTES:
        paths = [each.path(target) for each in exports]
        there = all(path.is_file() for path in paths)
        largest = max(path.stat().st_size for path in paths) if there else None
        checks.append(Check(group, str(target), "bytes", figure=largest, limit=limit))
    return checks


def cost_checks(exports: Sequence[Export]) -> list[Check]:
    """Check the cost of an export: the worst over the models."""
    group = f"`edgernn export RUN`, the default set, worst of {len(exports)}"
    return [
        Check(group, "wall clock", "s", figure=max(each.seconds for each in exports), limit=MAX_SECONDS),
        Check(group, "peak memory", "GB", figure=max(each.peak_gb for each in exports), limit=MAX_GB),
    ]
