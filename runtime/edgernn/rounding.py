"""Rounding of weights to int8: symmetric, one scale per channel.

integers [-127, 127] = round(weights / scales)        scales = largest magnitude of the channel / 127
"""

import numpy as np

from edgernn.arrays import Float32, Int8

MAX_INTEGER = 127  # of symmetric int8; -128 is not used
# Below 1e-38 float32 loses precision and kernels refuse a scale; this leaves room for the product of two scales.
MIN_SCALE = 1e-18


def round_channels(weights: Float32, axis: int | None, min_scales: Float32 | None = None) -> tuple[Int8, Float32]:
    """Round weights to int8.

    A channel of zeros, or with a scale below `MIN_SCALE`, becomes zeros with a scale of 1.

    Args:
        weights: float32 of any shape.
        axis: of the channels; None if all weights share a scale.
        min_scales: lowest allowed scales, in a shape that broadcasts to that of the scales.

    Returns:
        The integers, and the scales: as many axes as the weights, all of length 1 except `axis`.
    """
    others = None if axis is None else tuple(other for other in range(weights.ndim) if other != axis % weights.ndim)
    scales = np.abs(weights).max(axis=others, keepdims=True) / np.float32(MAX_INTEGER)
    if min_scales is not None:
        scales = np.maximum(scales, min_scales)
    scales = np.where(scales >= MIN_SCALE, scales, 1).astype(np.float32)
    return np.round(weights / scales).astype(np.int8), scales
