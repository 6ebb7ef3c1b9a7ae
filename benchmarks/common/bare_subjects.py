"""Subjects to be timed: files whose call takes one sample and returns its answer, on one thread."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from edgernn.arrays import Float32
from edgernn.backends import open_artifact
from edgernn.tasks import CLASSIFICATION, Task

Answer = Callable[[Float32], Float32]

# Backend of edgernn that runs a file in the same library as the bare subjects below, by the file's suffix.
BARE_BACKENDS = {".tflite": "litert", ".onnx": "onnxruntime"}
# Every model of these benchmarks is a classifier.
CLASSIFIER = Task(CLASSIFICATION)


@dataclass(frozen=True)
class BareSubject:
    """A file that answers one sample.

    Attributes:
        load: function that loads it and returns a function from float32 [1, steps, features], contiguous, to
            float32 [1, classes].
        size_bytes: bytes that must be on the device, without the library that runs them.
    """

    load: Callable[[], Answer]
    size_bytes: int


def from_tflite(data: bytes) -> BareSubject:
    """Return a subject for a .tflite file in LiteRT's bare interpreter: set_tensor, invoke, get_tensor."""
    return BareSubject(partial(_load_tflite, data), len(data))


def from_onnx(data: bytes) -> BareSubject:
    """Return a subject for an .onnx file in ONNX Runtime's bare session."""
    return BareSubject(partial(_load_onnx, data), len(data))


def from_artifact(path: Path) -> BareSubject:
    """Return a subject for one of our files.

    A .tflite file is run as any other, an .onnx file as our runtime runs it, with its option and first states.
    """
    data = path.read_bytes()
    if path.suffix == ".tflite":
        return from_tflite(data)
    return BareSubject(partial(_load_artifact, path, data), len(data))


def answer_all(subject: BareSubject, x: Float32) -> Float32:
    """Answer samples one by one: float32 [samples, steps, features] to [samples, classes]."""
    answer = subject.load()
    return np.concatenate([answer(x[index : index + 1]).copy() for index in range(len(x))])


def open_interpreter(data: bytes) -> Any:
    """Open a .tflite file in LiteRT."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=data, num_threads=1)
    interpreter.allocate_tensors()
    return interpreter


def open_session(data: bytes, **entries: str) -> Any:
    """Open an .onnx file in ONNX Runtime, with entries of its configuration."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    for name, value in entries.items():
        options.add_session_config_entry(name, value)
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def _load_tflite(data: bytes) -> Answer:
    interpreter = open_interpreter(data)
    (source,), (target,) = interpreter.get_input_details(), interpreter.get_output_details()
    set_tensor, invoke, get_tensor = interpreter.set_tensor, interpreter.invoke, interpreter.get_tensor
    input_index, output_index = source["index"], target["index"]

    def answer(x: Float32) -> Any:
        set_tensor(input_index, x)
        invoke()
        return get_tensor(output_index)

    return answer


def _load_onnx(data: bytes) -> Answer:
    session = open_session(data)
    (source,), (target,) = session.get_inputs(), session.get_outputs()
    run, input_name, output_names = session.run, source.name, [target.name]
    return lambda x: run(output_names, {input_name: x})[0]


def _load_artifact(path: Path, data: bytes) -> Callable[[Float32], Float32]:
    run = open_artifact(path, data, threads=1).run
    return lambda x: run((x,))[0]
