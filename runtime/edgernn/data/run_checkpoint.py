"""Checkpoints in a run folder: written by training after each epoch, read by training to go on and by export.

checkpoints/last.npz      the weights after the last finished epoch and after the best one, all other variables of the
                          training, and `state`: the facts below as JSON
checkpoints/model.keras   the untrained model
checkpoints/samples.npz   calibration and test samples, as in the run folder

last.npz is replaced as a whole, so a killed training leaves that of its last finished epoch.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from edgernn.arrays import Array
from edgernn.data.readers import Archive
from edgernn.errors import DataError
from edgernn.json_values import as_each, as_mapping, as_number, as_optional, as_whole, read_field
from edgernn.system.files import replacing, to_json

FOLDER, STATE_FILE = "checkpoints", "last.npz"
FORMAT = 1
Kind = Literal["best", "last"]
KINDS: tuple[Kind, ...] = ("best", "last")

_GROUPS = ("last", "best", "others")
_STATE = "state"


@dataclass(frozen=True)
class Checkpoint:
    """State of a training after an epoch.

    Attributes:
        facts: settings of the training and of the machine that decide the weights; a training goes on only with the
            same ones.
        settings: fields of settings.json that are known before the end.
        history: loss and accuracy of every finished epoch, by Keras's names.
        best_epoch: finished epoch with the highest accuracy on the test images; the first one is number 1.
        duration_s: duration of the training so far, in seconds.
        last: weights after the last finished epoch, in the order of Keras's `get_weights`.
        best: the same after the best epoch.
        others: the model's other variables, such as the states of its random generators, and those of the optimizer.
    """

    facts: Mapping[str, Any]
    settings: Mapping[str, Any]
    history: Mapping[str, Sequence[float]]
    best_epoch: int
    duration_s: float
    last: Sequence[Array]
    best: Sequence[Array]
    others: Sequence[Array]

    @property
    def epochs(self) -> int:
        """Number of finished epochs."""
        return len(self.history["loss"])

    def weights(self, kind: Kind) -> Sequence[Array]:
        """Return the weights after the best or the last epoch."""
        return self.best if kind == "best" else self.last

    def epoch_of(self, kind: Kind) -> int:
        """Return the number of the best or the last epoch; the first one is number 1."""
        return self.best_epoch if kind == "best" else self.epochs


def write_checkpoint(file: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint, whole or not at all.

    Raises:
        OutputError: it cannot be written, for instance because the disk is full.
    """
    state = {
        "format": FORMAT,
        "facts": checkpoint.facts,
        "settings": checkpoint.settings,
        "history": checkpoint.history,
        "best_epoch": checkpoint.best_epoch,
        "duration_s": checkpoint.duration_s,
    }
    arrays = {f"{group}_{index}": array for group in _GROUPS for index, array in enumerate(getattr(checkpoint, group))}
    arrays[_STATE] = np.frombuffer(to_json(state).encode(), np.uint8)
    with replacing(file) as temporary:
        np.savez(temporary, **arrays)


def read_checkpoint(file: Path) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        DataError: it is missing, damaged, or of a format that this version does not support.
    """
    arrays = Archive(file)
    try:
        state = as_mapping(json.loads(bytes(arrays[_STATE]))) if _STATE in arrays else {}
        read_field(state, "format", lambda value: as_whole(value, FORMAT, FORMAT))
        history = {
            name: as_each(_as_figure, values) for name, values in read_field(state, "history", as_mapping).items()
        }
        epochs = len(history.get("loss", ()))
        return Checkpoint(
            facts=read_field(state, "facts", as_mapping),
            settings=read_field(state, "settings", as_mapping),
            history=history,
            best_epoch=read_field(state, "best_epoch", lambda value: as_whole(value, 1, epochs)),
            duration_s=read_field(state, "duration_s", lambda value: as_number(value, 0)),
            **{group: tuple(_members(arrays, group)) for group in _GROUPS},
        )
    except (ValueError, RecursionError) as error:
        raise DataError(f"{file}: {error}; begin the training again with --overwrite") from error


def _as_figure(value: Any) -> float:
    """Return a loss or an accuracy; JSON has no NaN and writes null."""
    figure = as_optional(value, as_number)
    return float("nan") if figure is None else figure


def _members(arrays: Mapping[str, Array], group: str) -> Iterator[Array]:
    index = 0
    while (name := f"{group}_{index}") in arrays:
        yield arrays[name]
        index += 1
