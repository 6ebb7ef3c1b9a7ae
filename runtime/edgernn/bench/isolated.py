"""Subjects in isolated processes: the memory that one uses does not affect the others."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgernn.bench.stopwatch import LoadedSubject, Local, Method, Round
from edgernn.child import Child, ChildError
from edgernn.errors import ArtifactError
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


class Isolated:
    """Subject in an isolated process; made by `start_isolated`."""

    def __init__(self, name: str, child: Child) -> None:
        self._name, self._child = name, child

    def turn(self, method: Method) -> Mapping[str, Round]:
        """See `Subject`.

        Raises:
            EdgernnError: what went wrong there.
        """
        turns: Mapping[str, Round] = self._ask(method)
        return turns

    def memory(self) -> Memory | None:
        """Memory that the process uses; None where the operating system does not report it."""
        memory: Memory | None = self._ask(None)
        return memory

    def _ask(self, request: Method | None) -> Any:
        try:
            return self._child.ask(request)
        except ChildError as error:
            raise ArtifactError(f"{self._name}: the process that runs it {error}") from error


@contextmanager
def start_isolated(name: str, load: Callable[[], LoadedSubject], *, reload: bool = True) -> Iterator[Isolated]:
    """Start a process for a subject; it ends with the block.

    Args:
        name: for messages.
        load: makes it ready; goes to the process.
        afresh: whether it is loaded again for every turn.
    """
    with Child(_serve, load, reload) as child:
        yield Isolated(name, child)


def _serve(load: Callable[[], LoadedSubject], reload: bool) -> Callable[[Method | None], object]:
    """Make the subject in the child; returns the function that answers a request for a turn or for the memory."""
    subject = Local(load, reload=reload)

    def answer(method: Method | None) -> object:
        with standard_error_aside():  # LiteRT logs its delegate there
            return subject.turn(method) if method else _memory()

    return answer


def _memory() -> Memory | None:
    if not _STATUS.exists():
        return None
    fields = dict(line.split(":", 1) for line in _STATUS.read_text(encoding="ascii").splitlines())
    steady, peak = (int(fields[name].split()[0]) * 1024 for name in (_STEADY, _PEAK))
    return Memory(steady, peak)
