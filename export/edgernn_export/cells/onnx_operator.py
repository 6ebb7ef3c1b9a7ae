"""What ONNX needs to know of a cell: its own operator, with weights in its layout and gate order."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class OnnxOperator:
    """One of ONNX's recurrent operators.

    Attributes:
        kind: RNN, GRU or LSTM.
        w: the input kernel, float32 [1, gates × units, features].
        r: the recurrent kernel, float32 [1, gates × units, units].
        b: the biases, float32 [1, 2 × gates × units].
        attributes: the operator's own.
    """

    kind: str
    w: npt.NDArray[np.float32]
    r: npt.NDArray[np.float32]
    b: npt.NDArray[np.float32]
    attributes: Mapping[str, Any]
