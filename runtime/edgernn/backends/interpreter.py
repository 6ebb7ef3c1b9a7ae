"""Shared code of the backends for .tflite files: engines for the sequence and the step, and their number formats.

The file's first graph answers a sequence; a signature `step`, if there, one time step.
"""

import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from edgernn.arrays import Float32
from edgernn.backends import State, Stepper, check_states
from edgernn.backends.exclusive_access import ExclusiveAccess
from edgernn.backends.tflite_file import STEP, StepFile, step_file
from edgernn.errors import ArtifactError, NoStepError, first_line

# Errors that interpreters raise for an unsupported file or graph: pybind11 converts most of them from C++ exceptions;
# tflite-micro's first reads the flatbuffer with struct.
REFUSALS = (
    ValueError,
    RuntimeError,
    TypeError,
    IndexError,
    KeyError,
    OverflowError,
    MemoryError,
    SystemError,
    struct.error,
)


class TensorPort:
    """Input or output of a graph: its handle in the engine, its shape, and the meaning of its integers.

    Args:
        handle: argument of the engine's `set` and `get`.
        shape, dtype: shape and type of its array.
        quantization: scale and zero point; 0 and 0 if the numbers are real.
    """

    def __init__(self, handle: int, shape: Sequence[int], dtype: Any, quantization: tuple[float, int]) -> None:
        self.handle = handle
        self.dtype = np.dtype(dtype)
        self.shape = tuple(int(size) for size in shape)
        self.is_float = self.dtype == np.float32
        self.scale, self.zero_point = np.float32(quantization[0]), int(quantization[1])
        if self.dtype not in (np.float32, np.int8, np.int16):
            raise ArtifactError(f"has an input or an output of type {self.dtype}, expected float32, int8 or int16")
        if self.shape[:1] != (1,):
            raise ArtifactError(f"has an input or an output of shape {self.shape}, expected a batch of 1 in front")

    def encode(self, values: Float32) -> State:
        """Convert real values to the graph's numbers."""
        limits = np.iinfo(self.dtype)
        integers = np.round(values / self.scale) + np.float32(self.zero_point)
        encoded: State = np.clip(integers, limits.min, limits.max).astype(self.dtype)
        return encoded

    def decode(self, values: State) -> Float32:
        """Convert the graph's numbers to real values."""
        reals: Float32 = (values.astype(np.float32) - np.float32(self.zero_point)) * self.scale
        return reals


class Engine(NamedTuple):
    """The first graph of a file, ready to run.

    Attributes:
        inputs, outputs: in the graph's order.
        set: writes an array to the input with a handle.
        invoke: runs the graph.
        get: returns a new array of the output with a handle.
        memory: objects that must live as long as the engine: an interpreter reads weights from the file's bytes.
    """

    inputs: tuple[TensorPort, ...]
    outputs: tuple[TensorPort, ...]
    set: Callable[[int, Any], object]
    invoke: Callable[[], object]
    get: Callable[[int], Any]
    memory: object


class TfliteBackend:
    """Artifact in an interpreter.

    An interpreter has one set of tensors, so a lock admits one thread at a time. An interpreter per thread would cost
    load time and memory for each; for more throughput, load a model in each thread.

    Args:
        name: the library and its version, for messages.
        engine: function that creates an engine from a file's content.
        data: the file's content.

    Raises:
        ArtifactError: the interpreter refuses the file, or the file does not have exactly one input and one output.
    """

    def __init__(self, name: str, engine: Callable[[bytes], Engine], data: bytes) -> None:
        self.name = name
        self._new, self._data = engine, data
        self._access = ExclusiveAccess()
        self._steps: _Steps | None = None
        opened = self._engine = self._open(data)
        if len(opened.inputs) != 1 or len(opened.outputs) != 1:
            raise ArtifactError(f"inputs: {len(opened.inputs)}, outputs: {len(opened.outputs)}; expected one of each")
        (self._input,), (self._output,) = opened.inputs, opened.outputs
        self.input_shape = self._input.shape[1:]
        # Looked up once, because a call is short.
        self._put, self._invoke, self._get = opened.set, opened.invoke, opened.get

    def run(self, x: Float32) -> Float32:
        """Answer a batch; see `Backend`."""
        source, target = self._input, self._output
        values = x if source.is_float else source.encode(x)
        if len(x) == 1:
            answer = self._run_one(values)
        else:
            # The graph is built for one sample; an interpreter cannot change its batch size.
            answer = np.empty((len(x), *target.shape[1:]), target.dtype)
            for index in range(len(x)):
                answer[index] = self._run_one(values[index : index + 1])
        return answer if target.is_float else target.decode(answer)

    def _run_one(self, values: State) -> Any:
        """Answer one sample, both in the graph's numbers."""
        access = self._access
        try:
            with access.lock:
                if access.busy:
                    raise access.refusal()
                try:
                    access.busy = True
                    self._put(self._input.handle, values)
                    self._invoke()
                    return self._get(self._output.handle)
                finally:
                    access.busy = False
        except REFUSALS as error:  # some kernels check the graph only now
            raise ArtifactError(f"{self.name} cannot run the file: {first_line(error)}") from error

    def bare(self, x: Float32) -> Callable[[], object]:
        """Return the interpreter's own call with a sample in place; see `Backend`."""
        self._put(self._input.handle, x if self._input.is_float else self._input.encode(x))
        return self._invoke

    def start(self) -> Stepper:
        """Begin a stream; see `Backend`. All streams share one engine, and each keeps its own states."""
        with self._access.lock:
            if self._steps is None:
                self._steps = self._open_steps()
        return _TfliteStepper(self._steps)

    def _open_steps(self) -> "_Steps":
        file = step_file(self._data)
        if file is None:
            raise NoStepError(f"has no signature `{STEP}`, so it cannot stream; it only answers whole sequences")
        return _Steps(self.name, self._open(file.data), file)

    def _open(self, data: bytes) -> Engine:
        try:
            return self._new(data)
        except REFUSALS as error:
            raise ArtifactError(f"{self.name} refuses the file: {first_line(error)}") from error


