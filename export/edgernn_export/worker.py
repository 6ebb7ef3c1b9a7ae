"""The worker: conversions run in a child process, so that a converter's crash or hang ends one row, not the command."""

import multiprocessing
import signal
from dataclasses import dataclass
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Self

from edgernn.errors import EdgernnError, ExportError, first_line
from edgernn.run_folder import Original
from edgernn_export.proof import Proof
from edgernn_export.settings import Settings
from edgernn_export.targets import Target

# A target takes seconds; the first one also loads TensorFlow, and the first with int8 weights refines them.
TIME_LIMIT_S = 300.0


@dataclass(frozen=True)
class Made:
    """What came of one target.

    Attributes:
        data: the file's content.
        proof: what the proof saw.
        reason: why it fails its bar; empty if it does not.
        preferred_layout: of the layouts of its number format.
    """

    data: bytes
    proof: Proof
    reason: str
    preferred_layout: str


class Worker:
    """Makes artifacts in a child process, started when it is needed and again after a crash.

    Args:
        original: the Keras model, with samples.
        settings: the user's.
        time_limit_s: for one target.
    """

    def __init__(self, original: Original, settings: Settings, time_limit_s: float = TIME_LIMIT_S) -> None:
        self._arguments = (original, settings)
        self._time_limit_s = time_limit_s
        self._process: Any = None
        self._connection: Connection | None = None

    def make(self, target: Target) -> Made:
        """Make one artifact.

        Raises:
            ExportError: a converter fails, crashes or takes too long.
            EdgernnError: the model or the samples cannot be used at all, as `Subject` says.
        """
        connection = self._start()
        try:
            connection.send(target)
            if not connection.poll(self._time_limit_s):
                self._stop()
                raise ExportError(f"took longer than {self._time_limit_s:g} s and was stopped")
            result = connection.recv()
        except (EOFError, ConnectionError):
            raise ExportError(f"the converter crashed ({self._end()})") from None
        if isinstance(result, EdgernnError):
            raise result
        made: Made = result
        return made

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def _start(self) -> Connection:
        if self._connection is None:
            # spawn: a fork would copy TensorFlow's threads half alive.
            context = multiprocessing.get_context("spawn")
            self._connection, theirs = context.Pipe()
            self._process = context.Process(target=serve, args=(theirs, *self._arguments), daemon=True)
            self._process.start()
            theirs.close()
        return self._connection

    def _end(self) -> str:
        """How the process ended, in words."""
        self._process.join(5)
        code = self._process.exitcode
        self._stop()
        return signal.Signals(-code).name if code is not None and code < 0 else f"exit code {code}"

    def _stop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
            self._process.kill()
            self._process.join()


def serve(connection: Connection, original: Original, settings: Settings) -> None:
    """The child: make what is asked for until nobody asks any more."""
    from edgernn_export.artifact import make_artifact
    from edgernn_export.subject import Subject

    subject: Subject | None = None
    while True:
        try:
            target = connection.recv()
        except EOFError:
            return
        try:
            subject = subject or Subject(original, settings)
            connection.send(Made(*make_artifact(subject, target), subject.preferred_layout))
        except EdgernnError as error:
            connection.send(error)
        except Exception as error:  # noqa: BLE001 - a converter raises whatever its stages raise; it is this row's reason
            connection.send(ExportError(f"unforeseen: {type(error).__name__}: {first_line(error)}"))
