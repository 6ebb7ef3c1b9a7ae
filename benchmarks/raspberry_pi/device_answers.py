"""What artifacts answer on a device, as arrays of the host."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edgernn.arrays import Float32
from edgernn.backends import BACKENDS
from edgernn.errors import ArtifactError
from edgernn_export.targets import DEFAULT_TARGETS, Target
from raspberry_pi import answer
from raspberry_pi.roots import HOME, ROOTS, SHARED, Board, Device, Root

COUNT = 200
SAMPLES = "digits.npy"
TIME_LIMIT_S = 1200


@dataclass(frozen=True)
class DeviceAnswers:
    """What an artifact answered somewhere.

    Attributes:
        whole: to whole samples, float32 [samples, classes].
        streamed: after the last row of each, float32 [samples, classes].
        refused: why it did not; empty if it did.
    """

    whole: Float32 = field(default_factory=lambda: np.empty((0, 0), np.float32))
    streamed: Float32 = field(default_factory=lambda: np.empty((0, 0), np.float32))
    refused: str = ""


@dataclass(frozen=True)
class Case:
    """An artifact of the default export of digits, where it is tried."""

    root: Root
    board: Board
    backend: str
    target: Target

    @property
    def artifact(self) -> str:
        """Its file's name."""
        return self.target.file_name("digits")

    @property
    def place(self) -> tuple[str, str, str, str]:
        """Its names, as rows of results have them: root, board, backend, artifact."""
        return self.root.name, self.board.name, self.backend, self.artifact


def cases() -> list[Case]:
    """Everything there is to try."""
    return [
        Case(root, board, backend, target)
        for root in ROOTS
        for board in root.boards
        for backend in root.backends
        for target in DEFAULT_TARGETS
        if takes(backend, f".{target.format}")
    ]


def takes(backend: str, suffix: str) -> bool:
    """Whether a backend is one for files of this suffix."""
    return any(known.name == backend and known.suffix == suffix for known in BACKENDS)


def share(folder: Path, artifacts: Sequence[Path], x: Float32) -> None:
    """Put into a folder that devices share what they need to answer `x`, float32 [samples, steps, features]."""
    np.save(folder / SAMPLES, x)
    for path in (Path(answer.__file__), *artifacts):
        shutil.copy(path, folder)


def answers_of(device: Device, backend: str, names: Sequence[str]) -> dict[str, DeviceAnswers]:
    """What artifacts of the shared folder answer on a device with a backend, by name.

    Raises:
        ArtifactError: it came to no end there.
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
    return DeviceAnswers(found[f"{name}/answers"], found[f"{name}/streams"])
