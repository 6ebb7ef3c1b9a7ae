"""The protocol of backends: the methods that `edgernn.model` and `edgernn.stream` call, and the rules for states."""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from edgernn.arrays import AnyArray, Arrays, Float32
from edgernn.errors import InputError
from edgernn.inputs import refuse_masked

if TYPE_CHECKING:
    from edgernn.program.operators import Value

# A state between two steps, in the artifact's number format: float32, int8 or int16 [size].
State = AnyArray
# From a user's input to the answer, or to None if the input needs a closer look.
Direct = Callable[[object], Float32 | None]


class Stepper(Protocol):
    """One stream through a loaded artifact; its states are zero at the beginning.

    Several may be used side by side, and each from several threads.

    Attributes:
        answer_shapes: for each output, the shape of one answer, such as (outputs,), or (1, outputs) for a model that
            answers every step.
        states: copies of the states after the last step; set them to continue from other states.
    """

    answer_shapes: tuple[tuple[int, ...], ...]
    states: Sequence[State]

    def step(self, rows: Arrays) -> Arrays:
        """Answer one time step.

        Args:
            rows: float32 [features] for each input.

        Returns:
            The answers so far, new arrays: float32 [*answer_shape] for each output.
        """

    def reset(self) -> None:
        """Set the states to zero."""

    def direct_push(self, max_square: float) -> "Direct | None":
        """Return a function that answers one usual row at once, as `Backend.direct_predict` for a sample.

        Its answers have the shape of `answer_shapes`.
        """


class Backend(Protocol):
    """Loaded artifact, ready to run; several threads may use it.

    Inputs and outputs are in the order of the file, without the states of a step.

    Attributes:
        name: the library and its version, for instance "litert 2.3.0".
        input_shapes: for each input, the shape of one sample without the batch; -1 for an axis of any size.
        output_shapes: the same for the answers.
    """

    name: str
    input_shapes: tuple[tuple[int, ...], ...]
    output_shapes: tuple[tuple[int, ...], ...]

    def run(self, inputs: Arrays) -> Arrays:
        """Answer a batch.

        Args:
            inputs: float32 [samples, *shape] for each input, contiguous.

        Returns:
            float32 [samples, *shape] for each output, new arrays that no later call changes.
        """

    def bare(self, inputs: Arrays) -> Callable[[], object]:
        """Set the inputs to one sample, float32 [1, *shape] each; return the library's own call that answers it."""

    def direct_predict(self, max_square: float) -> "Direct | None":
        """Return a function that answers usual samples at once; None if the backend has none.

        Args:
            max_square: largest sum of squares of a usual sample.

        Returns:
            A function of any object. If the object is a NumPy array, float32 [*shape] or [samples, *shape], contiguous,
            and each sample has at most that sum of squares, it returns a new array float32 of their answers, and None
            for all others.
        """

    def start(self) -> Stepper:
        """Begin a new stream.

        Raises:
            NoStepError: the artifact has no step.
        """


def split_states(content: bytes, values: "Iterable[Value]") -> list[State]:
    """Return copies of states that follow each other in one block of memory.

    Args:
        content: the block.
        values: the states as values of a program.
    """
    states, place = [], 0
    for value in values:
        dtype = np.dtype(value.type)
        states.append(np.frombuffer(content, dtype, value.elements, place).copy())
        place += states[-1].nbytes
    return states


def check_states(states: Iterable[State], expected: Sequence[State]) -> list[State]:
    """Return states to continue from as arrays, if they fit the artifact.

    Raises:
        InputError: they are no arrays or masked ones, their number, shapes or types differ, or a number is NaN or
            infinite.
    """

    def describe(group: Sequence[State]) -> list[str]:
        return [f"{state.dtype} {state.shape}" for state in group]

    try:
        listed = list(states)
        given: list[State] = [np.asarray(state) for state in listed]
    except (TypeError, ValueError) as error:
        raise InputError(f"states of type {type(states).__name__} given, expected {describe(expected)}") from error
    for state in listed:
        refuse_masked(state)
    if describe(given) != describe(expected):
        raise InputError(f"states of {describe(given)} given, expected {describe(expected)}")
    if not all(np.isfinite(state).all() for state in given):
        raise InputError("the states contain NaN or infinity")
    return given
