"""The TFLite interpreter as LiteRT and tflite-runtime have it.

The first subgraph answers a sequence; a signature `step`, if there, one time step.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from edgernn.backends import Float32, State, Stepper, check_states
from edgernn.errors import ArtifactError, NoStepError

STEP = "step"


class _Port:
    """An input or an output of a graph: its index, and what its integers mean."""

    def __init__(self, details: dict[str, Any]) -> None:
        self.index: int = details["index"]
        self.dtype = np.dtype(details["dtype"])
        self.shape = tuple(int(size) for size in details["shape"])
        self.scale, self.zero_point = (float(details["quantization"][0]), int(details["quantization"][1]))
        if self.dtype not in (np.float32, np.int8, np.int16):
            raise ArtifactError(f"takes or gives {self.dtype}; only float32, int8 and int16 are supported")
        if self.shape[:1] != (1,):
            raise ArtifactError(f"has an input or an output of shape {self.shape}, expected a batch of 1 in front")

    def encode(self, values: Float32) -> State:
        """Real values as the graph takes them."""
        limits = np.iinfo(self.dtype)
        integers = np.round(values / np.float32(self.scale)) + self.zero_point
        encoded: State = np.clip(integers, limits.min, limits.max).astype(self.dtype)
        return encoded

    def decode(self, values: State) -> Float32:
        """What the graph gives as real values."""
        reals: Float32 = (values.astype(np.float32) - self.zero_point) * np.float32(self.scale)
        return reals


class Interpreted:
    """An artifact in an interpreter.

    Args:
        name: the library and its version, for messages.
        interpreter: makes an interpreter of a file's content, given as `model_content`.
        data: the file's content.

    Raises:
        ArtifactError: the interpreter refuses it, or it has not one input and output.
    """

    def __init__(self, name: str, interpreter: Callable[..., Any], data: bytes) -> None:
        self.name = name
        self._new, self._data = interpreter, data
        self._interpreter = self._open()
        inputs, outputs = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        if len(inputs) != 1 or len(outputs) != 1:
            raise ArtifactError(f"{len(inputs)} inputs and {len(outputs)} outputs, expected one of each")
        self._input, self._output = _Port(inputs[0]), _Port(outputs[0])
        self.input_shape = self._input.shape[1:]

    def run(self, x: Float32) -> Float32:
        """Answer a batch; see `Backend`."""
        if len(x) == 1:
            return self._run_one(x)
        # The graph is laid out for one sample; an interpreter cannot give it another batch size.
        answers = np.empty((len(x), *self._output.shape[1:]), np.float32)
        for index in range(len(x)):
            answers[index] = self._run_one(x[index : index + 1])[0]
        return answers

    def start(self) -> Stepper:
        """Begin a stream; see `Backend`."""
        # An interpreter of its own: while a signature's runner is alive, plain calls of the same one raise.
        interpreter = self._open()
        if STEP not in interpreter.get_signature_list():
            raise NoStepError("has no signature `step`, so it cannot stream; it only answers whole sequences")
        return _Stepper(interpreter.get_signature_runner(STEP))

    def _open(self) -> Any:
        try:
            interpreter = self._new(model_content=self._data)
            interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ArtifactError(f"{self.name} refuses the file: {error}") from error
        return interpreter

    def _run_one(self, x: Float32) -> Float32:
        interpreter, source, target = self._interpreter, self._input, self._output
        interpreter.set_tensor(source.index, x if source.dtype == np.float32 else source.encode(x))
        try:
            interpreter.invoke()
        except RuntimeError as error:  # some kernels look at the graph only now
            raise ArtifactError(f"{self.name} cannot run the file: {error}") from error
        answer: Float32 = interpreter.get_tensor(target.index)
        return answer if target.dtype == np.float32 else target.decode(answer)


class _Stepper:
    def __init__(self, runner: Any) -> None:
        self._runner = runner
        ports = {name: _Port(details) for name, details in runner.get_input_details().items()}
        outputs = {name: _Port(details) for name, details in runner.get_output_details().items()}
        self._names = sorted((name for name in ports if name.startswith("state_")), key=lambda name: int(name[6:]))
        (self._input_name,) = ports.keys() - set(self._names)
        (self._output_name,) = outputs.keys() - set(self._names)
        self._input, self._output = ports[self._input_name], outputs[self._output_name]
        self._zeros = {
            name: np.full(ports[name].shape, ports[name].zero_point, ports[name].dtype) for name in self._names
        }
        self._states: dict[str, State] = dict(self._zeros)

    def step(self, row: Float32) -> Float32:
        x = row.reshape(self._input.shape)
        if self._input.dtype != np.float32:
            x = self._input.encode(x)
        results = self._runner(**{self._input_name: x}, **self._states)
        answer: Float32 = results.pop(self._output_name)[0]
        self._states = results
        return answer if self._output.dtype == np.float32 else self._output.decode(answer)

    def reset(self) -> None:
        self._states = dict(self._zeros)

    @property
    def states(self) -> Sequence[State]:
        return [self._states[name][0].copy() for name in self._names]

    @states.setter
    def states(self, states: Sequence[State]) -> None:
        check_states(states, self.states)
        self._states = {name: state[np.newaxis].copy() for name, state in zip(self._names, states, strict=True)}
