"""Subjects in isolated processes: the memory that one uses does not affect the others."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from edgernn.bench.stopwatch import LoadedSubject, Local, Method, Round
from edgernn.errors import ArtifactError
from edgernn.system.child import Child, ChildError
from edgernn.system.machine import Memory, own_memory
from edgernn.system.quiet import standard_error_aside


class Isolated:
    """Subject in an isolated process; create it with `start_isolated`."""

    def __init__(self, name: str, child: Child) -> None:
        self._name, self._child = name, child

    def time_round(self, method: Method) -> Mapping[str, Round]:
        """See `Subject`.

        Raises:
            EdgernnError: the subject fails, or its process ends.
        """
        times: Mapping[str, Round] = self._ask(method)
        return times

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
        load: loads the subject; is sent to the process, so it must be picklable.
        reload: True to load it again in every round.
    """
    with Child(_serve, load, reload) as child:
        yield Isolated(name, child)


def _serve(load: Callable[[], LoadedSubject], reload: bool) -> Callable[[Method | None], object]:
    """Create the subject in the child; return the function that answers requests for a round or for the memory."""
    subject = Local(load, reload=reload)

    def answer(method: Method | None) -> object:
        with standard_error_aside():
            return subject.time_round(method) if method else own_memory()

    return answer
