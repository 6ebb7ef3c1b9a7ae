"""Environments: the runtimes that artifacts are tried on, each in a throw-away virtual environment of its own."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import venv
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edgernn.arrays import Float32
from edgernn.errors import ModelError
from peers import probe

ROOT = Path(__file__).parents[2]
# Every one of the runtimes has a wheel for it; tflite-runtime has none for a later one.
PYTHON = (3, 11)
TIME_LIMIT_S = 120


@dataclass(frozen=True)
class Runtime:
    """Something that runs artifacts.

    Attributes:
        library: as `probe` calls it.
        version: of its distribution.
        distribution: what pip installs.
        suffix: of the artifacts that it runs.
        note: why it is on the page.
        needs: further requirements, for instance of NumPy.
    """

    library: str
    version: str
    distribution: str
    suffix: str
    note: str
    needs: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The heading of its column."""
        return f"{self.library} {self.version.removeprefix('0.dev')[:8]}"

    @property
    def requirements(self) -> tuple[str, ...]:
        """What pip installs; click is what edgernn needs beside NumPy."""
        return (f"{self.distribution}=={self.version}", *self.needs, "click")


# Change a version here, then `make compatibility`.
RUNTIMES = (
    Runtime("litert", "2.3.0", "ai-edge-litert", ".tflite", "the newest"),
    Runtime("litert without XNNPACK", "2.3.0", "ai-edge-litert", ".tflite", "its plain kernels"),
    Runtime("litert", "2.1.0", "ai-edge-litert", ".tflite", "the oldest that edgernn[litert] allows"),
    Runtime("litert", "1.0.0", "ai-edge-litert", ".tflite", "the first there is", ("numpy<2",)),
    Runtime("tflite-runtime", "2.14.0", "tflite-runtime", ".tflite", "the last there is; has 32-bit Arm", ("numpy<2",)),
    Runtime("tflite-micro", "0.dev20261023182759", "tflite-micro", ".tflite", "for microcontrollers"),
    Runtime("onnxruntime", "1.32.0", "onnxruntime", ".onnx", "the newest"),
    Runtime("onnxruntime", "1.20.0", "onnxruntime", ".onnx", "the oldest that edgernn[onnx] allows"),
    Runtime("onnxruntime", "1.15.0", "onnxruntime", ".onnx", "the first for this Python", ("numpy<2",)),
)


@dataclass(frozen=True)
class RuntimeResult:
    """What a runtime made of one artifact.

    Attributes:
        numpy: the version there.
        refuses: why it did not answer; empty if it did.
        answers: float32 [samples, classes]; none if it refuses.
        arena: the bytes of memory it needs, where that is asked for.
        edgernn_refuses: why `edgernn.load` does; empty if it does not; None where edgernn has no such backend.
        streams: edgernn's answers to the first samples, row by row; none without.
    """

    numpy: str
    refuses: str = ""
    answers: Float32 = field(default_factory=lambda: np.empty((0, 0), np.float32))
    arena: int | None = None
    edgernn_refuses: str | None = None
    streams: Float32 = field(default_factory=lambda: np.empty((0, 0), np.float32))


def make_environment(folder: Path, requirements: Sequence[str]) -> Path:
    """Make a virtual environment in which these are installed; its Python.

    Raises:
        ModelError: pip could not; the message is its last line.
    """
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    options = ["--quiet", "--disable-pip-version-check", "--only-binary=:all:"]
    command: list[str | Path] = [python, "-m", "pip", "install", *options, *requirements]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise ModelError(f"pip install {' '.join(requirements)}: {done.stderr.strip().splitlines()[-1]}")
    return python


def try_artifacts(runtime: Runtime, artifacts: Sequence[Path], samples: Path) -> dict[str, RuntimeResult]:
    """What a runtime makes of artifacts, by name: each in a process of its own, which may crash."""
    with tempfile.TemporaryDirectory() as folder:
        python = make_environment(Path(folder), runtime.requirements)
        return {artifact.name: _try(python, runtime.library, artifact, samples) for artifact in artifacts}


def _try(python: Path, library: str, artifact: Path, samples: Path) -> RuntimeResult:
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "result.json"
        command: list[str | Path] = [python, Path(probe.__file__), library, artifact, samples, target]
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "runtime")}
        try:
            done = subprocess.run(  # noqa: S603
                command, capture_output=True, text=True, check=False, timeout=TIME_LIMIT_S, env=environment, cwd=folder
            )
        except subprocess.TimeoutExpired:
            return RuntimeResult("", refuses=f"no answers within {TIME_LIMIT_S} s")
        if done.returncode < 0:
            return RuntimeResult("", refuses=f"crashes: {signal.Signals(-done.returncode).name}")
        if done.returncode:
            raise ModelError(f"{library}, {artifact.name}: {done.stderr.strip().splitlines()[-1]}")
        return _read(json.loads(target.read_text()), done.stderr)


def _read(found: dict[str, Any], standard_error: str) -> RuntimeResult:
    if found["refuses"] is not None:
        return RuntimeResult(found["numpy"], refuses=_reason(found["refuses"], standard_error))
    by_edgernn = found["edgernn"] or {"refuses": None, "streams": None}
    return RuntimeResult(
        numpy=found["numpy"],
        answers=np.array(found["answers"], np.float32),
        arena=found["arena"],
        edgernn_refuses=None if found["edgernn"] is None else by_edgernn["refuses"] or "",
        streams=np.array(by_edgernn["streams"] or [[]], np.float32),
    )


def _reason(error: str, standard_error: str) -> str:
    """One line without the places in somebody's source files: what was logged, or else the exception."""
    logged = [line for line in standard_error.splitlines() if line.strip() and not line.startswith(("INFO", "WARNING"))]
    return re.sub(r"\S+\.(?:cc|h):\d+:? ", "", " ".join(" ".join(logged or [error]).split()))


def check_python() -> None:
    """Check that this Python is one that all the runtimes have wheels for.

    Raises:
        ModelError: it is another.
    """
    if sys.version_info[:2] != PYTHON:
        here = ".".join(map(str, sys.version_info[:2]))
        raise ModelError(f"this is Python {here}; only for Python 3.11 is there a wheel of every runtime")
