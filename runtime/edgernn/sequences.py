"""Sequences shorter than a model's: padded with rows that the model masks."""

import numpy as np

from edgernn.arrays import Array, ArrayLike, Float32
from edgernn.errors import InputError
from edgernn.inputs import as_array
from edgernn.specs import InputSpec


def is_shorter(shape: tuple[int, ...], spec: InputSpec) -> bool:
    """Return True if an array of this shape is one sequence or many with fewer steps than those of a model with a mask.

    Args:
        shape: [steps, features] or [samples, steps, features].
        spec: the model's input.
    """
    if spec.mask_value is None or len(spec.shape) != 2 or len(shape) not in (2, 3):
        return False
    steps, features = spec.shape
    return 0 < shape[-2] < steps and shape[-1] == features


def of_different_lengths(x: ArrayLike, spec: InputSpec) -> list[Array] | None:
    """Return the sequences of a list whose lengths differ, each [steps, features]; None for anything else.

    Args:
        x: inputs of a model.
        spec: the model's input; a model without a mask takes no such list.

    Raises:
        InputError: a sequence has no row, more rows than the model takes, or another number of features.
    """
    if spec.mask_value is None or not isinstance(x, list | tuple) or not all(hasattr(each, "__len__") for each in x):
        return None
    if len(spec.shape) != 2 or len({len(each) for each in x}) < 2:
        return None
    steps, features = spec.shape
    sequences = [as_array(each) for each in x]
    for number, each in enumerate(sequences):
        if each.ndim != 2 or each.shape[1] != features or not 0 < len(each) <= steps:
            raise InputError(
                f"sequence {number} has shape {each.shape}, expected (steps, {features}) with 1 to {steps} steps"
            )
    return sequences


def padded(values: Float32, spec: InputSpec) -> Float32:
    """Append masked rows to sequences [samples, any number of steps, features], as many as the model takes."""
    whole = np.full((len(values), *spec.shape), spec.mask_value, np.float32)
    whole[:, : values.shape[1]] = values
    return whole
