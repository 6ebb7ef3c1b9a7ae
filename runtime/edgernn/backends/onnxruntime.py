"""ONNX Runtime: runs .onnx files.

A file that streams has an input `state_0` … and an output `state_0_out` … for each recurrent state, float32 [batch,
size], and takes any number of steps. States are zero at the beginning of a sequence; in edgernn's files that is their
default value. It may answer every step. A static file has fixed sizes, a batch of one and no states.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from edgernn.arrays import Float32
from edgernn.backends import Backend, State, Stepper, check_states
from edgernn.backends.exclusive_access import ExclusiveAccess
from edgernn.errors import ArtifactError, MissingExtraError, NoStepError, first_line

# By default ONNX Runtime keeps DequantizeLinear for integer kernels. An RNN has none, so int8 weights would be
# dequantized at every call (1.09 × the time), or a Dense layer's input would be rounded, too (MatMulNBits). With this
# setting they are dequantized once, when the file is loaded.
_DEQUANTIZE_AT_LOAD = ("session.disable_quant_qdq", "1")


class _OnnxRuntime:
    def __init__(self, data: bytes, threads: int) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise MissingExtraError("ONNX Runtime, which runs .onnx files,", "onnx") from error
        self.name = f"onnxruntime {onnxruntime.__version__}"
        self._data, self._threads = data, threads
        try:
            self._session = _open(data, threads, {})
            source, *required = self._session.get_inputs()
            target, *last = self._session.get_outputs()
            states = [*required, *self._session.get_overridable_initializers()]
            _check(source, target, states, last)
        except ArtifactError:
            raise
        except Exception as error:  # its exceptions have no common base class
            raise ArtifactError(f"{self.name} refuses the file: {first_line(error)}") from error
        # -1 stands for any number of steps.
        self.input_shape = tuple(size if isinstance(size, int) else -1 for size in source.shape[1:])
        self._input: str = source.name
        self._output: str = target.name
        self._static = isinstance(source.shape[0], int)
        # For one step, a free number of answers is one.
        self._answer_shape = tuple(size if isinstance(size, int) else 1 for size in target.shape[1:])
        self._state_sizes: dict[str, int] = {state.name: state.shape[1] for state in states}
        self._required: dict[str, int] = {state.name: state.shape[1] for state in required}
        # The names of the free sizes; each is 1 in a step.
        self._free: list[str] = [size for size in source.shape if isinstance(size, str)]

    def run(self, x: Float32) -> Float32:
        run, outputs = self._session.run, [self._output]
        try:
            if self._static and len(x) != 1:
                return np.concatenate([run(outputs, self._inputs(x[i : i + 1]))[0] for i in range(len(x))])
            answer: Float32 = run(outputs, self._inputs(x))[0]
        except Exception as error:  # as above
            raise ArtifactError(f"{self.name} cannot run the file: {first_line(error)}") from error
        return answer

    def bare(self, x: Float32) -> Callable[[], object]:
        run, outputs, inputs = self._session.run, [self._output], self._inputs(x)
        return lambda: run(outputs, inputs)

    def start(self) -> Stepper:
        if not self._state_sizes:
            raise NoStepError(
                "has no states as inputs and outputs, so it cannot stream; it only answers whole sequences"
            )
        names = (self._input, self._output)
        try:
            return _OnnxStepper(self._one_step, names, self.input_shape[-1], self._answer_shape, self._state_sizes)
        except Exception as error:  # as above
            raise ArtifactError(f"{self.name} cannot run the file's step: {first_line(error)}") from error

    def _inputs(self, x: Float32) -> dict[str, Float32]:
        zeros = {name: np.zeros((len(x), size), np.float32) for name, size in self._required.items()}
        return {self._input: x, **zeros}

    @cached_property
    def _one_step(self) -> Any:
        """Session of all streams, for one row. The shape of the states is then a constant that is computed once.

        This saves 2 µs of 20 µs per step.
        """
        return _open(self._data, self._threads, dict.fromkeys(self._free, 1))


class _OnnxStepper:
    """One stream. Its arrays are bound to the session once: a step takes 0.6 × the time of a call of `run`.

    A step writes its states into the arrays that the next step reads. So there are two arrays for each state and two
    bindings, used alternately.
    """

    def __init__(
        self, session: Any, names: tuple[str, str], features: int, answer: tuple[int, ...], sizes: dict[str, int]
    ) -> None:
        self._session = session
        self.answer_shape = answer
        self._row = np.zeros((1, 1, features), np.float32)
        self._answer = np.zeros((1, *answer), np.float32)
        self._states = [[np.zeros((1, size), np.float32) for size in sizes.values()] for _side in range(2)]
        self._bindings = [
            self._bind(names, list(sizes), self._states[side], self._states[1 - side]) for side in range(2)
        ]
        self._side = 0
        self._access = ExclusiveAccess()

    def step(self, row: Float32) -> Float32:
        access = self._access
        with access.lock:
            if access.busy:
                raise access.refusal()
            try:
                access.busy = True
                self._row[0, 0] = row
                self._session.run_with_iobinding(self._bindings[self._side])
                self._side = 1 - self._side
                answer: Float32 = self._answer[0].copy()
            except Exception as error:  # as above
                raise ArtifactError(f"ONNX Runtime cannot run the file's step: {first_line(error)}") from error
            finally:
                access.busy = False
        return answer

    def reset(self) -> None:
        with self._access.lock:
            for state in self._states[self._side]:
                state[:] = 0

    @property
    def states(self) -> Sequence[State]:
        with self._access.lock:
            return [state[0].copy() for state in self._states[self._side]]

    @states.setter
    def states(self, states: Sequence[State]) -> None:
        check_states(states, self.states)
        with self._access.lock:
            for state, values in zip(self._states[self._side], states, strict=True):
                state[0] = values

    def _bind(self, names: tuple[str, str], states: list[str], first: list[Float32], last: list[Float32]) -> Any:
        from onnxruntime import OrtValue

        binding = self._session.io_binding()
        # On the CPU an OrtValue shares the array's memory.
        binding.bind_ortvalue_input(names[0], OrtValue.ortvalue_from_numpy(self._row))
        binding.bind_ortvalue_output(names[1], OrtValue.ortvalue_from_numpy(self._answer))
        for name, before, after in zip(states, first, last, strict=True):
            binding.bind_ortvalue_input(name, OrtValue.ortvalue_from_numpy(before))
            binding.bind_ortvalue_output(f"{name}_out", OrtValue.ortvalue_from_numpy(after))
        return binding


def _open(data: bytes, threads: int, sizes: Mapping[str, int]) -> Any:
    """Open a session over a file's content; `sizes` fixes free sizes by their names."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors; warnings would appear between a command's own lines
    options.add_session_config_entry(*_DEQUANTIZE_AT_LOAD)
    for name, size in sizes.items():
        options.add_free_dimension_override_by_name(name, size)
    # Without the fallback, which prints the error to standard output and tries the same again.
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"], enable_fallback=0)


