"""ONNX's recurrent operators, with weights in their layout and gate order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgernn.arrays import Float32
from edgernn.errors import UnsupportedError

# Keras's name, then ONNX's with its alphas and betas (operator set 14, RNN, GRU and LSTM). ONNX Runtime assigns them in
# turn to the activations that have some, and uses 0 for missing ones.
_ACTIVATIONS: Mapping[str, tuple[str, tuple[float, ...], tuple[float, ...]]] = {
    "tanh": ("Tanh", (), ()),
    "sigmoid": ("Sigmoid", (), ()),
    "relu": ("Relu", (), ()),
    "linear": ("Affine", (1.0,), (0.0,)),  # alpha x + beta
    "hard_sigmoid": ("HardSigmoid", (1 / 6,), (0.5,)),  # max(0, min(1, alpha x + beta))
    "hard_sigmoid_keras2": ("HardSigmoid", (0.2,), (0.5,)),
    "elu": ("Elu", (1.0,), ()),
    "leaky_relu": ("LeakyRelu", (0.2,), ()),
    "softsign": ("Softsign", (), ()),
    "softplus": ("Softplus", (), ()),
}


@dataclass(frozen=True)
class OnnxOperator:
    """One of ONNX's recurrent operators.

    Attributes:
        kind: RNN, GRU or LSTM.
        w: the input kernel, float32 [1, gates × units, features].
        r: the recurrent kernel, float32 [1, gates × units, units].
        b: the biases, of the input product and then of the recurrent one, float32 [1, 2 × gates × units].
        attributes: of the operator.
    """

    kind: str
    w: Float32
    r: Float32
    b: Float32
    attributes: Mapping[str, Any]


def activations(names: Sequence[str]) -> Mapping[str, Any]:
    """Make the attributes of an operator for these Keras activations.

    Raises:
        UnsupportedError: ONNX's operators do not have one.
    """
    for name in names:
        if name not in _ACTIVATIONS:
            raise UnsupportedError(
                f"ONNX's recurrent operators have no activation {name!r}; they have {', '.join(_ACTIVATIONS)}"
            )
    chosen = [_ACTIVATIONS[name] for name in names]
    attributes: dict[str, Any] = {"activations": [name for name, _, _ in chosen]}
    alphas = [alpha for _, each, _ in chosen for alpha in each]
    betas = [beta for _, _, each in chosen for beta in each]
    return attributes | ({"activation_alpha": alphas} if alphas else {}) | ({"activation_beta": betas} if betas else {})
