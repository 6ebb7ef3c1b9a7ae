"""Run folders: written by training, read by export and compare.

model.keras     the trained model
settings.json   the training's settings, the meaning of inputs, the names of the classes, the results, and the digests
                of the other files
history.json    loss and accuracy of every epoch
samples.npz     calibration and test samples, scaled as the model expects, with their truths
"""

import os
import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgernn.data.datasets import read_samples
from edgernn.data.feature_scales import Scale, find_scale, name_scale
from edgernn.data.readers.rows import Row
from edgernn.data.run_checkpoint import FOLDER, STATE_FILE
from edgernn.data.run_commit import MAX_MODEL_BYTES, MODEL, SAMPLES, SETTINGS, recover, wrong_files
from edgernn.data.run_settings import expected_digests, read_settings
from edgernn.data.samples import Samples
from edgernn.errors import DataError, ModelError, SettingError
from edgernn.labels import check_labels, describe_count, find_fault
from edgernn.sample_shape import SampleShape
from edgernn.specs import MAX_DESCRIBED_FEATURES
from edgernn.suggestions import did_you_mean_path
from edgernn.system.files import check_file, find_name_fault, replacing

# Limit of a reader's wait for a training that moves its files, which takes milliseconds.
MAX_WAIT_S = 5.0
# Even if the settings are the same again, the samples may have been replaced during the read, for instance twice.
MAX_FAILED_READS = 3
MAX_FEATURE_NAME = 40  # characters; a card of 64 KiB has the names of all features

# Folders that contain a model but are not run folders, recognized by a file in them.
_OTHER_FOLDERS = {"saved_model.pb": "a TensorFlow SavedModel", "config.json": "a Keras model as a folder"}
_SAVE_AGAIN = (
    "Load it with the Keras that saved it (TensorFlow 2.15, or tf_keras) and save the model again: "
    'load_model(folder).save("model.keras")'
)


@dataclass(frozen=True)
class Original:
    """Keras model on disk, with its name, labels and samples.

    Attributes:
        model: the .keras or .h5 file.
        name: the name of its artifacts.
        labels: the names of its classes or outputs; empty if not known.
        input_meaning: what an input value is, for instance "pixel / 255"; empty if not known.
        samples: samples to calibrate and to test with; None if there are none.
        features: the names of the features of its input; empty if not known.
        sha256: SHA-256 of the .keras file when its samples were read; empty for a file outside a run folder.
    """

    model: Path
    name: str
    labels: tuple[str, ...]
    input_meaning: str
    samples: Samples | None
    sha256: str = ""
    features: tuple[str, ...] = ()

    def check_unchanged(self, sha256: str) -> None:
        """Check that the model file is still the one whose samples were read.

        Args:
            sha256: SHA-256 of the model file that was read.

        Raises:
            ModelError: a training has replaced the run since its samples were read.
        """
        if self.sha256 and sha256 != self.sha256:
            raise ModelError(f"{self.model}: a training replaced this run while it was read; repeat the command")

    def require_samples(self) -> Samples:
        """Return the model's samples.

        Raises:
            DataError: it has none.
        """
        if self.samples is None:
            raise DataError(
                f"{self.model}: no samples to prove and compare with; pass --samples with real inputs, y is optional"
            )
        return self.samples


