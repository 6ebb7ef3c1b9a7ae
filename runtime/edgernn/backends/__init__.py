"""What executes an artifact. One module a backend; adding one adds a file and a line to `_BACKENDS`.

A backend's library is imported when an artifact needs it: a device has only the one it uses.
"""

from importlib import import_module
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from edgernn.errors import ArtifactError

Float32 = npt.NDArray[np.float32]


class Backend(Protocol):
    """A loaded artifact, ready to run.

    Attributes:
        name: the library and its version, for instance "litert 2.3.0".
        input_shape: one sample without the batch.
    """

    name: str
    input_shape: tuple[int, ...]

    def run(self, x: Float32) -> Float32:
        """Answer a batch: float32 [samples, *input_shape] to float32 [samples, *output_shape].

        `x` is contiguous; the answer is a fresh array that no later call changes.
        """


# Suffix, then the module of this package that reads it; each has an `open_artifact(data, threads)`.
_BACKENDS = {".tflite": "litert", ".onnx": "onnxruntime"}


def open_artifact(path: Path, data: bytes, threads: int) -> Backend:
    """Open an artifact's content with the backend that reads its suffix.

    Raises:
        ArtifactError: nobody reads the suffix, or the backend refuses the content.
        MissingExtraError: the backend is not installed.
    """
    check_suffix(path)
    module = import_module(f"edgernn.backends.{_BACKENDS[path.suffix]}")
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
