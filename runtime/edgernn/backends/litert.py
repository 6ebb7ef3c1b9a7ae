"""LiteRT: runs .tflite files."""

from importlib.metadata import version

import numpy as np

from edgernn.backends import Backend, Float32
from edgernn.errors import ArtifactError, MissingExtraError


class _LiteRT:
    def __init__(self, data: bytes, threads: int) -> None:
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError as error:
            raise MissingExtraError("LiteRT, which runs .tflite files,", "litert") from error
        self.name = f"litert {version('ai-edge-litert')}"
        try:
            self._interpreter = Interpreter(model_content=data, num_threads=threads)
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ArtifactError(f"{self.name} refuses the file: {error}") from error
        inputs, outputs = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        if len(inputs) != 1 or len(outputs) != 1:
            raise ArtifactError(f"{len(inputs)} inputs and {len(outputs)} outputs, expected one of each")
        if inputs[0]["dtype"] != np.float32 or outputs[0]["dtype"] != np.float32:
            raise ArtifactError("takes or gives integers; only float32 in and out is supported")
        self._input: int = inputs[0]["index"]
        self._output: int = outputs[0]["index"]
        if inputs[0]["shape"][:1].tolist() != [1]:
            raise ArtifactError(f"takes inputs of shape {inputs[0]['shape']}, expected a batch of 1 in front")
        self.input_shape = tuple(int(size) for size in inputs[0]["shape"][1:])
        self._output_shape = tuple(int(size) for size in outputs[0]["shape"][1:])

    def run(self, x: Float32) -> Float32:
        interpreter, source, target = self._interpreter, self._input, self._output
        if len(x) == 1:
            interpreter.set_tensor(source, x)
            interpreter.invoke()
            answer: Float32 = interpreter.get_tensor(target)
            return answer
        # The graph is laid out for one sample; an interpreter cannot give it another batch size.
        answers = np.empty((len(x), *self._output_shape), np.float32)
        for index in range(len(x)):
            interpreter.set_tensor(source, x[index : index + 1])
            interpreter.invoke()
            answers[index] = interpreter.get_tensor(target)[0]
        return answers


def open_artifact(data: bytes, threads: int) -> Backend:
    """Open the content of a .tflite file.

    Raises:
        ArtifactError: LiteRT refuses it, or it has not one float32 input and output.
        MissingExtraError: LiteRT is not installed.
    """
    return _LiteRT(data, threads)
