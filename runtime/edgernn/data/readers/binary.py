"""IDX files, plain or .gz, and NumPy's .npy and .npz."""

import gzip
import math
import struct
import sys
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import IO, Any, BinaryIO

import numpy as np

from edgernn.arrays import Array
from edgernn.errors import DataError, first_line
from edgernn.records import record
from edgernn.system.files import check_file

# Larger than the data sets of such models, and within a workstation's memory.
MAX_BYTES = 4 << 30
# A larger .npy is mapped and stays on the disk, so memory does not grow with it.
MAPPED_BYTES = 64 << 20
_PIECE = 1 << 20
# NumPy's own limit on what it evaluates is 10,000.
_MAX_HEADER_BYTES, _MIN_HEADER_BYTES = 10_100, 12
_NPY_MAGIC = b"\x93NUMPY"
# For each version of the format: the type of the header's length, and the function that reads the header. Version 3
# is for records with names, which are not supported.
_HEADERS = {1: ("<H", np.lib.format.read_array_header_1_0), 2: ("<I", np.lib.format.read_array_header_2_0)}

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
    """Read an .npy file; a large one is mapped into memory, read-only.

    Raises:
        DataError: it is missing, not an .npy file, cut short, or contains Python objects.
    """
    check_file(path, DataError, MAX_BYTES)
    with _refusing(path, ".npy"):
        size = path.stat().st_size
        with path.open("rb") as file:
            header = _read_header(file)
            if header.size_bytes > size - file.tell():
                raise ValueError(
                    f"{size - file.tell():,} bytes, expected {header.size_bytes:,} for shape {header.shape}"
                )
            if size <= MAPPED_BYTES:
                return header.array(bytearray(file.read(header.size_bytes)))
        array: Array = np.load(path, allow_pickle=False, mmap_mode="r")
        _check_characters(array)
        return array


