"""Sequences shorter than a model's: padded with rows that the model masks."""

from collections.abc import Callable

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


def read_shorter(
    x: ArrayLike, spec: InputSpec, read: Callable[[Array], Float32], mask_value: float
) -> tuple[Float32, bool] | None:
    """Read and pad shorter sequences.

    Args:
        x: a sequence [any number of steps, features], an array of several, or a list of several of different lengths.
        spec: the input that they are for.
        read: converts numbers, [samples, steps, features], to those that the file takes.
        mask_value: the number that fills the rows which the model masks.

    Returns:
        float32 [samples, *shape of the input], and True if `x` is one sequence. None if `x` is an array of the model's
        own number of steps, or of another shape that is no sequence.

    Raises:
        InputError: a sequence of a list has no row, more rows than the model takes, or another number of features.
    """
    steps, features = spec.shape
    several = _with_own_lengths(x)
    if several is None:
        array = as_array(x)
        if not is_shorter(array.shape, spec):
            return None
        one = array.ndim == 2
        return _padded(read(array[np.newaxis] if one else array), steps, mask_value), one
    for number, each in enumerate(several):
        if each.ndim != 2 or each.shape[1] != features or not 0 < len(each) <= steps:
            raise InputError(
                f"sequence {number} has shape {each.shape}, expected (steps, {features}) with 1 to {steps} steps"
            )
    return np.concatenate([_padded(read(each[np.newaxis]), steps, mask_value) for each in several]), False


def _with_own_lengths(x: ArrayLike) -> list[Array] | None:
    """Return the sequences of a list whose lengths differ; None for anything else."""
    if not isinstance(x, list | tuple) or not all(hasattr(each, "__len__") for each in x):
        return None
    if len({len(each) for each in x}) < 2:
        return None
    return [as_array(each) for each in x]


def _padded(values: Float32, steps: int, mask_value: float) -> Float32:
    """Append masked rows to sequences [samples, any number of steps, features]."""
    padded = np.full((len(values), steps, values.shape[2]), mask_value, np.float32)
    padded[:, : values.shape[1]] = values
    return padded
