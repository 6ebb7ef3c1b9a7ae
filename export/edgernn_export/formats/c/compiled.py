"""Generated C on this computer: compiled into a shared library, and run as a backend."""

import ctypes
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from edgernn.arrays import Arrays
from edgernn.backends.protocol import State, Stepper, check_states, split_states
from edgernn.errors import ExportError, NoStepError, first_line, printable
from edgernn.program.operators import Value
from edgernn_export.formats.c.writer import CSource

# For every compiler. A fused multiply-add would change the rounding of float32 sums: -ffp-contract=off.
FLAGS = ("-std=c99", "-O2", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror", "-ffp-contract=off")
_COMPILERS = ("cc", "gcc", "clang")
_OTHER_COMPILER = "set CC to the C compiler of this computer, or unset it"


def find_compiler() -> list[str]:
    """Return the command of a C compiler: $CC, cc, gcc, clang, or zig's from the package ziglang; empty if none.

    Raises:
        ExportError: $CC is set, but names no program.
    """
    if wanted := os.environ.get("CC", "").strip():
        return _find_wanted(wanted)
    for name in _COMPILERS:
        if found := shutil.which(name):
            return [found]
    return [sys.executable, "-m", "ziglang", "cc"] if find_spec("ziglang") else []


def _find_wanted(wanted: str) -> list[str]:
    """Return the command in $CC, which may have options, such as "ccache gcc"."""
    try:
        program, *options = shlex.split(wanted)
    except ValueError:
        program, options = wanted, []
    found = shutil.which(program)
    if not found:
        raise ExportError(
            f"the C compiler in the environment variable CC, {wanted!r}, was not found; {_OTHER_COMPILER}"
        )
    return [found, *options]


def compile_library(compiler: Sequence[str], files: Mapping[str, str], path: Path) -> None:
    """Compile the .c file among files to a shared library.

    Args:
        compiler: command of the compiler.
        files: texts of the files, by name.
        path: path of the library.

    Raises:
        ExportError: the compiler cannot be run, or refuses the file.
    """
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            (Path(folder) / name).write_text(text, encoding="utf-8")
        sources = [name for name in files if name.endswith(".c")]
        command = [*compiler, *FLAGS, "-fPIC", "-shared", *sources, "-o", str(path), "-lm"]
        try:
            done = subprocess.run(  # noqa: S603
                command, cwd=folder, capture_output=True, text=True, errors="replace", check=False
            )
        except OSError as error:
            raise ExportError(
                f"the C compiler {' '.join(compiler)} cannot be run: {error.strerror}; {_OTHER_COMPILER}"
            ) from error
    if done.returncode:
        message = next((line for line in done.stderr.splitlines() if "error" in line), "no message")
        raise ExportError(f"the C compiler {' '.join(compiler)} refuses the file: {printable(message)}")


class CompiledModel:
    """A C program as a backend; see `edgernn.backends.protocol`.

    Args:
        library: the shared library.
        source: the program that was compiled.
        name: name of the backend.
        scaled: True if the program has a scale of features. Backends get scaled rows, so its function
            `quantize_scaled` is called.

    Raises:
        ExportError: the library cannot be loaded, for instance because the compiler is for another machine.
    """

    def __init__(self, library: Path, source: CSource, name: str, *, scaled: bool) -> None:
        self.name = name
        try:
            loaded, layout = ctypes.CDLL(str(library)), source.layout
        except OSError as error:
            reason = first_line(error).removeprefix(f"{library}: ")
            raise ExportError(
                f"this computer cannot load the library that the C compiler made ({name}): {reason}; {_OTHER_COMPILER}"
            ) from error
        self._functions = {each: getattr(loaded, f"{source.prefix}_{each}") for each in ("init", "step", "predict")}
        if layout.is_int8:
            suffix = "_scaled" if scaled else ""
            self._functions["quantize"] = getattr(loaded, f"{source.prefix}_quantize{suffix}")
        for each in self._functions.values():
            each.restype = None
        program = layout.program
        self._row, self._answer = program.values[layout.row], program.values[layout.answer]
        self._fields, self._streams = layout.fields, bool(program.states)
        self._features, self._outputs = source.features, source.outputs
        self.input_shapes: tuple[tuple[int, ...], ...] = (program.sample_shape,)
        self.answer_shape = program.values[program.output].shape[1:]
        self.output_shapes: tuple[tuple[int, ...], ...] = (program.answer_shape,)

    def encode(self, rows: Any) -> Any:
        """Convert float32 rows, [..., features], to the program's type of numbers."""
        values = np.ascontiguousarray(rows, np.float32)
        if self._row.type != "int8":
            return values
        found = np.empty(values.shape, np.int8)
        for first in range(0, values.size, self._features):
            self._functions["quantize"](_address(values, first), _address(found, first))
        return found

    def decode(self, answers: Any) -> Any:
        """Convert answers to float32."""
        if self._answer.type != "int8":
            return answers
        return (answers.astype(np.float32) - np.float32(self._answer.zero_point)) * np.float32(self._answer.scale)

    def predict(self, rows: Any) -> Any:
        """Answer a batch without conversions: rows [samples, steps, features], answers [samples, ...]."""
        answers = np.empty((len(rows), *self.output_shapes[0]), self._answer.type)
        for number in range(len(rows)):
            row, answer = rows[0].size * number, answers[0].size * number
            self._functions["predict"](_address(rows, row), _address(answers, answer))
        return answers

    def run(self, inputs: Arrays) -> Arrays:
        """Answer a batch; see `Backend`."""
        return (self.decode(self.predict(self.encode(inputs[0]))),)

    def bare(self, inputs: Arrays) -> Callable[[], object]:
        """Return the call for one sample; see `Backend`."""
        return partial(self.predict, self.encode(inputs[0]))

    def direct_predict(self, max_square: float) -> None:
        """Return None: there is no direct call."""

    def start(self) -> Stepper:
        """Begin a stream; see `Backend`."""
        if not self._streams:
            raise NoStepError("its row is a whole sequence, so it cannot stream")
        return CompiledStream(self)

    def begin(self) -> Any:
        """Return the state of a new stream."""
        state = np.zeros(sum(each.size_bytes for each in self._fields), np.uint8)
        self._functions["init"](_address(state, 0))
        return state

    def step(self, state: Any, row: Any) -> Any:
        """Answer a row without conversions, and update the state."""
        answer = np.empty(self._outputs, self._answer.type)
        self._functions["step"](_address(state, 0), _address(row, 0), _address(answer, 0))
        return answer

    @property
    def fields(self) -> Sequence[Value]:
        """The arrays of the state, described as values."""
        return [Value((each.elements,), each.type, 0.0, 0, 0) for each in self._fields]


class CompiledStream:
    """One stream; its states are one block of bytes, as in C."""

    def __init__(self, model: CompiledModel) -> None:
        self._model, self._state = model, model.begin()
        self.answer_shapes: tuple[tuple[int, ...], ...] = (model.answer_shape,)

    def step(self, rows: Arrays) -> Arrays:
        """Answer one row; see `Stepper`."""
        answer = self._model.step(self._state, self._model.encode(rows[0]))
        return (self._model.decode(answer).reshape(self.answer_shapes[0]),)

    def direct_push(self, max_square: float) -> None:
        """Return None: there is no direct call."""

    def reset(self) -> None:
        """Set the states to those before the first row."""
        self._state = self._model.begin()

    @property
    def states(self) -> Sequence[State]:
        """Copies of the states."""
        return split_states(self._state.tobytes(), self._model.fields)

    @states.setter
    def states(self, states: Sequence[State]) -> None:
        content = b"".join(state.tobytes() for state in check_states(states, self.states))
        self._state = np.frombuffer(content, np.uint8).copy()


def _address(values: Any, element: int) -> ctypes.c_void_p:
    """Return the address of an element of a contiguous array."""
    return ctypes.c_void_p(values.ctypes.data + element * values.itemsize)