class Archive(Mapping[str, Array]):
    """Arrays of an .npz file by name, each read on first use.

    A few KB can unpack to GB, so the size in an array's header is checked before its data are read, and unused arrays
    are not unpacked.

    Args:
        path: the file.
        max_bytes: limit on the file's size, and on the total size of the arrays that are read.
        min_axes: minimum number of axes; axes of size 1 are added in front. 1 turns a single number into a list.

    Raises:
        DataError: it is missing, not an .npz file, or too large. Reading an array also raises it if the member is not
            an array, is too large, or contains Python objects.
    """

    def __init__(self, path: Path, max_bytes: int | None = None, min_axes: int = 0) -> None:
        self._path, self._min_axes = path, min_axes
        self._max_bytes = MAX_BYTES if max_bytes is None else max_bytes
        self._read: dict[str, Array] = {}
        check_file(path, DataError, self._max_bytes)
        with _refusing(path, ".npz"), zipfile.ZipFile(path) as archive:
            self._members = {entry.filename.removesuffix(".npy"): entry for entry in archive.infolist()}

    def __getitem__(self, name: str) -> Array:
        if name not in self._read:
            entry = self._members[name]
            with _refusing(self._path, ".npz"), zipfile.ZipFile(self._path) as archive:
                self._read[name] = self._unpack(archive, name, entry)
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape in the header of an array, without reading its data.

        Raises:
            DataError: the member is not an array, or contains Python objects.
        """
        entry = self._members[name]
        self._check_member(name, entry)
        with _refusing(self._path, ".npz"), zipfile.ZipFile(self._path) as archive, archive.open(entry) as file:
            return _read_header(file).shape

    def _check_member(self, name: str, entry: zipfile.ZipInfo) -> None:
        if not entry.filename.endswith(".npy"):
            raise DataError(f"{self._path}: {name} in it is not an array; save arrays of numbers with numpy.savez")
        # NumPy writes only these methods, and zipfile unpacks others without a limit on the bytes at a time.
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise DataError(
                f"{self._path}: {name} is compressed by method {entry.compress_type}, expected deflate; save it with "
                "numpy.savez_compressed"
            )

    def _unpack(self, archive: zipfile.ZipFile, name: str, entry: zipfile.ZipInfo) -> Array:
        self._check_member(name, entry)
        with archive.open(entry) as file:
            header = _read_header(file)
            size = header.size_bytes + sum(array.nbytes for array in self._read.values())
            if size > self._max_bytes:
                raise DataError(f"{self._path}: {size:,} bytes unpacked; expected at most {self._max_bytes:,}")
            data = bytearray()  # grows with the data in the file, not with the size in the header
            while len(data) < header.size_bytes and (piece := file.read(min(_PIECE, header.size_bytes - len(data)))):
                data += piece
            if len(data) < header.size_bytes or file.read(1):
                raise ValueError(
                    f"{name} has more or less data than the {header.size_bytes:,} bytes of shape {header.shape}"
                )
        array = header.array(data)
        return array.reshape((1,) * (self._min_axes - array.ndim) + array.shape)


def read_npz(path: Path) -> Archive:
    """Open an .npz file; each array is read on first use, a single number as a list of one.

    Raises:
        DataError: it is missing, not an .npz file, or too large.
    """
    return Archive(path, min_axes=1)


def read_one_of_npz(path: Path, choose: Callable[[Iterable[str]], str]) -> Array:
    """Read one array of an .npz file.

    Args:
        path: the file.
        choose: chooses one of the names, as those of `edgernn.data.array_names` do.

    Raises:
        DataError: as for `Archive`, or from `choose`.
    """
    archive = Archive(path)
    try:
        name = choose(archive)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    return archive[name]


@record(frozen=True)
class _Header:
    """Header of an .npy file."""

    shape: tuple[int, ...]
    fortran_order: bool
    dtype: np.dtype[Any]

    @property
    def size_bytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize

    def array(self, data: bytearray) -> Array:
        array: Array = np.ndarray(self.shape, self.dtype, data, order="F" if self.fortran_order else "C")
        _check_characters(array)
        return array


def _check_characters(array: Array) -> None:
    """Check the code points of text, which NumPy does not: Python fails on invalid ones later, inside its own code.

    Raises:
        ValueError: a text has code points that are not characters.
    """
    if array.dtype.kind == "U" and array.size:
        points = np.ascontiguousarray(array).reshape(-1).view(np.dtype("u4").newbyteorder(array.dtype.byteorder))
        if points.max() > sys.maxunicode:
            raise ValueError(f"text with code point {points.max():#x}, which is not a character")


def _read_header(file: IO[bytes]) -> _Header:
    """Read the header of an .npy file; first check its length, because NumPy would read up to 4 GiB.

    Raises:
        ValueError: it is not a header, or the array contains Python objects.
    """
    start = file.read(_MAX_HEADER_BYTES)
    major = start[len(_NPY_MAGIC)] if start.startswith(_NPY_MAGIC) and len(start) > _MIN_HEADER_BYTES else 0
    if major not in _HEADERS:
        raise ValueError(f"not an array that NumPy saved: it begins with {start[:8]!r}, expected {_NPY_MAGIC!r}")
    layout, read = _HEADERS[major]
    length = struct.unpack_from(layout, start, len(_NPY_MAGIC) + 2)[0]
    end = len(_NPY_MAGIC) + 2 + struct.calcsize(layout) + length
    if end > len(start):
        raise ValueError(
            f"a header of {length:,} bytes, expected at most {_MAX_HEADER_BYTES:,} and not more than the file"
        )
    file.seek(end)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about headers that Python 2 wrote
        header = _Header(*read(BytesIO(start[len(_NPY_MAGIC) + 2 : end])))
    if header.dtype.hasobject:
        raise ValueError("Python objects")
    if not header.dtype.itemsize and 0 not in header.shape:
        # A file of 128 bytes can declare any number of empty texts, and NumPy allocates a character for each.
        raise ValueError(f"shape {header.shape} of {header.dtype.str!r}, which has no size")
    return header


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
        raise DataError(f"{path}: shape {shape} is {size:,} bytes; expected at most {MAX_BYTES:,}")
    data = file.read(size + 1)
    if len(data) != size:
        found = f"{len(data):,}" if len(data) < size else f"more than {size:,}"
        raise DataError(f"{path}: {found} bytes of data, expected {size:,} for shape {shape}")
    array = np.frombuffer(data, dtype).reshape(shape)
    return array.astype(dtype.newbyteorder("="))


@contextmanager
def _refusing(path: Path, kind: str) -> Iterator[None]:
    """Re-raise errors of NumPy, zipfile and gzip about a damaged file as DataError."""
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
        SyntaxError,  # a header that is not Python syntax
        tokenize.TokenError,
        struct.error,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise DataError(f"{path}: cannot be read as {kind}: {_reason(error)}") from error


def _reason(error: BaseException) -> str:
    if isinstance(error, MemoryError):
        return "not enough memory"
    # NumPy's message advises allow_pickle=True, which would run code from the file.
    if "pickle" in str(error) or "Python objects" in str(error):
        return (
            "it contains pickled Python objects, expected numbers or text; save array.astype(float), or "
            "names.astype(str)"
        )
    return first_line(error)
