"""Inputs and outputs of graphs: real values to the numbers of a file and back; needs no interpreter."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgernn.arrays import Float32
from edgernn.backends.protocol import State
from edgernn.errors import ArtifactError


class TensorPort:
    """Input or output of a graph: its handle in the engine, its shape, and the meaning of its integers.

    Args:
        handle: argument of the engine's `set` and `get`.
        shape, dtype: shape and type of its array.
        quantization: scale and zero point; 0 and 0 for float32.
    """

    def __init__(self, handle: int, shape: Sequence[int], dtype: Any, quantization: tuple[float, int]) -> None:
        self.handle = handle
        self.dtype = np.dtype(dtype)
        self.shape = tuple(int(size) for size in shape)
        self.is_float = self.dtype == np.float32
        self.scale, self.zero_point = np.float32(quantization[0]), int(quantization[1])
        if self.dtype not in (np.float32, np.int8, np.int16):
            raise ArtifactError(f"has an input or an output of type {self.dtype}, expected float32, int8 or int16")
        if not self.is_float and not self.scale > 0:
            raise ArtifactError(
                f"has an input or an output of type {self.dtype} with scale {self.scale:g}, expected one above 0: "
                "without it the integers have no known meaning"
            )
        if self.shape[:1] != (1,) or len(self.shape) < 2:
            raise ArtifactError(
                f"has an input or an output of shape {self.shape}, expected a batch of 1 and then other axes"
            )

    def encode(self, values: Float32) -> State:
        """Convert real values to the graph's numbers."""
        limits = np.iinfo(self.dtype)
        integers = np.round(values / self.scale) + np.float32(self.zero_point)
        encoded: State = np.clip(integers, limits.min, limits.max).astype(self.dtype)
        return encoded

    def decode(self, values: State) -> Float32:
        """Convert the graph's numbers to real values."""
        reals: Float32 = (values.astype(np.float32) - np.float32(self.zero_point)) * self.scale
        return reals
