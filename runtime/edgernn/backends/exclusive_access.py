"""Turns: one thread at a time where a library has one set of buffers."""

import os
from threading import RLock
from weakref import WeakSet

from edgernn.errors import ArtifactError


class ExclusiveAccess:
    """Whose turn it is.

        with turns.lock:
            if turns.busy:
                raise turns.refusal()
            try:
                turns.busy = True
                ...
            finally:
                turns.busy = False

    It is written out where it is used: a context manager of our own costs a tenth of a small model's step.

    A signal handler that asks for an answer while its own thread is in the middle of one is refused: it could neither
    wait nor use the same buffers. A forked process, which has none of the other threads, begins with nobody's turn.

    Attributes:
        lock: to be held meanwhile.
        busy: whether its owner is in the middle of an answer.
    """

    def __init__(self) -> None:
        self.renew()
        _ALL.add(self)

    def renew(self) -> None:
        """Begin with nobody's turn."""
        self.lock = RLock()
        self.busy = False

    def refusal(self) -> ArtifactError:
        """What to raise when it is `busy`."""
        return ArtifactError(
            "asked for an answer in the middle of another, by a signal handler; load it there once more"
        )


_ALL: "WeakSet[ExclusiveAccess]" = WeakSet()


def _renew_all() -> None:
    for turns in list(_ALL):
        turns.renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all)
