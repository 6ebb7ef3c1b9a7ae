"""The runtime of edgernn: what a device runs, from an artifact to predictions.

>>> import edgernn, numpy as np
>>> model = edgernn.load(edgernn.sample())
>>> digits = np.load(edgernn.sample().with_name("digits.npy"))  # uint8 [10, 28, 28]
>>> model.predict(digits).shape
(10, 10)
>>> model.classify(digits[3], top=1)[0].label
'3'
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
from edgernn.samples import sample
from edgernn.stream import Stream
from edgernn.tasks import Task
from edgernn.telemetry import disable_telemetry

# Here, because every room and every library that brings ONNX Runtime along (tf2onnx does) is imported behind this.
disable_telemetry()

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
    "sample",
]