def _check(source: Any, target: Any, states: Sequence[Any], last: Sequence[Any]) -> None:
    """Check that inputs and outputs are a sequence, an answer, and pairs of states."""
    names = [f"state_{index}" for index in range(len(states))]
    outputs = [f"{name}_out" for name in names]
    if [state.name for state in states] != names or [state.name for state in last] != outputs:
        raise ArtifactError(
            f"{1 + len(states)} inputs and {1 + len(last)} outputs, expected one of each and otherwise only states"
        )
    if any(value.type != "tensor(float)" for value in (source, target, *states, *last)):
        raise ArtifactError("has integer inputs or outputs, expected only float32")
    if not target.shape or any(len(state.shape) != 2 for state in states):
        shapes = [value.shape for value in (target, *states)]
        raise ArtifactError(f"has an answer and states of shapes {shapes}, expected (batch, …) and (batch, size)")
    if len(source.shape) != 3 or not isinstance(source.shape[2], int):
        raise ArtifactError(f"takes inputs of free shape {source.shape}, expected (batch, steps, features)")
    # A free axis between batch and outputs is the steps, for a model that answers every step.
    if not isinstance(target.shape[-1], int) or not all(isinstance(size, int) for size in target.shape[2:]):
        raise ArtifactError(f"answers with free shape {target.shape}, expected only a free batch, or steps")
    if not all(isinstance(size, int) for state in states for size in state.shape[1:]):
        raise ArtifactError(f"keeps states of free shapes {[state.shape for state in states]}, expected fixed sizes")
    if isinstance(source.shape[0], int) and (source.shape[0] != 1 or states):
        kept = f" and keeps {len(states)} states" if states else ""
        raise ArtifactError(
            f"takes batches of {source.shape[0]}{kept}, expected a free batch, or a batch of one and no states"
        )
    if states and isinstance(source.shape[1], int):
        raise ArtifactError(f"keeps states and takes {source.shape[1]} steps, expected a free number of them")


def open_artifact(data: bytes, threads: int) -> Backend:
    """Open the content of an .onnx file.

    Raises:
        ArtifactError: ONNX Runtime refuses it, or it does not have one float32 input and output beside its states.
        MissingExtraError: ONNX Runtime is not installed.
    """
    return _OnnxRuntime(data, threads)
