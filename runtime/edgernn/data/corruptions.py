"""Seven corruptions of pictures that measure how much a classifier of digits tolerates.

Each changes every picture of a test set by the same amount, in a random direction where it has one. Recipes may train
on shifts, rotations and noise, but never on blur, contrast, and salt and pepper: these three show how a model answers
to what it has never seen. The forms are those of D. Hendrycks and T. Dietterich, "Benchmarking Neural Network
Robustness to Common Corruptions and Perturbations", 2019, in sizes for pictures of 28x28 pixels.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from edgernn.arrays import Float32
from edgernn.data.noise import add_noise
from edgernn.data.samples import is_drawn_as_lines, is_wide
from edgernn.data.warping import affine_maps, warp
from edgernn.errors import InputError

Corruption = Callable[[Float32, np.random.Generator], Float32]

CLEAN = "clean"  # name of the pictures without a corruption
SHIFT_PIXELS = 2
ROTATION_RAD = np.deg2rad(10)
BLUR_STDDEV = 1.0  # pixels
CONTRAST = 0.5  # factor of the distance from the picture's mean
SALT_AND_PEPPER = 0.1  # share of the pixels; half become 0, half 1
NOISE_STDDEVS = (0.05, 0.2)

_DIRECTIONS = SHIFT_PIXELS * np.array([(1, 0), (-1, 0), (0, 1), (0, -1)], np.float32)
_BLUR_RADIUS = 3  # pixels; beyond it are 0.3 % of the weights


def corrupt(pictures: Float32, name: str, seed: int = 0) -> Float32:
    """Corrupt pictures.

    Args:
        pictures: float32 [pictures, rows, columns] in [0, 1], 0 is the background.
        name: a key of `CORRUPTIONS`.
        seed: seed of directions and noise; the same pictures and seed give the same result.

    Returns:
        float32 of the shape of `pictures`, which is unchanged.

    Raises:
        InputError: an unknown name, or not an array of pictures.
    """
    if name not in CORRUPTIONS:
        raise InputError(f"unknown corruption {name!r}; expected one of {', '.join(CORRUPTIONS)}")
    if pictures.ndim != 3:
        raise InputError(f"pictures have shape {pictures.shape}; expected [pictures, rows, columns]")
    # One stream for each corruption: the result does not depend on which others are computed.
    rng = np.random.default_rng([seed, list(CORRUPTIONS).index(name)])
    return CORRUPTIONS[name](pictures, rng)


def are_pictures(samples: Float32) -> bool:
    """Return True if samples [samples, rows, columns] can be corrupted: pictures with values from 0 to 1."""
    rows, columns = samples.shape[1:]
    if is_wide(rows, columns) or is_drawn_as_lines(rows, columns, pixels=True):
        return False
    return bool(samples.min() >= 0 and samples.max() <= 1)


def corrupted_copies(pictures: Float32) -> dict[str, Float32]:
    """Return the pictures without and with each corruption, by name; `CLEAN` is the first."""
    return {CLEAN: pictures, **{name: corrupt(pictures, name) for name in CORRUPTIONS}}


def _shift(pictures: Float32, rng: np.random.Generator) -> Float32:
    count = len(pictures)
    shifts = _DIRECTIONS[rng.integers(len(_DIRECTIONS), size=count)]
    return warp(pictures, affine_maps(np.zeros(count), np.ones((count, 2)), shifts))


def _rotate(pictures: Float32, rng: np.random.Generator) -> Float32:
    count = len(pictures)
    angles = ROTATION_RAD * rng.choice([-1, 1], count)
    return warp(pictures, affine_maps(angles, np.ones((count, 2)), np.zeros((count, 2))))


def _blur(pictures: Float32, _: np.random.Generator) -> Float32:
    distances = np.arange(-_BLUR_RADIUS, _BLUR_RADIUS + 1)
    weights = np.exp(-((distances / BLUR_STDDEV) ** 2) / 2)
    weights = (weights / weights.sum()).astype(np.float32)
    for axis in (1, 2):
        border = [(0, 0), (0, 0), (0, 0)]
        border[axis] = (_BLUR_RADIUS, _BLUR_RADIUS)
        windows = np.lib.stride_tricks.sliding_window_view(np.pad(pictures, border), len(weights), axis=axis)
        pictures = windows @ weights
    return pictures


def _lower_contrast(pictures: Float32, _: np.random.Generator) -> Float32:
    means = pictures.mean(axis=(1, 2), keepdims=True)
    lowered: Float32 = means + np.float32(CONTRAST) * (pictures - means)
    return lowered


def _add_salt_and_pepper(pictures: Float32, rng: np.random.Generator) -> Float32:
    drawn = rng.random(pictures.shape, dtype=np.float32)
    salted = np.where(drawn > 1 - SALT_AND_PEPPER / 2, np.float32(1), pictures)
    return np.where(drawn < SALT_AND_PEPPER / 2, np.float32(0), salted)


def _noise(stddev: float) -> Corruption:
    """Return a corruption by the noise of `add_noise` with another standard deviation."""

    def add(pictures: Float32, rng: np.random.Generator) -> Float32:
        return add_noise(pictures, rng, stddev=stddev)

    return add


CORRUPTIONS: Mapping[str, Corruption] = MappingProxyType(
    {
        "shift": _shift,
        "rotation": _rotate,
        "blur": _blur,
        "contrast": _lower_contrast,
        "salt and pepper": _add_salt_and_pepper,
        **{f"noise {stddev}": _noise(stddev) for stddev in NOISE_STDDEVS},
    }
)
"""The seven corruptions by name; each changes pictures float32 [pictures, rows, columns]."""
