"""The native backend: edgernn's kernels in C, for .tflite files in int8 and float32.

It needs only NumPy. int8 answers are bit-identical to those of LiteRT on x86-64, on every machine and with every
instruction set; float32 answers differ in the last digits.
"""

import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from edgernn import __version__
from edgernn.arrays import Arrays
from edgernn.backends.protocol import Backend, Direct, State, Stepper, check_states, split_states
from edgernn.backends.tensor_port import TensorPort
from edgernn.errors import InputError, NoStepError, SettingError, UnsupportedError
from edgernn.suggestions import did_you_mean
from edgernn.system.extras import native_machine, wheel_install

if TYPE_CHECKING:
    from edgernn._native import Direct as DirectCalls
    from edgernn._native import Program as EngineProgram
    from edgernn.program.operators import Program

# Environment variable that selects an instruction set by name; without it, the best one of the machine is used.
VARIABLE = "EDGERNN_NATIVE"
# EDGERNN_INTERFACE of runtime/native/engine.h.
INTERFACE = 2
_DTYPES = {"int8": np.int8, "float32": np.float32}


def open_artifact(data: bytes, threads: int) -> Backend:
    """Open the content of a .tflite file.

    Raises:
        ArtifactError: the file is damaged.
        UnsupportedError: the kernels do not support an operator or a type of the file, or were compiled from the source
            of another version.
        SettingError: the kernels are not installed, `threads` is not 1, or the machine lacks the instruction set that
            `VARIABLE` selects.
    """
    try:
        from edgernn import _native
    except ImportError as error:
        raise SettingError(
            "backend native is not installed, because this edgernn is without kernels in C; install the wheel for this "
            f"machine, {wheel_install(machine=native_machine())}, or run `make native` in a checkout"
        ) from error
    if (found := getattr(_native, "INTERFACE", 1)) != INTERFACE:
        raise UnsupportedError(
            f"the compiled kernels have interface {found}, this edgernn expects {INTERFACE}; "
            "run `make native` in a checkout"
        )
    if threads != 1:
        raise SettingError(f"{threads} threads; backend native supports only 1")
    from edgernn.program.plan import make_plan
    from edgernn.program.reader import read_program

    instruction_set = choose_instruction_set()
    program = read_program(data)
    plan = make_plan(program)
    try:
        engine = _native.Program(plan.words, plan.constants, instruction_set)
    except ValueError as error:
        raise UnsupportedError(f"the kernels do not support its program: {error}") from error
    return NativeBackend(f"native {__version__} {engine.instruction_set}", program, engine)


def choose_instruction_set() -> str:
    """Return the instruction set that `VARIABLE` selects, or the best one of the machine.

    Raises:
        SettingError: the machine lacks the one that is selected.
    """
    from edgernn import _native

    known, wanted = _native.instruction_sets(), os.environ.get(VARIABLE, "")
    if wanted and wanted not in known:
        raise SettingError(
            f"{VARIABLE}={wanted!r}: not an instruction set of this machine; expected {', '.join(known)}, or unset it"
            f"{did_you_mean(wanted, known)}"
        )
    return wanted or known[-1]


class NativeBackend:
    """An artifact that native kernels run.

    Each call has its own scratch memory, so several threads may call it at once.

    Args:
        name: name of the backend, with its version and instruction set.
        program: the program.
        engine: the extension's object that runs it.
    """

    def __init__(self, name: str, program: "Program", engine: "EngineProgram") -> None:
        self.name = name
        self._program, self._engine = program, engine
        self._input, self._output = (_port(program, number) for number in (program.input, program.output))
        self._answer_shape = program.answer_shape
        self.input_shapes: tuple[tuple[int, ...], ...] = (program.sample_shape,)
        self.output_shapes: tuple[tuple[int, ...], ...] = (program.answer_shape,)

    def run(self, inputs: Arrays) -> Arrays:
        """Answer a batch; see `Backend`.

        Raises:
            InputError: the input contains NaN or infinity.
        """
        values: Any = inputs[0] if self._input.is_float else self._input.encode(inputs[0])
        answers: Any = np.empty((len(values), *self._answer_shape), self._output.dtype)
        if not self._engine.run(len(values), values, answers):
            raise InputError("the input contains NaN or infinity")
        return (answers if self._output.is_float else self._output.decode(answers),)

    def bare(self, inputs: Arrays) -> Callable[[], object]:
        """Set the input to a sample; return the engine's own call; see `Backend`."""
        values: Any = inputs[0] if self._input.is_float else self._input.encode(inputs[0])
        answers: Any = np.empty((1, *self._answer_shape), self._output.dtype)
        return partial(self._engine.run, 1, values, answers)

    def direct_predict(self, max_square: float) -> Direct | None:
        """Return the engine's call with the checks of the input; see `Backend`."""
        if not (self._input.is_float and self._output.is_float):
            return None
        shape = self._answer_shape
        return _direct(
            self._engine, shape, max_square, new_answers=lambda samples: np.empty((samples, *shape), np.float32)
        ).predict

    def start(self) -> Stepper:
        """Begin a stream; see `Backend`."""
        if not self._program.states:
            raise NoStepError("has no signature `step`, so it cannot stream; it only answers whole sequences")
        return _NativeStepper(self._program, self._engine, self._input, self._output)


def _direct(engine: "EngineProgram", answer_shape: tuple[int, ...], max_square: float, **others: Any) -> "DirectCalls":
    from edgernn import _native

    return _native.Direct(engine, np.ndarray, partial(np.empty, answer_shape, np.float32), max_square, **others)


def _port(program: "Program", number: int) -> TensorPort:
    value = program.values[number]
    return TensorPort(0, value.shape, _DTYPES[value.type], (value.scale, value.zero_point))


class _NativeStepper:
    """One stream; its states are one block of bytes."""

    def __init__(self, program: "Program", engine: "EngineProgram", source: TensorPort, answer: TensorPort) -> None:
        self._engine, self._input, self._output = engine, source, answer
        self._specs = [program.values[state.before] for state in program.states]
        self.answer_shapes: tuple[tuple[int, ...], ...] = (answer.shape[1:],)
        self._states = engine.zero_states()

    def step(self, rows: Arrays) -> Arrays:
        row: Any = rows[0] if self._input.is_float else self._input.encode(rows[0])
        answer: Any = np.empty(self._output.shape[1:], self._output.dtype)
        if not self._engine.step(row, self._states, answer):
            raise InputError("the row contains NaN or infinity")
        return (answer if self._output.is_float else self._output.decode(answer),)

    def reset(self) -> None:
        self._states[:] = self._engine.zero_states()

    def direct_push(self, max_square: float) -> Direct | None:
        if not (self._input.is_float and self._output.is_float):
            return None
        return _direct(self._engine, self._output.shape[1:], max_square, states=self._states).push

    @property
    def states(self) -> Sequence[State]:
        return split_states(bytes(self._states), self._specs)

    @states.setter
    def states(self, states: Sequence[State]) -> None:
        self._states[:] = b"".join(state.tobytes() for state in check_states(states, self.states))
