"""The run folder: what training leaves and export and compare pick up.

model.keras     the trained model
settings.json   how it was trained, what its inputs mean, the names of the classes, its results
history.json    loss and accuracy of every epoch
samples.npz     calibration and test samples exactly as the model saw them, with what it should answer
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgernn.datasets import Samples, check_labels, read_samples
from edgernn.errors import DataError, ModelError
from edgernn.files import replacing, write_json

FORMAT = 1
MODEL, SETTINGS, HISTORY, SAMPLES = "model.keras", "settings.json", "history.json", "samples.npz"


@dataclass(frozen=True)
class Original:
    """A Keras model on disk with what is known about it.

    Attributes:
        model: the .keras file.
        name: what its artifacts are called.
        labels: the names of its classes or outputs; empty when nobody said them.
        input_meaning: what an input value is, for instance "pixel / 255"; empty when nobody said it.
        samples: to calibrate with and to test by; None when there are none.
    """

    model: Path
    name: str
    labels: tuple[str, ...]
    input_meaning: str
    samples: Samples | None

    def require_samples(self) -> Samples:
        """The samples.

        Raises:
            DataError: there are none.
        """
        if self.samples is None:
            raise DataError(
                f"{self.model}: no samples to prove and compare with; pass --samples, a data set or a run's samples.npz"
            )
        return self.samples


def read_original(path: Path, samples: Path | None = None) -> Original:
    """Read a run folder, or a bare .keras file.

    Args:
        path: a run folder or a .keras file.
        samples: what `read_samples` reads, in place of the run folder's own samples.

    Raises:
        ModelError: there is no such file, or no model in the folder.
        DataError: the settings or the samples cannot be read.
    """
    if not path.exists():
        raise ModelError(f"{path}: no such file or folder; expected a .keras file or a run folder")
    if not path.is_dir():
        if samples is None:
            return Original(path, path.stem, (), "", None)
        chosen = read_samples(samples)
        return Original(path, path.stem, chosen.labels, chosen.input_meaning, chosen)
    if not (path / MODEL).is_file():
        raise ModelError(f"{path}: no {MODEL} in this folder; expected a run folder as `edgernn train` leaves it")
    settings = read_settings(path)
    return Original(
        model=path / MODEL,
        name=settings["name"],
        labels=tuple(map(str, settings["labels"])),
        input_meaning=settings["input"],
        samples=read_samples(samples or path, settings["input"]),
    )


def read_settings(folder: Path) -> dict[str, Any]:
    """Read a run folder's settings.json.

    Raises:
        DataError: it is missing, damaged, or of a format that this version does not know.
    """
    file = folder / SETTINGS
    try:
        settings = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{file}: cannot be read: {error}") from error
    if not isinstance(settings, dict) or settings.get("format") != FORMAT:
        raise DataError(f"{file}: expected settings of format {FORMAT}, as `edgernn train` writes them")
    for key, kind in {"name": str, "labels": list, "input": str}.items():
        if not isinstance(settings.get(key), kind):
            raise DataError(f"{file}: {key!r} is {settings.get(key)!r}, expected a {kind.__name__}")
    try:
        check_labels([str(label) for label in settings["labels"]])
    except DataError as error:
        raise DataError(f"{file}: {error}") from error
    return settings


def write_settings(folder: Path, settings: Mapping[str, Any]) -> None:
    """Write settings.json; `name`, `labels` and `input` must be among the settings."""
    write_json(folder / SETTINGS, {"format": FORMAT, **settings})


def write_samples(folder: Path, samples: Samples) -> None:
    """Write samples.npz."""
    with replacing(folder / SAMPLES) as temporary:
        np.savez_compressed(
            temporary,
            x_calibration=samples.x_calibration,
            y_calibration=samples.y_calibration,
            x_test=samples.x_test,
            y_test=samples.y_test,
        )
