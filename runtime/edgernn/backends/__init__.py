"""What executes an artifact. One module a backend; adding one adds a file and a line to `_BACKENDS`.

A backend's library is imported when an artifact needs it: a device has only the one it uses.
"""

from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from edgernn.errors import ArtifactError

Float32 = npt.NDArray[np.float32]
# A state between two steps, in the artifact's own number format: float32, int8 or int16 [size].
State = npt.NDArray[Any]


class Stepper(Protocol):
    """One stream through a loaded artifact; it begins in states that are zero.

    Attributes:
        states: copies of the states behind the last step; may be set to go on from elsewhere.
    """

    states: Sequence[State]

    def step(self, row: Float32) -> Float32:
        """Answer one time step: float32 [features] to the answer so far, a fresh array.

        It is float32 [outputs], or [1, outputs] of a model that gives an answer a step.
        """

    def reset(self) -> None:
        """Go back to states that are zero."""


class Backend(Protocol):
    """A loaded artifact, ready to run.

    Attributes:
        name: the library and its version, for instance "litert 2.3.0".
        input_shape: one sample without the batch; -1 where any number will do.
    """

    name: str
    input_shape: tuple[int, ...]

    def run(self, x: Float32) -> Float32:
        """Answer a batch: float32 [samples, *input_shape] to float32 [samples, *output_shape].

        `x` is contiguous; the answer is a fresh array that no later call changes.
        """

    def start(self) -> Stepper:
        """Begin a stream of its own.

        Raises:
            NoStepError: the artifact has no step.
        """


# Suffix, then the modules of this package that read it, each with the library that it imports; the first whose library
# is installed is used. Each has an `open_artifact(data, threads)`.
_BACKENDS = {
    ".tflite": {"litert": "ai_edge_litert", "tflite_runtime": "tflite_runtime"},
    ".onnx": {"onnxruntime": "onnxruntime"},
}


def open_artifact(path: Path, data: bytes, threads: int) -> Backend:
    """Open an artifact's content with the first installed backend that reads its suffix.

    Raises:
        ArtifactError: nobody reads the suffix, or the backend refuses the content.
        MissingExtraError: no backend for it is installed; the message names the preferred one.
    """
    check_suffix(path)
    libraries = _BACKENDS[path.suffix]
    installed = (name for name, library in libraries.items() if find_spec(library) is not None)
    # If there is none, the preferred one says how to install it.
    module = import_module(f"edgernn.backends.{next(installed, next(iter(libraries)))}")
    backend: Backend = module.open_artifact(data, threads)
    return backend


def check_suffix(path: Path) -> None:
    """Check that some backend reads files of this suffix.

    Raises:
        ArtifactError: none does.
    """
    if path.suffix not in _BACKENDS:
        raise ArtifactError(
            f"{path}: nobody reads the suffix {path.suffix or '(none)'!r}; artifacts are {' and '.join(_BACKENDS)}"
        )


def check_states(states: Sequence[State], expected: Sequence[State]) -> None:
    """Check that states to go on from are like those of the artifact.

    Raises:
        ArtifactError: their number, shapes or types differ.
    """

    def describe(group: Sequence[State]) -> list[str]:
        return [f"{np.asarray(state).dtype} {np.shape(state)}" for state in group]

    if describe(states) != describe(expected):
        raise ArtifactError(f"states of {describe(states)} given, expected {describe(expected)}")
