"""Activity recognition: an LSTM that classifies the activity of a person from 2.56 s of a phone's motion."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgernn.arrays import Float32, Int64
from edgernn.system.tensorflow_setup import quiet_tensorflow

sys.path.insert(0, str(Path(__file__).parents[2]))
from examples.common import Example, main

Float64 = npt.NDArray[np.float64]

# The format of UCI HAR: 50 Hz; total and body acceleration in g, angular velocity in rad/s, each along x, y, z.
STEPS, FEATURES, RATE_HZ = 128, 9, 50
ACTIVITIES = ("walking", "walking upstairs", "walking downstairs", "sitting", "standing", "laying")

# One value for each activity: steps per second, and the forward lean of the phone in rad.
_PACE_HZ = np.array([1.85, 1.55, 2.15, 0.5, 0.5, 0.5])
_LEAN_RAD = np.array([0.05, 0.2, 0.0, -0.55, 0.0, -1.4])
_LEAN_STDDEV_RAD = np.array([0.15, 0.15, 0.15, 0.2, 0.15, 0.3])
# Amplitudes [activity, axis, harmonic]: x is up, y is left, z is ahead. The harmonics of the stride, which is two
# steps, are the stride, the step, and the impact of the foot. In g, and in rad/s for the rotation about each axis.
_HARMONICS = np.array([1, 2, 4])
_STILL = np.full((3, 3), 0.012)
_SHAKE_G = np.array(
    [
        [[0.06, 0.28, 0.10], [0.12, 0.04, 0.03], [0.08, 0.16, 0.06]],
        [[0.07, 0.23, 0.08], [0.13, 0.05, 0.03], [0.10, 0.14, 0.05]],
        [[0.07, 0.33, 0.22], [0.13, 0.06, 0.05], [0.09, 0.20, 0.13]],
        *[_STILL] * 3,
    ]
)
_TURN_RAD_S = np.array(
    [
        [[0.30, 0.15, 0.05], [0.10, 0.35, 0.10], [0.25, 0.10, 0.05]],
        [[0.38, 0.18, 0.05], [0.14, 0.30, 0.12], [0.30, 0.13, 0.05]],
        [[0.36, 0.20, 0.10], [0.15, 0.42, 0.18], [0.30, 0.12, 0.10]],
        *[_STILL] * 3,
    ]
)
_NOISE_G, _NOISE_RAD_S = 0.03, 0.06


def generate(samples: int, seed: int) -> tuple[Float32, Int64]:
    """Generate windows of motion, each with a random pace, phase, vigour and orientation of the phone.

    Returns:
        float32 [samples, 128, 9], and the activities, int64 [samples], equally frequent.
    """
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(samples) % len(ACTIVITIES))
    stride_hz = _PACE_HZ[y] / 2 * rng.lognormal(0, 0.06, samples)
    strides = stride_hz[:, np.newaxis] * np.arange(STEPS) / RATE_HZ + rng.uniform(size=(samples, 1))
    vigour = rng.lognormal(0, 0.2, (samples, 1, 1))
    wearing = _rotations(rng.normal(_LEAN_RAD[y], _LEAN_STDDEV_RAD[y]), rng.normal(0, 0.15, samples))
    body = _oscillate(rng, strides, vigour * _SHAKE_G[y]) @ wearing
    turning = _oscillate(rng, strides, vigour * _TURN_RAD_S[y]) @ wearing
    body += rng.normal(0, _NOISE_G, body.shape)
    turning += rng.normal(0, _NOISE_RAD_S, turning.shape)
    gravity = wearing[:, :1]  # the direction "up" after the rotation, in g
    return np.concatenate([body + gravity, body, turning], axis=2, dtype=np.float32), y


def _oscillate(rng: np.random.Generator, strides: Float64, amplitudes: Float64) -> Float64:
    """Sum harmonics: strides [samples, steps], amplitudes [samples, axes, harmonics] → [samples, steps, axes]."""
    amplitudes = amplitudes * rng.lognormal(0, 0.15, amplitudes.shape)
    # The phases of a gait's harmonics are related, with small differences between people.
    phases = np.arange(amplitudes[0].size).reshape(amplitudes[0].shape) + rng.normal(0, 0.25, amplitudes.shape)
    angles = 2 * np.pi * strides[:, :, np.newaxis, np.newaxis] * _HARMONICS + phases[:, np.newaxis]
    oscillations: Float64 = np.einsum("sah,stah->sta", amplitudes, np.cos(angles))
    return oscillations


def _rotations(lean: Float64, tilt: Float64) -> Float64:
    """Return the rotations, [samples, 3, 3] for row vectors, of a lean about y and a tilt about z, in rad [samples]."""
    zero, one = np.zeros_like(lean), np.ones_like(lean)
    about_y = np.array([[np.cos(lean), zero, np.sin(lean)], [zero, one, zero], [-np.sin(lean), zero, np.cos(lean)]])
    about_z = np.array([[np.cos(tilt), np.sin(tilt), zero], [-np.sin(tilt), np.cos(tilt), zero], [zero, zero, one]])
    rotations: Float64 = np.einsum("ijs,jks->sik", about_y, about_z)
    return rotations


def build() -> Any:
    """Build J. Brownlee's LSTM for UCI HAR (see README), float32 [batch, 128, 9] to probabilities [batch, 6]."""
    with quiet_tensorflow():
        import keras

    return keras.Sequential(
        [
            keras.Input((STEPS, FEATURES)),
            keras.layers.LSTM(100),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(100, activation="relu"),
            keras.layers.Dense(len(ACTIVITIES), activation="softmax"),
        ]
    )


EXAMPLE = Example(Path(__file__).parent, generate, build, epochs=10, learning_rate=3e-3, labels=ACTIVITIES)

if __name__ == "__main__":
    main(obj=EXAMPLE)