_ONE_STEP = (np.newaxis, np.newaxis)  # [features] to [batch, steps, features]; reshape takes twice as long
# From a row and states to the answer and the next states.
_Run = Callable[[State, Sequence[State]], tuple[Any, Sequence[State]]]


class _Steps:
    """Engine of the step, which all streams of an artifact share."""

    def __init__(self, name: str, engine: Engine, file: StepFile) -> None:
        self.name, self.engine, self.access = name, engine, ExclusiveAccess()
        self.input, before = _sorted(file.inputs, engine.inputs)
        self.output, after = _sorted(file.outputs, engine.outputs)
        if list(before) != list(after):
            raise ArtifactError(
                f"its step takes the states {list(before)} and returns {list(after)}; expected the same"
            )
        if len(self.input.shape) != 3 or self.input.shape[1] != 1:
            raise ArtifactError(f"its step takes rows of shape {self.input.shape}, expected (1, 1, features)")
        self.zeros = [np.full(port.shape, port.zero_point, port.dtype) for port in before.values()]
        handles = [[port.handle for port in ports.values()] for ports in (before, after)]
        self.run = _run(engine, self.input.handle, self.output.handle, *handles)


def _run(engine: Engine, source: int, target: int, before: Sequence[int], after: Sequence[int]) -> _Run:
    put, invoke, get = engine.set, engine.invoke, engine.get

    def any_states(row: State, states: Sequence[State]) -> tuple[Any, Sequence[State]]:
        put(source, row)
        for handle, state in zip(before, states, strict=True):
            put(handle, state)
        invoke()
        return get(target), [get(handle) for handle in after]

    if len(before) != 1:
        return any_states
    (first,), (last,) = before, after

    # The common case, without loops, which would cost as much as a call of the interpreter.
    def one_state(row: State, states: Sequence[State]) -> tuple[Any, Sequence[State]]:
        put(source, row)
        put(first, states[0])
        invoke()
        return get(target), [get(last)]

    return one_state


class _TfliteStepper:
    def __init__(self, steps: _Steps) -> None:
        self._steps = steps
        self.answer_shape = steps.output.shape[1:]
        self._states: Sequence[State] = steps.zeros

    def step(self, row: Float32) -> Float32:
        steps = self._steps
        source, target, access = steps.input, steps.output, steps.access
        values = row[_ONE_STEP] if source.is_float else source.encode(row[_ONE_STEP])
        try:
            with access.lock:
                if access.busy:
                    raise access.refusal()
                try:
                    access.busy = True
                    answer, self._states = steps.run(values, self._states)
                finally:
                    access.busy = False
        except REFUSALS as error:
            raise ArtifactError(f"{steps.name} cannot run the file's step: {first_line(error)}") from error
        first: Float32 = answer[0]
        return first if target.is_float else target.decode(first)

    def reset(self) -> None:
        with self._steps.access.lock:
            self._states = self._steps.zeros

    @property
    def states(self) -> Sequence[State]:
        return [state[0].copy() for state in self._states]

    @states.setter
    def states(self, states: Sequence[State]) -> None:
        check_states(states, self.states)
        with self._steps.access.lock:
            self._states = [state[np.newaxis].copy() for state in states]


def _sorted(names: Sequence[str], ports: Sequence[TensorPort]) -> tuple[TensorPort, Mapping[str, TensorPort]]:
    """Return the port of the row or the answer, and the ports of the states by name, in the order of their numbers."""
    named = dict(zip(names, ports, strict=True))
    states = sorted(name for name in named if name.startswith("state_") and name[6:].isdecimal())
    rest = named.keys() - set(states)
    if len(rest) != 1:
        raise ArtifactError(f"its step has the inputs or outputs {sorted(rest)} beside its states; expected one")
    return named[rest.pop()], {name: named[name] for name in sorted(states, key=lambda name: int(name[6:]))}
