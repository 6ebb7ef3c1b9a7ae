"""Training images of each epoch, in groups of batches."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import ceil

import numpy as np

from edgernn.arrays import Float32, Int64
from edgernn_train.prepared_inputs import Inputs, one_hot
from edgernn_train.recipes import Recipe

# Limits of a group. It is copied out of the data set, so its size is what an epoch needs beside the data, and a signal
# is answered between two groups.
_MAX_GROUP_BATCHES = 64
_MAX_GROUP_BYTES = 16 << 20
# Version of the order of images and random numbers: a training that began with another one cannot go on.
ORDER_VERSION = 2


@dataclass(frozen=True)
class Group:
    """Images of consecutive batches; only the last group of an epoch may have a batch that is not full.

    Attributes:
        x: float32 [images, steps, features].
        y: the classes, one-hot, float32 [images, classes].
    """

    x: Float32
    y: Float32


@dataclass(frozen=True)
class EpochImages:
    """Training images in the order of each epoch.

    An epoch has every image once, changed by the recipe's augmentation; without one, every image in every condition
    once. The images and their order follow from the seed and the number of the epoch alone, so that a training can go
    on after any epoch.

    Attributes:
        inputs: the training images.
        recipe: recipe of the training.
        classes: number of classes.
        seed: seed of all random numbers.
    """

    inputs: Inputs
    recipe: Recipe
    classes: int
    seed: int

    @property
    def count(self) -> int:
        """Images of an epoch."""
        return self._images * (1 if self.recipe.augmentation else len(self.inputs.train))

    @property
    def batches(self) -> int:
        """Batches of an epoch; the last one may be smaller."""
        return ceil(self.count / self.recipe.batch_size)

    @property
    def group_batches(self) -> int:
        """Batches of a group, except that the last group of an epoch may have fewer."""
        batch_bytes: int = self.recipe.batch_size * self.inputs.x_train[0].nbytes
        return max(1, min(self.batches, _MAX_GROUP_BATCHES, _MAX_GROUP_BYTES // batch_bytes))

    def groups(self, epoch: int) -> Iterator[Group]:
        """Yield the groups of an epoch; the first epoch is number 0.

        A thread makes the next group while the caller uses the last one.
        """
        groups = self._make_groups(epoch)
        with ThreadPoolExecutor(1) as pool:
            coming = pool.submit(next, groups, None)
            while (group := coming.result()) is not None:
                coming = pool.submit(next, groups, None)
                yield group

    def _make_groups(self, epoch: int) -> Iterator[Group]:
        rng = np.random.default_rng([self.seed, 3, epoch])
        order = rng.permutation(self.count)
        rows = self.group_batches * self.recipe.batch_size
        for start in range(0, self.count, rows):
            chosen = order[start : start + rows]
            yield Group(self._draw(chosen, rng), one_hot(self.inputs.y_train[chosen % self._images], self.classes))

    def _draw(self, chosen: Int64, rng: np.random.Generator) -> Float32:
        """Return the chosen images; without an augmentation, image i of condition c has the number c · images + i."""
        if self.recipe.augmentation:
            return self.recipe.augmentation(self.inputs.x_train[chosen], rng)
        condition_of, image_of = chosen // self._images, chosen % self._images
        x = np.empty((len(chosen), *self.inputs.x_train.shape[1:]), np.float32)
        for number, images in enumerate(self.inputs.train.values()):
            wanted = condition_of == number
            x[wanted] = images[image_of[wanted]]
        return x

    @property
    def _images(self) -> int:
        return len(self.inputs.y_train)
