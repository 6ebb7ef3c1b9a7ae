"""Exports: the models, trained where they are not there yet, and their artifacts, with what an export costs."""

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

from edgernn.datasets import Samples, read_samples
from edgernn.errors import ModelError
from edgernn.run_folder import read_settings
from edgernn_export import Settings, Target, TargetResult, export, select_targets
from edgernn_export.targets import DEFAULT_TARGETS, TARGETS
from peers.checks import Check

INT8 = Target("tflite", "int8", "unrolled")
INT8_LOOP = Target("tflite", "int8", "loop")
INT8_IO, INT8_LOOP_IO = (Target("tflite", "int8", layout, "int8") for layout in ("unrolled", "loop"))
FLOAT32 = Target("tflite", "float32", "unrolled")
FLOAT16 = Target("tflite", "float16", "unrolled")
DYNAMIC = Target("tflite", "dynamic", "unrolled")
DYNAMIC_FUSED = Target("tflite", "dynamic", "fused")
INT16X8 = Target("tflite", "int16x8", "unrolled")
ONNX_FLOAT32 = Target("onnx", "float32", "operator")
ONNX_INT8 = Target("onnx", "int8", "operator")

# Beside those that an export makes unasked.
EXTRA_TARGETS = tuple(target for target in TARGETS if target not in DEFAULT_TARGETS)
MAX_SECONDS, MAX_GB = 60, 3
MAX_BYTES = ((INT8, 16_200), (INT8_LOOP, 12_900), (DYNAMIC_FUSED, 10_400), (FLOAT32, 34_000), (ONNX_INT8, 9_500))


@dataclass(frozen=True)
class Export:
    """One model and its artifacts.

    Attributes:
        run: its run folder.
        folder: the artifacts, weights refined where that helps.
        unrefined: the folder of the int8 artifact that was not.
        seconds: what the default set took from one command, wall clock.
        peak_gb: the most memory that a process of that command had, in 1e9 bytes.
        reasons: why artifacts of both are missing, a line each.
    """

    run: Path
    folder: Path
    unrefined: Path
    seconds: float
    peak_gb: float
    reasons: tuple[str, ...]

    @cached_property
    def name(self) -> str:
        """What the artifacts are called."""
        return str(read_settings(self.run)["name"])

    @cached_property
    def samples(self) -> Samples:
        """To calibrate with and to test by, as the model saw them."""
        return read_samples(self.run)

    def path(self, target: Target) -> Path:
        """Where a target's artifact lies; it may be missing."""
        return self.folder / target.file_name(self.name)

    @property
    def unrefined_int8(self) -> Path:
        """Where the int8 artifact without refinement lies; it may be missing."""
        return self.unrefined / INT8.file_name(self.name)


def find_run(folder: Path, seed: int, data: str | None, progress: Callable[[str], None]) -> Path:
    """The run folder of a seed, trained by the recipe `robust` if it is not there.

    Raises:
        ModelError: it is not there, and there is no data to train with.
    """
    run = folder / f"robust-{seed}"
    if not (run / "model.keras").is_file():
        if data is None:
            raise ModelError(f"{run}: no run there; --data says what to train one with")
        progress(f"training seed {seed}")
        command = ["train", "--data", data, "--recipe", "robust", "--seed", str(seed), "--out", str(run), "--quiet"]
        subprocess.run([sys.executable, "-m", "edgernn", *command], check=True)  # noqa: S603  ourselves
    return run


def export_default(run: Path, folder: Path) -> tuple[float, float, list[str]]:
    """`edgernn export RUN`, as a user calls it: wall-clock seconds, peak memory in 1e9 bytes, why files are missing.

    Call it before TensorFlow is loaded here: a child begins with its parent's peak.
    """
    command = [sys.executable, "-m", "edgernn", "export", str(run), "--out", str(folder), "--json"]
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE)  # noqa: S603  ourselves
    printed = process.stdout.read() if process.stdout else b""
    # The usage of this child alone, with the children that it has waited for.
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    unit = 1 if sys.platform == "darwin" else 1024
    if not printed:
        raise ModelError(f"{run}: the export ended with exit code {process.returncode}; its message stands above")
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
    """Export targets by one call.

    Args:
        source, samples, settings: as `export` takes them.
        folder: for the artifacts.
        targets: which ones.

    Returns:
        A row a target, and the seconds that each took, by its text: from one step of the progress to the next. What
        several of them have in common counts for the first that needs it.
    """
    started: list[float] = []
    # The first is made twice and its first time not told: TensorFlow is loaded and Keras asked meanwhile. It is one of
    # ONNX, because nothing of it is kept for others.
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
    return rows, {str(row.target): taken for row, taken in zip(rows, seconds[1:], strict=True)}


def export_all(run: Path, folder: Path, progress: Callable[[str], None]) -> Export:
    """The default set by its command, then every other artifact, then int8 without refinement."""
    artifacts, unrefined = folder / run.name, folder / f"{run.name}-unrefined"
    progress(f"exporting {run.name}: the default set")
    seconds, peak_gb, reasons = export_default(run, artifacts)
    progress(f"exporting {run.name}: the others")
    rows = export(run, artifacts, targets=[*EXTRA_TARGETS, *select_targets(io_type="int8")])
    progress(f"exporting {run.name}: int8, unrefined")
    rows += export(run, unrefined, targets=[INT8], settings=Settings(refine=False))
    reasons += [f"{row.path.name}: {row.reason}" for row in rows if row.reason]
    named = tuple(f"{run.name}: {reason}" for reason in reasons)
    return Export(run, artifacts, unrefined, seconds, peak_gb, named)


def size_checks(exports: Sequence[Export]) -> list[Check]:
    """What the files weigh, card included: the largest over the models."""
    group = f"size with card, bytes, largest of {len(exports)}"
    checks = []
    for target, limit in MAX_BYTES:
        paths = [each.path(target) for each in exports]
        there = all(path.is_file() for path in paths)
        largest = max(path.stat().st_size for path in paths) if there else None
        checks.append(Check(group, str(target), "bytes", largest, limit))
    return checks


def cost_checks(exports: Sequence[Export]) -> list[Check]:
    """What an export costs, the worst over the models."""
    group = f"`edgernn export RUN`, the default set, worst of {len(exports)}"
    return [
        Check(group, "wall clock", "s", max(each.seconds for each in exports), MAX_SECONDS),
        Check(group, "peak memory", "GB", max(each.peak_gb for each in exports), MAX_GB),
    ]
