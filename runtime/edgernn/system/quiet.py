"""Standard error without the messages of native libraries, which write to the file descriptor and not through Python.

A process may have no standard error, or one that cannot be written: the disk of a log is full, or the reader of a pipe
has ended. Then messages are lost, and predictions continue.
"""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, TextIO, cast

from edgernn.errors import EdgernnError

_STANDARD_ERROR = 2


class _LossyFile(io.FileIO):
    """File for messages: a message that cannot be written is lost, without an error."""

    def write(self, data: Any, /) -> int:
        """See `io.FileIO`."""
        written = None
        with suppress(OSError):
            written = super().write(data)
        return len(data) if written is None else written  # None: the pipe is full


def secure_standard_streams() -> None:
    """Prepare a command's standard streams, so that a message that cannot be written does not end the command.

    A closed descriptor is connected to the null device. Otherwise the next opened file would get its number, and
    libraries would write their messages into that file.
    """
    for descriptor in range(_STANDARD_ERROR + 1):
        try:
            os.fstat(descriptor)
        except OSError:
            null = os.open(os.devnull, os.O_RDWR)
            if null != descriptor:
                os.dup2(null, descriptor)
                os.close(null)
    # On Windows a console needs its own kind of stream, which is not replaced.
    if sys.stderr is None or (os.name == "posix" and sys.stderr is sys.__stderr__):
        encoding = "utf-8" if sys.stderr is None else sys.stderr.encoding
        sys.stderr = _messages_to(_STANDARD_ERROR, encoding, closefd=False)


@contextmanager
def standard_error_aside() -> Iterator[TextIO]:
    """Redirect file descriptor 2 in this block; its messages are shown only after an unforeseen error.

    Backends and converters log there, LiteRT its delegate at every load for instance. For commands, not for a library:
    it redirects the standard error of the whole process, other threads included.
    Yield a stream to the real standard error, for progress.
    """
    _flush()
    kept = _duplicate()
    with _open_log() as log, _messages_to(os.dup(kept)) as stream:
        os.dup2(log.fileno(), _STANDARD_ERROR)
        try:
            yield stream
        except EdgernnError:  # its message is enough
            raise
        except Exception:
            log.seek(0)
            with suppress(OSError):
                os.write(kept, log.read())
            raise
        finally:
            _flush()
            os.dup2(kept, _STANDARD_ERROR)
            os.close(kept)


def _messages_to(descriptor: int, encoding: str = "utf-8", *, closefd: bool = True) -> TextIO:
    buffer = io.BufferedWriter(_LossyFile(descriptor, "w", closefd=closefd))
    # Where ± cannot be written, write a question mark.
    return io.TextIOWrapper(buffer, encoding=encoding, errors="replace", line_buffering=True)


def _flush() -> None:
    if sys.stderr is not None:
        with suppress(OSError):
            sys.stderr.flush()


def _duplicate() -> int:
    """Duplicate standard error, or open the null device where it is closed."""
    try:
        return os.dup(_STANDARD_ERROR)
    except OSError:
        return os.open(os.devnull, os.O_RDWR)


def _open_log() -> BinaryIO:
    """Open a file without a name: in memory, or else on a disk, or else the null device."""
    with suppress(OSError, AttributeError):  # only Linux has it, and not in every sandbox
        return os.fdopen(os.memfd_create("edgernn-messages"), "w+b")
    import tempfile  # late: every command imports this module, and few systems need it

    with suppress(OSError):
        return cast("BinaryIO", tempfile.TemporaryFile())
    return Path(os.devnull).open("w+b")
