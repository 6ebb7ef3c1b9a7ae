"""Generated sensor data of six activities, nine channels and 128 steps; no single row shows the activity."""

import numpy as np

from edgernn.arrays import Float32, Int64
from edgernn.data.datasets import Dataset

STEPS, CHANNELS = 128, 9
TRAINING_SAMPLES, TEST_SAMPLES = 4000, 2000
# Cadences in periods a step, each used forwards and backwards.
_CADENCES = (0.045, 0.06, 0.08)
LABELS = tuple(f"{gait} {way}" for gait in ("strolling", "walking", "running") for way in ("forwards", "backwards"))
# Differences between people: the relative spread of the cadence, and of every channel's strength.
_CADENCE_SPREAD, _STRENGTH_SPREAD = 0.07, 0.25
# Differences between steps: the gait falters (in periods), and the sensors drift and have noise.
_FALTER, _DRIFT, _NOISE = 0.012, 0.006, 0.15


def make_dataset(seed: int) -> Dataset:
    """Generate training and test windows; equal seeds generate equal windows."""
    random = np.random.default_rng([seed, 128])
    return Dataset(*_windows(random, TRAINING_SAMPLES), *_windows(random, TEST_SAMPLES), LABELS)


def _windows(random: np.random.Generator, samples: int) -> tuple[Float32, Int64]:
    """Generate windows of three sensors of three axes that swing together, each at a different point of the period.

    A walker begins anywhere in the period, so one row has the same distribution in every class. Only the speed and the
    direction in which the channels follow one another show the class.

    Returns:
        float32 [samples, steps, channels] from 0 to 1, and the classes, int64 [samples].
    """
    classes = random.integers(0, len(LABELS), samples)
    cadence = np.array(_CADENCES)[classes // 2] * random.normal(1, _CADENCE_SPREAD, samples)
    steps = cadence[:, np.newaxis] + random.normal(0, _FALTER, (samples, STEPS))
    way = np.where(classes % 2, -1, 1)[:, np.newaxis]
    place = random.uniform(size=(samples, 1)) + way * np.cumsum(steps, axis=1)
    angle = 2 * np.pi * (place[:, :, np.newaxis] + np.arange(CHANNELS) / CHANNELS)
    strength = random.normal(1, _STRENGTH_SPREAD, (samples, 1, CHANNELS))
    # The second harmonic is a heel's impact.
    swing = strength * (0.18 * np.sin(angle) + 0.07 * np.sin(2 * angle))
    drift = np.cumsum(random.normal(0, _DRIFT, angle.shape), axis=1)
    x = 0.5 + swing + drift + random.normal(0, _NOISE, angle.shape)
    return np.clip(x, 0, 1).astype(np.float32), classes
