"""IDX files, plain or .gz, and NumPy's .npy and .npz."""

import gzip
import math
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
import numpy.typing as npt

from edgernn.errors import DataError, first_line
from edgernn.files import check_file

Array = npt.NDArray[np.generic]

# Larger than any data set these models are trained on, small enough for a workstation's memory.
MAX_BYTES = 4 << 30
# A larger .npy stays on the disk, and memory does not grow with it.
MAPPED_BYTES = 64 << 20

# The type byte of an IDX magic number; multi-byte types are big-endian (LeCun, "THE IDX FILE FORMAT").
_IDX_TYPES: dict[int, np.dtype[Any]] = {
    0x08: np.dtype("u1"),
    0x09: np.dtype("i1"),
    0x0B: np.dtype(">i2"),
    0x0C: np.dtype(">i4"),
    0x0D: np.dtype(">f4"),
    0x0E: np.dtype(">f8"),
}


def read_idx(path: Path) -> Array:
    """Read an IDX file, plain or gzip-compressed, as an array in native byte order.

    Raises:
        DataError: the file is missing, has a wrong magic number, is cut short or has bytes left over.
    """
    check_file(path, DataError, MAX_BYTES)
    with (
        _refusing(path, "IDX"),
        gzip.open(path) if path.name.lower().endswith(".gz") else path.open("rb") as file,
    ):
        return _parse_idx(path, file)


def read_npy(path: Path) -> Array:
    """Read an .npy file; a large one is mapped into memory, not to be changed.

    Raises:
        DataError: it is missing, not an .npy file, cut short, or holds Python objects.
    """
    check_file(path, DataError, MAX_BYTES)
    with _refusing(path, ".npy"):
        mode: Literal["r"] | None = "r" if path.stat().st_size > MAPPED_BYTES else None
        array = np.load(path, allow_pickle=False, mmap_mode=mode)
    if not isinstance(array, np.ndarray):
        raise DataError(f"{path}: an archive of several arrays; name it .npz")
    return array


def read_npz(path: Path) -> dict[str, Array]:
    """Read every array of an .npz file.

    Raises:
        DataError: it is missing, not an .npz file, too large, or holds Python objects.
    """
    return _read_npz(path, lambda names: names)


def read_one_of_npz(path: Path, wanted: Sequence[str]) -> Array:
    """Read the first wanted array of an .npz file that it has, or its only one.

    Raises:
        DataError: as for `read_npz`, or there are several and none is called so.
    """

    def choose(names: list[str]) -> list[str]:
        chosen = [name for name in wanted if name in names] or (names if len(names) == 1 else [])
        if not chosen:
            held = ", ".join(names) or "no arrays"
            raise DataError(f"{path}: holds {held}; expected one called {' or '.join(wanted)}, or only one")
        return chosen[:1]

    return next(iter(_read_npz(path, choose).values()))


def _read_npz(path: Path, choose: Callable[[list[str]], list[str]]) -> dict[str, Array]:
    check_file(path, DataError, MAX_BYTES)
    with _refusing(path, ".npz"):
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        if size > MAX_BYTES:
            raise DataError(f"{path}: {size:,} bytes unpacked; at most {MAX_BYTES:,} are read")
        with np.load(path, allow_pickle=False) as arrays:
            chosen = {name: arrays[name] for name in choose(arrays.files)}
    for name, array in chosen.items():
        if not isinstance(array, np.ndarray):  # a member that NumPy has not written comes as its bytes
            raise DataError(f"{path}: {name} is no array of numbers, but some other file in the archive")
    return chosen


def _parse_idx(path: Path, file: BinaryIO | gzip.GzipFile) -> Array:
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _IDX_TYPES or not magic[3]:
        raise DataError(
            f"{path}: not an IDX file: magic number {magic.hex() or '(empty)'}, "
            "expected 0000 followed by a type (08 for bytes) and a number of dimensions"
        )
    dtype, dimensions = _IDX_TYPES[magic[2]], magic[3]
    header = file.read(4 * dimensions)
    if len(header) < 4 * dimensions:
        raise DataError(f"{path}: cut short inside its header")
    shape = struct.unpack(f">{dimensions}I", header)
    size = math.prod(shape) * dtype.itemsize
    if size > MAX_BYTES:
        raise DataError(f"{path}: shape {shape} is {size:,} bytes; at most {MAX_BYTES:,} are read")
    data = file.read(size + 1)
    if len(data) != size:
        found = f"{len(data):,}" if len(data) < size else f"more than {size:,}"
        raise DataError(f"{path}: {found} bytes of data where shape {shape} needs {size:,}")
    array = np.frombuffer(data, dtype).reshape(shape)
    return array.astype(dtype.newbyteorder("="))


@contextmanager
def _refusing(path: Path, kind: str) -> Iterator[None]:
    """Re-raise what NumPy, zipfile and gzip say of a damaged file."""
    try:
        yield
    except (
        OSError,
        ValueError,
        TypeError,
        EOFError,
        KeyError,
        RuntimeError,  # an encrypted archive, and NotImplementedError for its compression
        OverflowError,
        MemoryError,
        SyntaxError,  # a header that is not Python's
        tokenize.TokenError,
        struct.error,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise DataError(f"{path}: cannot be read as {kind}: {_reason(error)}") from error


def _reason(error: BaseException) -> str:
    if isinstance(error, MemoryError):
        return "it is larger than the memory"
    # NumPy advises to load it all the same, which would run what somebody put into the file.
    if "pickle" in str(error) or "Python objects" in str(error):
        return "it holds pickled Python objects, expected numbers"
    return first_line(error)
