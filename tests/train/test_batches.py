from itertools import islice

import numpy as np
import pytest

from edgernn_train import RECIPES
from edgernn_train.batches import batches_per_epoch, endless_batches
from edgernn_train.prepared_inputs import prepare_inputs


def epochs(tiny, name, count):
    """Return the images and labels of a number of epochs, each sorted into the order of the training images."""
    recipe = RECIPES[name]
    inputs = prepare_inputs(tiny, recipe, seed=0)
    steps = batches_per_epoch(inputs, recipe)
    stream = endless_batches(inputs, recipe, 10, np.random.default_rng(0))
    for _ in range(count):
        x, y = (np.concatenate(part) for part in zip(*islice(stream, steps), strict=True))
        yield inputs, x, y


def as_rows(x):
    return sorted(map(bytes, x))


@pytest.mark.parametrize(("name", "steps"), [("seed", 7), ("robust", 7)])
def test_an_epoch_is_every_image_in_every_condition(tiny, name, steps):
    # 200 images in batches of 32; 400 in batches of 64: the last batch is smaller.
    inputs = prepare_inputs(tiny, RECIPES[name], seed=0)
    assert batches_per_epoch(inputs, RECIPES[name]) == steps


@pytest.mark.parametrize("name", ["seed", "robust"])
def test_the_first_epoch_shows_each_image_once_in_a_new_order(tiny, name):
    [(inputs, x, y)] = epochs(tiny, name, 1)
    wanted = np.concatenate(list(inputs.train.values()))
    assert as_rows(x) == as_rows(wanted)
    assert not np.array_equal(x, wanted)
    assert y.shape == (len(x), 10)
    np.testing.assert_array_equal(y.sum(axis=1), 1)


def test_every_image_keeps_its_label(tiny):
    [(inputs, x, y)] = epochs(tiny, "robust", 1)
    label_of = {
        bytes(image): label
        for images in inputs.train.values()
        for image, label in zip(images, tiny.y_train, strict=True)
    }
    assert [label_of[bytes(image)] for image in x] == list(y.argmax(axis=1))


def test_seed_draws_its_noise_once(tiny):
    (_, first, _), (_, second, _) = epochs(tiny, "seed", 2)
    assert as_rows(first) == as_rows(second)
    assert not np.array_equal(first, second)


def test_robust_draws_fresh_noise_every_epoch(tiny):
    (inputs, first, _), (_, second, _) = epochs(tiny, "robust", 2)
    clean = set(as_rows(inputs.train["clean"]))
    assert clean <= set(as_rows(first))
    assert set(as_rows(first)) & set(as_rows(second)) == clean
