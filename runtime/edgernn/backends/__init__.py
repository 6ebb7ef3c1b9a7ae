"""What executes an artifact. One module a backend; adding one adds a file and a line to `BACKENDS`.

A backend's library is imported when an artifact needs it: a device has only the one it uses.
"""

import platform
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from edgernn.arrays import AnyArray, Float32
from edgernn.errors import ArtifactError, InputError, SettingError

# A state between two steps, in the artifact's own number format: float32, int8 or int16 [size].
State = AnyArray


class Stepper(Protocol):
    """One stream through a loaded artifact; it begins in states that are zero.

    Several may be used side by side, and each from several threads.

    Attributes:
        answer_shape: of one answer: (outputs,) and the like, or (1, outputs) of a model that gives an answer a step.
        states: copies of the states behind the last step; may be set to go on from elsewhere.
    """

    answer_shape: tuple[int, ...]
    states: Sequence[State]

    def step(self, row: Float32) -> Float32:
        """Answer one time step: float32 [features] to the answer so far, float32 [*answer_shape], a fresh array."""

    def reset(self) -> None:
        """Go back to states that are zero."""


class Backend(Protocol):
    """A loaded artifact, ready to run, from several threads if need be.

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

    def bare(self, x: Float32) -> Callable[[], object]:
        """Put one sample, float32 [1, *input_shape], in place and give the library's own call that answers it."""

    def start(self) -> Stepper:
        """Begin a stream of its own.

        Raises:
            NoStepError: the artifact has no step.
        """


class BackendInfo(NamedTuple):
    """A backend that may be installed.

    Attributes:
        name: what people call it; its module here is called so, too, with _ for -.
        suffix: of the files that it reads.
        library: the package that it imports.
        extra: of edgernn, which brings it.
        only_asked_for: whether it is never chosen by itself.
        no_wheel: says why the library has no wheel for this Python and machine; empty if it has one.
        misreads: quantizations that it answers wrongly, as docs/compatibility.md shows; golden samples refuse them.
    """

    name: str
    suffix: str
    library: str
    extra: str
    only_asked_for: bool = False
    no_wheel: Callable[[], str] = lambda: ""
    misreads: tuple[str, ...] = ()

    @property
    def installed(self) -> bool:
        """Whether its library is there; it is not imported."""
        from importlib.util import find_spec

        return find_spec(self.library) is not None

    @property
    def version(self) -> str:
        """Of its library; that must be installed."""
        # Late: it takes as long as all of this package, and loading needs none.
        from importlib.metadata import packages_distributions, version

        # Of a package that comes in several distributions, such as onnxruntime and onnxruntime-gpu, the one there is.
        return version(packages_distributions()[self.library][0])


def _for_64_bit() -> str:
    # Of this Python: a 32-bit system may run on a 64-bit kernel.
    return "" if sys.maxsize > 1 << 32 else "it has no wheel for 32-bit systems"


def _of_tflite_runtime() -> str:
    if sys.version_info >= (3, 12):
        return "it has no wheel for Python 3.12 and later"
    known = sys.platform == "linux" and platform.machine() in ("x86_64", "aarch64", "armv7l", "armv8l")
    return "" if known else f"it has no wheel for {platform.machine()} {sys.platform}"


def _for_x86_64_linux() -> str:
    on_one = sys.platform == "linux" and platform.machine() == "x86_64"
    return "" if on_one else "it only has wheels for x86-64 Linux"


# For each suffix the first that is installed is used, unless another is asked for.
BACKENDS = (
    BackendInfo("litert", ".tflite", "ai_edge_litert", "litert", no_wheel=_for_64_bit),
    BackendInfo(
        "tflite-runtime", ".tflite", "tflite_runtime", "tflite", no_wheel=_of_tflite_runtime, misreads=("dynamic",)
    ),
    BackendInfo("tflite-micro", ".tflite", "tflite_micro", "micro", only_asked_for=True, no_wheel=_for_x86_64_linux),
    BackendInfo("onnxruntime", ".onnx", "onnxruntime", "onnx", no_wheel=_for_64_bit),
)
NAMES = tuple(known.name for known in BACKENDS)
SUFFIXES = tuple(dict.fromkeys(known.suffix for known in BACKENDS))


def is_read_by_all(suffix: str, quantization: str) -> bool:
    """True if no backend that is chosen by default misreads files of this suffix and quantization."""
    return not any(quantization in known.misreads for known in BACKENDS if known.suffix == suffix)


def open_artifact(path: Path, data: bytes, threads: int, backend: str | None = None) -> Backend:
    """Open an artifact's content with the backend asked for, or the first installed one that reads its suffix.

    Raises:
        ArtifactError: nobody reads the suffix, or the backend refuses the content.
        SettingError: there is no such backend, or it reads other files, or not with so many threads.
        MissingExtraError: no backend for it is installed; the message names the preferred one that there is for this
            Python and machine. If there is none, an ArtifactError says why.
    """
    known = _preferred(path) if backend is None else _named(backend, path)
    module = import_module(f"edgernn.backends.{known.name.replace('-', '_')}")
    opened: Backend = module.open_artifact(data, threads)
    return opened


def check_suffix(path: Path) -> None:
    """Check that some backend reads files of this suffix.

    Raises:
        ArtifactError: none does.
    """
    if path.suffix not in SUFFIXES:
        raise ArtifactError(
            f"{path}: nobody reads the suffix {path.suffix or '(none)'!r}; artifacts are {' and '.join(SUFFIXES)}"
        )


def check_states(states: Sequence[State], expected: Sequence[State]) -> None:
    """Check that states to go on from are like those of the artifact.

    Raises:
        InputError: their number, shapes or types differ, or a number is NaN or infinite.
    """

    def describe(group: Sequence[State]) -> list[str]:
        return [f"{np.asarray(state).dtype} {np.shape(state)}" for state in group]

    if describe(states) != describe(expected):
        raise InputError(f"states of {describe(states)} given, expected {describe(expected)}")
    if not all(np.isfinite(state).all() for state in states):
        raise InputError("the states hold NaN or infinity")


def _named(name: str, path: Path) -> BackendInfo:
    found = next((known for known in BACKENDS if known.name == name), None)
    if found is None:
        raise SettingError(f"backend {name!r}; known are {', '.join(NAMES)}")
    if found.suffix != path.suffix:
        raise SettingError(f"{path}: backend {name} reads {found.suffix} files only")
    return found


def _preferred(path: Path) -> BackendInfo:
    check_suffix(path)
    candidates = [known for known in BACKENDS if known.suffix == path.suffix and not known.only_asked_for]
    found = next((known for known in candidates if known.installed), None)
    if found is None:  # then the preferred one of those that can be installed says how
        found = next((known for known in candidates if not known.no_wheel()), None)
    if found is None:
        reasons = "; ".join(f"{known.name}: {known.no_wheel()}" for known in candidates)
        raise ArtifactError(f"{path}: nothing that could run it can be installed here; {reasons}")
    return found
