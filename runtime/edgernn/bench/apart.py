"""A subject in a process of its own, which has its turns when it is told to: what one does to memory no other sees."""

import contextlib
import multiprocessing
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from edgernn.bench.stopwatch import Loaded, Local, Method, Turn
from edgernn.errors import ArtifactError, EdgernnError, first_line
from edgernn.quiet import standard_error_aside

_STATUS = Path("/proc/self/status")
# What Linux calls the memory that a process has now, and the most that it had.
_STEADY, _PEAK = "VmRSS", "VmHWM"


@dataclass(frozen=True)
class Memory:
    """The physical memory of a process that does nothing but answer, Python and libraries included.

    Attributes:
        steady_bytes: when it has answered for a while.
        peak_bytes: the most that it had.
    """

    steady_bytes: int
    peak_bytes: int


class Apart:
    """A subject in a process of its own; made by `start_apart`."""

    def __init__(self, name: str, connection: Connection, process: Any) -> None:
        self._name, self._connection, self._process = name, connection, process

    def turn(self, method: Method) -> Mapping[str, Turn]:
        """See `Subject`.

        Raises:
            EdgernnError: what went wrong there.
        """
        turns: Mapping[str, Turn] = self._ask(method)
        return turns

    def memory(self) -> Memory | None:
        """What the process has of memory; None where the system does not tell."""
        memory: Memory | None = self._ask(None)
        return memory

    def _ask(self, request: Method | None) -> Any:
        try:
            self._connection.send(request)
            answer = self._connection.recv()
        except (EOFError, OSError) as error:
            self._process.join(timeout=5)
            raise ArtifactError(f"{self._name}: the process that runs it {_ending(self._process.exitcode)}") from error
        if isinstance(answer, EdgernnError):
            raise answer
        if isinstance(answer, str):
            raise ArtifactError(f"{self._name}: {answer}")
        return answer


@contextmanager
def start_apart(name: str, load: Callable[[], Loaded], *, afresh: bool = True) -> Iterator[Apart]:
    """Start a process for a subject; it ends with the block.

    Args:
        name: for messages.
        load: makes it ready; goes to the process.
        afresh: whether it is loaded again for every turn.
    """
    # Spawned: a fork would have the memory of this process.
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, load, afresh), daemon=True)
    process.start()
    theirs.close()
    try:
        yield Apart(name, ours, process)
    finally:
        ours.close()
        process.join(timeout=5)
        if process.is_alive():
            process.kill()
            process.join()


def _serve(connection: Connection, load: Callable[[], Loaded], afresh: bool) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that asks ends, and this one with it
    subject = Local(load, afresh=afresh)
    # It ends when nobody asks any more, or listens.
    with standard_error_aside(), contextlib.suppress(EOFError, OSError):
        while True:
            connection.send(_answer(subject, connection.recv()))


def _answer(subject: Local, method: Method | None) -> object:
    try:
        return subject.turn(method) if method else _memory()
    except EdgernnError as error:
        return error
    except Exception as error:  # noqa: BLE001 - whatever a backend raises is told there
        return f"{type(error).__name__}: {first_line(error)}"


def _ending(code: int | None) -> str:
    if code is None:
        return "does not answer"
    return f"ended: signal {signal.Signals(-code).name}" if code < 0 else f"ended: exit code {code}"


def _memory() -> Memory | None:
    if not _STATUS.exists():
        return None
    fields = dict(line.split(":", 1) for line in _STATUS.read_text(encoding="ascii").splitlines())
    steady, peak = (int(fields[name].split()[0]) * 1024 for name in (_STEADY, _PEAK))
    return Memory(steady, peak)
