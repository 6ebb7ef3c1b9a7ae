"""Small Keras models that the tests save themselves, and samples for them."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest

from edgernn.bench.stopwatch import Method
from edgernn.data.run_folder import Original
from edgernn_export.artifact import ExportResult, make_artifact
from edgernn_export.formats import plan_for
from edgernn_export.formats.base import Plan
from edgernn_export.settings import Settings
from edgernn_export.source import Source
from edgernn_export.targets import Target

STEPS, FEATURES, CLASSES = 6, 3, 4


class InProcess:
    """Stand-in for the worker: makes artifacts in the tests' own process, where TensorFlow is loaded already.

    The real worker makes the session's `artifacts`, and is tested in test_worker.py.
    """

    def __init__(self, original: Original, settings: Settings) -> None:
        self._arguments = (original, settings)
        self._source: Source | None = None

    def plan(self) -> Plan:
        return plan_for(self._opened())

    def make(self, target: Target) -> ExportResult:
        return make_artifact(self._opened(), target)

    def _opened(self) -> Source:
        self._source = self._source or Source(*self._arguments)
        return self._source

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        pass


@pytest.fixture(scope="module")
def in_process() -> Iterator[None]:
    """Export without a child process, and time the artifacts as briefly as possible, in a whole module of tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("edgernn_export.pipeline.Worker", InProcess)
        patch.setattr("edgernn_export.command.METHOD", Method(2, 0.0))
        yield


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
