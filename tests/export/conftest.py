"""Small Keras models that the tests save themselves, and samples for them."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

STEPS, FEATURES, CLASSES = 6, 3, 4


@pytest.fixture
def save_model(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that saves a Sequential model of given layers over [6, 3] inputs as small.keras."""

    def save(layers: Sequence[Any], name: str = "small.keras", steps: int | None = STEPS) -> Path:
        import keras

        path = tmp_path / name
        keras.Sequential([keras.Input((steps, FEATURES)), *layers]).save(path)
        return path

    return save


@pytest.fixture
def samples_file(tmp_path: Path) -> Path:
    """Return a data set .npz that fits the models of `save_model`."""
    rng = np.random.default_rng(0)
    path = tmp_path / "samples.npz"
    np.savez(
        path,
        x_train=rng.random((40, STEPS, FEATURES), np.float32),
        y_train=np.arange(40) % CLASSES,
        x_test=rng.random((20, STEPS, FEATURES), np.float32),
        y_test=np.arange(20) % CLASSES,
    )
    return path
