"""A stream: one time step in, the answer so far out."""

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import NoReturn, Self

import numpy as np

from edgernn.arrays import ArrayLike, Float32
from edgernn.backends import State, Stepper
from edgernn.errors import ArtifactError, InputError
from edgernn.inputs import InputSpec, as_array, as_float32


class Stream:
    """One sequence on its way through a model; made by `Model.stream`. Several may run side by side.

    It goes on for as long as rows come: the model was trained on so many steps as `input_shape` says, but nothing ends
    there. `reset` begins a new sequence, and so does the end of a `with` block.
    """

    def __init__(
        self,
        path: Path,
        stepper: Stepper,
        features: int,
        output_shape: tuple[int, ...] | None,
        taken: InputSpec,
    ) -> None:
        self._path = path
        self._stepper = stepper
        self._row_shape = (features,)
        # Where there is one answer a step, the step's graph has an axis for its only one.
        shape = stepper.answer_shape
        self._every_step = shape != output_shape and len(shape) == 2 and shape[0] == 1
        self._input_spec = taken

    def push(self, row: ArrayLike) -> Float32:
        """Take one time step.

        Args:
            row: [features]; numbers as the card's `input_meaning` says, or uint8 pixels, as for `predict`.

        Returns:
            The answer to all rows since the beginning, float32 [*output_shape], a fresh array; of a model that
            answers every step the one to this row, [outputs].

        Raises:
            InputError: another shape or type, a NaN or infinity in it, or pixels that nobody scaled; the state is as
                before.
            ArtifactError: the backend cannot run it.
        """
        array = as_array(row)
        if array.shape != self._row_shape:
            raise InputError(f"the row has shape {array.shape}, expected {self._row_shape}")
        values = as_float32(array, self._input_spec)
        try:
            answer = self._stepper.step(values)
        except ArtifactError as error:
            raise ArtifactError(f"{self._path}: {error}") from error
        return answer[0] if self._every_step else answer

    def push_many(self, rows: ArrayLike) -> Float32:
        """Take many time steps, as if each was pushed.

        Args:
            rows: [rows, features], as for `push`.

        Returns:
            What `push` gives for each, float32 [rows, ...].

        Raises:
            InputError: as of `push`; then none of them is taken.
            ArtifactError: as of `push`.
        """
        array = as_array(rows)
        if array.ndim != 2 or array.shape[1:] != self._row_shape or not len(array):
            raise InputError(
                f"the rows have shape {array.shape}, expected (rows, {self._row_shape[0]}), rows at least 1"
            )
        values = as_float32(array, self._input_spec)
        try:
            answers = np.stack([self._stepper.step(row) for row in values])
        except ArtifactError as error:
            raise ArtifactError(f"{self._path}: {error}") from error
        return answers[:, 0] if self._every_step else answers

    def answer(self, sample: ArrayLike) -> Float32:
        """Answer a whole sample, [steps, features], from the beginning and row by row.

        Returns:
            What `predict` gives: the last answer, or every one of a model that answers each step.
        """
        self.reset()
        answers = self.push_many(sample)
        return answers if self._every_step else answers[-1]

    def reset(self) -> None:
        """Begin a new sequence."""
        self._stepper.reset()

    @property
    def state(self) -> Sequence[State]:
        """What the model remembers of the rows so far, one array a state; set it to go on from there."""
        return self._stepper.states

    @state.setter
    def state(self, state: Sequence[State]) -> None:
        self._stepper.states = state

    def __reduce__(self) -> NoReturn:
        raise TypeError("a stream is neither copied nor sent to another process: its `state` is")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.reset()
