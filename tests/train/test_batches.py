from dataclasses import replace

import numpy as np
import pytest

from edgernn_train import RECIPES, batches
from edgernn_train.batches import EpochImages
from edgernn_train.prepared_inputs import prepare_inputs


@pytest.fixture
def images_of(tiny):
    def make(name, seed=0):
        recipe = RECIPES[name]
        return EpochImages(prepare_inputs(tiny, recipe, seed=0), recipe, 10, seed)

    return make


def whole(images, epoch):
    groups = list(images.groups(epoch))
    return np.concatenate([group.x for group in groups]), np.concatenate([group.y for group in groups])


def as_rows(x):
    return sorted(map(bytes, x))


@pytest.mark.parametrize(("name", "steps"), [("seed", 7), ("robust", 4)])
def test_an_epoch_is_every_image_once(images_of, name, steps):
    # 200 images in batches of 32 or 64: the last batch is smaller.
    assert images_of(name).batches == steps


def test_without_augmentation_an_epoch_is_every_image_in_every_condition(tiny):
    recipe = replace(RECIPES["robust"], augmentation=None)
    images = EpochImages(prepare_inputs(tiny, recipe, seed=0), recipe, 10, seed=0)
    x, y = whole(images, 0)
    assert images.batches == 7
    assert as_rows(x) == sorted(as_rows(images.inputs.train["clean"]) + as_rows(images.inputs.train["noisy"]))
    np.testing.assert_array_equal(np.bincount(y.argmax(axis=1)), 2 * np.bincount(tiny.y_train))


def test_an_epoch_shows_each_image_once_in_a_new_order(images_of):
    images = images_of("seed")
    x, y = whole(images, 0)
    assert len(x) == images.count
    assert y.shape == (len(x), 10)
    np.testing.assert_array_equal(y.sum(axis=1), 1)
    wanted = images.inputs.train["noisy"]
    assert as_rows(wanted) == as_rows(x)
    assert not np.array_equal(x, wanted)


def add_one(x, _):
    return x + np.float32(1)


@pytest.mark.parametrize("augmentation", [None, add_one])
def test_every_image_keeps_its_label(tiny, augmentation):
    recipe = replace(RECIPES["robust"], augmentation=augmentation)
    images = EpochImages(prepare_inputs(tiny, recipe, seed=0), recipe, 10, seed=0)
    x, y = whole(images, 0)
    added = np.float32(1 if augmentation else 0)
    label_of = {bytes(image + added): label for image, label in zip(images.inputs.x_train, tiny.y_train, strict=True)}
    found = [
        (label_of[bytes(image)], label)
        for image, label in zip(x, y.argmax(axis=1), strict=True)
        if bytes(image) in label_of
    ]
    assert len(found) == 200
    assert all(wanted == label for wanted, label in found)


def test_seed_draws_its_noise_once(images_of):
    images = images_of("seed")
    (first, _), (second, _) = whole(images, 0), whole(images, 1)
    assert as_rows(first) == as_rows(second) == as_rows(images.inputs.train["noisy"])
    assert not np.array_equal(first, second)


def test_robust_changes_every_image_in_every_epoch(images_of):
    images = images_of("robust")
    before = images.inputs.x_train.copy()
    (first, _), (second, _) = whole(images, 0), whole(images, 1)
    assert not {*as_rows(before)} & {*as_rows(first)}
    assert not {*as_rows(first)} & {*as_rows(second)}
    np.testing.assert_array_equal(images.inputs.x_train, before)


def test_an_epoch_follows_from_its_number_and_the_seed_alone(images_of):
    later, _ = whole(images_of("robust"), 5)
    again, _ = whole(images_of("robust"), 5)
    np.testing.assert_array_equal(later, again)
    other, _ = whole(images_of("robust", seed=1), 5)
    assert not np.array_equal(later, other)


def test_groups_are_whole_batches_and_small(images_of, monkeypatch):
    images = images_of("seed")
    monkeypatch.setattr(batches, "_MAX_GROUP_BATCHES", 3)
    assert [len(group.x) for group in images.groups(0)] == [96, 96, 8]
    monkeypatch.setattr(batches, "_MAX_GROUP_BYTES", 2 * 32 * 28 * 28 * 4)
    assert [len(group.x) for group in images.groups(0)] == [64, 64, 64, 8]
