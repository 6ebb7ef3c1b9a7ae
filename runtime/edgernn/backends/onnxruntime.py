"""ONNX Runtime: runs .onnx files.

A file that streams has an input `state_0` … and an output `state_0_out` … for each recurrent state, float32 [batch,
size], and takes any number of steps. States are zero at the beginning of a sequence; in edgernn's files that is their
default value. It may answer every step. A static file has fixed sizes, a batch of one and no states.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple, Self

import numpy as np

from edgernn.arrays import Arrays, Float32
from edgernn.backends.exclusive_access import ExclusiveAccess
from edgernn.backends.protocol import Backend, State, Stepper, check_states
from edgernn.errors import ArtifactError, MissingExtraError, NoStepError, first_line
from edgernn.specs import is_state

# By default ONNX Runtime keeps DequantizeLinear for integer kernels. An RNN has none, so int8 weights would be
# dequantized at every call (1.09 × the time), or a Dense layer's input would be rounded, too (MatMulNBits). With this
# setting they are dequantized once, when the file is loaded.
_DEQUANTIZE_AT_LOAD = ("session.disable_quant_qdq", "1")


class _OnnxRuntime:
    """Artifact in a session of ONNX Runtime; see `Backend`."""

    def __init__(self, data: bytes, threads: int) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise MissingExtraError("ONNX Runtime, which runs .onnx files,", "onnx") from error
        self.name = f"onnxruntime {onnxruntime.__version__}"
        self._data, self._threads = data, threads
        try:
            self._session = _open(data, threads, {})
            ports = _Ports.of(self._session)
            _check(ports)
        except ArtifactError:
            raise
        except Exception as error:  # its exceptions have no common base class
            raise ArtifactError(f"{self.name} refuses the file: {first_line(error)}") from error
        # -1 stands for any number of steps.
        self.input_shapes, self.output_shapes = (
            tuple(tuple(size if isinstance(size, int) else -1 for size in port.shape[1:]) for port in each)
            for each in (ports.inputs, ports.outputs)
        )
        self._inputs: list[str] = [port.name for port in ports.inputs]
        self._outputs: list[str] = [port.name for port in ports.outputs]
        self._static = isinstance(ports.inputs[0].shape[0], int)
        self._state_sizes: dict[str, int] = {state.name: state.shape[1] for state in ports.states}
        self._required: dict[str, int] = {state.name: state.shape[1] for state in ports.required_states}
        # The names of the free sizes; each is 1 in a step.
        self._free: list[str] = [size for port in ports.inputs for size in port.shape if isinstance(size, str)]

    def run(self, inputs: Arrays) -> Arrays:
        run, outputs = self._session.run, self._outputs
        samples = len(inputs[0])
        try:
            if self._static and samples > 1:
                each = [run(outputs, self._named(tuple(x[i : i + 1] for x in inputs))) for i in range(samples)]
                return tuple(np.concatenate(answers) for answers in zip(*each, strict=True))
            answers: list[Float32] = run(outputs, self._named(inputs))
        except Exception as error:  # as above
            raise ArtifactError(f"{self.name} cannot run the file: {first_line(error)}") from error
        return tuple(answers)

    def bare(self, inputs: Arrays) -> Callable[[], object]:
        run, outputs, named = self._session.run, self._outputs, self._named(inputs)
        return lambda: run(outputs, named)

    def direct_predict(self, max_square: float) -> None:
        """Return None: the library has no direct call."""

    def start(self) -> Stepper:
        if not self._state_sizes:
            raise NoStepError(
                "has no states as inputs and outputs, so it cannot stream; it only answers whole sequences"
            )
        # For one step, a free number of answers is one.
        answers = tuple(tuple(max(1, size) for size in shape) for shape in self.output_shapes)
        rows = {name: shape[-1] for name, shape in zip(self._inputs, self.input_shapes, strict=True)}
        try:
            return _OnnxStepper(self._one_step, rows, dict(zip(self._outputs, answers, strict=True)), self._state_sizes)
        except Exception as error:  # as above
            raise ArtifactError(f"{self.name} cannot run the file's step: {first_line(error)}") from error

    def _named(self, inputs: Arrays) -> dict[str, Float32]:
        named = dict(zip(self._inputs, inputs, strict=True))
        for name, size in self._required.items():
            named[name] = np.zeros((len(inputs[0]), size), np.float32)
        return named

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

    Args:
        session: of one row.
        rows: count of features of each input, by name.
        answers: shape of one answer of each output, by name.
        sizes: size of each state, by name.
    """

    def __init__(
        self, session: Any, rows: dict[str, int], answers: dict[str, tuple[int, ...]], sizes: dict[str, int]
    ) -> None:
        self._session = session
        self.answer_shapes = tuple(answers.values())
        self._rows = [np.zeros((1, 1, features), np.float32) for features in rows.values()]
        self._answers = [np.zeros((1, *shape), np.float32) for shape in answers.values()]
        self._states = [[np.zeros((1, size), np.float32) for size in sizes.values()] for _side in range(2)]
        state_outputs = [f"{name}_out" for name in sizes]
        self._bindings = [
            self._bind(
                zip((*rows, *sizes), (*self._rows, *self._states[side]), strict=True),
                zip((*answers, *state_outputs), (*self._answers, *self._states[1 - side]), strict=True),
            )
            for side in range(2)
        ]
        self._side = 0
        self._access = ExclusiveAccess()

    def step(self, rows: Arrays) -> Arrays:
        access = self._access
        with access.lock:
            if access.busy:
                raise access.refusal()
            try:
                access.busy = True
                for bound, row in zip(self._rows, rows, strict=True):
                    bound[0, 0] = row
                self._session.run_with_iobinding(self._bindings[self._side])
                self._side = 1 - self._side
                answers = tuple([answer[0].copy() for answer in self._answers])
            except Exception as error:  # as above
                raise ArtifactError(f"ONNX Runtime cannot run the file's step: {first_line(error)}") from error
            finally:
                access.busy = False
        return answers

    def reset(self) -> None:
        with self._access.lock:
            for state in self._states[self._side]:
                state[:] = 0

    def direct_push(self, max_square: float) -> None:
        return None

    @property
    def states(self) -> Sequence[State]:
        with self._access.lock:
            return [state[0].copy() for state in self._states[self._side]]

    @states.setter
    def states(self, states: Sequence[State]) -> None:
        given = check_states(states, self.states)
        with self._access.lock:
            for state, values in zip(self._states[self._side], given, strict=True):
                state[0] = values

    def _bind(self, inputs: Iterable[tuple[str, Float32]], outputs: Iterable[tuple[str, Float32]]) -> Any:
        from onnxruntime import OrtValue

        binding = self._session.io_binding()
        # On the CPU an OrtValue shares the array's memory.
        for name, array in inputs:
            binding.bind_ortvalue_input(name, OrtValue.ortvalue_from_numpy(array))
        for name, array in outputs:
            binding.bind_ortvalue_output(name, OrtValue.ortvalue_from_numpy(array))
        return binding


