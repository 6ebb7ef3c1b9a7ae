"""The runtime of edgernn: what a device runs, from an artifact to predictions.

import edgernn
model = edgernn.load("digits-int8.tflite")
model.predict(x)     # x: float32 [28, 28] or [samples, 28, 28]
model.classify(x)    # labels with their probabilities, most probable first
"""

from edgernn.card import Card
from edgernn.errors import (
    ArtifactError,
    DataError,
    EdgernnError,
    ExportError,
    InputError,
    MissingExtraError,
    ModelError,
    NoStepError,
    OutputError,
    SettingError,
    UnsupportedError,
)
from edgernn.model import Guess, Model, load
from edgernn.stream import Stream
from edgernn.tasks import Task

__version__ = "0.1.0"

__all__ = [
    "ArtifactError",
    "Card",
    "DataError",
    "EdgernnError",
    "ExportError",
    "Guess",
    "InputError",
    "MissingExtraError",
    "Model",
    "ModelError",
    "NoStepError",
    "OutputError",
    "SettingError",
    "Stream",
    "Task",
    "UnsupportedError",
    "load",
]
