import numpy as np
import pytest

from edgernn.data.noise import add_noise


def test_the_noise_has_the_recipe_s_mean_and_standard_deviation():
    # On zeros nothing reaches 1.0 (5 standard deviations away), so the statistics are those of the noise alone.
    noise = add_noise(np.zeros((1000, 28, 28), np.float32), np.random.default_rng(0))
    # 784,000 draws: the mean is known to 0.1 / sqrt(784000) = 0.00011.
    assert noise.mean() == pytest.approx(0.5, abs=0.0006)
    assert noise.std() == pytest.approx(0.1, abs=0.0006)
    assert np.mean(np.abs(noise - 0.5) < 0.1) == pytest.approx(0.6827, abs=0.003)


def test_values_above_one_are_set_to_one():
    x = np.full((100, 28, 28), 0.6, np.float32)
    noisy = add_noise(x, np.random.default_rng(0))
    assert noisy.max() == 1.0
    # 0.6 plus a mean of 0.5 is one standard deviation above 1.0: 84 % are cut off.
    assert np.mean(noisy == 1.0) == pytest.approx(0.8413, abs=0.01)


def test_there_is_no_lower_bound():
    noisy = add_noise(np.zeros((10, 28, 28), np.float32), np.random.default_rng(0), mean=0.0)
    assert noisy.min() < -0.2


def test_the_result_is_float32_and_the_images_are_left_alone():
    x = np.arange(12, dtype=np.float64).reshape(1, 3, 4) / 20
    before = x.copy()
    noisy = add_noise(x, np.random.default_rng(0), mean=0.25, stddev=0.0)
    assert noisy.dtype == np.float32
    np.testing.assert_allclose(noisy, x + 0.25, atol=1e-7)
    np.testing.assert_array_equal(x, before)


def test_the_same_generator_gives_the_same_noise():
    x = np.zeros((5, 28, 28), np.float32)
    first, again, other = (add_noise(x, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