class _Ports(NamedTuple):
    """Inputs, outputs and states of a session.

    Attributes:
        inputs, outputs: without states, in the file's order.
        states: input states; those with a default value come last.
        last_states: output states.
        required_states: input states without a default value.
    """

    inputs: list[Any]
    outputs: list[Any]
    states: list[Any]
    last_states: list[Any]
    required_states: list[Any]

    @classmethod
    def of(cls, session: Any) -> Self:
        """Tell states from other inputs and outputs by their names."""
        inputs, outputs = session.get_inputs(), session.get_outputs()
        required = [port for port in inputs if is_state(port.name)]
        last = [port for port in outputs if is_state(port.name.removesuffix("_out"))]
        return cls(
            inputs=[port for port in inputs if port not in required],
            outputs=[port for port in outputs if port not in last],
            # Weights may be listed as inputs with a default value, too.
            states=[*required, *(port for port in session.get_overridable_initializers() if is_state(port.name))],
            last_states=last,
            required_states=required,
        )


def _open(data: bytes, threads: int, sizes: Mapping[str, int]) -> Any:
    """Open a session over a file's content; `sizes` fixes free sizes by their names."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Fatal errors only: the log quotes names in the file unescaped, and an exception reports the other errors, too.
    options.log_severity_level = 4
    options.add_session_config_entry(*_DEQUANTIZE_AT_LOAD)
    for name, size in sizes.items():
        options.add_free_dimension_override_by_name(name, size)
    # Without the fallback, which prints the error to standard output and tries the same again.
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"], enable_fallback=0)


def _check(ports: _Ports) -> None:
    """Check that the inputs are sequences, and that each input state has an output state."""
    states = ports.states
    names = [f"state_{index}" for index in range(len(states))]
    if [state.name for state in states] != names or [state.name for state in ports.last_states] != [
        f"{name}_out" for name in names
    ]:
        raise ArtifactError(
            f"takes the states {[state.name for state in states]} and returns "
            f"{[state.name for state in ports.last_states]}, expected state_0, … and state_0_out, …"
        )
    if not ports.inputs or not ports.outputs:
        raise ArtifactError(
            f"has {len(ports.inputs)} inputs and {len(ports.outputs)} outputs beside its states, expected at least one "
            "of each"
        )
    for port in (*ports.inputs, *ports.outputs, *states, *ports.last_states):
        if port.type != "tensor(float)":
            raise ArtifactError(f"{port.name!r} has type {port.type}, expected tensor(float)")
    for state in states:
        if len(state.shape) != 2 or not isinstance(state.shape[1], int):
            raise ArtifactError(
                f"state {state.name!r} has shape {state.shape}, expected (batch, size) with a fixed size"
            )
    for source in ports.inputs:
        _check_input(source, len(states))
    for target in ports.outputs:
        # A free axis between batch and outputs is the steps, for a model that answers every step.
        shape = target.shape or [None]
        if not isinstance(shape[-1], int) or not all(isinstance(size, int) for size in shape[2:]):
            raise ArtifactError(
                f"output {target.name!r} has shape {target.shape}, expected fixed sizes except the batch and the steps"
            )


def _check_input(source: Any, states: int) -> None:
    shape = source.shape
    if len(shape) != 3 or not isinstance(shape[2], int):
        raise ArtifactError(f"input {source.name!r} has shape {shape}, expected (batch, steps, features)")
    if isinstance(shape[0], int) and (shape[0] != 1 or states):
        kept = f" and keeps {states} states" if states else ""
        raise ArtifactError(
            f"takes batches of {shape[0]}{kept}, expected a free batch, or a batch of one and no states"
        )
    if states and isinstance(shape[1], int):
        raise ArtifactError(f"keeps states and takes {shape[1]} steps, expected a free number of them")


def open_artifact(data: bytes, threads: int) -> Backend:
    """Open the content of an .onnx file.

    Raises:
        ArtifactError: ONNX Runtime refuses it, or its inputs are not sequences of float32 numbers and states.
        MissingExtraError: ONNX Runtime is not installed.
    """
    return _OnnxRuntime(data, threads)
