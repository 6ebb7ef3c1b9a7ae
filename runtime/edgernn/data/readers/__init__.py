"""Readers of arrays from files: IDX (plain or .gz), .npy, .npz, CSV and JSON lines.

They never run code from a file (no pickle), and check every size before they allocate memory.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from edgernn.arrays import Array
from edgernn.data.array_names import find_test_inputs
from edgernn.data.readers.binary import MAX_BYTES, Archive, read_idx, read_npy, read_npz, read_one_of_npz
from edgernn.data.readers.text import parse_sample, read_csv, read_json_lines
from edgernn.errors import DataError
from edgernn.system.files import check_file

__all__ = [
    "Archive",
    "Array",
    "is_readable",
    "parse_sample",
    "read_array",
    "read_csv",
    "read_idx",
    "read_json_lines",
    "read_npy",
    "read_npz",
    "read_one_of_npz",
]

IDX_SUFFIXES = ("-ubyte", "-ubyte.gz", ".idx", ".idx.gz")

_READERS: dict[tuple[str, ...], Callable[[Path], Array]] = {
    (".npy",): read_npy,
    (".npz",): lambda path: read_one_of_npz(path, find_test_inputs),
    IDX_SUFFIXES: read_idx,
    (".csv",): read_csv,
    (".jsonl", ".ndjson"): read_json_lines,
}
SUPPORTED = ".npy, .npz, IDX (-ubyte, .idx, plain or .gz), .csv and JSON lines (.jsonl, .ndjson)"


def is_readable(path: Path) -> bool:
    """Return True if `read_array` reads files with such a suffix."""
    return path.name.lower().endswith(tuple(suffix for suffixes in _READERS for suffix in suffixes))


def read_array(path: Path, features: Sequence[str] = ()) -> Array:
    """Read the array in a file; the suffix selects the format: IDX, .npy, .npz, CSV or JSON lines.

    From an .npz, read the inputs to test with, see `edgernn.data.array_names`: `x_test`, or else `x`, or else the only
    array. CSV and JSON lines are [samples, steps, features].

    Args:
        path: the file.
        features: names that the columns of a CSV file must have if its header names them; empty to accept any.

    Raises:
        DataError: the file is missing, damaged, too large or of an unsupported type.
    """
    check_file(path, DataError, MAX_BYTES)  # first: a missing file is reported as missing, whatever its suffix
    name = path.name.lower()
    for suffixes, read in _READERS.items():
        if name.endswith(suffixes):
            return read_csv(path, features) if read is read_csv else read(path)
    raise DataError(
        f"{path}: unsupported file type {path.suffix or '(no suffix)'!r}; expected {SUPPORTED}, or a picture where the "
        "model takes pictures"
    )
