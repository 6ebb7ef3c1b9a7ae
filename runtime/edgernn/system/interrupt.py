"""Ctrl-C and SIGTERM: end a command cleanly at any moment, with the exit code that shells expect."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

# Other libraries may catch the exception or block; after this time the process ends in any case.
GRACE_SECONDS = 5.0


class Interrupted(KeyboardInterrupt):
    """A signal asked the command to end.

    Attributes:
        number: the signal's number.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def exit_code(number: int) -> int:
    """Return the exit code of a command ended by a signal: 130 for Ctrl-C, 143 for SIGTERM (POSIX: 128 + signal)."""
    return 128 + number


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise `Interrupted` at the first SIGINT or SIGTERM, and end the process after the block if one arrived.

    Later signals are ignored, so that a second Ctrl-C does not interrupt the cleanup. After `GRACE_SECONDS` the process
    ends in any case. A signal that is ignored already, as under nohup, stays ignored.
    """
    received: list[int] = []

    def interrupt(number: int, _frame: FrameType | None) -> None:
        if not received:
            received.append(number)
            timer = threading.Timer(GRACE_SECONDS, os._exit, [exit_code(number)])
            timer.daemon = True
            timer.start()
            raise Interrupted(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, interrupt)
    try:
        yield
    finally:
        if received:
            with suppress(OSError, ValueError, AttributeError):  # a closed stream
                sys.stdout.flush()
                print(f"interrupted ({signal.Signals(received[0]).name})", file=sys.stderr, flush=True)  # noqa: T201
            # Not a regular exit: there, libraries with running threads write messages to the terminal.
            os._exit(exit_code(received[0]))
