"""Predictive maintenance: stacked GRUs that estimate the cycles an engine has left from its sensors."""

import sys
from pathlib import Path
from typing import Any

import numpy as np

from edgernn.arrays import Float32
from edgernn.system.tensorflow_setup import quiet_tensorflow

sys.path.insert(0, str(Path(__file__).parents[2]))
from examples.common import Example, main

# The format of NASA's C-MAPSS: three settings and the fourteen sensors that wear affects, one row a cycle.
STEPS, SETTINGS, SENSORS = 50, 3, 14
FEATURES = SETTINGS + SENSORS
# Limit of the truths, as usual in work on C-MAPSS: with more cycles left, an engine shows no wear.
MAX_CYCLES_LEFT = 125
_MIN_LIFE, _MAX_LIFE = 150, 300  # cycles
_NOISE = 0.08


def generate(samples: int, seed: int) -> tuple[Float32, Float32]:
    """Generate one window from the life of each engine: wear grows ever faster; it and the settings move the sensors.

    Returns:
        float32 [samples, 50, 17] in units of about a sensor's range, and the remaining useful life after the last
        row, in cycles, at most 125: float32 [samples, 1].
    """
    rng = np.random.default_rng(seed)
    life = rng.uniform(_MIN_LIFE, _MAX_LIFE, (samples, 1))
    left = rng.uniform(0, life - STEPS)
    age = (life - left + np.arange(1 - STEPS, 1)) / life
    growth, wear_at_birth = rng.uniform(2, 4, (samples, 1)), rng.uniform(0, 0.05, (samples, 1))
    wear = wear_at_birth + (1 - wear_at_birth) * np.expm1(growth * age) / np.expm1(growth)
    settings = rng.normal(0, 0.3, (samples, STEPS, SETTINGS))
    # The same plant for all engines and seeds.
    plant = np.random.default_rng(0)
    gain = plant.uniform(0.5, 1.5, SENSORS) * plant.choice([-1, 1], SENSORS)
    curvature = plant.uniform(0.7, 1.5, SENSORS)
    influence = plant.normal(0, 0.5, (SETTINGS, SENSORS))
    sensors = gain * wear[:, :, np.newaxis] ** curvature + settings @ influence
    sensors += rng.normal(0, 0.03, (samples, 1, SENSORS))  # no two engines are built the same
    sensors += rng.normal(0, _NOISE, sensors.shape)
    x = np.concatenate([settings, sensors], axis=2, dtype=np.float32)
    return x, np.minimum(left, MAX_CYCLES_LEFT).astype(np.float32)


def build() -> Any:
    """Build the stack of Azure's template with GRUs (see README), float32 [batch, 50, 17] to cycles [batch, 1]."""
    with quiet_tensorflow():
        import keras

    return keras.Sequential(
        [
            keras.Input((STEPS, FEATURES)),
            keras.layers.GRU(100, return_sequences=True),
            keras.layers.Dropout(0.2),
            keras.layers.GRU(50),
            keras.layers.Dropout(0.2),
            # The initial answers are from 0 to about 125. Small initial weights would take long to grow to that scale.
            keras.layers.Dense(
                1,
                kernel_initializer=keras.initializers.RandomNormal(stddev=10),
                bias_initializer=keras.initializers.Constant(MAX_CYCLES_LEFT / 2),
            ),
        ]
    )


EXAMPLE = Example(Path(__file__).parent, generate, build, epochs=10, learning_rate=2e-3, unit="cycles")

if __name__ == "__main__":
    main(obj=EXAMPLE)
