"""Batches of training images, epoch after epoch."""

from collections.abc import Iterator
from math import ceil

import numpy as np

from edgernn.arrays import Float32
from edgernn_train.noise import add_noise
from edgernn_train.prepared_inputs import Inputs, one_hot
from edgernn_train.recipes import Recipe


def batches_per_epoch(inputs: Inputs, recipe: Recipe) -> int:
    """Return the steps of an epoch: every image in every condition once; the last batch may be smaller."""
    return ceil(len(inputs.train) * len(inputs.y_train) / recipe.batch_size)


def endless_batches(
    inputs: Inputs, recipe: Recipe, classes: int, rng: np.random.Generator
) -> Iterator[tuple[Float32, Float32]]:
    """Yield batches without end: each epoch has every image in every condition once, in a new order.

    The first epoch has the images of `inputs.train`. If the recipe has fresh noise, every later epoch draws
    new noise.

    Yields:
        x float32 [batch, steps, features], y float32 [batch, classes], one-hot.
    """
    labels = np.tile(one_hot(inputs.y_train, classes), (len(inputs.train), 1))
    # One block of memory for all epochs; what is yielded is copied out of it.
    images = np.concatenate(list(inputs.train.values()))
    blocks = dict(zip(inputs.train, np.split(images, len(inputs.train)), strict=True))
    while True:
        order = rng.permutation(len(images))
        for start in range(0, len(order), recipe.batch_size):
            chosen = order[start : start + recipe.batch_size]
            yield images[chosen], labels[chosen]
        if recipe.fresh_noise:
            blocks["noisy"][:] = add_noise(inputs.x_train, rng)
