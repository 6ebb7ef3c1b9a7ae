"""A fork server: libraries are loaded once, and a worker that a mutant kills is replaced by a fork.

This process imports everything, makes no interpreter and starts no thread. A worker forked from it judges a batch of
mutants, and writes each verdict before the next mutant. If it stops, the current mutant is the cause, and another
worker continues with the next one.
"""

import json
import os
import resource
import select
import signal
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import IO

from common.memory import ADDRESS_SPACE, memory_bytes
from edgernn.errors import first_line
from mutants.judging import CRASH, EXCEPTION, HANG, MEMORY, Judgement

# Limits memory that libraries leak when they refuse a file.
BATCH = 250
# Limit of address space in addition to that at the fork; allocators reserve more than they use.
_MEMORY_BYTES = 1 << 30
_STARTED = "started"

JudgeMaker = Callable[[], Callable[[int], Judgement]]


def verdicts(numbers: Sequence[int], make_judge: JudgeMaker, timeout_seconds: float) -> Iterator[tuple[int, Judgement]]:
    """Yield the verdict of each number, in order.

    Args:
        numbers: numbers of the mutants.
        make_judge: called once in each worker; returns a function that judges a number.
        timeout_seconds: a worker without output for longer counts as hanging.

    Raises:
        RuntimeError: a worker dies before it is ready, which no mutant causes.
    """
    waiting = list(numbers)
    while waiting:
        for number, verdict in _one_worker(waiting[:BATCH], make_judge, timeout_seconds):
            waiting.pop(0)
            yield number, verdict


def _one_worker(batch: Sequence[int], make_judge: JudgeMaker, timeout: float) -> Iterator[tuple[int, Judgement]]:
    """Yield the verdicts of one worker; if it dies before the end of the batch, the last one is about its death."""
    reading, writing = os.pipe()
    with tempfile.TemporaryFile() as errors:
        sys.stdout.flush()
        child = os.fork()
        if not child:
            os.close(reading)
            _work(batch, make_judge, writing, errors)  # never returns
        os.close(writing)
        lines = _lines(reading, timeout)
        try:
            if next(lines, None) != _STARTED:
                raise RuntimeError(f"a worker did not start: {_last_words(errors)}")
            for number in batch:
                try:
                    line = next(lines, None)
                except TimeoutError:
                    yield number, Judgement(HANG, f"no output for {timeout:g} s")
                    return
                if line is None:
                    _, status = os.waitpid(child, 0)
                    child = 0
                    yield number, _death(status, _last_words(errors))
                    return
                yield number, Judgement(**json.loads(line))
        finally:
            os.close(reading)
            if child:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)


def _lines(reading: int, timeout: float) -> Iterator[str]:
    """Yield a worker's lines until it ends; raise TimeoutError if it writes nothing for too long."""
    rest = b""
    while True:
        while b"\n" in rest:
            line, rest = rest.split(b"\n", 1)
            yield line.decode()
        if not select.select([reading], [], [], timeout)[0]:
            raise TimeoutError
        more = os.read(reading, 1 << 16)
        if not more:
            return
        rest += more


def _death(status: int, words: str) -> Judgement:
    if os.WIFSIGNALED(status):
        outcome = MEMORY if "bad_alloc" in words else CRASH
        return Judgement(outcome, f"{signal.Signals(os.WTERMSIG(status)).name}: {words}")
    outcome = MEMORY if words.startswith("MemoryError") else EXCEPTION
    return Judgement(outcome, f"exit code {os.waitstatus_to_exitcode(status)}: {words}")


def _work(batch: Sequence[int], make_judge: JudgeMaker, writing: int, errors: IO[bytes]) -> None:
    """Judge a batch in the worker process, and end it."""
    code = 1
    try:
        for chatter in (1, 2):
            os.dup2(errors.fileno(), chatter)
        warnings.simplefilter("ignore")
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        limit = memory_bytes(ADDRESS_SPACE) + _MEMORY_BYTES
        judge = make_judge()
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        os.write(writing, f"{_STARTED}\n".encode())
        for number in batch:
            os.truncate(2, 0)
            os.lseek(2, 0, os.SEEK_SET)
            os.write(writing, (json.dumps(asdict(judge(number))) + "\n").encode())
        code = 0
    except BaseException as error:  # noqa: BLE001 - after any error the worker must end, not continue as a second parent
        os.write(2, f"{type(error).__name__}: {first_line(error)}".encode())
    finally:
        os._exit(code)


def _last_words(errors: IO[bytes]) -> str:
    errors.seek(0)
    lines = errors.read().decode(errors="replace").splitlines()
    return " | ".join(line.strip() for line in lines[-3:])[:300]
