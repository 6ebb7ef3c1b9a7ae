"""Cold starts of edgernn and of the bare backend: a new Python process imports, loads and answers one sample."""

import os
import random
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

import edgernn
from common.bare_subjects import BARE_BACKENDS
from common.checks import Check, ratio_check

ROUNDS = 40
MAX_TIME_RATIO, MAX_MEMORY_RATIO = 1.25, 1.15

# Both import NumPy, because the sample is an array.
_OURS = """
import edgernn
edgernn.load(path, backend="{backend}").predict(x)
"""
_BARE = {
    ".tflite": """
from ai_edge_litert.interpreter import Interpreter
interpreter = Interpreter(path, num_threads=1)
interpreter.allocate_tensors()
interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x[None])
interpreter.invoke()
interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
""",
    ".onnx": """
import os
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
options.add_session_config_entry("session.disable_quant_qdq", "1")
session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
session.run(None, {session.get_inputs()[0].name: x[None]})
""",
}
_PROGRAM = """
import sys, time
start = time.perf_counter()
import numpy as np
numpy_seconds = time.perf_counter() - start
path, x = sys.argv[1], np.zeros([int(size) for size in sys.argv[2:]], np.float32)
{body}
seconds = time.perf_counter() - start
# Not getrusage: its maximum includes the parent's memory at the time of the fork.
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(seconds, numpy_seconds, status["VmHWM"].split()[0])
"""


class Start(NamedTuple):
    """Medians of the starts of one program.

    Attributes:
        seconds: from the first import to the first answer.
        numpy_seconds: the part of them that `import numpy` takes.
        kib: peak memory.
    """

    seconds: float
    numpy_seconds: float
    kib: float


def cold_start_checks(path: Path) -> list[Check]:
    """Measure the time from the first import to the first answer, and peak memory, as ratios of interleaved medians."""
    backend = BARE_BACKENDS[path.suffix]
    ours, bare = measure_starts({"edgernn": load_and_predict(backend), "bare": _BARE[path.suffix]}, path).values()
    group = f"{path.name}, × the bare backend"
    start, memory = f"import, load, check, answer ({bare.seconds * 1000:.0f} ms)", f"memory ({bare.kib / 1024:.0f} MiB)"
    return [
        ratio_check(group, start, ours.seconds / bare.seconds, MAX_TIME_RATIO),
        ratio_check(group, memory, ours.kib / bare.kib, MAX_MEMORY_RATIO),
    ]


def load_and_predict(backend: str) -> str:
    """Return a program for `measure_starts` that loads the artifact with edgernn and answers the sample."""
    return _OURS.format(backend=backend)


def measure_starts(programs: Mapping[str, str], path: Path, rounds: int = ROUNDS) -> dict[str, Start]:
    """Measure new Python processes, interleaved.

    Args:
        programs: programs by name; each finds the artifact's path as `path`, and a sample as `x`.
        path: the artifact.
        rounds: starts of each program.
    """
    measured: dict[str, list[Start]] = {name: [] for name in programs}
    shape = edgernn.load(path).input_shape
    order = random.Random(0)  # noqa: S311  the order only has to vary
    for program in programs.values():
        _run(_PROGRAM.format(body=program), path, shape)  # compiles modules that have no bytecode yet
    for _ in range(rounds):
        for name in order.sample(list(programs), len(programs)):
            measured[name].append(_run(_PROGRAM.format(body=programs[name]), path, shape))
    return {name: Start(*map(float, np.median(np.array(starts), axis=0))) for name, starts in measured.items()}


def _run(program: str, path: Path, shape: tuple[int, ...]) -> Start:
    command = [sys.executable, "-c", program, str(path), *map(str, shape)]
    output = subprocess.run(  # noqa: S603
        command, check=True, capture_output=True, text=True, env=bytecode_environment()
    ).stdout
    return Start(*map(float, output.split()))


def bytecode_environment() -> dict[str, str]:
    """Return the environment for a process whose start is timed.

    It writes bytecode: an installed edgernn has bytecode, a checkout's would be compiled at every start.
    """
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
