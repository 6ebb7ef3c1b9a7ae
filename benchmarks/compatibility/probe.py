"""Run one artifact by a runtime's own API and by edgernn's; `environments` starts this in the runtime's environment.

Command line: LIBRARY ARTIFACT SAMPLES.npz RESULT.json. Only NumPy, the runtime and edgernn can be imported here.
"""

import json
import sys
from bisect import bisect_left
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import edgernn
from edgernn.backends.tensor_port import TensorPort

STREAMED = 200  # number of samples that are also streamed row by row
MAX_ARENA, ARENA_STEP = 1 << 20, 16

Answer = Callable[[Any], Any]


def _with_float32(run: Answer, source: dict[str, Any], target: dict[str, Any]) -> Answer:
    """Return a function that takes and returns float32 values, from one that takes and returns the file's numbers.

    `source` and `target` are the interpreter's details of the input and the output.
    """
    ports = []
    for details in (source, target):
        parameters = details["quantization_parameters"]
        scales = [*zip(parameters["scales"], parameters["zero_points"], strict=True), (0.0, 0)]
        ports.append(TensorPort(0, details["shape"], details["dtype"], scales[0]))
    first, last = ports

    def answer(x: Any) -> Any:
        found = run(x if first.is_float else first.encode(x))
        return found if last.is_float else last.decode(found)

    return answer


def _open_tflite(module: Any, artifact: Path, delegates: bool = True) -> Answer:
    types = module.OpResolverType
    resolver = types.AUTO if delegates else types.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = module.Interpreter(str(artifact), num_threads=1, experimental_op_resolver_type=resolver)
    interpreter.allocate_tensors()
    (source,), (target,) = interpreter.get_input_details(), interpreter.get_output_details()

    def run(x: Any) -> Any:
        interpreter.set_tensor(source["index"], x)
        interpreter.invoke()
        return interpreter.get_tensor(target["index"])

    return _with_float32(run, source, target)


def _open_micro(artifact: Path, arena: int = MAX_ARENA) -> Answer:
    from tflite_micro.python.tflite_micro import runtime

    interpreter = runtime.Interpreter.from_file(str(artifact), arena_size=arena)
    source, target = interpreter.get_input_details(0), interpreter.get_output_details(0)

    def run(x: Any) -> Any:
        interpreter.set_input(x, 0)
        interpreter.invoke()
        return interpreter.get_output(0)

    return _with_float32(run, source, target)


def _open_onnx(artifact: Path) -> Answer:
    import onnxruntime

    session = onnxruntime.InferenceSession(artifact.read_bytes(), providers=["CPUExecutionProvider"])
    source, target = session.get_inputs()[0].name, session.get_outputs()[0].name
    return lambda x: session.run([target], {source: x})[0]


def _open(library: str, artifact: Path) -> Answer:
    if library == "tflite-micro":
        return _open_micro(artifact)
    if library == "onnxruntime":
        return _open_onnx(artifact)
    if library == "tflite-runtime":
        from tflite_runtime import interpreter
    else:
        from ai_edge_litert import interpreter
    return _open_tflite(interpreter, artifact, delegates=library != "litert without XNNPACK")


def _smallest_arena(artifact: Path, x: Any) -> int:
    """Find the fewest bytes with which tflite-micro still answers, by bisection."""

    def answers(arena: int) -> bool:
        try:
            _open_micro(artifact, arena)(x)
        except RuntimeError:
            return False
        return True

    arenas = range(ARENA_STEP, MAX_ARENA, ARENA_STEP)
    return ARENA_STEP * (1 + bisect_left(arenas, True, key=answers))


def _by_edgernn(library: str, artifact: Path, x: Any) -> dict[str, Any]:
    try:
        model = edgernn.load(artifact, backend=library)
    except edgernn.ArtifactError as error:
        return {"refuses": str(error).removeprefix(f"{artifact}: "), "streams": None}
    stream = model.stream()
    return {"refuses": None, "streams": [stream.answer(sample).tolist() for sample in x]}


def probe(library: str, artifact: Path, x: Any) -> dict[str, Any]:
    """Run one artifact on the runtime; return its answers or the reason for refusing it.

    Args:
        library: name of the runtime.
        artifact: the file.
        x: float32 [samples, steps, features].
    """
    result: dict[str, Any] = {"numpy": np.__version__, "refuses": None, "answers": None, "arena": None, "edgernn": None}
    try:
        answer = _open(library, artifact)
        result["answers"] = [answer(x[index : index + 1])[0].tolist() for index in range(len(x))]
    except Exception as error:  # noqa: BLE001 - any error is this runtime's reason
        return {**result, "refuses": f"{error}"}
    if library == "tflite-micro":
        result["arena"] = _smallest_arena(artifact, x[:1])
    if library != "litert without XNNPACK":  # edgernn has no such backend
        result["edgernn"] = _by_edgernn(library, artifact, x[:STREAMED])
    return result


if __name__ == "__main__":
    library, artifact, samples, target = sys.argv[1:]
    with np.load(samples) as arrays:
        x_test = arrays["x_test"]
    Path(target).write_text(json.dumps(probe(library, Path(artifact), x_test)))
