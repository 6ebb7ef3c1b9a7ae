"""The runtime of edgernn: the part that runs on a device, from an artifact to predictions.

>>> import edgernn, numpy as np
>>> model = edgernn.load(edgernn.sample())
>>> digits = np.load(edgernn.sample().with_name("digits.npy"))  # uint8 [10, 28, 28]
>>> model.predict(digits).shape
(10, 10)
>>> model.classify(digits[3], top=1)[0].label
'3'
"""

from edgernn.system.telemetry import disable_telemetry

# Not typing.TYPE_CHECKING: importing typing takes longer than this whole module, and until the command line handles
# signals, Ctrl-C would end in a traceback.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from edgernn.card import Card
    from edgernn.errors import (
        ArtifactError,
        DataError,
        EdgernnError,
        ExportError,
        InputError,
        InputWarning,
        LockedError,
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

# Here, because every room, and every library that imports ONNX Runtime (such as tf2onnx), is imported later.
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
    "InputWarning",
    "LockedError",
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

# Each is imported when it is first used (PEP 562), so that the command line starts without NumPy.
_MODULES = {
    "ArtifactError": "edgernn.errors",
    "Card": "edgernn.card",
    "DataError": "edgernn.errors",
    "EdgernnError": "edgernn.errors",
    "ExportError": "edgernn.errors",
    "Guess": "edgernn.model",
    "InputError": "edgernn.errors",
    "InputWarning": "edgernn.errors",
    "LockedError": "edgernn.errors",
    "MissingExtraError": "edgernn.errors",
    "Model": "edgernn.model",
    "ModelError": "edgernn.errors",
    "NoStepError": "edgernn.errors",
    "OutputError": "edgernn.errors",
    "SettingError": "edgernn.errors",
    "Stream": "edgernn.stream",
    "Task": "edgernn.tasks",
    "UnsupportedError": "edgernn.errors",
    "load": "edgernn.model",
    "sample": "edgernn.samples",
}


def __getattr__(name: str) -> "Any":
    from importlib import import_module

    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
