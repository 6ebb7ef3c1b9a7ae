"""Backends: libraries that execute artifacts, one module each. A new backend is a new file and a line in `BACKENDS`.

A backend's library is imported when an artifact needs it: a device has only the one that it uses. The table needs no
NumPy.
"""

import platform
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from edgernn.errors import ArtifactError, MissingExtraError, SettingError, UnsupportedError
from edgernn.suggestions import did_you_mean
from edgernn.system.extras import is_64_bit, native_machine, pip_install, wheel_install

if TYPE_CHECKING:
    from edgernn.backends.protocol import Backend


class BackendInfo(NamedTuple):
    """Facts about a backend, installed or not.

    Attributes:
        name: name of the backend, and of its module here, with _ in place of -.
        suffix: suffix of the files that it reads.
        library: package that it imports.
        extra: edgernn's extra that installs the package.
        only_asked_for: True if it is used only when it is asked for by name.
        no_wheel: returns the reason why the library has no wheel for this Python and machine; empty if it has one.
        is_partial: True if it reads only some files of its suffix; the next backend reads the others.
        misreads: quantizations that it answers wrongly, see docs/compatibility.md; the golden samples refuse them.
        refuses: quantizations whose operators it does not have.
    """

    name: str
    suffix: str
    library: str
    extra: str
    only_asked_for: bool = False
    no_wheel: Callable[[], str] = lambda: ""
    is_partial: bool = False
    misreads: tuple[str, ...] = ()
    refuses: tuple[str, ...] = ()

    @property
    def installed(self) -> bool:
        """True if its library is installed; it is not imported."""
        from importlib.util import find_spec

        return find_spec(self.library) is not None

    @property
    def install_command(self) -> str:
        """The `pip install` command for its library on this machine."""
        return pip_install(self.extra) if self.extra else wheel_install(machine=native_machine())

    @property
    def version(self) -> str:
        """Version of its library, which must be installed."""
        # Late: its import takes as long as all of this package, and loading an artifact does not need it.
        from importlib.metadata import packages_distributions, version

        if self.library.startswith("edgernn."):
            return version("edgernn")

        # Of the installed distribution: onnxruntime, for instance, is also a package of onnxruntime-gpu.
        return version(packages_distributions()[self.library][0])


def _for_64_bit() -> str:
    return "" if is_64_bit() else "it has no wheel for 32-bit systems"


def _of_tflite_runtime() -> str:
    if sys.version_info >= (3, 12):
        return "it has no wheel for Python 3.12 and later"
    has_wheel = sys.platform == "linux" and platform.machine() in ("x86_64", "aarch64", "armv7l", "armv8l")
    return "" if has_wheel else f"it has no wheel for {platform.machine()} {sys.platform}"


def _for_x86_64_linux() -> str:
    on_one = sys.platform == "linux" and platform.machine() == "x86_64"
    return "" if on_one else "it only has wheels for x86-64 Linux"


def _of_native() -> str:
    bits = 64 if is_64_bit() else 32
    unknown = f"its kernels in C are not built for {platform.machine()} {sys.platform} with {bits} bits"
    return "" if native_machine() else unknown


# For each suffix, the first installed backend is used, unless another one is asked for.
BACKENDS = (
    BackendInfo(
        "native",
        ".tflite",
        library="edgernn._native",
        extra="",
        no_wheel=_of_native,
        is_partial=True,
        refuses=("float16", "dynamic", "int16x8"),
    ),
    BackendInfo("litert", ".tflite", library="ai_edge_litert", extra="litert", no_wheel=_for_64_bit),
    BackendInfo(
        "tflite-runtime",
        ".tflite",
        library="tflite_runtime",
        extra="tflite",
        no_wheel=_of_tflite_runtime,
        misreads=("dynamic",),
    ),
    BackendInfo(
        "tflite-micro",
        ".tflite",
        library="tflite_micro",
        extra="micro",
        only_asked_for=True,
        no_wheel=_for_x86_64_linux,
        refuses=("float16", "dynamic"),
    ),
    BackendInfo("onnxruntime", ".onnx", library="onnxruntime", extra="onnx", no_wheel=_for_64_bit),
)
NAMES = tuple(info.name for info in BACKENDS)
SUFFIXES = tuple(dict.fromkeys(info.suffix for info in BACKENDS))
# Of the models that artifacts are exported from.
KERAS_SUFFIXES = (".keras", ".h5", ".hdf5")


