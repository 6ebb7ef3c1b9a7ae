"""The original as a timed subject: the Keras model, called in each of several ways for one sample."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgernn.arrays import Float32
from edgernn.bench.stopwatch import Call, Ready
from edgernn_export import keras_model as keras_models

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

    def __call__(self) -> Ready:
        """Load the model; its only call is `predict`, because Keras has no separate step that sets the input.

        Raises:
            ModelError: it cannot be read.
        """
        x = self.x[np.newaxis]
        return Ready({"predict": _bind(keras_models.load(self.path, x=x), x, self.way)})


def _bind(model: Any, x: Float32, way: str) -> Call:
    """Return the call that answers a sample, float32 [1, steps, features]: a NumPy array in, a NumPy array out."""
    if way == PREDICT:
        return lambda: model.predict(x, verbose=0)
    if way == CALL:
        return lambda: np.asarray(model(x, training=False))
    compiled = keras_models.compiled(model)
    return lambda: compiled(x)
