"""Exclusive access: one thread at a time for a library that has one set of buffers."""

import os
from threading import RLock
from weakref import WeakSet

from edgernn.errors import ArtifactError


class ExclusiveAccess:
    """Lock for one set of buffers, with a flag for calls from signal handlers.

        with access.lock:
            if access.busy:
                raise access.refusal()
            try:
                access.busy = True
                ...
            finally:
                access.busy = False

    Callers write this out: a context manager in Python would cost a tenth of a small model's step.

    A signal handler that asks for an answer while its own thread computes one is refused: it can neither wait nor use
    the same buffers. A forked process has none of the other threads, so its locks are replaced by free ones.

    Attributes:
        lock: lock to hold while the buffers are used.
        busy: True while the lock's owner computes an answer.
    """

    def __init__(self) -> None:
        self.renew()
        _ALL.add(self)

    def renew(self) -> None:
        """Replace the lock by a free one."""
        self.lock = RLock()
        self.busy = False

    def refusal(self) -> ArtifactError:
        """Return the error to raise if it is `busy`."""
        return ArtifactError(
            "called from a signal handler while the same model computes an answer; load a second model for the handler"
        )


_ALL: "WeakSet[ExclusiveAccess]" = WeakSet()


def _renew_all() -> None:
    for access in list(_ALL):
        access.renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all)
