import dataclasses

import numpy as np
import pytest

from edgernn.errors import DataError
from edgernn_train import RECIPES, with_noise
from edgernn_train.prepared_inputs import draw_samples, one_hot, prepare_inputs

SEED, ROBUST = RECIPES["seed"], RECIPES["robust"]


def as_float(dataset, factor=1 / 255):
    return dataclasses.replace(
        dataset,
        x_train=dataset.x_train.astype(np.float32) * np.float32(factor),
        x_test=dataset.x_test.astype(np.float32) * np.float32(factor),
    )


def test_pixels_are_divided_by_255(tiny):
    inputs = prepare_inputs(tiny, ROBUST, seed=0)
    np.testing.assert_array_equal(inputs.train["clean"], tiny.x_train.astype(np.float32) / np.float32(255))
    assert inputs.train["clean"].dtype == inputs.train["noisy"].dtype == np.float32
    assert inputs.meaning == "pixel / 255"


def test_seed_shows_noisy_images_only(tiny):
    inputs = prepare_inputs(tiny, SEED, seed=0)
    assert list(inputs.train) == list(inputs.test) == ["noisy"]
    black = inputs.train["noisy"][tiny.x_train == 0]
    assert black.mean() == pytest.approx(0.5, abs=0.005)
    assert inputs.train["noisy"].max() == 1.0


@pytest.mark.parametrize("scale", [True, False])
def test_the_noisy_copy_has_the_images_of_the_training(tiny, scale):
    noisy, inputs = with_noise(tiny, 5, scale), prepare_inputs(tiny, SEED, 5, scale)
    np.testing.assert_array_equal(noisy.x_train, inputs.train["noisy"])
    np.testing.assert_array_equal(noisy.x_test, inputs.test["noisy"])
    assert noisy.y_test is tiny.y_test


def test_without_scaling_every_inked_pixel_becomes_one(tiny):
    inputs = prepare_inputs(tiny, SEED, seed=0, scale=False)
    noisy = inputs.test["noisy"]
    assert (noisy[tiny.x_test > 0] == 1.0).all()
    assert noisy[tiny.x_test == 0].mean() == pytest.approx(0.5, abs=0.005)
    assert inputs.meaning == "pixel, at most 1"


def test_float_data_in_range_is_taken_as_it_is(tiny):
    inputs = prepare_inputs(as_float(tiny), ROBUST, seed=0)
    np.testing.assert_array_equal(inputs.x_train, as_float(tiny).x_train)
    assert inputs.meaning == "number in [0, 1]"


def test_float_data_out_of_range_is_refused(tiny):
    with pytest.raises(
        DataError, match=r"x_train goes from 0 to 255, expected values in .* map the values of x_train and"
    ):
        prepare_inputs(as_float(tiny, factor=1), ROBUST, seed=0)


def test_leaving_pixels_unscaled_is_refused_where_it_cannot_be(tiny):
    with pytest.raises(DataError, match="only recipe seed can leave pixels unscaled"):
        prepare_inputs(tiny, ROBUST, seed=0, scale=False)
    with pytest.raises(DataError, match="only uint8 pixels can be left unscaled"):
        prepare_inputs(as_float(tiny), SEED, seed=0, scale=False)


def test_the_test_noise_does_not_depend_on_the_training_images(tiny):
    fewer = dataclasses.replace(tiny, x_train=tiny.x_train[:50], y_train=tiny.y_train[:50])
    all_images, some = (prepare_inputs(dataset, SEED, seed=4) for dataset in (tiny, fewer))
    np.testing.assert_array_equal(all_images.test["noisy"], some.test["noisy"])
    other = prepare_inputs(tiny, SEED, seed=5)
    assert not np.array_equal(all_images.test["noisy"], other.test["noisy"])


def test_one_hot_has_a_single_one_at_the_class():
    np.testing.assert_array_equal(one_hot(np.array([2, 0]), 3), [[0, 0, 1], [1, 0, 0]])
    assert one_hot(np.array([9]), 10).shape == (1, 10)


def test_samples_take_turns_clean_and_noisy(tiny):
    inputs = prepare_inputs(tiny, ROBUST, seed=0)
    samples = draw_samples(inputs, 4000, 2000, seed=0)
    assert samples.x_calibration.shape == (200, 28, 28)
    np.testing.assert_array_equal(samples.x_calibration[0::2], inputs.train["clean"][0::2])
    np.testing.assert_array_equal(samples.x_calibration[1::2], inputs.train["noisy"][1::2])
    np.testing.assert_array_equal(samples.x_test[0::2], inputs.test["clean"][0::2])
    np.testing.assert_array_equal(samples.x_test[1::2], inputs.test["noisy"][1::2])
    np.testing.assert_array_equal(samples.y_calibration, tiny.y_train)


def test_of_more_images_than_wanted_each_is_drawn_at_most_once(tiny):
    # Every image gets a different value, which shows afterwards which ones were drawn.
    x = np.repeat(np.linspace(0, 1, 200, dtype=np.float32), 4).reshape(200, 2, 2)
    dataset = dataclasses.replace(tiny, x_train=x, x_test=x[:60])
    clean_only = dataclasses.replace(ROBUST, conditions=("clean",))
    samples = draw_samples(prepare_inputs(dataset, clean_only, seed=0), 50, 20, seed=0)
    drawn = np.rint(samples.x_calibration[:, 0, 0] * 199).astype(int)
    assert len(set(drawn)) == 50
    assert samples.x_test.shape == (20, 2, 2)
    np.testing.assert_array_equal(samples.y_calibration, tiny.y_train[drawn])
    # Not just the first ones: a data set may be sorted by class.
    assert drawn.max() > 150
