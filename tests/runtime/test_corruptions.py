import numpy as np
import pytest
from scipy.ndimage import affine_transform, gaussian_filter, shift

from edgernn.data.corruptions import CORRUPTIONS, corrupt
from edgernn.data.warping import affine_maps, warp
from edgernn.errors import InputError


@pytest.fixture
def pictures():
    """Make 300 pictures of 12 x 9 pixels with a border of zeros; more than are warped together."""
    inner = np.random.default_rng(0).random((300, 6, 3), dtype=np.float32)
    return np.pad(inner, ((0, 0), (3, 3), (3, 3)))


def test_a_warp_is_that_of_scipy(pictures):
    rng = np.random.default_rng(1)
    count = len(pictures)
    scale, moved = np.exp(rng.uniform(-0.3, 0.3, (count, 2))), rng.uniform(-3, 3, (count, 2))
    maps = affine_maps(rng.uniform(-1, 1, count), scale, moved)
    centre = (np.array(pictures.shape[1:]) - 1) / 2
    expected = [
        affine_transform(picture, by[:, :2], by[:, 2] + centre - by[:, :2] @ centre, order=1, mode="grid-constant")
        for picture, by in zip(pictures, maps.astype(np.float64), strict=True)
    ]
    np.testing.assert_allclose(warp(pictures, maps), expected, atol=1e-5)


def test_a_warp_turns_counter_clockwise_and_shifts_down_and_right():
    picture = np.zeros((1, 5, 5), np.float32)
    picture[0, 2, 4] = 1  # right of the centre
    one, still = np.ones((1, 2)), np.zeros((1, 2))
    turned = warp(picture, affine_maps(np.array([np.pi / 2]), one, still))
    assert turned[0, 0, 2] == pytest.approx(1)
    moved = warp(picture, affine_maps(np.zeros(1), one, np.array([[1.0, -2.0]])))
    assert moved[0, 3, 2] == pytest.approx(1)


def test_a_warp_by_nothing_changes_nothing(pictures):
    count = len(pictures)
    maps = affine_maps(np.zeros(count), np.ones((count, 2)), np.zeros((count, 2)))
    np.testing.assert_array_equal(warp(pictures, maps), pictures)


@pytest.mark.parametrize("name", list(CORRUPTIONS))
def test_a_corruption_follows_from_its_seed_and_leaves_the_pictures_alone(pictures, name):
    before = pictures.copy()
    first, again = corrupt(pictures, name, seed=1), corrupt(pictures, name, seed=1)
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(pictures, before)
    assert first.dtype == np.float32
    assert first.shape == pictures.shape
    assert not np.array_equal(first, pictures)
    directed = name not in ("blur", "contrast")
    assert np.array_equal(first, corrupt(pictures, name, seed=2)) != directed


def test_shifts_are_two_pixels_along_one_axis(pictures):
    shifted = corrupt(pictures, "shift")
    moves = [(2, 0), (-2, 0), (0, 2), (0, -2)]
    candidates = np.stack([shift(pictures, (0, *move), order=1) for move in moves])
    same = np.isclose(candidates, shifted, atol=1e-6).all(axis=(2, 3))
    np.testing.assert_array_equal(same.sum(axis=0), 1)
    assert same.any(axis=1).all()


def test_blur_is_scipy_s_gaussian(pictures):
    expected = gaussian_filter(pictures, (0, 1, 1), mode="constant", truncate=3)
    np.testing.assert_allclose(corrupt(pictures, "blur"), expected, atol=1e-6)


def test_contrast_keeps_the_mean_and_halves_the_deviation(pictures):
    lowered = corrupt(pictures, "contrast")
    np.testing.assert_allclose(lowered.mean(axis=(1, 2)), pictures.mean(axis=(1, 2)), atol=1e-6)
    np.testing.assert_allclose(lowered.std(axis=(1, 2)), pictures.std(axis=(1, 2)) / 2, atol=1e-6)


def test_salt_and_pepper_replace_a_tenth_of_the_pixels():
    grey = np.full((100, 28, 28), 0.5, np.float32)
    salted = corrupt(grey, "salt and pepper")
    # 78,400 draws: a share of 0.05 is known to 0.0008.
    assert np.mean(salted == 0) == pytest.approx(0.05, abs=0.004)
    assert np.mean(salted == 1) == pytest.approx(0.05, abs=0.004)
    assert np.mean(salted == 0.5) == pytest.approx(0.9, abs=0.006)


def test_an_unknown_corruption_and_a_wrong_shape_are_refused(pictures):
    with pytest.raises(InputError, match="unknown corruption 'fog'; expected one of shift, rotation, blur"):
        corrupt(pictures, "fog")
    with pytest.raises(InputError, match=r"shape \(12, 9\); expected \[pictures, rows, columns\]"):
        corrupt(pictures[0], "blur")
