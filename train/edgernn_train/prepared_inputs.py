"""The network's inputs from a data set: scaled images in each of a recipe's conditions, one-hot classes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from edgernn.arrays import Array, Float32, Int64
from edgernn.data.datasets import Dataset
from edgernn.data.noise import add_noise
from edgernn.data.samples import Samples
from edgernn.errors import DataError, list_names
from edgernn.inputs import PIXELS, scale_pixels
from edgernn.specs import CLIPPED_PIXEL, PIXEL
from edgernn_train.recipes import Condition, Recipe, find_recipe

# The images of every condition, each float32 [samples, steps, features], all in the same order.
Conditioned = dict[Condition, Float32]


@dataclass(frozen=True)
class Inputs:
    """Training and test images as the network receives them, in every condition.

    Attributes:
        x_train: the training images without noise, float32 [samples, steps, features].
        train, test: images by condition, float32 [samples, steps, features].
        clean_test: the test images without noise, as the runtime gives them to an artifact, float32 [samples, steps,
            features].
        y_train, y_test: the classes, int64 [samples].
        meaning: meaning of an input value before any noise, for instance "pixel / 255".
    """

    x_train: Float32
    train: Conditioned
    y_train: Int64
    test: Conditioned
    clean_test: Float32
    y_test: Int64
    meaning: str


def prepare_inputs(dataset: Dataset, recipe: Recipe, seed: int, scale: bool = True) -> Inputs:
    """Scale a data set and put it into the conditions of a recipe; the noise follows from `seed`.

    Raises:
        DataError: the values are not in [0, 1], or pixels shall stay unscaled where that is not possible.
    """
    check_values(dataset, recipe, scale)
    train, test = (_scaled(x, scale) for x, _ in _parts(dataset))
    # Separate random streams: changed training images must not change the test images.
    train_rng, test_rng = (np.random.default_rng([seed, stream]) for stream in (0, 1))
    return Inputs(
        x_train=train,
        train={name: in_condition(train, name, train_rng) for name in recipe.conditions},
        y_train=dataset.y_train,
        test={name: in_condition(test, name, test_rng) for name in recipe.conditions},
        clean_test=test if scale else PIXELS[CLIPPED_PIXEL](test),
        y_test=dataset.y_test,
        meaning=_meaning(dataset, scale),
    )


def with_noise(dataset: Dataset, seed: int = 0, scale: bool = True) -> Dataset:
    """Return a noisy copy of a data set: the images that `fit` trains and tests on with recipe `seed`.

    Pass `fit` the data set itself, because it adds this noise.

    Args:
        dataset: uint8 pixels, or float32 in [0, 1].
        seed: that of the training.
        scale: False leaves pixels 0 to 255, so that every pixel of ink becomes 1.

    Raises:
        DataError: as for `prepare_inputs`.
    """
    inputs = prepare_inputs(dataset, find_recipe("seed"), seed, scale)
    return replace(dataset, x_train=inputs.train["noisy"], x_test=inputs.test["noisy"])


def check_values(dataset: Dataset, recipe: Recipe, scale: bool = True) -> None:
    """Check that a data set has several classes, and that a recipe can add noise to its values.

    Raises:
        DataError: as for `prepare_inputs`.
    """
    _check_classes(dataset)
    if not scale:
        _check_unscaled(dataset, recipe)
    for x, name in _parts(dataset):
        if x.dtype != np.uint8:
            _check_range(x, name)


def absent_classes_note(dataset: Dataset) -> str:
    """Make a line about classes without training data, which a model never answers with; empty if there are none."""
    absent = [label for number, label in enumerate(dataset.labels) if number not in dataset.y_train]
    if not absent:
        return ""
    return (
        f"y_train has no sample of class {list_names(absent)}: the model will not learn it; if the data have no such "
        "class, pass --labels with the names of the others, numbered from 0"
    )


def in_condition(x: Float32, condition: Condition, rng: np.random.Generator) -> Float32:
    """Return the images in a condition: clean, that is unchanged, or noisy."""
    return add_noise(x, rng) if condition == "noisy" else x


def one_hot(y: Int64, classes: int) -> Float32:
    """Convert classes int64 [samples] to float32 [samples, classes]: 1 at the class and 0 elsewhere."""
    return np.eye(classes, dtype=np.float32)[y]


def draw_samples(inputs: Inputs, max_calibration: int, max_test: int, seed: int) -> Samples:
    """Draw the samples of a run folder: each image once, in alternating conditions.

    With the conditions clean and noisy the samples 0, 2, 4, … are clean and 1, 3, 5, … noisy. The noise
    is that of the training and of the test. If there are more images than needed, they are drawn at random.
    """
    rng = np.random.default_rng([seed, 2])
    calibration = _choose(len(inputs.y_train), max_calibration, rng)
    test = _choose(len(inputs.y_test), max_test, rng)
    return Samples.unnamed(
        x_calibration=_by_turns(inputs.train, calibration),
        y_calibration=inputs.y_train[calibration],
        x_test=_by_turns(inputs.test, test),
        y_test=inputs.y_test[test],
    )


def _parts(dataset: Dataset) -> Sequence[tuple[Array, str]]:
    return (dataset.x_train, "x_train"), (dataset.x_test, "x_test")


def _scaled(x: Array, scale: bool) -> Float32:
    if x.dtype == np.uint8:
        return scale_pixels(x) if scale else x.astype(np.float32)
    return x.astype(np.float32)


def _check_classes(dataset: Dataset) -> None:
    """Check that there is something to tell apart."""
    if (dataset.y_train == dataset.y_train[0]).all():
        raise DataError(
            f"y_train has one class, {dataset.labels[dataset.y_train[0]]}, in {len(dataset.y_train):,} samples; "
            "expected at least 2 classes to tell apart"
        )


def _check_range(x: Array, name: str) -> None:
    low, high = float(x.min()), float(x.max())
    if low < 0.0 or high > 1.0:
        raise DataError(
            f"{name} goes from {low:g} to {high:g}, expected values in [0, 1], to which recipes add noise; map the "
            "values of x_train and x_test to [0, 1] in the same way, or save pixels as uint8, which are divided by 255"
        )


def _check_unscaled(dataset: Dataset, recipe: Recipe) -> None:
    floating = [name for x, name in _parts(dataset) if x.dtype != np.uint8]
    if floating:
        raise DataError(f"{floating[0]} is {dataset.x_train.dtype}; only uint8 pixels can be left unscaled")
    if "clean" in recipe.conditions:
        raise DataError(
            f"recipe {recipe.name} also trains on clean images, whose unscaled pixels would reach 255 beside "
            "noisy ones of at most 1; only recipe seed can leave pixels unscaled: pass --recipe seed, or leave out "
            "--no-scale"
        )


def _meaning(dataset: Dataset, scale: bool) -> str:
    if dataset.x_train.dtype != np.uint8:
        return "number in [0, 1]"
    # Unscaled pixels are cut off with their noise: a pixel of 0 stays 0, every other one becomes 1.
    return PIXEL if scale else CLIPPED_PIXEL


def _choose(count: int, at_most: int, rng: np.random.Generator) -> Int64:
    if count <= at_most:
        return np.arange(count)
    return np.sort(rng.choice(count, at_most, replace=False))


def _by_turns(images: Conditioned, chosen: Int64) -> Float32:
    turns = list(images.values())
    samples = np.empty((len(chosen), *turns[0].shape[1:]), np.float32)
    for turn, condition_images in enumerate(turns):
        samples[turn :: len(turns)] = condition_images[chosen[turn :: len(turns)]]
    return samples
