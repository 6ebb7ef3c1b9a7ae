"""Child processes: requests answered in a fresh interpreter, so that a crash or a hang there becomes an error here.

A child is started as `python -m edgernn.system.child`. It never runs the caller's own program again, so that a script
without `if __name__ == "__main__":`, a notebook cell and standard input can start one. Requests and answers are
pickled: both ends of the pipe are this program. The child ends with its parent, even if the parent is killed.
"""

import contextlib
import ctypes
import os
import pickle
import queue
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from edgernn.errors import EdgernnError, first_line

Handler = Callable[[Any], Any]

# Limit on elapsed time per second of allowed processor time: on a busy machine a child gets only a share of a core.
WALL_SECONDS_PER_CPU_SECOND = 10.0

_HEADER = struct.Struct("<Q")  # the length of the message that follows, in bytes
_PR_SET_PDEATHSIG = 1  # of Linux's prctl
_EXIT_SECONDS = 5.0


class ChildError(EdgernnError):
    """The child crashed, exceeded its time limit, or raised an error that is not edgernn's own."""


class ChildTimeError(ChildError):
    """The child exceeded its time limit."""


class Child:
    """Child process that answers requests one after the other; use it in a `with` block.

    Args:
        make_handler: a function of an importable module; the child calls it once with `arguments`, and its result with
            every request. Both must be picklable, and so must requests and answers.
        arguments: arguments of `make_handler`.

    Attributes:
        pid: the process's id.
    """

    def __init__(self, make_handler: Callable[..., Handler], *arguments: Any) -> None:
        # The child finds every module where this process found it, also those of the caller's folder.
        path = os.pathsep.join(dict.fromkeys(entry or str(Path.cwd()) for entry in sys.path))
        # TensorFlow removes its temporary files at the regular end of a process, and a child is killed.
        self._temporary = tempfile.mkdtemp(prefix="edgernn-")
        # Without -P the working folder would come before the standard library. A new session keeps a terminal's Ctrl-C
        # away from the child: the parent decides when the child ends.
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "edgernn.system.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path, "TMPDIR": self._temporary},
            start_new_session=os.name == "posix",
        )
        self.pid = self._process.pid
        self._answers: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        # A separate thread reads, because not every operating system can wait for a pipe with a time limit.
        threading.Thread(target=_receive_all, args=(self._process.stdout, self._answers), daemon=True).start()
        try:
            self._send((make_handler, arguments))
        except BaseException:
            self.close()
            raise

    def ask(self, request: Any, cpu_limit_s: float | None = None) -> Any:
        """Send a request and wait for its answer.

        Args:
            request: argument of the handler.
            cpu_limit_s: processor time that the child may take for it, in seconds. The elapsed time may be ten times
                as long; on Windows only the elapsed time is limited.

        Raises:
            EdgernnError: raised by the handler.
            ChildError: the child crashed, exceeded the limit, or raised any other error; afterwards it may have ended.
        """
        self._send((request, cpu_limit_s))
        limit_s = None if cpu_limit_s is None else WALL_SECONDS_PER_CPU_SECOND * cpu_limit_s
        try:
            message = self._answers.get(timeout=limit_s)
        except queue.Empty:
            self.close()
            raise ChildTimeError(f"took longer than {limit_s:g} s and was stopped") from None
        if message is None:
            self._answers.put(None)  # for the next request
            error = self._ending(cpu_limit_s)
            self.close()
            raise error
        answer = pickle.loads(message)  # noqa: S301  from our own child
        if isinstance(answer, EdgernnError):
            raise answer
        return answer

    @property
    def alive(self) -> bool:
        """True if the process runs."""
        return self._process.poll() is None

    def close(self) -> None:
        """End the process now, and remove its temporary files."""
        self._process.kill()
        self._process.wait()
        with contextlib.suppress(OSError):  # data that could not be sent
            self._process.stdin.close()  # type: ignore[union-attr]
        shutil.rmtree(self._temporary, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _send(self, message: Any) -> None:
        # A dead child, or one whose pipe `close` has closed (ValueError), is noticed when its answer is awaited.
        with contextlib.suppress(OSError, ValueError):
            _write(self._process.stdin, message)

    def _ending(self, cpu_limit_s: float | None) -> ChildError:
        try:
            code = self._process.wait(_EXIT_SECONDS)
        except subprocess.TimeoutExpired:
            return ChildError("closed its end of the pipe and was stopped")
        if cpu_limit_s is not None and code == -getattr(signal, "SIGXCPU", 0):
            return ChildTimeError(f"took longer than {cpu_limit_s:g} s of processor time and was stopped")
        return ChildError(f"crashed ({describe_exit(code)})")


def describe_exit(code: int) -> str:
    """Describe the end of a process: the name of its signal, or its exit code."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:  # a real-time signal has no name
        return f"signal {-code}"


def serve() -> None:
    """Answer requests in the child until the parent closes the pipe."""
    end_with_parent()
    requests, answers = _take_over_pipes()
    incoming: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_forward, args=(requests, incoming), daemon=True).start()
    make_handler, arguments = pickle.loads(incoming.get())  # noqa: S301  from our own parent
    handler: Handler | None = None
    while True:
        request, cpu_limit_s = pickle.loads(incoming.get())  # noqa: S301
        _limit_cpu(cpu_limit_s)
        try:
            handler = handler or make_handler(*arguments)
            answer = handler(request)
        except EdgernnError as error:
            answer = error
        except Exception as error:  # noqa: BLE001 - reported to the parent
            answer = ChildError(f"failed unexpectedly: {type(error).__name__}: {first_line(error)}")
        _write(answers, answer)


def end_with_parent() -> None:
    """Let the kernel end this process when its parent ends, even in the middle of native code; Linux only.

    Elsewhere a child ends when it finds its pipe closed, as soon as Python code can run.
    """
    if not sys.platform.startswith("linux"):
        return
    parent = os.getppid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the kernel was asked
        os._exit(1)


def _take_over_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Keep the pipes for messages, and redirect standard input and output, which libraries print to."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    try:
        os.dup2(2, 1)
    except OSError:  # standard error is closed
        os.dup2(nothing, 1)
    os.close(nothing)
    return requests, answers


def _forward(requests: BinaryIO, incoming: "queue.SimpleQueue[bytes]") -> None:
    """Put requests into the queue; end the process at once when the parent closes the pipe."""
    while (message := _read(requests)) is not None:
        incoming.put(message)
    os._exit(0)


def _receive_all(answers: BinaryIO, received: "queue.SimpleQueue[bytes | None]") -> None:
    """Put answers into the queue, and None after the last one."""
    with answers:
        while (message := _read(answers)) is not None:
            received.put(message)
    received.put(None)


def _write(pipe: Any, message: Any) -> None:
    data = pickle.dumps(message)
    pipe.write(_HEADER.pack(len(data)))
    pipe.write(data)
    pipe.flush()


def _read(pipe: BinaryIO) -> bytes | None:
    """Read the next message; return None at the end of the pipe, also in the middle of a message."""
    header = pipe.read(_HEADER.size)
    if len(header) < _HEADER.size:
        return None
    (size,) = _HEADER.unpack(header)
    data = pipe.read(size)
    return data if len(data) == size else None


def _limit_cpu(seconds: float | None) -> None:
    """Let the kernel end this process after `seconds` more of processor time; None removes the limit."""
    if os.name != "posix":
        return
    import resource  # late: Windows has none

    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    soft = hard if seconds is None else int(time.process_time() + seconds) + 1
    if hard != resource.RLIM_INFINITY:
        soft = min(soft, hard)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


if __name__ == "__main__":
    # Imported again under its real name, because its classes are pickled by that name.
    from edgernn.system.child import serve as serve_as_module

    serve_as_module()
