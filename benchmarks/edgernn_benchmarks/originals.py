"""The original as a timed subject: the Keras model, called in each of several ways for one sample."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgernn.arrays import Float32
from edgernn_export import keras_model as keras_models

Call = Callable[[], object]

PREDICT, CALL, FUNCTION = WAYS = ("predict", "model(x)", "tf.function")


@dataclass(frozen=True)
class KerasLoader:
    """Loader of a Keras model; can be sent to another process.

    Attributes:
        path: the .keras or .h5 file.
        x: the sample to answer, float32 [steps, features].
        way: one of `WAYS`: `model.predict(x)`, `model(x, training=False)`, or the latter compiled.
    """

    path: Path
    x: Float32
    way: str

    def __call__(self) -> "LoadedKeras":
        """Load the model.

        Raises:
            ModelError: it cannot be read.
        """
        return LoadedKeras(keras_models.load(self.path, x=self.x[np.newaxis]), self.x[np.newaxis], self.way)


class LoadedKeras:
    """A loaded Keras model with the sample to answer, float32 [1, steps, features]."""

    def __init__(self, model: Any, x: Float32, way: str) -> None:
        self._call = _bind(model, x, way)

    def answer(self) -> object:
        """Answer the sample; a NumPy array in, a NumPy array out."""
        return self._call()

    def calls(self) -> Mapping[str, Call]:
        """Return the calls to time: only `predict`, because Keras has no separate step that sets the input."""
        return {"predict": self._call}


def _bind(model: Any, x: Float32, way: str) -> Call:
    if way == PREDICT:
        return lambda: model.predict(x, verbose=0)
    if way == CALL:
        return lambda: np.asarray(model(x, training=False))
    compiled = keras_models.compiled(model)
    return lambda: compiled(x)
