"""Shared code of the backends for .tflite files: engines for the sequence and the step, and their number formats.

The file's first graph answers a sequence; a signature `step`, if there, one time step.
"""

import struct
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from edgernn.arrays import Arrays, Float32
from edgernn.backends.exclusive_access import ExclusiveAccess
from edgernn.backends.protocol import State, Stepper, check_states
from edgernn.backends.tensor_port import TensorPort
from edgernn.backends.tflite_file import STEP, PortNames, sequence_names, step_file
from edgernn.errors import ArtifactError, NoStepError, first_line
from edgernn.specs import is_state, order_states

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
_ONE_STEP = (np.newaxis, np.newaxis)  # [features] to [batch, steps, features]; reshape takes twice as long


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
        ArtifactError: the interpreter refuses the file.
    """

    def __init__(self, name: str, engine: Callable[[bytes], Engine], data: bytes) -> None:
        self.name = name
        self._new_engine, self._data = engine, data
        self._access = ExclusiveAccess()
        self._steps: _Steps | None = None
        opened = self._engine = self._open(data)
        self._inputs, self._outputs = opened.inputs, opened.outputs
        self.input_shapes = tuple(port.shape[1:] for port in opened.inputs)
        self.output_shapes = tuple(port.shape[1:] for port in opened.outputs)
        self._float_inputs, self._float_outputs = (
            all(port.is_float for port in ports) for ports in (opened.inputs, opened.outputs)
        )
        self._call = _caller(opened, opened.inputs, opened.outputs)

    def run(self, inputs: Arrays) -> Arrays:
        """Answer a batch; see `Backend`."""
        values = inputs if self._float_inputs else _encode(self._inputs, inputs)
        if len(inputs[0]) == 1:
            answers = self._run_one(values)
        else:
            # The graph is built for one sample; an interpreter cannot change its batch size.
            none = tuple(np.empty((0, *port.shape[1:]), port.dtype) for port in self._outputs)
            batches_of_one = zip(*(each[:, np.newaxis] for each in values), strict=True)
            answers = tuple(map(np.concatenate, zip(none, *map(self._run_one, batches_of_one), strict=True)))
        return answers if self._float_outputs else _decode(self._outputs, answers)

    def _run_one(self, values: Sequence[State]) -> tuple[Any, ...]:
        """Answer one sample, all in the graph's numbers."""
        access = self._access
        try:
            with access.lock:
                if access.busy:
                    raise access.refusal()
                try:
                    access.busy = True
                    return self._call(values)
                finally:
                    access.busy = False
        except REFUSALS as error:  # some kernels check the graph only now
            raise ArtifactError(f"{self.name} cannot run the file: {first_line(error)}") from error

    def bare(self, inputs: Arrays) -> Callable[[], object]:
        """Set the inputs to a sample; return the interpreter's own call; see `Backend`."""
        for port, values in zip(self._inputs, _encode(self._inputs, inputs), strict=True):
            self._engine.set(port.handle, values)
        return self._engine.invoke

    def direct_predict(self, max_square: float) -> None:
        """Return None: an interpreter has no direct call."""

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
        steps = _Steps(self.name, self._open(file.data), file.names, partial(sequence_names, self._data))
        found, expected = (len(steps.inputs), len(steps.outputs)), (len(self._inputs), len(self._outputs))
        if found != expected:
            raise ArtifactError(
                f"its step has {found[0]} inputs and {found[1]} outputs beside its states, expected {expected[0]} and "
                f"{expected[1]}, as a whole sequence has"
            )
        return steps

    def _open(self, data: bytes) -> Engine:
        try:
            return self._new_engine(data)
        except REFUSALS as error:
            raise ArtifactError(f"{self.name} refuses the file: {first_line(error)}") from error


def _encode(ports: Sequence[TensorPort], values: Sequence[Float32]) -> tuple[Any, ...]:
    """Convert real values to the numbers of a graph's inputs."""
    return tuple(each if port.is_float else port.encode(each) for port, each in zip(ports, values, strict=True))


def _decode(ports: Sequence[TensorPort], values: Sequence[Any]) -> Arrays:
    """Convert the numbers of a graph's outputs to real values."""
    return tuple(each if port.is_float else port.decode(each) for port, each in zip(ports, values, strict=True))


def _caller(
    engine: Engine, inputs: Sequence[TensorPort], outputs: Sequence[TensorPort]
) -> Callable[[Sequence[Any]], tuple[Any, ...]]:
    """Return a function from the arrays of a graph's inputs to those of its outputs, in the given orders."""
    put, invoke, get = engine.set, engine.invoke, engine.get
    sources, targets = ([port.handle for port in ports] for ports in (inputs, outputs))

    def call(values: Sequence[Any]) -> tuple[Any, ...]:
        for source, value in zip(sources, values, strict=True):
            put(source, value)
        invoke()
        return tuple([get(target) for target in targets])

    if len(sources) != 1 or len(targets) != 1:
        return call
    (source,), (target,) = sources, targets

    # The common case has no loops, which would take as long as a call of the interpreter.
    def call_one(values: Sequence[Any]) -> tuple[Any, ...]:
        put(source, values[0])
        invoke()
        return (get(target),)

    return call_one


