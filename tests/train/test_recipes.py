import dataclasses

import numpy as np
import pytest

from edgernn.errors import SettingError
from edgernn_train import RECIPES, find_recipe
from edgernn_train.augmentation import WindowAugmentation


def test_seed_is_the_five_epoch_recipe():
    assert dataclasses.asdict(RECIPES["seed"]) == {
        "name": "seed",
        "conditions": ("noisy",),
        "augmentation": None,
        "epochs": 5,
        "batch_size": 32,
        "optimizer_name": "adam",
        "learning_rate": 0.001,
        "cosine_decay": False,
        "simple_rnn": None,
    }


def test_the_optimizer_of_seed_is_keras_s_own_adam():
    import keras

    ours, default = RECIPES["seed"].optimizer(100).get_config(), keras.optimizers.get("adam").get_config()
    # Exactly the optimizer that "adam" stands for; names are numbered in order of creation.
    assert ours["learning_rate"] == pytest.approx(default["learning_rate"])
    same = {"name": "", "learning_rate": 0}
    assert ours | same == default | same


def test_the_learning_rate_of_robust_falls_to_zero_along_a_cosine():
    recipe = RECIPES["robust"]
    rate = recipe.optimizer(200)._learning_rate
    steps = np.arange(0, 201, 20)
    expected = recipe.learning_rate * (1 + np.cos(np.pi * steps / 200)) / 2
    np.testing.assert_allclose([float(rate(step)) for step in steps], expected, atol=1e-8)


def test_the_optimizer_of_robust_is_keras_s_muon():
    import keras

    ours = RECIPES["robust"].optimizer(100).get_config()
    default = keras.optimizers.Muon().get_config()
    same = {"name": "", "learning_rate": 0}
    assert ours | same == default | same


def test_an_unknown_recipe_is_named_with_the_known_ones():
    with pytest.raises(SettingError, match="unknown recipe 'sede'; expected one of seed, robust"):
        find_recipe("sede")


def test_robust_is_another_recipe_for_windows(tiny):
    windows = dataclasses.replace(
        tiny, x_train=tiny.x_train.astype(np.float32) / 255, x_test=tiny.x_test.astype(np.float32) / 255
    )
    assert find_recipe("robust", tiny) is find_recipe("robust") is RECIPES["robust"]
    found = find_recipe("robust", windows)
    assert found.conditions == ("clean",)
    assert isinstance(found.augmentation, WindowAugmentation)
    assert (
        dataclasses.replace(
            found, **{name: getattr(RECIPES["robust"], name) for name in ("conditions", "augmentation")}
        )
        == RECIPES["robust"]
    )
    assert find_recipe("seed", windows) is RECIPES["seed"]
