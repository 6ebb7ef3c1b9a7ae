import numpy as np
import pytest

from edgernn_train.augmentation import PictureAugmentation

NOTHING = {"max_rotation_rad": 0.0, "max_log_scale": 0.0, "max_shift": 0.0, "noisy_share": 0.0, "max_noise_stddev": 0.0}


@pytest.fixture
def spots():
    """Make 500 pictures of 20 x 28 pixels with one spot of 2 x 2 below and right of the centre."""
    x = np.zeros((500, 20, 28), np.float32)
    x[:, 12:14, 18:20] = 1
    return x


def positions(x):
    """Return the centres of mass [pictures, 2], in pixels from the centre."""
    rows, columns = (np.arange(size) - (size - 1) / 2 for size in x.shape[1:])
    mass = x.sum(axis=(1, 2))
    return np.stack([(x.sum(axis=2) @ rows) / mass, (x.sum(axis=1) @ columns) / mass], axis=1)


def augment(x, **limits):
    return PictureAugmentation(**(NOTHING | limits))(x, np.random.default_rng(0))


def test_no_change_is_the_same_pictures(spots):
    np.testing.assert_array_equal(augment(spots), spots)


def test_a_shift_is_a_share_of_rows_and_of_columns(spots):
    moves = positions(augment(spots, max_shift=0.1)) - positions(spots)
    assert np.abs(moves[:, 0]).max() == pytest.approx(2, abs=0.05)
    assert np.abs(moves[:, 1]).max() == pytest.approx(2.8, abs=0.05)
    assert np.abs(moves.mean(axis=0)).max() < 0.2


def test_a_rotation_keeps_the_distance_from_the_centre(spots):
    before, after = positions(spots), positions(augment(spots, max_rotation_rad=0.3))
    angles = np.arctan2(*after.T) - np.arctan2(*before.T)
    assert -0.31 < angles.min() < -0.28
    assert 0.28 < angles.max() < 0.31
    np.testing.assert_allclose(np.hypot(*after.T), np.hypot(*before.T), atol=0.1)


def test_rows_and_columns_have_a_scale_each(spots):
    factors = positions(augment(spots, max_log_scale=0.1)) / positions(spots)
    assert np.abs(np.log(factors)).max() == pytest.approx(0.1, abs=0.02)
    assert abs(np.corrcoef(factors.T)[0, 1]) < 0.2


def test_the_share_of_noisy_pictures_and_their_deviations():
    augmented = augment(np.zeros((4000, 10, 10), np.float32), noisy_share=0.25, max_noise_stddev=0.1)
    noisy = augmented.any(axis=(1, 2))
    # 4,000 draws: a share of 0.25 is known to 0.007.
    assert noisy.mean() == pytest.approx(0.25, abs=0.03)
    assert augmented[noisy].mean() == pytest.approx(0.5, abs=0.005)
    deviations = augmented[noisy].std(axis=(1, 2))
    assert deviations.min() < 0.005
    assert 0.095 < deviations.max() < 0.13
    assert augmented.dtype == np.float32
