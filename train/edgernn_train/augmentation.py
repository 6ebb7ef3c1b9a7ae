"""Random changes of training samples, drawn anew in every epoch."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from edgernn.arrays import Float32, Floats
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
    """Changes windows of sensor values: speed, position, gain of each channel, jitter, and missing channels.

    Each limit is that of a uniform distribution around no change. Jitter is Gaussian, with a standard deviation of the
    window's own. Means and standard deviations of a channel are those of the windows that are changed together.

    Attributes:
        max_log_speed: largest logarithm of the factor between the original's speed and the changed one's.
        max_offset: largest shift along the steps, as a share of their number; edges repeat the first or last step.
        max_log_gain: largest logarithm of the factor of a channel's distance from its mean.
        max_jitter: largest standard deviation of the jitter, as a share of the channel's.
        dropped_share: share of the channels that stay at their mean.
    """

    max_log_speed: float
    max_offset: float
    max_log_gain: float
    max_jitter: float
    dropped_share: float

    def __call__(self, x: Float32, rng: np.random.Generator) -> Float32:
        """Return changed windows, float32 [windows, steps, channels]."""
        count, steps, channels = x.shape
        mean, deviation = (x.mean(axis=(0, 1)), x.std(axis=(0, 1))) if count else (np.float32(0), np.float32(0))
        speeds = np.exp(rng.uniform(-self.max_log_speed, self.max_log_speed, count))
        offsets = rng.uniform(-self.max_offset, self.max_offset, count) * steps
        gains = np.exp(rng.uniform(-self.max_log_gain, self.max_log_gain, (count, 1, channels))).astype(np.float32)
        gains *= rng.random(gains.shape) >= self.dropped_share
        changed = resample(x, speeds, offsets)
        jitter = rng.standard_normal(x.shape, dtype=np.float32)
        jitter *= rng.uniform(0, self.max_jitter, (count, 1, 1)).astype(np.float32) * deviation
        changed += jitter
        changed -= mean
        changed *= gains
        changed += mean
        return changed


def resample(x: Float32, speeds: Floats, offsets: Floats) -> Float32:
    """Return windows played at other speeds about their middles, linearly interpolated.

    Args:
        x: float32 [windows, steps, channels]; steps before the first and after the last repeat these.
        speeds: factors, [windows].
        offsets: steps that a window is late, [windows].
    """
    steps = x.shape[1]
    middle = (steps - 1) / 2
    times = (np.arange(steps) - middle - offsets[:, np.newaxis]) * speeds[:, np.newaxis] + middle
    times = np.clip(times, 0, steps - 1)[:, :, np.newaxis]
    before = times.astype(np.int64)
    after = np.minimum(before + 1, steps - 1)
    earlier, later = (np.take_along_axis(x, index, axis=1) for index in (before, after))
    earlier += (later - earlier) * (times - before).astype(np.float32)
    return earlier
