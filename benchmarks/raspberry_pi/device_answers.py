"""Answers of artifacts on a device, as arrays of the host."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edgernn.arrays import Float32
from edgernn.backends import BACKENDS
from edgernn.errors import ArtifactError
from edgernn.model import load
from edgernn_export.targets import DEFAULT_TARGETS, Target
from raspberry_pi import answer
from raspberry_pi.roots import HOME, ROOTS, SHARED, Board, Device, Root

COUNT = 200
SAMPLES = "digits.npy"
TIME_LIMIT_S = 1200


def _no_answers() -> Float32:
    return np.empty((0, 0), np.float32)


@dataclass(frozen=True)
class DeviceAnswers:
    """Answers of an artifact on one machine.

    Attributes:
        whole: answers to all samples in one batch, float32 [samples, classes].
        single: answers to one sample after the other, float32 [samples, classes].
        streamed: answers after the last row of each sample, float32 [samples, classes].
        backend: backend that ran it, with its version, for instance "native 0.1.0 neon".
        refused: reason why it did not answer; empty if it did.
    """

    whole: Float32 = field(default_factory=_no_answers)
    single: Float32 = field(default_factory=_no_answers)
    streamed: Float32 = field(default_factory=_no_answers)
    backend: str = ""
    refused: str = ""


@dataclass(frozen=True)
class Case:
    """An artifact of the digits' default export, and where it runs."""

    root: Root
    board: Board
    backend: str
    target: Target

    @property
    def artifact(self) -> str:
        """Name of the file."""
        return self.target.file_name("digits")

    @property
    def place(self) -> tuple[str, str, str, str]:
        """Root, board, backend and artifact, by the names in rows of results."""
        return self.root.name, self.board.name, self.backend, self.artifact


def cases() -> list[Case]:
    """List every combination to test."""
    return [
        Case(root=root, board=board, backend=backend, target=target)
        for root in ROOTS
        for board in root.boards
        for backend in root.backends
        for target in DEFAULT_TARGETS
        if takes(backend, f".{target.format}", target.quantization)
    ]


def takes(backend: str, suffix: str, quantization: str) -> bool:
    """Return True if a backend reads files of this suffix and quantization, correctly or not."""
    return any(
        known.name == backend and known.suffix == suffix and quantization not in known.refuses for known in BACKENDS
    )


def answer_here(path: Path, backend: str, x: Float32) -> DeviceAnswers:
    """Answer samples with an artifact on this machine, as `answer` does on a device.

    Args:
        path: the artifact's file.
        backend: name of the backend; empty for the one that is chosen by default.
        x: float32 [samples, steps, features].
    """
    model = load(path, backend=backend or None)
    return DeviceAnswers(
        whole=model.predict(x),
        single=np.stack([model.predict(sample) for sample in x]),
        streamed=np.stack([model.stream().push_many(sample)[-1] for sample in x]),
        backend=model.backend,
    )


def share(folder: Path, artifacts: Sequence[Path], x: Float32) -> None:
    """Copy artifacts, samples `x`, float32 [samples, steps, features], and `answer` into the devices' shared folder."""
    np.save(folder / SAMPLES, x)
    for path in (Path(answer.__file__), *artifacts):
        shutil.copy(path, folder)


def answers_of(device: Device, backend: str, names: Sequence[str]) -> dict[str, DeviceAnswers]:
    """Run artifacts of the shared folder on a device with a backend; return the answers of each, by its name.

    Raises:
        ArtifactError: the program failed there.
    """
    target = HOME / "answers.npz"
    words: list[str | Path] = ["python", SHARED / Path(answer.__file__).name, backend, SHARED / SAMPLES, target]
    done = device.run([*words, *(SHARED / name for name in names)], time_limit_s=TIME_LIMIT_S)
    if done.returncode:
        raise ArtifactError(f"{device.root.name}, {backend}: {done.stderr.strip()[-400:]}")
    with np.load(device.folder / target.relative_to("/")) as found:
        return {name: _answers(found, name, backend) for name in names}


def _answers(found: Any, name: str, backend: str) -> DeviceAnswers:
    if f"{name}/refused" in found:
        return DeviceAnswers(refused=str(found[f"{name}/refused"]))
    ran = str(found[f"{name}/backend"])
    if ran.split()[0] != backend:
        raise ArtifactError(f"{name}: {ran} ran it, expected {backend}")
    return DeviceAnswers(
        whole=found[f"{name}/answers"],
        single=found[f"{name}/singles"],
        streamed=found[f"{name}/streams"],
        backend=ran,
    )