def find_misreading(suffix: str, quantization: str) -> list[str]:
    """Return the names of the backends that give wrong answers with files of this suffix and quantization."""
    return [info.name for info in BACKENDS if info.suffix == suffix and quantization in info.misreads]


def open_artifact(
    path: Path, data: bytes, threads: int, backend: str | None = None, *, with_partial: bool = True
) -> "Backend":
    """Open an artifact's content with the backend asked for, or the first installed one that reads it.

    Args:
        path: the file's path; its suffix selects the backend.
        data: the file's content.
        threads: number of threads that the backend may use.
        backend: name of a backend; None chooses one.
        with_partial: False to choose a partial backend only if no other one is installed.

    Raises:
        ArtifactError: no backend reads the suffix, or the backend refuses the content.
        SettingError: the backend is unknown, reads other files, cannot be installed on this machine, or does not
            support that number of threads.
        MissingExtraError: no backend for it is installed; the message names edgernn's wheel with native kernels, and
            the preferred one of the other backends for this Python and machine. If there is none, an ArtifactError
            gives the reasons.
    """
    if backend is not None:
        try:
            return _open(_named(backend, path), data, threads)
        except UnsupportedError as error:
            raise ArtifactError(f"{backend} does not run this file: {error}; use another backend") from error
    check_suffix(path)
    refusals = []
    if with_partial or not any(info.installed for info in _full_backends(path)):
        for info in BACKENDS:
            if info.is_partial and info.suffix == path.suffix and threads == 1 and not info.no_wheel():
                if not info.installed:
                    refusals.append(f"{info.name} is not installed: {info.install_command}")
                    continue
                try:
                    return _open(info, data, threads)
                except UnsupportedError as error:
                    refusals.append(f"{info.name}: {error}")
    full = _preferred(path)
    if full is None:
        reasons = "; ".join([*refusals, *(f"{info.name}: {info.no_wheel()}" for info in _full_backends(path))])
        raise ArtifactError(f"no backend runs it here; {reasons}")
    try:
        return _open(full, data, threads)
    except MissingExtraError as error:
        if not refusals:
            raise
        package, extra = error.args
        raise MissingExtraError(f"{'; '.join(refusals)}; {package}", extra) from error


def _open(info: BackendInfo, data: bytes, threads: int) -> "Backend":
    module = import_module(f"edgernn.backends.{info.name.replace('-', '_')}")
    opened: Backend = module.open_artifact(data, threads)
    return opened


def check_suffix(path: Path) -> None:
    """Check that a backend reads files of this suffix.

    Raises:
        ArtifactError: none does.
    """
    if path.suffix in SUFFIXES:
        return
    expected = " or ".join(SUFFIXES)
    if path.is_dir():
        raise ArtifactError(f"{path}: is a folder, expected {expected}; name a file in it")
    found = repr(path.suffix) if path.suffix else "without a suffix"
    way_out = "; `edgernn export` makes one from a Keras model" if path.suffix in KERAS_SUFFIXES else ""
    if path.suffix == ".c":
        way_out = "; C source is for a compiler, and `edgernn export --to tflite` makes a file of the same model"
    raise ArtifactError(f"{path}: unsupported file type {found}; expected {expected}{way_out}")


def _named(name: str, path: Path) -> BackendInfo:
    found = next((info for info in BACKENDS if info.name == name), None)
    if found is None:
        raise SettingError(f"unknown backend {name!r}; expected {', '.join(NAMES)}{did_you_mean(str(name), NAMES)}")
    if found.suffix != path.suffix:
        raise SettingError(f"{path}: backend {name} reads {found.suffix} files only")
    if not found.installed and (reason := found.no_wheel()):
        others = " or ".join(info.name for info in BACKENDS if info.suffix == path.suffix and info is not found)
        raise SettingError(
            f"backend {name} cannot be installed on this machine: {reason}"
            + (f"; choose {others}, or leave the backend out" if others else "")
        )
    return found


def _full_backends(path: Path) -> list[BackendInfo]:
    """List the backends that read all files of a suffix and need not be asked for."""
    return [info for info in BACKENDS if info.suffix == path.suffix and not (info.only_asked_for or info.is_partial)]


def _preferred(path: Path) -> BackendInfo | None:
    """Return the first installed of `_full_backends`, or the first that can be installed; None if none can be.

    Importing one that is not installed raises a MissingExtraError.
    """
    candidates = _full_backends(path)
    installed = next((info for info in candidates if info.installed), None)
    return installed or next((info for info in candidates if not info.no_wheel()), None)
