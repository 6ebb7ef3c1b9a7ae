"""Runtimes that artifacts are tried on, each in a temporary virtual environment."""

import json
import os
import re
import subprocess
import sys
import tempfile
import venv
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from common.programs import last_line, run_program
from compatibility import probe
from edgernn.arrays import Float32
from edgernn.errors import ModelError
from edgernn.system.child import describe_exit

ROOT = Path(__file__).parents[2]
# Every runtime has a wheel for this Python; tflite-runtime has none for a later one.
PYTHON = (3, 11)
TIME_LIMIT_S = 120


@dataclass(frozen=True)
class Runtime:
    """A release of a library that runs artifacts.

    Attributes:
        library: its name in `probe`.
        version: version of the distribution.
        distribution: package that pip installs.
        suffix: file suffix of the artifacts that it runs.
        note: reason for testing it.
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
        """Heading of its column."""
        return f"{self.library} {self.version.removeprefix('0.dev')[:8]}"

    @property
    def requirements(self) -> tuple[str, ...]:
        """Packages that pip installs; edgernn needs click beside NumPy."""
        return (f"{self.distribution}=={self.version}", *self.needs, "click")


# After a change here, run `make compatibility`.
_litert = partial(Runtime, distribution="ai-edge-litert", suffix=".tflite")
_onnx = partial(Runtime, "onnxruntime", distribution="onnxruntime", suffix=".onnx")
_tflite, _micro = (
    partial(Runtime, name, distribution=name, suffix=".tflite") for name in ("tflite-runtime", "tflite-micro")
)
_OLD = ("numpy<2",)
RUNTIMES = (
    _litert("litert", "2.3.0", note="newest release"),
    _litert("litert without XNNPACK", "2.3.0", note="kernels without XNNPACK"),
    _litert("litert", "2.1.0", note="oldest release that the extra litert allows"),
    _litert("litert", "1.0.0", note="first release", needs=_OLD),
    _tflite("2.14.0", note="last release; has wheels for 32-bit Arm", needs=_OLD),
    _micro("0.dev20261023182759", note="for microcontrollers"),
    _onnx("1.32.0", note="newest release"),
    _onnx("1.20.0", note="oldest release that the extra onnx allows"),
    _onnx("1.15.0", note="first release for this Python", needs=_OLD),
)


@dataclass(frozen=True)
class RuntimeResult:
    """Result of one artifact on a runtime.

    Attributes:
        numpy: version of NumPy there.
        refuses: reason why the runtime did not answer; empty if it did.
        answers: float32 [samples, classes]; empty if it refuses.
        arena: memory that the artifact needs in bytes, where measured.
        edgernn_refuses: reason why `edgernn.load` refuses; empty if it loads; None where edgernn has no such backend.
        streams: edgernn's last answers to the first samples, streamed row by row; empty without a stream.
    """

    numpy: str
    refuses: str = ""
    answers: Float32 = field(default_factory=lambda: np.empty((0, 0), np.float32))
    arena: int | None = None
    edgernn_refuses: str | None = None
    streams: Float32 = field(default_factory=lambda: np.empty((0, 0), np.float32))


def make_environment(folder: Path, requirements: Sequence[str]) -> Path:
    """Make a virtual environment with these packages; return the path of its Python."""
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    options = ["--quiet", "--disable-pip-version-check", "--only-binary=:all:"]
    run_program([python, "-m", "pip", "install", *options, *requirements])
    return python


def try_artifacts(runtime: Runtime, artifacts: Sequence[Path], samples: Path) -> dict[str, RuntimeResult]:
    """Run artifacts on a runtime, each in a separate process, which may crash; return the results by name."""
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
            return RuntimeResult("", refuses=f"crashes: {describe_exit(done.returncode)}")
        if done.returncode:
            raise ModelError(f"{library}, {artifact.name}: {last_line(done)}")
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
    """Return the logged lines, or else the exception, as one line without places in source files."""
    logged = [line for line in standard_error.splitlines() if line.strip() and not line.startswith(("INFO", "WARNING"))]
    return re.sub(r"\S+\.(?:cc|h):\d+:? ", "", " ".join(" ".join(logged or [error]).split()))


def check_python() -> None:
    """Check that this is the Python for which every runtime has a wheel.

    Raises:
        ModelError: this is another version.
    """
    if sys.version_info[:2] != PYTHON:
        here = ".".join(map(str, sys.version_info[:2]))
        raise ModelError(f"this is Python {here}, expected 3.11: every runtime has a wheel only for that version")