# From rows and states to answers and the next states, all in the graph's numbers.
_Step = Callable[[Sequence[Any], Sequence[State]], tuple[Sequence[Any], Sequence[State]]]


def _step_caller(engine: Engine, inputs: Sequence[TensorPort], outputs: Sequence[TensorPort], answers: int) -> _Step:
    """Return a function that runs a step's graph.

    Args:
        engine: of the step.
        inputs: those of the rows, then those of the states.
        outputs: those of the answers, then those of the states.
        answers: number of answers.
    """
    call = _caller(engine, inputs, outputs)

    def step(rows: Sequence[Any], states: Sequence[State]) -> tuple[Sequence[Any], Sequence[State]]:
        found = call((*rows, *states))
        return found[:answers], found[answers:]

    if not len(inputs) == len(outputs) == 2 or answers != 1:
        return step
    put, invoke, get = engine.set, engine.invoke, engine.get
    (row, before), (answer, after) = ([port.handle for port in ports] for ports in (inputs, outputs))

    # As above, the common case: one input, one output and one state.
    def step_one(rows: Sequence[Any], states: Sequence[State]) -> tuple[Sequence[Any], Sequence[State]]:
        put(row, rows[0])
        put(before, states[0])
        invoke()
        return (get(answer),), (get(after),)

    return step_one


class _Steps:
    """Engine of the step, which all streams of an artifact share."""

    def __init__(self, name: str, engine: Engine, names: PortNames, sequence: Callable[[], PortNames | None]) -> None:
        self.name, self.engine, self.access = name, engine, ExclusiveAccess()
        inputs, before = _split_states(names.inputs, engine.inputs)
        outputs, after = _split_states(names.outputs, engine.outputs)
        if len(inputs) > 1 or len(outputs) > 1:  # the graphs of step and sequence may have different orders
            order = sequence() or PortNames((), ())
            inputs, outputs = _in_order(inputs, order.inputs), _in_order(outputs, order.outputs)
        self.inputs, self.outputs = list(inputs.values()), list(outputs.values())
        if list(before) != list(after):
            raise ArtifactError(
                f"its step takes the states {list(before)} and returns {list(after)}; expected the same"
            )
        for port in self.inputs:
            if len(port.shape) != 3 or port.shape[1] != 1:
                raise ArtifactError(f"its step takes rows of shape {port.shape}, expected (1, 1, features)")
        self.float_inputs, self.float_outputs = (
            all(port.is_float for port in ports) for ports in (self.inputs, self.outputs)
        )
        self.zeros: Sequence[State] = [np.full(port.shape, port.zero_point, port.dtype) for port in before.values()]
        self.call = _step_caller(
            engine, [*self.inputs, *before.values()], [*self.outputs, *after.values()], answers=len(self.outputs)
        )


class _TfliteStepper:
    """One stream; it keeps its states, because the engine is shared.

    Args:
        steps: the artifact's step.
    """

    def __init__(self, steps: _Steps) -> None:
        self._steps = steps
        self.answer_shapes = tuple(port.shape[1:] for port in steps.outputs)
        self._states = steps.zeros

    def step(self, rows: Arrays) -> Arrays:
        steps, access = self._steps, self._steps.access
        # A tuple of one, the common case, without a loop.
        values: Sequence[Any] = (rows[0][_ONE_STEP],) if len(rows) == 1 else [row[_ONE_STEP] for row in rows]
        if not steps.float_inputs:
            values = _encode(steps.inputs, values)
        try:
            with access.lock:
                if access.busy:
                    raise access.refusal()
                try:
                    access.busy = True
                    answers, self._states = steps.call(values, self._states)
                finally:
                    access.busy = False
        except REFUSALS as error:
            raise ArtifactError(f"{steps.name} cannot run the file's step: {first_line(error)}") from error
        first = (answers[0][0],) if len(answers) == 1 else tuple([answer[0] for answer in answers])
        return first if steps.float_outputs else _decode(steps.outputs, first)

    def reset(self) -> None:
        with self._steps.access.lock:
            self._states = self._steps.zeros

    def direct_push(self, max_square: float) -> None:
        return None

    @property
    def states(self) -> Sequence[State]:
        return [state[0].copy() for state in self._states]

    @states.setter
    def states(self, states: Sequence[State]) -> None:
        given = check_states(states, self.states)
        with self._steps.access.lock:
            self._states = [state[np.newaxis].copy() for state in given]


def _split_states(
    names: Sequence[str], ports: Sequence[TensorPort]
) -> tuple[Mapping[str, TensorPort], Mapping[str, TensorPort]]:
    """Return the ports of the rows or answers by name, and those of the states, in the order of their numbers."""
    named = dict(zip(names, ports, strict=True))
    rest = {name: port for name, port in named.items() if not is_state(name)}
    return rest, {name: named[name] for name in order_states(named)}


def _in_order(ports: Mapping[str, TensorPort], names: Sequence[str]) -> Mapping[str, TensorPort]:
    """Return the ports of a step in the order of a sequence's names."""
    if sorted(ports) != sorted(names):
        raise ArtifactError(
            f"its step has the inputs or outputs {sorted(ports)} beside its states, expected {sorted(names)}, as a "
            "whole sequence has"
        )
    return {name: ports[name] for name in names}
