"""Read lines of standard input, of bounded length, until it ends or a signal comes; parse the numbers in them."""

import io
import json
import math
import os
import select
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any, Self, cast

import numpy as np

from edgernn.arrays import Float32
from edgernn.console.terminal import say
from edgernn.data.readers.rows import find_header_fault, hint, is_remark, split_row
from edgernn.data.readers.text import BOM
from edgernn.errors import DataError, InputError, list_names

# Bytes that are read at once. They are answered even when a signal comes, so this is small.
_CHUNK = 4096
_MAX_FLOAT32 = float(np.finfo(np.float32).max)
# Characters of a wrong value in a message.
_SHOWN = 30
# Wrong lines in succession that are reported one by one.
MAX_FAULTS = 5


class StopSignals:
    """Ctrl-C, SIGTERM and SIGHUP, deferred until the program waits for input, so that work begun is finished.

    Python writes each signal's number into a pipe when it comes. `wait` watches that pipe and the input together, so a
    signal just before the wait is not missed. A signal that is ignored already, as under nohup, stays ignored. On
    Windows, where `select` cannot watch a pipe, signals are handled as usual.

    Attributes:
        signal: the number of the signal that `wait` saw; None if there was none.
    """

    _NAMES = ("SIGINT", "SIGTERM", "SIGHUP")

    def __init__(self) -> None:
        self.signal: int | None = None

    def __enter__(self) -> Self:
        self._handlers: dict[int, Any] = {}
        if os.name != "posix":
            return self
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        self._wakeup = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        for number in (getattr(signal, name) for name in self._NAMES):
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._handlers[number] = signal.signal(number, _ask)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if os.name != "posix":
            return
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup)
        os.close(self._reader)
        os.close(self._writer)

    def wait(self, source: io.BufferedReader, before_waiting: Callable[[], None] = lambda: None) -> bool:
        """Wait until `source` has something to read or has ended; False when a signal asks to stop.

        Args:
            source: a file, a pipe, a terminal.
            before_waiting: called if there is nothing to read yet; on Windows, where that is not known, always.
        """
        if os.name != "posix":
            before_waiting()
            return True
        try:
            sources = [self._reader, source.fileno()]
        except io.UnsupportedOperation:  # a text in memory, which is always ready
            sources = [self._reader]
        ready = select.select(sources, [], [], 0)[0]
        if not ready and len(sources) > 1:
            before_waiting()
            ready = select.select(sources, [], [])[0]
        if self._reader not in ready:
            return True
        self.signal = os.read(self._reader, 1)[0]
        return False


def standard_input() -> io.BufferedReader:
    """Return standard input as a binary stream.

    Raises:
        DataError: it is closed.
    """
    if sys.stdin is None:
        raise DataError("standard input is closed; expected lines of numbers")
    return cast("io.BufferedReader", sys.stdin.buffer)


def read_lines(
    source: io.BufferedReader, stop: StopSignals, max_bytes: int, before_waiting: Callable[[], None] = lambda: None
) -> Iterator[bytes]:
    """Read lines from `source`, each as soon as it is complete.

    When a signal comes, the lines that were read before it are still yielded.

    Args:
        source: standard input, or any other binary stream.
        stop: the signals that end the waiting.
        max_bytes: a longer line is cut, but stays longer than this, so that the caller can refuse it.
        before_waiting: called before each wait, after all available lines have been processed.

    Raises:
        DataError: the source cannot be read.
    """
    begun = b""
    start = BOM
    while stop.wait(source, before_waiting):
        try:
            chunk = source.read1(_CHUNK)
        except OSError as error:
            raise DataError(f"standard input cannot be read: {error.strerror or error}") from error
        if not chunk:
            if begun:
                yield begun.removeprefix(start)
            return
        *lines, begun = (begun + chunk).split(b"\n")
        for line in lines:
            yield line.removeprefix(start)
            start = b""
        begun = begun[: max_bytes + 1]


