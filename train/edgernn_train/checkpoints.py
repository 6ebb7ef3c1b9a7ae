"""Checkpoints of a training: saved after each epoch, and read again to go on after it was ended."""

import os
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, is_dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from edgernn import __version__
from edgernn.data.datasets import Dataset
from edgernn.data.run_checkpoint import FOLDER, STATE_FILE, Checkpoint, read_checkpoint, write_checkpoint
from edgernn.data.run_commit import MODEL, SAMPLES
from edgernn.data.run_folder import write_samples
from edgernn.data.samples import Samples
from edgernn.errors import OutputError, SettingError
from edgernn.system.files import make_folder
from edgernn.system.locks import alone_in
from edgernn.system.machine import processor_name
from edgernn.system.tensorflow_setup import quiet_tensorflow
from edgernn_train.batches import ORDER_VERSION
from edgernn_train.engines import EngineName

_ENGINE, _THREADS = "engine", "threads"
# Number of facts in a message: another recipe changes a dozen, of which its name is the first.
_MAX_SHOWN = 3
# Names of the facts in messages, where they are not those of options.
_SHOWN = {"data": "SHA-256 of the data", "order": "version of the order of images"}


@dataclass(frozen=True)
class Checkpoints:
    """Place of a training's checkpoints, inside its run folder.

    Attributes:
        run: the run folder.
        settings: fields of settings.json that an early look at the training needs, such as name and labels.
        resume: True to go on after the last finished epoch, if there is one.
    """

    run: Path
    settings: Mapping[str, Any]
    resume: bool = False

    @property
    def file(self) -> Path:
        """The file of the last checkpoint."""
        return self.run / FOLDER / STATE_FILE

    def finished_epochs(self) -> int:
        """Return the number of epochs that the last checkpoint has finished; 0 if there is none.

        Raises:
            DataError: it is damaged.
        """
        return read_checkpoint(self.file).epochs if self.file.exists() else 0

    def check_free(self, overwrite: bool) -> None:
        """Check that a new training loses no interrupted one.

        Raises:
            OutputError: there is an interrupted training, which is neither resumed nor overwritten.
        """
        if self.file.exists() and not self.resume and not overwrite:
            raise OutputError(
                f"{self.run} contains a training that was interrupted; go on with --resume, begin again with "
                "--overwrite, or choose another folder with --out"
            )

    def read(self, facts: Mapping[str, Any]) -> Checkpoint | None:
        """Read the checkpoint to go on from, and prepare this process for it; None to begin at the first epoch.

        Args:
            facts: those of this training; the checkpoint decides the engine and the number of threads.

        Raises:
            DataError: it is damaged.
            SettingError: it belongs to another training, or to another machine.
        """
        if not self.resume or not self.file.exists():
            return None
        checkpoint = read_checkpoint(self.file)
        if checkpoint.facts.get(_THREADS) != facts[_THREADS]:
            _set_threads(checkpoint.facts.get(_THREADS))
            facts = {**facts, _THREADS: count_threads()}
        differing = [
            f"{_SHOWN.get(name, name)} was {_shorten(checkpoint.facts.get(name))}, is {_shorten(facts.get(name))}"
            for name in dict.fromkeys((*facts, *checkpoint.facts))
            if name != _ENGINE and checkpoint.facts.get(name) != facts.get(name)
        ]
        if differing:
            shown, others = differing[:_MAX_SHOWN], len(differing) - _MAX_SHOWN
            more = f"; and {others} more" if others > 0 else ""
            raise SettingError(
                f"{self.run}: this is not the training that was interrupted there: {'; '.join(shown)}{more}; repeat "
                "its command with --resume, or begin again with --overwrite"
            )
        return checkpoint

    def begin(self, model: Any, samples: Samples) -> None:
        """Write what an early look at the training needs beside the weights; remove an earlier checkpoint.

        Raises:
            OutputError: it cannot be written.
        """
        folder = self.file.parent
        make_folder(folder)
        self.file.unlink(missing_ok=True)
        try:
            model.save(folder / MODEL)
        except OSError as error:
            raise OutputError(f"cannot write {folder / MODEL}: {error.strerror or error}") from error
        write_samples(folder, samples, compressed=False)

    def save(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint; the earlier one stays until the new one is complete.

        Raises:
            OutputError: it cannot be written.
        """
        try:
            write_checkpoint(self.file, checkpoint)
        except OutputError as error:
            option = " with --resume" if self.file.exists() else ""
            raise OutputError(f"{error}; free space there, then repeat the command{option}") from error

    def remove(self) -> None:
        """Remove the checkpoints of a finished training; artifacts that were made of one stay."""
        with suppress(OutputError), alone_in(self.run):
            self.clear()

    def clear(self) -> None:
        """Remove the checkpoints; the caller has locked the run folder."""
        with suppress(OSError):
            for name in (STATE_FILE, MODEL, SAMPLES):
                (self.file.parent / name).unlink(missing_ok=True)
            self.file.parent.rmdir()  # fails if something else is in it


@dataclass
class Saver:
    """Saves a checkpoint after each epoch of one training.

    Attributes:
        place: place of the checkpoints.
        input_meaning: meaning of an input value, for an early look.
        facts: facts of the training, with its engine.
        started: `time.monotonic` at the begin of the training, less what it took before it was interrupted.
        checkpoint: the last checkpoint; None before the first epoch.
    """

    place: Checkpoints
    input_meaning: str
    facts: Mapping[str, Any]
    started: float
    checkpoint: Checkpoint | None

    def __call__(self, model: Any, history: Mapping[str, Sequence[float]]) -> None:
        """Save a compiled model after the last epoch in `history`; the best epoch has the highest test accuracy.

        Raises:
            OutputError: the checkpoint cannot be written.
        """
        last = [np.array(weights) for weights in model.get_weights()]
        best, best_epoch, accuracies = last, len(history["loss"]), history["val_accuracy"]
        if self.checkpoint and accuracies[-1] <= accuracies[self.checkpoint.best_epoch - 1]:
            best, best_epoch = list(self.checkpoint.best), self.checkpoint.best_epoch
        self.checkpoint = Checkpoint(
            facts=self.facts,
            settings={**self.place.settings, "input": self.input_meaning},
            history={name: list(values) for name, values in history.items()},
            best_epoch=best_epoch,
            duration_s=time.monotonic() - self.started,
            last=last,
            best=best,
            others=[np.array(variable) for variable in _other_variables(model)],
        )
        self.place.save(self.checkpoint)


def describe_facts(dataset: Dataset, **settings: Any) -> dict[str, Any]:
    """Return the facts that decide the weights of a training: data, settings, packages and machine."""
    return {
        "data": dataset.sha256,
        **dict(_simple_fields(settings)),
        "order": ORDER_VERSION,
        _THREADS: count_threads(),
        "edgernn": __version__,
        **{package: version(package) for package in ("keras", "tensorflow", "numpy")},
        "processor": processor_name() or platform.machine(),
    }


def engine_of(checkpoint: Checkpoint | None) -> EngineName | None:
    """Return the engine of a checkpoint; None without one."""
    if checkpoint is None:
        return None
    return "xla" if checkpoint.facts.get(_ENGINE) == "xla" else "fit"


def count_threads() -> int:
    """Return the number of threads that TensorFlow uses for one operation."""
    with quiet_tensorflow():
        import tensorflow as tf

    chosen = tf.config.threading.get_intra_op_parallelism_threads() or os.environ.get("TF_NUM_INTRAOP_THREADS")
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return int(chosen or 0) or available or 1


def _set_threads(count: Any) -> None:
    """Make TensorFlow use this number of threads; only possible before its first operation."""
    with quiet_tensorflow():
        import tensorflow as tf

    with suppress(RuntimeError, TypeError, ValueError):  # the caller compares the number
        tf.config.threading.set_intra_op_parallelism_threads(count)


def _other_variables(model: Any) -> list[Any]:
    """List the variables that change in a training and are not weights: random generators, optimizer."""
    weights = {id(variable) for variable in model.weights}
    metrics = {id(variable) for metric in model.metrics for variable in metric.variables}
    others = [each for each in model.variables if id(each) not in weights | metrics]
    return [*others, *model.optimizer.variables]


def restore(model: Any, checkpoint: Checkpoint) -> None:
    """Set a compiled model, whose optimizer is built, to the state of a checkpoint.

    Raises:
        SettingError: the checkpoint is of another model.
    """
    variables, arrays = [*model.weights, *_other_variables(model)], [*checkpoint.last, *checkpoint.others]
    found, expected = [array.shape for array in arrays], [tuple(variable.shape) for variable in variables]
    if found != expected:
        raise SettingError("the checkpoint is of another model; begin the training again with --overwrite")
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)


def _simple_fields(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield names and JSON values; the fields of an object follow its name, and functions have their names."""
    for name, value in settings.items():
        if is_dataclass(value):
            yield from _simple_fields(
                {field.name: getattr(value, field.name) for field in fields(value)}, f"{prefix}{name}."
            )
        elif value is None or isinstance(value, str | int | float):
            yield prefix + name, value
        else:
            yield prefix + name, getattr(value, "__qualname__", str(value))


def _shorten(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else text[:12] + "…"
