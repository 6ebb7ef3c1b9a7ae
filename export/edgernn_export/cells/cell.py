"""The base class of all kinds of cells."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self

from edgernn.errors import ModelError, UnsupportedError
from edgernn_export.cells.fused_operator import FusedOperator
from edgernn_export.cells.onnx_operator import OnnxOperator
from edgernn_export.cells.ops import Ops, Role, keras_activation

States = tuple[Any, ...]


class Cell(ABC):
    """Computation of a recurrent layer at each time step, with its weights; one subclass a kind.

    Attributes:
        operators: number of TFLite operators a step, for the size and speed of a layout.
    """

    operators: ClassVar[int]

    @classmethod
    @abstractmethod
    def from_keras(cls, layer: Any) -> Self:
        """Take the weights of a built Keras layer.

        Raises:
            ModelError: an option of the layer is not supported.
        """

    @property
    @abstractmethod
    def units(self) -> int:
        """Number of values of an output; each state has as many."""

    @property
    @abstractmethod
    def states(self) -> tuple[str, ...]:
        """Role of each state that goes from one time step to the next; the first state is the output."""

    @property
    @abstractmethod
    def roles(self) -> Mapping[str, Role]:
        """Every role in the equations."""

    @abstractmethod
    def project(self, ops: Ops, x: Any) -> tuple[Any, ...]:
        """Compute the input products of all steps: [steps, features] to values [steps, …]."""

    @abstractmethod
    def step(self, ops: Ops, projected: tuple[Any, ...], states: States) -> States:
        """Compute one time step: its row of `project` and the states, [1, …] each, to the new states."""

    def masked_step(self, ops: Ops, projected: tuple[Any, ...], states: States, mask: Any) -> States:
        """Compute one time step that leaves the states as they are if its mask, one boolean, is false."""
        after = self.step(ops, projected, states)
        return tuple(
            ops.select(mask, new, old, role) for role, new, old in zip(self.states, after, states, strict=True)
        )

    @abstractmethod
    def onnx_operator(self) -> OnnxOperator:
        """Make ONNX's own operator.

        Raises:
            UnsupportedError: ONNX has none for it.
        """

    def fused_operator(self) -> FusedOperator:
        """Make TFLite's own operator for all time steps.

        Raises:
            UnsupportedError: TFLite has none for it.
        """
        raise UnsupportedError(f"TFLite has no fused operator for {type(self).__name__}")


def activation_name(layer: Any, option: str) -> str:
    """Return the Keras name of a layer's activation.

    Raises:
        ModelError: it is none of Keras's own functions.
    """
    function = getattr(layer, option)
    name = getattr(function, "__name__", "")
    try:
        known = keras_activation(name) is function
    except ValueError:
        known = False
    if not known:
        raise ModelError(f"{layer.name!r} has {option}={name or function!r}; supported: Keras's own, by their names")
    return str(name)
