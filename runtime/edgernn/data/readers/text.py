"""CSV and JSON lines: sequences that people and programs write.

CSV has one time step per line, with numbers separated by commas, semicolons, tabs or spaces
(`edgernn.data.readers.rows`). A blank line separates two samples. The first line may name the columns, and remarks may
come before it. JSON lines have one sample per line, `[[0.1, 0.2], [0.3, 0.4]]`: an array of time steps. Both contain
only numbers: no NaN, no Infinity, no text.
"""

import json
import re
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np

from edgernn.arrays import Array
from edgernn.data.readers.rows import NAMES, Row, find_header_fault, hint, is_number, is_remark, name_column, split_row
from edgernn.errors import DataError, InputError
from edgernn.system.files import check_file

# A number of two characters takes eight bytes of memory.
MAX_BYTES = 64 << 20
# A sample of 500 steps of 500 numbers; a parsed line takes up to twenty times as much memory.
MAX_LINE_BYTES = 4 << 20

_SHOWN = 20  # bytes of a wrong value in a message
_NOT_JSON_NUMBERS = re.compile(rb"[^\d\s\[\],.eE+-]")
BOM = b"\xef\xbb\xbf"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
DECIMALS = {",": "commas", ".": "points"}


def read_csv(path: Path, features: Sequence[str] = ()) -> Array:
    """Read a CSV file, float64 [samples, steps, features].

    Args:
        path: the file.
        features: names that its columns must have if its header names them; empty to accept any.

    Raises:
        DataError: it is missing, too large, or a line is wrong; the message names the line.
    """
    samples = _Samples()
    rows = _Rows(path, features)
    values, steps, begin = array("d"), 0, 1
    for number, line in _lines(path):
        if line:
            row = rows.parse(number, line)
            if row is None:
                begin = number + 1
                continue
            if steps and len(row) * steps != len(values):
                raise DataError(f"{path}: line {number} has {len(row)} numbers, expected {len(values) // steps}")
            values.extend(row)
            steps += 1
        elif steps:
            samples.add(path, begin, np.frombuffer(values).reshape(steps, -1))
            values, steps = array("d"), 0
        if not line:
            begin = number + 1
    if steps:
        samples.add(path, begin, np.frombuffer(values).reshape(steps, -1))
    return samples.as_array(path)


def read_json_lines(path: Path) -> Array:
    """Read a file of JSON lines, float64 [samples, steps, features].

    Raises:
        DataError: it is missing, too large, or a line is wrong; the message names the line.
    """
    samples = _Samples()
    for number, line in _lines(path):
        if line:
            try:
                samples.add(path, number, parse_sample(line))
            except DataError as error:
                raise DataError(f"{path}: line {number} {error}") from error
    return samples.as_array(path)


def parse_sample(line: bytes) -> Array:
    """Parse one JSON line, float64 [steps, features], or of any other shape, which the caller checks.

    Raises:
        DataError: it is too long, not JSON, or not an array of parts of the same length; the caller puts the line's
            place in front of the message.
    """
    expected = "expected a JSON array [[…], […], …] of time steps of the same length"
    if len(line) > MAX_LINE_BYTES:
        raise DataError(f"is longer than {MAX_LINE_BYTES:,} bytes")
    wrong = _NOT_JSON_NUMBERS.search(line)
    if wrong:
        raise DataError(f"contains {_word(line, wrong.start())}, which is not a number; {expected}")
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"is not JSON: {error}; {expected}") from error
    try:
        sample = np.array(value, np.float64)
    except (ValueError, TypeError, OverflowError) as error:
        raise DataError(f"contains {_unequal(value)}; {expected}") from error
    if not sample.ndim or not sample.size:
        raise DataError(f"has shape {sample.shape}, expected (steps, features)")
    return sample