def parse_numbers(line: bytes) -> Float32:
    """Parse a line, a JSON array or a row of `edgernn.data.readers.rows`, into float32 [numbers].

    Raises:
        InputError: a field is not a number, or not a finite float32.
    """
    try:
        text = line.decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise InputError(f"not UTF-8 text: {_shorten(repr(line))}") from error
    values = _parse_json(text) if text.startswith("[") else split_row(text).fields
    if text.isascii() and "_" not in text and values:
        with suppress(ValueError, OverflowError):
            numbers = np.fromiter(map(float, values), np.float64, len(values))
            if np.abs(numbers).max() <= _MAX_FLOAT32:  # False for a NaN
                return numbers.astype(np.float32)
    # Three times slower, but it finds the wrong field for the message.
    return np.array([_to_float(place, value) for place, value in enumerate(values, 1)], np.float32)


class Front:
    """Lines before the first row, as in CSV files: remarks, and a header with the names of the columns.

    Args:
        features: the number of columns.
        max_bytes: a longer line is neither a remark nor a header.
        names: names that a header must have; empty to accept any.
    """

    def __init__(self, features: int, max_bytes: int, names: Sequence[str] = ()) -> None:
        self._features, self._max_bytes, self._names = features, max_bytes, names
        self._ended = False

    def contains(self, number: int, line: bytes) -> bool:
        """Return True if the next line is a remark or a header; print the names in a header.

        Raises:
            InputError: the line has both decimal commas and decimal points.
            DataError: it is a header with other names than the model's features.
        """
        if self._ended or not line.strip():
            return False
        self._ended = True
        if len(line) > self._max_bytes:
            return False
        text = line.decode(errors="replace").strip()
        if is_remark(text):
            self._ended = False
            return True
        row = split_row(text)
        if text.startswith("[") or not row.is_header:
            return False
        if fault := find_header_fault(row.fields, self._names):
            raise DataError(f"standard input: line {number}: {fault}")
        if len(row.fields) != self._features:
            return False
        say(f"note: line {number} names the columns: {list_names(row.fields)}", err=True)
        return True


class Faults:
    """Lines of standard input that cannot be used: the first ones in succession are reported, the others counted.

    A sensor that sends wrong rows sends some hundred a second, and each would say the same.

    Attributes:
        count: number of all such lines.
    """

    def __init__(self) -> None:
        self.count = 0
        self._first = self._last = self._in_succession = 0

    def add(self, number: int, reason: str) -> None:
        """Report line `number`, or count it if the lines before it were reported."""
        self.count += 1
        self._in_succession += 1
        self._last = number
        if self._in_succession < MAX_FAULTS:
            say(f"error: line {number}: {reason}", err=True)
        elif self._in_succession == MAX_FAULTS:
            self._first = number + 1
            say(f"error: line {number}: {reason}; the next ones are only counted", err=True)

    def end(self) -> None:
        """End a succession, because a line could be used or the input ended; report what was only counted."""
        if self._in_succession > MAX_FAULTS:
            count = self._in_succession - MAX_FAULTS
            lines = f"line {self._last}" if count == 1 else f"{count:,} lines, {self._first} to {self._last},"
            say(f"error: {lines} could not be used either", err=True)
        self._in_succession = 0


def _parse_json(text: str) -> list[Any]:
    try:
        values: list[Any] = json.loads(text)  # a list, because it begins with a bracket
    except (ValueError, RecursionError) as error:
        raise InputError(f"not a JSON array: {str(error).partition(';')[0]}") from error
    for place, value in enumerate(values, 1):
        if type(value) not in (int, float):  # excludes True, which is an int in Python
            raise InputError(f"number {place} is {_shorten(repr(value))}, expected a number")
    return values


def _to_float(place: int, value: str | float) -> float:
    shown = _shorten(repr(value.strip()) if isinstance(value, str) else repr(value))
    try:
        # `float` also accepts 1_000 and digits of other scripts; "?" makes it fail.
        number = float(value if not isinstance(value, str) or (value.isascii() and "_" not in value) else "?")
    except ValueError as error:
        raise InputError(f"number {place} is {shown}, expected a number{hint(str(value))}") from error
    except OverflowError:  # a JSON integer too large for float64
        number = math.inf
    if not abs(number) <= _MAX_FLOAT32:
        raise InputError(f"number {place} is {shown}, expected a finite number in the range of float32")
    return number


def _shorten(text: str) -> str:
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def _ask(number: int, _frame: FrameType | None) -> None:
    """Let the next signal of this kind end the process; Python has already put the first one's number into the pipe.

    Otherwise a full pipe at standard output, whose reader has stopped reading, would block the process for ever.
    """
    signal.signal(number, signal.SIG_DFL)
