"""Start of a new process (import, load, check of golden samples, first answer), and the extension's size."""

import json
import random
import statistics
import subprocess
import sys
import time
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO, cast

import edgernn
from common.checks import Check, ratio_check
from native.call_times import LITERT, NATIVE
from native.native_limits import MAX_COMPRESSED_BYTES, MAX_START_RATIO, MAX_START_RATIO_WITHOUT_NUMPY
from overhead.cold_start import bytecode_environment, load_and_predict, measure_starts

_STREAM_ROUNDS = 15


def start_checks(title: str, path: Path) -> list[Check]:
    """Compare the start of new processes with native and with LiteRT, including and excluding the import of NumPy."""
    backends = (NATIVE, LITERT)
    native, litert = measure_starts({backend: load_and_predict(backend) for backend in backends}, path).values()
    group = f"{title}: a new process, native / LiteRT"
    ours, other = (start.seconds - start.numpy_seconds for start in (native, litert))
    return [
        ratio_check(
            group,
            f"import, load, check, answer ({1000 * native.seconds:.0f} / {1000 * litert.seconds:.0f} ms)",
            native.seconds / litert.seconds,
            MAX_START_RATIO,
        ),
        ratio_check(
            group,
            f"the same without `import numpy` ({1000 * ours:.0f} / {1000 * other:.0f} ms)",
            ours / other,
            MAX_START_RATIO_WITHOUT_NUMPY,
        ),
        Check(group, "`import numpy`, of a start with native", "share", native.numpy_seconds / native.seconds),
        _stream_check(group, path, backends),
    ]


def _stream_check(group: str, path: Path, backends: Sequence[str]) -> Check:
    """Compare `edgernn stream` from the start of the process to its first answer; both import NumPy, so no limit."""
    row = json.dumps([0.0] * edgernn.load(path).input_shape[-1]).encode() + b"\n"
    times: dict[str, list[float]] = {backend: [] for backend in backends}
    order = random.Random(0)  # noqa: S311  the order only has to vary
    for _ in range(_STREAM_ROUNDS):
        for backend in order.sample(backends, len(backends)):
            times[backend].append(time_first_answer(path, backend, row))
    native, litert = (statistics.median(times[backend]) for backend in backends)
    name = f"`edgernn stream` to its first answer ({1000 * native:.0f} / {1000 * litert:.0f} ms)"
    return ratio_check(group, name, native / litert)


def time_first_answer(path: Path, backend: str, row: bytes) -> float:
    """Return the seconds from the start of a process to the answer to its first row."""
    command = [sys.executable, "-m", "edgernn", "stream", str(path), "--backend", backend]
    start = time.perf_counter()
    with subprocess.Popen(  # noqa: S603
        command,
        env=bytecode_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        rows, answers = cast("IO[bytes]", process.stdin), cast("IO[bytes]", process.stdout)
        rows.write(row)
        rows.flush()
        answer = answers.readline()
        seconds = time.perf_counter() - start
        rows.close()
    if not answer or process.returncode:
        raise edgernn.ArtifactError(f"{path}: `edgernn stream` with {backend} gave no answer")
    return seconds


def extension_check() -> Check:
    """Measure the size of this machine's extension, compressed as in a wheel."""
    from edgernn import _native

    # hatchling writes a wheel with zipfile's default level.
    size = len(zlib.compress(Path(_native.__file__).read_bytes()))
    return Check("Extension", "compressed, in a wheel", "bytes", figure=size, limit=MAX_COMPRESSED_BYTES)
