"""Writer of the run folder: the model, its settings, its history and its samples."""

import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from edgernn import __version__
from edgernn.data.noise import MAX_VALUE, NOISE_MEAN, NOISE_STDDEV
from edgernn.data.run_checkpoint import FOLDER
from edgernn.data.run_commit import HISTORY, MODEL, SETTINGS, STAGING_PREFIX, finish, remove_stagings, staging
from edgernn.data.run_folder import write_samples
from edgernn.data.run_settings import expected_digests, read_settings, write_settings
from edgernn.errors import DataError, OutputError, SettingError
from edgernn.system.files import TEMPORARY_PREFIX, find_name_fault, made_folder, remove_abandoned, write_json
from edgernn.system.locks import LOCK_NAME, alone_in
from edgernn_train.data import MNIST, SAMPLE
from edgernn_train.recipes import Recipe
from edgernn_train.training import Trained

# Files with these prefixes exist only during a write, or after a process was killed.
_OURS = (STAGING_PREFIX, TEMPORARY_PREFIX, LOCK_NAME)


@contextmanager
def open_run(folder: Path, overwrite: bool = False) -> Iterator[Path]:
    """Reserve a run folder before the training, and fill it when the block ends without an error.

    Yields a temporary folder inside `folder` for `write_run`; its files move up when the block ends, see
    `edgernn.data.run_commit`. After an error `folder` is unchanged. Files that killed trainings left in it are removed.

    Args:
        folder: new, empty, or with `overwrite` one that contains a run; other files in it are kept.
        overwrite: replace an existing run.

    Raises:
        LockedError: another training or export writes into it.
        OutputError: the folder cannot be written, or contains files that must not be lost.
    """
    _check_free(folder, overwrite)
    with made_folder(folder), alone_in(folder):
        with suppress(DataError, OSError):  # no run, or one that is damaged and may be replaced
            finish(folder, expected_digests(read_settings(folder)))
        remove_stagings(folder)
        remove_abandoned(folder)
        _check_free(folder, overwrite)
        with staging(folder) as staged:
            yield staged


def write_run(folder: Path, trained: Trained, source: str, name: str | None = None, **fields: Any) -> dict[str, Any]:
    """Write the four files of a run into `folder`, made by `open_run`.

    Args:
        folder: the folder that `open_run` yielded.
        trained: result of `fit`.
        source: the data set, in the form of `--data`.
        name: of the model's artifacts; `name_of(source)` by default.
        fields: more fields of settings.json.

    Returns:
        The contents of settings.json.

    Raises:
        OutputError: a file cannot be written, for instance because the disk is full.
    """
    settings = {**describe(trained, source, name), **fields}
    try:
        trained.model.save(folder / MODEL)
    except OSError as error:
        raise OutputError(f"cannot write {folder / MODEL}: {error.strerror or error}") from error
    write_json(folder / HISTORY, trained.history)
    write_samples(folder, trained.samples)
    write_settings(folder, settings)
    return settings


def describe(trained: Trained, source: str, name: str | None = None) -> dict[str, Any]:
    """Return the contents of settings.json for a training; by default the name is `name_of(source)`."""
    steps, features = trained.samples.x_test.shape[1:]
    return {
        "name": name_of(source) if name is None else name,
        "labels": list(trained.labels),
        "input": trained.input_meaning,
        "recipe": trained.recipe.name,
        "seed": trained.seed,
        "epochs": trained.epochs,
        "engine": trained.engine,
        **(asdict(trained.network) if trained.network else {}),
        "batch_size": trained.recipe.batch_size,
        "data": source,
        "scaled": trained.scaled,
        "conditions": list(trained.recipe.conditions),
        "noise": _noise(trained.recipe),
        "shape": [steps, features],
        "parameters": trained.model.count_params(),
        "results": trained.results,
        "duration_s": round(trained.duration_s, 1),
        "versions": {
            "edgernn": __version__,
            "keras": version("keras"),
            "tensorflow": version("tensorflow"),
            "numpy": version("numpy"),
            "python": platform.python_version(),
        },
    }


def _noise(recipe: Recipe) -> dict[str, float] | None:
    if "noisy" not in recipe.conditions:
        return None
    return {"mean": NOISE_MEAN, "stddev": NOISE_STDDEV, "max_value": MAX_VALUE}


def name_of(source: str | Path) -> str:
    """Return the name of a model's artifacts: `digits` for the data sets of edgernn, else that of the file or folder.

    Raises:
        SettingError: the data's name cannot be that of a file.
    """
    if source in (SAMPLE, MNIST):
        return "digits"
    path = Path(source).resolve()
    name = path.name if path.is_dir() else path.stem  # `v1.2` of a folder has no suffix
    if fault := find_name_fault(name):
        raise SettingError(f"artifacts would have the name {name!r}, which {fault}; set another with --name")
    return name


def is_complete(folder: Path, wanted: Mapping[str, Any]) -> bool:
    """Return True if a folder contains a run with these fields in its settings.json."""
    try:
        settings = read_settings(folder)
    except DataError:
        return False
    return all(settings.get(name) == value for name, value in wanted.items())


def default_folder(name: str, recipe: str) -> Path:
    """Return the default folder of a run: runs/NAME-RECIPE."""
    return Path("runs") / f"{name}-{recipe}"


def _check_free(folder: Path, overwrite: bool) -> None:
    try:
        if not folder.exists():
            return
        if not folder.is_dir():
            raise OutputError(f"cannot write into {folder}: it is a file, expected a folder; choose another with --out")
        names = {path.name for path in folder.iterdir() if not path.name.startswith(_OURS)} - {FOLDER}
    except OSError as error:
        raise OutputError(f"cannot read {folder}: {error.strerror or error}") from error
    if not names:
        return
    if not names.intersection((MODEL, SETTINGS)):
        raise OutputError(f"{folder} is not empty and contains no run, but {min(names)}; choose another with --out")
    if not overwrite:
        raise OutputError(f"{folder} contains a run; replace it with --overwrite or choose another with --out")
