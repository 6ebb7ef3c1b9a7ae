"""Masking: the value of the rows that a Keras model masks, and samples with such rows."""

from typing import Any

import numpy as np

from edgernn.arrays import AnyArray
from edgernn.inputs import is_masked


def mask_value_of(model: Any) -> float | None:
    """Return the number that fills the rows which a model masks; None if no Masking layer takes its input."""
    import keras

    source = model.inputs[0]
    values = [
        layer.mask_value
        for layer in model.layers
        if isinstance(layer, keras.layers.Masking)
        and any(tensor is source for node in layer._inbound_nodes for tensor in node.input_tensors)
    ]
    return float(values[0]) if values and isinstance(values[0], int | float) and np.isfinite(values[0]) else None


def keep_masked(model: Any, x: AnyArray, changed: AnyArray) -> AnyArray:
    """Return changed samples in which masked rows are as before, because any change would unmask them.

    Args:
        model: the Keras model.
        x: samples, [..., features].
        changed: the same with other values.
    """
    value = mask_value_of(model)
    return changed if value is None else np.where(is_masked(x, value)[..., np.newaxis], x, changed)


def with_masked_rows(model: Any, x: AnyArray) -> AnyArray:
    """Mask every third row and the last two rows of every second sequence, if the model masks rows.

    Args:
        model: the Keras model.
        x: sequences, [samples, steps, features]; they are not changed.
    """
    value = mask_value_of(model)
    if value is None:
        return x
    steps = np.arange(x.shape[1])
    chosen = (steps % 3 == 1) | (steps >= x.shape[1] - 2)
    masked = x.copy()
    masked[::2, chosen] = value
    return masked
