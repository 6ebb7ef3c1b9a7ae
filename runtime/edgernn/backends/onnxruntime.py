"""ONNX Runtime: runs .onnx files.

A file that streams has an input `state_0` … and an output `state_0_out` … for each recurrent state, float32
[batch, size], and takes any number of steps; zeros begin a sequence. It may answer each of them.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from edgernn.backends import Backend, Float32, State, Stepper, check_states
from edgernn.backends.turns import Turns
from edgernn.errors import ArtifactError, MissingExtraError, NoStepError, first_line

# ONNX Runtime keeps DequantizeLinear for integer kernels that it has not got for an RNN, and would work int8
# weights out again at every call (1.09 × the time), or round a Dense layer's input as well (MatMulNBits). So it
# multiplies them out once, when the file is loaded.
_MULTIPLY_OUT = ("session.disable_quant_qdq", "1")


class _OnnxRuntime:
    def __init__(self, data: bytes, threads: int) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise MissingExtraError("ONNX Runtime, which runs .onnx files,", "onnx") from error
        self.name = f"onnxruntime {onnxruntime.__version__}"
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3  # errors; a warning would be text between a command's own lines
        options.add_session_config_entry(*_MULTIPLY_OUT)
        try:
            # Without the fallback, which prints to standard output what went wrong and tries the same again.
            self._session = onnxruntime.InferenceSession(
                data, options, providers=["CPUExecutionProvider"], enable_fallback=0
            )
            source, *states = self._session.get_inputs()
            target, *last = self._session.get_outputs()
            _check(source, target, states, last)
        except ArtifactError:
            raise
        except Exception as error:  # its exceptions have no base of their own
            raise ArtifactError(f"{self.name} refuses the file: {first_line(error)}") from error
        # -1: any number of steps.
        self.input_shape = tuple(size if isinstance(size, int) else -1 for size in source.shape[1:])
        self._input: str = source.name
        self._output: str = target.name
        # To one step: a free number of answers is one, too.
        self._answer_shape = tuple(size if isinstance(size, int) else 1 for size in target.shape[1:])
        self._state_sizes: dict[str, int] = {state.name: state.shape[1] for state in states}
        self._start_of_one = self._zeros(1)

    def run(self, x: Float32) -> Float32:
        states = self._start_of_one if len(x) == 1 else self._zeros(len(x))
        try:
            answer: Float32 = self._session.run([self._output], {self._input: x, **states})[0]
        except Exception as error:  # as above
            raise ArtifactError(f"{self.name} cannot run the file: {first_line(error)}") from error
        return answer

    def bare(self, x: Float32) -> Callable[[], object]:
        run, outputs, inputs = self._session.run, [self._output], {self._input: x, **self._start_of_one}
        return lambda: run(outputs, inputs)

    def start(self) -> Stepper:
        if not self._state_sizes:
            raise NoStepError("has no states going in and out, so it cannot stream; it only answers whole sequences")
        names = (self._input, self._output)
        try:
            return _Stepper(self._session, names, self.input_shape[-1], self._answer_shape, self._state_sizes)
        except Exception as error:  # as above
            raise ArtifactError(f"{self.name} cannot run the file's step: {first_line(error)}") from error

    def _zeros(self, batch: int) -> dict[str, Float32]:
        return {name: np.zeros((batch, size), np.float32) for name, size in self._state_sizes.items()}


class _Stepper:
    """One stream. Its arrays are bound to the session once: a step costs 0.6 × what a call of `run` does.

    The last states of one step lie where the next step finds its first ones, so there are two arrays for each
    state and two bindings, used in turn.
    """

    def __init__(
        self, session: Any, names: tuple[str, str], features: int, answer: tuple[int, ...], sizes: dict[str, int]
    ) -> None:
        self._session = session
        self.answer_shape = answer
        self._row = np.zeros((1, 1, features), np.float32)
        self._answer = np.zeros((1, *answer), np.float32)
        self._states = [[np.zeros((1, size), np.float32) for size in sizes.values()] for _turn in range(2)]
        self._bindings = [
            self._bind(names, list(sizes), self._states[turn], self._states[1 - turn]) for turn in range(2)
        ]
        self._turn = 0
        self._turns = Turns()

    def step(self, row: Float32) -> Float32:
        turns = self._turns
        with turns.lock:
            if turns.busy:
                raise turns.refusal()
            try:
                turns.busy = True
                self._row[0, 0] = row
                self._session.run_with_iobinding(self._bindings[self._turn])
                self._turn = 1 - self._turn
                answer: Float32 = self._answer[0].copy()
            except Exception as error:  # as above
                raise ArtifactError(f"ONNX Runtime cannot run the file's step: {first_line(error)}") from error
            finally:
                turns.busy = False
        return answer

    def reset(self) -> None:
        with self._turns.lock:
            for state in self._states[self._turn]:
                state[:] = 0

    @property
    def states(self) -> Sequence[State]:
        with self._turns.lock:
            return [state[0].copy() for state in self._states[self._turn]]

    @states.setter
    def states(self, states: Sequence[State]) -> None:
        check_states(states, self.states)
        with self._turns.lock:
            for state, values in zip(self._states[self._turn], states, strict=True):
                state[0] = values

    def _bind(self, names: tuple[str, str], states: list[str], first: list[Float32], last: list[Float32]) -> Any:
        from onnxruntime import OrtValue

        binding = self._session.io_binding()
        # On the CPU an OrtValue is the array's own memory.
        binding.bind_ortvalue_input(names[0], OrtValue.ortvalue_from_numpy(self._row))
        binding.bind_ortvalue_output(names[1], OrtValue.ortvalue_from_numpy(self._answer))
        for name, before, after in zip(states, first, last, strict=True):
            binding.bind_ortvalue_input(name, OrtValue.ortvalue_from_numpy(before))
            binding.bind_ortvalue_output(f"{name}_out", OrtValue.ortvalue_from_numpy(after))
        return binding


def _check(source: Any, target: Any, states: Sequence[Any], last: Sequence[Any]) -> None:
    """Check that inputs and outputs are a sequence, an answer and, in pairs, states."""
    names = [f"state_{index}" for index in range(len(states))]
    outputs = [f"{name}_out" for name in names]
    if [state.name for state in states] != names or [state.name for state in last] != outputs:
        raise ArtifactError(
            f"{1 + len(states)} inputs and {1 + len(last)} outputs, expected one of each, beside them only states"
        )
    if any(value.type != "tensor(float)" for value in (source, target, *states, *last)):
        raise ArtifactError("takes or gives integers; only float32 in and out is supported")
    if not target.shape or any(len(state.shape) != 2 for state in states):
        shapes = [value.shape for value in (target, *states)]
        raise ArtifactError(
            f"gives an answer and keeps states of shapes {shapes}, expected (batch, …) and (batch, size)"
        )
    if len(source.shape) != 3 or not isinstance(source.shape[2], int):
        raise ArtifactError(f"takes inputs of free shape {source.shape}, expected (batch, steps, features)")
    # A free axis between batch and outputs is the steps', of a model that answers each of them.
    if not isinstance(target.shape[-1], int) or not all(isinstance(size, int) for size in target.shape[2:]):
        raise ArtifactError(f"answers with free shape {target.shape}, expected only a free batch, or steps")
    if not all(isinstance(size, int) for state in states for size in state.shape[1:]):
        raise ArtifactError(f"keeps states of free shapes {[state.shape for state in states]}")


def open_artifact(data: bytes, threads: int) -> Backend:
    """Open the content of an .onnx file.

    Raises:
        ArtifactError: ONNX Runtime refuses it, or it has not one float32 input and output beside its states.
        MissingExtraError: ONNX Runtime is not installed.
    """
    return _OnnxRuntime(data, threads)
