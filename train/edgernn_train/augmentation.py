"""Random changes of training samples, drawn anew in every epoch."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from edgernn.arrays import Float32
from edgernn.data.noise import add_noise
from edgernn.data.warping import affine_maps, warp


class Augmentation(Protocol):
    """Changes training samples; the samples that it receives stay as they are."""

    def __call__(self, x: Float32, rng: np.random.Generator) -> Float32:
        """Return changed samples of the shape of `x`, float32 [samples, steps, features]."""


@dataclass(frozen=True)
class PictureAugmentation:
    """Warps every picture, and adds noise to some.

    Each limit is that of a uniform distribution around no change. Noise has mean 0.5, and a standard deviation of the
    picture's own.

    Attributes:
        max_rotation_rad: largest angle in either direction.
        max_log_scale: largest logarithm of a factor; rows and columns have a factor each.
        max_shift: largest shift along rows and along columns, as a share of their number.
        noisy_share: share of pictures with noise.
        max_noise_stddev: largest standard deviation of the noise; the smallest is 0.
    """

    max_rotation_rad: float
    max_log_scale: float
    max_shift: float
    noisy_share: float
    max_noise_stddev: float

    def __call__(self, x: Float32, rng: np.random.Generator) -> Float32:
        """Return changed pictures, float32 [pictures, rows, columns]."""
        count = len(x)
        angles = rng.uniform(-self.max_rotation_rad, self.max_rotation_rad, count)
        scales = np.exp(rng.uniform(-self.max_log_scale, self.max_log_scale, (count, 2)))
        shifts = rng.uniform(-self.max_shift, self.max_shift, (count, 2)) * x.shape[1:]
        warped = warp(x, affine_maps(angles, scales, shifts))
        noisy = rng.random(count) < self.noisy_share
        stddevs = rng.uniform(0, self.max_noise_stddev, (np.count_nonzero(noisy), 1, 1))
        warped[noisy] = add_noise(warped[noisy], rng, stddev=stddevs)
        return warped


@dataclass(frozen=True)
class WindowAugmentation:
    """Changes windows of sensor values: their position, the gain of each channel, and jitter.

    Each limit is that of a uniform distribution around no change. Jitter is Gaussian, with a standard deviation of the
    window's own. Means and standard deviations of a channel are those of the windows that are changed together.

    Attributes:
        max_shift: largest shift along the steps, as a share of their number; the first or last step fills the gap.
        max_log_gain: largest logarithm of the factor of a channel's distance from its mean.
        max_jitter: largest standard deviation of the jitter, as a share of the channel's.
        dropped_share: share of the channels that stay at their mean.
    """

    max_shift: float
    max_log_gain: float
    max_jitter: float
    dropped_share: float

    def __call__(self, x: Float32, rng: np.random.Generator) -> Float32:
        """Return changed windows, float32 [windows, steps, channels]."""
        count, steps, channels = x.shape
        mean, deviation = x.mean(axis=(0, 1)), x.std(axis=(0, 1))
        gains = np.exp(rng.uniform(-self.max_log_gain, self.max_log_gain, (count, 1, channels))).astype(np.float32)
        gains *= rng.random(gains.shape) >= self.dropped_share
        shifts = np.rint(rng.uniform(-self.max_shift, self.max_shift, (count, 1)) * steps).astype(np.int64)
        places = np.clip(np.arange(steps) - shifts, 0, steps - 1)
        changed = np.take_along_axis(x, places[:, :, np.newaxis], axis=1)
        jitter = rng.standard_normal(x.shape, dtype=np.float32)
        jitter *= rng.uniform(0, self.max_jitter, (count, 1, 1)).astype(np.float32) * deviation
        changed += jitter
        changed -= mean
        changed *= gains
        changed += mean
        return changed
