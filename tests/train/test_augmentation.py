import numpy as np
import pytest

from edgernn_train.augmentation import PictureAugmentation, WindowAugmentation

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


STILL = {"max_shift": 0.0, "max_log_gain": 0.0, "max_jitter": 0.0, "dropped_share": 0.0}


@pytest.fixture
def windows():
    """Make 400 windows of 30 steps and 4 channels, whose means are 1, 2, 3 and 4."""
    return np.random.default_rng(2).standard_normal((400, 30, 4), dtype=np.float32) + np.arange(1, 5, dtype=np.float32)


def vary(x, **limits):
    return WindowAugmentation(**(STILL | limits))(x, np.random.default_rng(0))


def test_windows_without_change_stay_the_same(windows):
    before = windows.copy()
    np.testing.assert_allclose(vary(windows), windows, atol=1e-6)
    vary(windows, max_shift=0.2, max_jitter=1.0, dropped_share=0.5)
    np.testing.assert_array_equal(windows, before)


def test_a_gain_scales_a_channel_about_its_mean(windows):
    mean = windows.mean(axis=(0, 1))
    factors = (vary(windows, max_log_gain=0.2) - mean) / (windows - mean)
    np.testing.assert_allclose(
        factors, np.broadcast_to(np.median(factors, axis=1, keepdims=True), factors.shape), rtol=0.1
    )
    logs = np.log(np.median(factors, axis=1))
    assert np.abs(logs).max() == pytest.approx(0.2, abs=0.01)


def test_dropped_channels_stay_at_their_mean(windows):
    varied = vary(windows, dropped_share=0.2)
    dropped = np.ptp(varied, axis=1) < 1e-4
    # 1,600 channels: a share of 0.2 is known to 0.01.
    assert dropped.mean() == pytest.approx(0.2, abs=0.04)
    np.testing.assert_allclose(
        varied[:, 0][dropped], np.broadcast_to(windows.mean(axis=(0, 1)), (400, 4))[dropped], atol=1e-4
    )


def test_jitter_is_a_share_of_the_channel_s_deviation(windows):
    wide = windows * np.array([1, 10, 100, 1000], np.float32)
    jitter = (vary(wide, max_jitter=0.5) - wide) / wide.std(axis=(0, 1))
    deviations = jitter.std(axis=(1, 2))
    assert deviations.min() < 0.02
    assert 0.48 < deviations.max() < 0.62
    assert np.ptp(jitter.std(axis=(0, 1))) < 0.02


def test_a_shift_moves_steps_and_repeats_the_edge():
    x = np.tile(np.arange(40, dtype=np.float32)[:, np.newaxis], (300, 1, 2))
    shifts = x[:, 20, 0] - vary(x, max_shift=0.1)[:, 20, 0]
    assert set(np.rint(shifts)) == set(range(-4, 5))
    for varied, shift in zip(vary(x, max_shift=0.1), shifts, strict=True):
        np.testing.assert_allclose(varied[:, 1], np.clip(np.arange(40) - shift, 0, 39), atol=1e-4)
