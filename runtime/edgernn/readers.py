"""Files into arrays: IDX (plain or .gz), .npy, .npz and pictures.

Nothing here runs code from a file (no pickle), and every size is checked before memory is taken for it.
"""

import gzip
import math
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from edgernn.errors import DataError, MissingExtraError
from edgernn.files import check_file

Array = npt.NDArray[np.generic]

# Larger than any data set these models are trained on, small enough for a workstation's memory.
MAX_BYTES = 4 << 30
MAX_PIXELS = 50_000_000
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")

# The type byte of an IDX magic number; multi-byte types are big-endian (LeCun, "THE IDX FILE FORMAT").
_IDX_TYPES: dict[int, np.dtype[Any]] = {
    0x08: np.dtype("u1"),
    0x09: np.dtype("i1"),
    0x0B: np.dtype(">i2"),
    0x0C: np.dtype(">i4"),
    0x0D: np.dtype(">f4"),
    0x0E: np.dtype(">f8"),
}


def read_array(path: Path) -> Array:
    """Read the array in a file, by its suffix: an IDX file, .npy, .npz or a picture.

    Of an .npz the array `x_test` is taken, or `x`, or the only one there is. A picture is
    grey: uint8 [height, width].

    Raises:
        DataError: the file is missing, damaged, too large or of a kind that nobody reads.
        MissingExtraError: it is a picture and Pillow is not installed.
    """
    name = path.name.lower()
    if name.endswith(".npy"):
        return read_npy(path)
    if name.endswith(".npz"):
        return _pick_array(path, read_npz(path))
    if name.endswith(IMAGE_SUFFIXES):
        return read_image(path)
    if name.endswith(("-ubyte", "-ubyte.gz", ".idx", ".idx.gz")):
        return read_idx(path)
    raise DataError(
        f"{path}: nobody reads the suffix {path.suffix or '(none)'!r}; known are .npy, .npz, IDX "
        f"(-ubyte, .idx, plain or .gz) and pictures ({', '.join(IMAGE_SUFFIXES)})"
    )


def read_idx(path: Path) -> Array:
    """Read an IDX file, plain or gzip-compressed, as an array in native byte order.

    Raises:
        DataError: the file is missing, has a wrong magic number, is cut short or has bytes left over.
    """
    check_file(path, DataError, MAX_BYTES)
    try:
        with gzip.open(path) if path.name.endswith(".gz") else path.open("rb") as file:
            return _parse_idx(path, file)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read as IDX: {error}") from error


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


def read_npy(path: Path) -> Array:
    """Read an .npy file that holds numbers.

    Raises:
        DataError: it is missing, not an .npy file, or holds Python objects.
    """
    check_file(path, DataError, MAX_BYTES)
    try:
        array = np.load(path, allow_pickle=False, mmap_mode=None)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path}: cannot be read as .npy: {error}") from error
    if not isinstance(array, np.ndarray):
        raise DataError(f"{path}: an archive of several arrays; name it .npz")
    return array


def read_npz(path: Path) -> dict[str, Array]:
    """Read every array of an .npz file.

    Raises:
        DataError: it is missing, not an .npz file, too large, or holds Python objects.
    """
    check_file(path, DataError, MAX_BYTES)
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        if size > MAX_BYTES:
            raise DataError(f"{path}: {size:,} bytes unpacked; at most {MAX_BYTES:,} are read")
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path}: cannot be read as .npz: {error}") from error


def read_image(path: Path) -> Array:
    """Read a picture as grey levels, uint8 [height, width].

    Raises:
        DataError: it is missing, damaged or has more than 50 million pixels.
        MissingExtraError: Pillow is not installed.
    """
    check_file(path, DataError, MAX_BYTES)
    try:
        # Optional: a device that reads sensors has no pictures, and 32-bit Arm has no wheel of it.
        from PIL import Image, UnidentifiedImageError
    except ImportError as error:
        raise MissingExtraError("Pillow, which reads pictures,", "images") from error
    try:
        with Image.open(path) as image:
            width, height = image.size
            if width * height > MAX_PIXELS:
                raise DataError(f"{path}: {width}x{height} pixels; at most {MAX_PIXELS:,} are read")
            return np.asarray(image.convert("L"))
    except (OSError, ValueError, SyntaxError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: cannot be read as a picture: {error}") from error


def _pick_array(path: Path, arrays: dict[str, Array]) -> Array:
    for name in ("x_test", "x"):
        if name in arrays:
            return arrays[name]
    if len(arrays) == 1:
        return next(iter(arrays.values()))
    raise DataError(f"{path}: holds {', '.join(arrays) or 'no arrays'}; expected one called x_test or x, or only one")
