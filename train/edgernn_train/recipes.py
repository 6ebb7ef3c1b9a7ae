"""Recipes: how a model is trained. All are in one table."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Literal

import numpy as np

from edgernn.data.datasets import Dataset
from edgernn.errors import SettingError
from edgernn.suggestions import did_you_mean
from edgernn.system.tensorflow_setup import quiet_tensorflow
from edgernn_train.architecture import SimpleRnnSettings
from edgernn_train.augmentation import Augmentation, PictureAugmentation, WindowAugmentation

Condition = Literal["clean", "noisy"]

LOSS, METRIC = "categorical_crossentropy", "accuracy"


@dataclass(frozen=True)
class Recipe:
    """Settings of a training, and the conditions of the test.

    Attributes:
        name: value of `--recipe`.
        conditions: conditions of the test images and of the run folder's samples, each of which has its share. Without
            an augmentation, the training has every image in every condition, with noise that is drawn once.
        augmentation: changes every training image in every epoch; None: no changes.
        epochs: default number of epochs.
        batch_size: images a step.
        optimizer_name: `adam` or `muon`.
        learning_rate: the optimizer's, per step; the initial one if it decays.
        cosine_decay: whether the learning rate falls to 0 along half a cosine over the whole training.
        simple_rnn: settings of SimpleRNN layers; None: Keras's initial weights, and no penalty.
    """

    name: str
    conditions: tuple[Condition, ...]
    augmentation: Augmentation | None
    epochs: int
    batch_size: int
    optimizer_name: Literal["adam", "muon"]
    learning_rate: float
    cosine_decay: bool
    simple_rnn: SimpleRnnSettings | None = None

    def optimizer(self, steps: int) -> Any:
        """Make the recipe's optimizer for a training of `steps` steps in all."""
        with quiet_tensorflow():
            import keras

        rate = self.learning_rate
        if self.cosine_decay:
            rate = keras.optimizers.schedules.CosineDecay(self.learning_rate, steps)
        kind = {"adam": keras.optimizers.Adam, "muon": keras.optimizers.Muon}[self.optimizer_name]
        return kind(rate)


# The original, which must stay reproducible: Keras's default batch size, Adam's default learning rate.
_SEED = Recipe(
    name="seed",
    conditions=("noisy",),
    augmentation=None,
    epochs=5,
    batch_size=32,
    optimizer_name="adam",
    learning_rate=0.001,
    cosine_decay=False,
)

# `seed` trains on noisy images only and fails on clean ones (accuracy 0.91 noisy, 0.57 clean). docs/training.md has
# what was tried to find these settings.
_ROBUST = Recipe(
    name="robust",
    conditions=("clean", "noisy"),
    augmentation=PictureAugmentation(
        max_rotation_rad=float(np.deg2rad(10)),
        max_log_scale=0.1,
        max_shift=0.08,
        noisy_share=0.5,
        max_noise_stddev=0.25,
    ),
    epochs=30,
    batch_size=64,
    optimizer_name="muon",
    learning_rate=0.003,
    cosine_decay=True,
    simple_rnn=SimpleRnnSettings(recurrent_scale=0.9, state_penalty=1.4),
)

# Windows of sensor values, whose noise and scale are not those of pictures.
_ROBUST_WINDOWS = replace(
    _ROBUST,
    conditions=("clean",),
    augmentation=WindowAugmentation(max_shift=0.05, max_log_gain=0.1, max_jitter=0.3, dropped_share=0.05),
)

RECIPES: Mapping[str, Recipe] = MappingProxyType({recipe.name: recipe for recipe in (_SEED, _ROBUST)})
"""All recipes by name; `find_recipe` has that of windows, too."""


def find_recipe(name: str, dataset: Dataset | None = None) -> Recipe:
    """Find the recipe of a name for a data set.

    Args:
        name: `seed` or `robust`.
        dataset: uint8 are pictures, float32 are windows of sensor values, for which `robust` has other conditions and
            another augmentation; None: pictures.

    Raises:
        SettingError: no recipe has this name.
    """
    if name not in RECIPES:
        raise SettingError(
            f"unknown recipe {name!r}; expected one of {', '.join(RECIPES)}{did_you_mean(name, RECIPES)}"
        )
    windows = dataset is not None and dataset.x_train.dtype != np.uint8
    return _ROBUST_WINDOWS if windows and name == _ROBUST.name else RECIPES[name]
