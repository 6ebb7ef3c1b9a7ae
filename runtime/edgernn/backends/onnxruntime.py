"""ONNX Runtime: runs .onnx files."""

from importlib.metadata import version

from edgernn.backends import Backend, Float32
from edgernn.errors import ArtifactError, MissingExtraError


class _OnnxRuntime:
    def __init__(self, data: bytes, threads: int) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise MissingExtraError("ONNX Runtime, which runs .onnx files,", "onnx") from error
        self.name = f"onnxruntime {version('onnxruntime')}"
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3  # errors; a warning would be text between a command's own lines
        try:
            self._session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its exceptions have no base of their own
            raise ArtifactError(f"{self.name} refuses the file: {error}") from error
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        if len(inputs) != 1 or len(outputs) != 1:
            raise ArtifactError(f"{len(inputs)} inputs and {len(outputs)} outputs, expected one of each")
        if inputs[0].type != "tensor(float)" or outputs[0].type != "tensor(float)":
            raise ArtifactError("takes or gives integers; only float32 in and out is supported")
        if not all(isinstance(size, int) for size in inputs[0].shape[1:]):
            raise ArtifactError(f"takes inputs of free shape {inputs[0].shape}, expected only a free batch")
        self.input_shape = tuple(inputs[0].shape[1:])
        self._input: str = inputs[0].name
        self._outputs = [outputs[0].name]

    def run(self, x: Float32) -> Float32:
        answer: Float32 = self._session.run(self._outputs, {self._input: x})[0]
        return answer


def open_artifact(data: bytes, threads: int) -> Backend:
    """Open the content of an .onnx file.

    Raises:
        ArtifactError: ONNX Runtime refuses it, or it has not one float32 input and output.
        MissingExtraError: ONNX Runtime is not installed.
    """
    return _OnnxRuntime(data, threads)