def read_original(
    path: Path,
    samples: Path | None = None,
    scale: Scale | Path | None = None,
    input_meaning: str = "",
    features: Sequence[str] = (),
    labels: Sequence[str] = (),
    shape: SampleShape | None = None,
) -> Original:
    """Read a run folder, or a bare Keras file.

    Args:
        path: a run folder, a .keras file or a .h5 file.
        samples: a path for `read_samples`, in place of the run folder's own samples.
        scale: scaling of the samples for a .keras file, as for `edgernn.data.feature_scales.find_scale`; None to leave
            them unscaled.
        input_meaning: how uint8 samples are scaled for a .keras file, if that is known, for instance from an artifact.
        features: names of the features, which the columns of CSV files must have if they are named; empty if not known.
        labels: the names of the classes or outputs; by default those of the run folder or the samples.
        shape: of the samples of a bare Keras file; None if it is not known.

    Raises:
        ModelError: there is no such file, or no model in the folder.
        DataError: the settings, the samples or the scale cannot be read.
        SettingError: a name of a feature cannot be used, the scale is unknown, or `path` is a run folder, whose
            settings say how inputs are scaled.
    """
    names = tuple(features)
    _check_names(names)
    check_labels(labels)
    chosen = None if scale is None else find_scale(scale)
    check_exists(path)
    if not path.is_dir():
        original = _read_keras_file(
            path, samples, scale=chosen, input_meaning=input_meaning, features=names, labels=labels, shape=shape
        )
    else:
        _check_kind(path)
        original = _read_run_folder(path, samples, chosen, features=names, labels=labels)
    if names and original.samples and (count := original.samples.x_test.shape[-1]) != len(names):
        raise SettingError(
            f"{describe_count(names, 'feature name')}, expected {count}, one for each number in a row of the samples"
        )
    return replace(original, features=names, labels=tuple(labels) or original.labels)


def _check_names(features: Sequence[str]) -> None:
    """Check the names of features by the rule of labels, and that a card has room for them."""
    fault = find_fault(features, "feature")
    if fault or len(features) > MAX_DESCRIBED_FEATURES:
        raise SettingError(fault or f"{len(features)} names of features, expected at most {MAX_DESCRIBED_FEATURES}")
    if number := next((name for name in features if not Row([name], ",").is_header), ""):
        raise SettingError(
            f"feature name {number!r} is a number, so a CSV header would be read as a row; expected a name such as ax"
        )
    longest = max(features, key=len, default="")
    if len(longest) > MAX_FEATURE_NAME:
        raise SettingError(
            f"the name of a feature has {len(longest)} characters, {longest!r}; expected at most {MAX_FEATURE_NAME}"
        )


def _read_keras_file(
    path: Path,
    samples: Path | None,
    *,
    scale: Scale | None,
    input_meaning: str,
    features: Sequence[str],
    labels: Sequence[str],
    shape: SampleShape | None,
) -> Original:
    check_file(path, ModelError, MAX_MODEL_BYTES)
    if fault := find_name_fault(path.stem):
        raise ModelError(f"{path}: artifacts would have the name {path.stem!r}, which {fault}; rename the file")
    if samples is None:
        return Original(model=path, name=path.stem, labels=(), input_meaning="", samples=None)
    chosen = read_samples(samples, input_meaning, scale, features, labels, shape)
    return Original(
        model=path, name=path.stem, labels=chosen.labels, input_meaning=chosen.input_meaning, samples=chosen
    )


def _read_run_folder(
    folder: Path, samples: Path | None, scale: Scale | None, *, features: Sequence[str], labels: Sequence[str]
) -> Original:
    failed_reads = 0
    while True:
        settings = read_run(folder)
        if samples is None and not (folder / SAMPLES).exists():
            raise DataError(f"{folder}: no {SAMPLES} in this folder; pass --samples, or train again")
        if scale is not None:
            raise SettingError(
                f"{folder}: scale {name_scale(scale)!r} found, but the settings of this run folder say how its inputs "
                f"are scaled ({settings['input'] or 'not at all'}); omit the scale, or pass the file {folder / MODEL}"
            )
        try:
            chosen = read_samples(samples or folder, settings["input"], features=features, labels=labels)
        except DataError:
            failed_reads += 1
            if failed_reads >= MAX_FAILED_READS and read_settings(folder) == settings:
                raise
            continue  # a training replaced the file while it was read
        original = Original(
            model=folder / MODEL,
            name=settings["name"],
            labels=tuple(map(str, settings["labels"])),
            input_meaning=settings["input"] or chosen.input_meaning,
            samples=chosen,
            sha256=expected_digests(settings).get(MODEL, ""),
        )
        if read_settings(folder) == settings:  # otherwise a training has replaced the run: read it again
            return original