class _Samples:
    """Growing collection of samples of one shape, in no more memory than their numbers need."""

    def __init__(self) -> None:
        self._values = array("d")
        self._shape: tuple[int, ...] | None = None
        self._count = 0

    def add(self, path: Path, line: int, sample: Array) -> None:
        if self._shape is None:
            self._shape = sample.shape
        elif sample.shape != self._shape:
            raise DataError(
                f"{path}: sample {self._count} from line {line} on has shape {sample.shape}, "
                f"those before {self._shape}; expected the same in the whole file"
            )
        self._values.frombytes(sample.tobytes())
        self._count += 1

    def as_array(self, path: Path) -> Array:
        if self._shape is None:
            raise DataError(f"{path}: no samples found; expected at least one")
        return np.frombuffer(self._values).reshape(self._count, *self._shape)


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Read the lines of a file without their ends, numbered from 1."""
    check_file(path, DataError, MAX_BYTES)
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if len(line) > MAX_LINE_BYTES:
                    raise DataError(f"{path}: line {number} is longer than {MAX_LINE_BYTES:,} bytes")
                if number == 1 and line.startswith(_UTF16):
                    raise DataError(f"{path}: UTF-16 text, expected UTF-8; save it as UTF-8")
                yield number, line.removeprefix(BOM).strip() if number == 1 else line.strip()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error


class _Rows:
    """Parser of the rows of one CSV file, which must all have one style; the first row may name the columns."""

    def __init__(self, path: Path, features: Sequence[str]) -> None:
        self._path, self._features = path, features
        self._header: Sequence[str] = ()
        self._first: Row | None = None
        self._decimal = ""

    def parse(self, number: int, line: bytes) -> list[float] | None:
        """Parse the numbers in a line; return None for the header, and for remarks before it."""
        try:
            # A spreadsheet may write the names of columns in an encoding other than UTF-8.
            text = line.decode(errors="replace")
            if self._first is None and is_remark(text):
                return None
            row = split_row(text)
        except InputError as error:
            raise DataError(f"{self._path}: line {number}: {error}") from error
        if self._first is None:
            self._first = row
            if row.is_header:
                self._header = row.fields
                if fault := find_header_fault(row.fields, self._features):
                    raise DataError(f"{self._path}: line {number}: {fault}")
                return None
        self._check(number, row)
        try:
            return [float(field) if is_number(field) else _refuse(field) for field in row.fields]
        except ValueError as error:
            place = next(place for place, field in enumerate(row.fields) if not is_number(field))
            word = row.fields[place]
            found = f"{word[:_SHOWN]!r}{name_column(self._header, place)}"
            raise DataError(
                f"{self._path}: line {number} contains {found}, which is not a number; expected 0.1,0.2,…{hint(word)}"
            ) from error

    def _check(self, number: int, row: Row) -> None:
        first = self._first
        if first and min(len(first.fields), len(row.fields)) > 1 and first.separator != row.separator:
            raise DataError(
                f"{self._path}: line {number} has {NAMES[row.separator]} between its fields, the first line "
                f"{NAMES[first.separator]}; expected the same in the whole file"
            )
        if row.decimal and self._decimal not in ("", row.decimal):
            raise DataError(
                f"{self._path}: line {number} has decimal {DECIMALS[row.decimal]}, those before decimal "
                f"{DECIMALS[self._decimal]}; expected the same in the whole file"
            )
        self._decimal = self._decimal or row.decimal


def _refuse(field: str) -> NoReturn:
    raise ValueError(field)


def _unequal(value: object) -> str:
    if isinstance(value, list) and all(isinstance(row, list) for row in value):
        lengths = [len(row) for row in value]
        other = next((index for index, length in enumerate(lengths) if length != lengths[0]), None)
        if other is not None:
            return f"a time step of {lengths[other]} numbers (step {other}) after one of {lengths[0]}"
    return "a value that is not a number, or too large"


def _word(line: bytes, place: int) -> str:
    """Return the word around a byte that belongs to no number, up to the next comma, bracket or space."""
    start = place - len(re.split(rb"[\s\[\],]", line[max(0, place - _SHOWN) : place])[-1])
    word = re.split(rb"[\s\[\],]", line[start : start + _SHOWN])[0]
    return repr(word.decode("utf-8", errors="replace"))
