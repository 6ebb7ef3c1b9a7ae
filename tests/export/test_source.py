from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgernn.data.run_folder import Original
from edgernn.data.samples import Samples
from edgernn_export.formats.base import Finished
from edgernn_export.keras_model import scaling_layers
from edgernn_export.settings import Settings
from edgernn_export.source import Source, is_dark_on_light
from edgernn_export.targets import Target


def pictures(ground: float, ink: float, height: int = 28, width: int = 28) -> np.ndarray:
    x = np.full((40, height, width), ground, np.float32)
    x[:, height // 4 : -height // 4, width // 3 : -(width // 3)] = ink
    return x


@pytest.mark.parametrize("noisy", [False, True])
def test_training_images_say_which_of_ink_and_ground_is_darker(noisy: bool) -> None:
    # The recipes' noise: its mean is 0.5, and values above 1 are set to 1.
    noise = np.random.default_rng(0).normal(0.5, 0.1, (40, 28, 28)) if noisy else 0.0
    for ground, ink in ((0, 1), (0, 0.3), (1, 0), (1, 0.3)):
        x = np.minimum(pictures(ground, ink) + noise, 1).astype(np.float32)
        assert is_dark_on_light(x) == (ground > ink)


def test_sequences_too_small_for_a_border_are_not_inverted() -> None:
    assert not is_dark_on_light(np.ones((5, 2, 2), np.float32))


def test_layers_that_scale_in_front_are_recognized() -> None:
    import keras
    from keras import layers

    def stack(*each: object) -> object:
        return keras.Sequential([keras.Input((6, 3)), *each, layers.SimpleRNN(2)])

    front = [layers.Rescaling(1 / 255), layers.Normalization(mean=0.0, variance=1.0)]
    inner = keras.Sequential([keras.Input((6, 3)), *front])
    x = keras.Input((6, 3))
    functional = keras.Model(x, layers.SimpleRNN(2)(layers.Normalization(mean=0.0, variance=1.0)(x)))
    assert scaling_layers(stack()) == ()
    assert scaling_layers(stack(*front)) == scaling_layers(stack(inner)) == ("Rescaling", "Normalization")
    assert scaling_layers(functional) == ("Normalization",)
    assert scaling_layers(stack(layers.Dense(3), layers.Rescaling(2.0))) == ()


def test_the_card_says_it_of_pixels_only(save_model: Callable[..., Path]) -> None:
    from keras import layers

    path = save_model([layers.SimpleRNN(4), layers.Dense(4, activation="softmax")])
    y = np.arange(40) % 4
    for meaning, ground, inverted in (("pixel / 255", 1, True), ("pixel / 255", 0, False), ("m/s²", 1, False)):
        x = pictures(ground, 1 - ground, 6, 3)
        original = Original(
            path,
            "small",
            labels=tuple("abcd"),
            input_meaning=meaning,
            samples=Samples.unnamed(x, y, x_test=x, y_test=y),
        )
        card = Source(original, Settings()).card(
            Target("tflite", "float32", "unrolled"), Finished(bytes), calibrated=False
        )
        assert card.inputs[0].inverted == inverted
