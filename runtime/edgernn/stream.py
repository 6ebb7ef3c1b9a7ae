"""Streams: one time step in, the answer so far out."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import NoReturn, Self

import numpy as np

from edgernn.arrays import ArrayLike, Float32
from edgernn.backends.protocol import State, Stepper
from edgernn.errors import ArtifactError, InputError
from edgernn.inputs import InputReader, as_array
from edgernn.specs import InputSpec


class Stream:
    """Sequence whose rows are answered one by one; created by `Model.stream`. Several may run side by side.

    A stream has no end: the model was trained on the number of steps in `input_shape`, but more rows may follow.
    `reset` begins a new sequence, and so does the end of a `with` block.
    """

    def __init__(
        self,
        path: Path,
        stepper: Stepper,
        input_spec: InputSpec,
        output_shape: tuple[int, ...] | None,
    ) -> None:
        self._path = path
        self._stepper = stepper
        self._row_shape = input_spec.shape[-1:]
        own = input_spec.own_shape
        self._own_row_shape = own[1:] if own[:1] == input_spec.shape[:1] else self._row_shape
        # If the model answers every step, the step's graph has an axis of size 1 for its single step.
        (shape,) = stepper.answer_shapes
        self._every_step = shape != output_shape and len(shape) == 2 and shape[0] == 1
        reader = InputReader(replace(input_spec, shape=self._row_shape))
        self._read = reader.read
        self._direct = stepper.direct_push(reader.max_square(self._row_shape[0]))

    def push(self, row: ArrayLike) -> Float32:
        """Process one time step.

        Args:
            row: [features], or a row of the shape that the original Keras model takes; raw numbers, numbers as the
                card's `input_meaning` says, or uint8 pixels, as for `Model.predict`.

        Returns:
            The answer to all rows since the beginning, float32 [*output_shape], a new array. For a model that
            answers every step: the answer to this row, [outputs].

        Raises:
            InputError: `row` has another shape or type, contains NaN or infinity, or is not scaled; the state is
                unchanged.
            ArtifactError: the backend cannot run the file.
        """
        if self._direct is not None and (found := self._direct(row)) is not None:
            return found[0] if self._every_step else found
        array = as_array(row)
        if array.shape != self._row_shape:
            if array.shape != self._own_row_shape:
                raise InputError(f"the row has shape {array.shape}, expected {self._row_shape}")
            array = array.reshape(self._row_shape)
        values = self._read(array)
        try:
            (answer,) = self._stepper.step((values,))
        except ArtifactError as error:
            raise ArtifactError(f"{self._path}: {error}") from error
        return answer[0] if self._every_step else answer

    def push_many(self, rows: ArrayLike) -> Float32:
        """Process many time steps; the same as `push` for each row.

        Args:
            rows: [rows, features], as for `push`.

        Returns:
            The answers of `push` to the rows, float32 [rows, ...].

        Raises:
            InputError: as for `push`; then no row is processed.
            ArtifactError: as for `push`.
        """
        array = as_array(rows)
        if array.shape[1:] == self._own_row_shape:
            array = array.reshape(len(array), *self._row_shape)
        if array.ndim != 2 or array.shape[1:] != self._row_shape or not len(array):
            raise InputError(
                f"the rows have shape {array.shape}, expected (rows, {self._row_shape[0]}), rows at least 1"
            )
        values = self._read(array)
        try:
            answers = np.stack([self._stepper.step((row,))[0] for row in values])
        except ArtifactError as error:
            raise ArtifactError(f"{self._path}: {error}") from error
        return answers[:, 0] if self._every_step else answers

    def answer(self, sample: ArrayLike) -> Float32:
        """Answer a whole sample from the beginning and row by row.

        The sequence that was running is discarded; the rows of the sample are then the running sequence.

        Args:
            sample: [steps, features], of any number of steps, as for `push`.

        Returns:
            The last answer of `push`, or all of them for a model that answers every step; the answer of `predict`
            within the artifact's stream tolerance, with the same bits for most int8 files.

        Raises:
            InputError: as for `push_many`; the running sequence is discarded nevertheless.
            ArtifactError: as for `push`.
        """
        self.reset()
        answers = self.push_many(sample)
        return answers if self._every_step else answers[-1]

    def reset(self) -> None:
        """Begin a new sequence."""
        self._stepper.reset()

    @property
    def state(self) -> Sequence[State]:
        """The model's states after the rows so far, to save them or to continue from them.

        Reading returns new arrays, one per state, in the file's own number format: float32, int8 or int16 [size].
        Setting copies the arrays; the next `push` continues from them.

        Raises:
            InputError: the number, shapes or types of the states that are set are not those of this artifact, or one
                contains NaN or infinity; the stream's states are unchanged.
        """
        return self._stepper.states

    @state.setter
    def state(self, state: Sequence[State]) -> None:
        self._stepper.states = state

    def __reduce__(self) -> NoReturn:
        raise TypeError("a stream cannot be copied or sent to another process; copy or send its `state`")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.reset()