def _check_kind(folder: Path) -> None:
    """Refuse a folder that cannot be read, or that is a SavedModel or a Keras model as a folder."""
    if not os.access(folder, os.R_OK | os.X_OK):
        raise ModelError(f"{folder}: cannot be read: no permission")
    for content, kind in _OTHER_FOLDERS.items():
        if (folder / content).is_file() and not (folder / MODEL).is_file():
            raise ModelError(f"{folder}: {kind}, expected a .keras or .h5 file. {_SAVE_AGAIN}")


def read_run(folder: Path) -> dict[str, Any]:
    """Read a run folder's settings, and check its files against the digests in them.

    If a training was interrupted while it moved its files into the folder, the move is finished first.

    Raises:
        ModelError: there is no model in the folder.
        DataError: the settings cannot be read, or a file has another digest.
    """
    if not (folder / SETTINGS).is_file() and not (folder / MODEL).is_file():
        if (folder / FOLDER / STATE_FILE).is_file():
            raise ModelError(
                f"{folder}: the training in this folder is not finished; go on with `edgernn train … --resume`, or "
                f"look at it early with `edgernn export {folder} --checkpoint best`"
            )
        raise ModelError(f"{folder}: no {MODEL} in this folder; expected a run folder that `edgernn train` wrote")
    if not (folder / SETTINGS).is_file():
        raise DataError(
            f"{folder}: no {SETTINGS} in this folder; pass the file with its samples: {folder / MODEL} --samples PATH, "
            "or train again"
        )
    deadline = time.monotonic() + MAX_WAIT_S
    finished = False
    while True:
        settings = read_settings(folder)
        wrong = wrong_files(folder, expected_digests(settings))
        if finished or not wrong:
            break
        finished = recover(folder, expected_digests(settings)) or time.monotonic() > deadline
    if not (folder / MODEL).is_file():
        raise ModelError(f"{folder}: no {MODEL} in this folder; expected a run folder that `edgernn train` wrote")
    changed = [name for name in wrong if (folder / name).exists()]
    if changed:
        raise DataError(
            f"{folder}: {', '.join(changed)} {'has' if len(changed) == 1 else 'have'} another SHA-256 than {SETTINGS} "
            "expects: the training was interrupted while it saved, or the file was replaced; train again: "
            f"{_training(folder, settings)}; or pass the files: {folder / MODEL} --samples {folder / SAMPLES}"
        )
    return settings


def _training(folder: Path, settings: Mapping[str, Any]) -> str:
    """Return the command that trains a run again."""
    words = ["edgernn", "train"]
    for name in ("data", "recipe", "cell", "units", "layers", "epochs", "seed"):
        if name in settings:
            words += [f"--{name}", str(settings[name])]
    if settings.get("scaled") is False:
        words.append("--no-scale")
    return shlex.join([*words, "--out", str(folder), "--overwrite"])


def check_exists(path: Path) -> None:
    """Check that there is a file or folder.

    Raises:
        ModelError: there is none.
    """
    if not path.exists():
        expected = f"a .keras or .h5 file, or a run folder{did_you_mean_path(path)}"
        raise ModelError(f"{path}: no such file or folder; expected {expected}")


def write_samples(folder: Path, samples: Samples, compressed: bool = True) -> None:
    """Write samples.npz; truths that are not known are left out. Compressing noise takes a second and saves little."""
    names = ("x_calibration", "y_calibration", "x_test", "y_test")
    arrays = {name: getattr(samples, name) for name in names}
    with replacing(folder / SAMPLES) as temporary:
        save = np.savez_compressed if compressed else np.savez
        save(temporary, **{name: array for name, array in arrays.items() if array is not None})
