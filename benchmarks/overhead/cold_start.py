"""Cold starts of edgernn and of the bare backend: a new Python process imports, loads and answers one sample."""

import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np

import edgernn
from common.checks import Check, ratio_check

ROUNDS = 40
MAX_TIME_RATIO, MAX_MEMORY_RATIO = 1.25, 1.15

# Both import NumPy, because the sample is an array.
_OURS = """
import edgernn
edgernn.load(path).predict(x)
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
path, x = sys.argv[1], np.zeros([int(size) for size in sys.argv[2:]], np.float32)
{body}
seconds = time.perf_counter() - start
# Not getrusage: its maximum includes the parent's memory at the time of the fork.
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(seconds, status["VmHWM"].split()[0])
"""


def cold_start_checks(path: Path) -> list[Check]:
    """Measure the time from the first import to the first answer, and peak memory, as ratios of interleaved medians."""
    programs = {"edgernn": _OURS, "bare": _BARE[path.suffix]}
    measured: dict[str, list[tuple[float, float]]] = {name: [] for name in programs}
    shape = edgernn.load(path).input_shape
    order = random.Random(0)  # noqa: S311  the order only has to vary
    for program in programs.values():
        _run(_PROGRAM.format(body=program), path, shape)  # compiles modules that have no bytecode yet
    for _ in range(ROUNDS):
        for name in order.sample(list(programs), len(programs)):
            measured[name].append(_run(_PROGRAM.format(body=programs[name]), path, shape))
    (our_time, our_memory), (bare_time, bare_memory) = (
        np.median(np.array(measured[name]), axis=0) for name in ("edgernn", "bare")
    )
    group = f"{path.name}, × the bare backend"
    start, memory = f"import, load, check, answer ({bare_time * 1000:.0f} ms)", f"memory ({bare_memory / 1024:.0f} MiB)"
    return [
        ratio_check(group, start, float(our_time / bare_time), MAX_TIME_RATIO),
        ratio_check(group, memory, float(our_memory / bare_memory), MAX_MEMORY_RATIO),
    ]


def _run(program: str, path: Path, shape: tuple[int, ...]) -> tuple[float, float]:
    """Return the seconds from the first import to the answer, and the peak memory in KiB."""
    command = [sys.executable, "-c", program, str(path), *map(str, shape)]
    # Bytecode must be written: an installed edgernn has it, a checkout's would be compiled at every start.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    output = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout  # noqa: S603
    seconds, kib = output.split()
    return float(seconds), float(kib)
