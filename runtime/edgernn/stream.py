"""A stream: one time step in, the answer so far out."""

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt

from edgernn.backends import Float32, State, Stepper
from edgernn.errors import InputError


class Stream:
    """One sequence on its way through a model; made by `Model.stream`. Several may run side by side."""

    def __init__(
        self,
        stepper: Stepper,
        features: int,
        output_shape: tuple[int, ...] | None,
        as_float32: Callable[[npt.NDArray[np.generic]], Float32],
    ) -> None:
        self._stepper = stepper
        self._features = features
        self._output_shape = output_shape
        self._as_float32 = as_float32

    def push(self, row: npt.ArrayLike) -> Float32:
        """Take one time step.

        Args:
            row: [features]; numbers as the card's `input_meaning` says, or uint8 pixels, as for `predict`.

        Returns:
            The answer to all rows since the beginning, float32 [*output_shape], a fresh array; of a model that
            answers every step the one to this row, [outputs].

        Raises:
            InputError: another shape or type, or a NaN or infinity in it.
        """
        array = np.asarray(row)
        if array.shape != (self._features,):
            raise InputError(f"the row has shape {array.shape}, expected ({self._features},)")
        answer = self._stepper.step(self._as_float32(array))
        # Where there is one answer a step, the step's graph has an axis for its only one.
        every_step = answer.shape != self._output_shape and answer.ndim == 2 and len(answer) == 1
        return answer[0] if every_step else answer

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

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.reset()
