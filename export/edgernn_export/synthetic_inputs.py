"""Synthetic inputs: generated sequences of many magnitudes that show how a model treats its time steps."""

import numpy as np

from edgernn.arrays import Floats

_SAMPLES = 4
# Number of steps to compare a model with that takes any number, if there are no samples.
MIN_STEPS = 32
_MAGNITUDES = 10.0 ** np.arange(6)


def sequences(steps: int, features: int, x: Floats | None = None) -> Floats:
    """Make sequences to test a model with.

    Some layers show their effect on some inputs only: relu cuts off, tanh is flat, a logarithm takes only positive
    numbers, raw counts are in the thousands. Therefore the sequences contain noise of several magnitudes, with both
    signs and positive, and values of mixed magnitudes.

    Args:
        steps: number of rows in each sequence.
        features: number of values in each row.
        x: samples [samples, any number of steps, features]; some of them are added, and noise of their ranges.

    Returns:
        float64 [sequences, steps, features].
    """
    rng, shape = np.random.default_rng(0), (steps, features)
    mixed = 10.0 ** rng.uniform(-2, 5, shape)
    found = [rng.random(shape), mixed, mixed * rng.choice([-1, 1], shape)]
    for magnitude in _MAGNITUDES:
        found += [magnitude * rng.normal(size=shape), magnitude * np.abs(rng.normal(size=shape))]
    if x is not None:
        found += _like_samples(rng, shape, np.asarray(x, np.float64))
    return np.stack(found)


def fitting_samples(x: Floats | None, steps: int, features: int) -> Floats:
    """Return samples to compare a model with: the given ones, or generated sequences if they do not fit the model.

    Args:
        x: samples, [samples, any number of steps, features]; None if there are none.
        steps: number of rows in each generated sequence.
        features: number of values in each row that the model takes.
    """
    return x if x is not None and x.shape[2:] == (features,) else sequences(steps, features)


def _like_samples(rng: np.random.Generator, shape: tuple[int, int], x: Floats) -> list[Floats]:
    """Make sequences like samples: some samples, their rows in another order, and noise in and beyond their ranges."""
    chosen = x[np.linspace(0, len(x) - 1, min(_SAMPLES, len(x))).round().astype(int)]
    every = x.reshape(-1, x.shape[2])
    low, high, mean, spread = every.min(axis=0), every.max(axis=0), every.mean(axis=0), every.std(axis=0)
    return [
        *chosen[:, np.arange(shape[0]) % x.shape[1]],
        every[rng.integers(len(every), size=shape[0])],
        low + (high - low) * rng.random(shape),
        mean + spread * rng.normal(size=shape),
        mean + 10 * spread * rng.normal(size=shape),
    ]
