"""What TFLite's fused recurrent operators need to know of a cell: their inputs in their order."""

from collections.abc import Mapping
from dataclasses import dataclass

from edgernn.arrays import Float32
from edgernn.errors import UnsupportedError

# Keras's name, then that of TFLite's schema.
_ACTIVATIONS: Mapping[str, str] = {"tanh": "TANH", "relu": "RELU", "relu6": "RELU6", "linear": "NONE"}


@dataclass(frozen=True)
class FusedOperator:
    """One of TFLite's operators for all time steps.

    Attributes:
        kind: its name in TFLite's schema.
        options: the name of its options table there.
        activation: the name of its activation there.
        weights: what follows the sequence among its inputs: kernels [inputs, outputs], biases [outputs], None for one
            that is left out. The states come behind them.
        left_out: how many inputs are left out behind the states.
    """

    kind: str
    options: str
    activation: str
    weights: tuple[Float32 | None, ...]
    left_out: int = 0


def fused_activation(name: str) -> str:
    """What TFLite calls a Keras activation within an operator.

    Raises:
        UnsupportedError: it has none of this name.
    """
    if name not in _ACTIVATIONS:
        raise UnsupportedError(
            f"TFLite's fused operators have no activation {name!r}; they have {', '.join(_ACTIVATIONS)}"
        )
    return _ACTIVATIONS[name]
