"""TFLite's fused recurrent operators: weights, states and options in their order."""

from collections.abc import Mapping
from dataclasses import dataclass

from edgernn.arrays import Float32
from edgernn.errors import UnsupportedError

# Keras's name, then the name in TFLite's schema.
_ACTIVATIONS: Mapping[str, str] = {"tanh": "TANH", "relu": "RELU", "relu6": "RELU6", "linear": "NONE"}


@dataclass(frozen=True)
class FusedOperator:
    """One of TFLite's operators for all time steps.

    Attributes:
        kind: its name in TFLite's schema.
        options: the name of its options table there.
        activation: the name of its activation there.
        weights: its inputs after the sequence: kernels [inputs, outputs], biases [outputs], None for one that is left
            out. The states follow.
        left_out: number of inputs left out after the states.
    """

    kind: str
    options: str
    activation: str
    weights: tuple[Float32 | None, ...]
    left_out: int = 0


def fused_activation(name: str) -> str:
    """Return the name that TFLite's fused operators have for a Keras activation.

    Raises:
        UnsupportedError: they do not have it.
    """
    if name not in _ACTIVATIONS:
        raise UnsupportedError(
            f"TFLite's fused operators have no activation {name!r}; they have {', '.join(_ACTIVATIONS)}"
        )
    return _ACTIVATIONS[name]
