"""Trainings repeated: by the settings of a run, and by the command that was interrupted."""

import shlex
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from edgernn.data.run_settings import read_settings_file
from edgernn.errors import DataError
from edgernn.labels import DIGITS

# Parameters of the command, by their fields in settings.json.
_PARAMETERS = {
    "data": "source",
    **{name: name for name in ("recipe", "cell", "units", "layers", "epochs", "seed", "name")},
}
DATA_DIGEST = "data_sha256"


def read_from(context: click.Context, _option: click.Parameter, file: Path | None) -> Path | None:
    """Make the settings of a run the defaults of the other options; a click callback.

    Raises:
        DataError: the file is not one that `edgernn train` wrote.
    """
    if file is None:
        return None
    settings = read_settings_file(file)
    missing = [name for name in ("data", "recipe", "seed", "epochs") if name not in settings]
    if missing:
        raise DataError(f"{file}: {', '.join(missing)} missing; expected settings that `edgernn train` wrote")
    defaults: dict[str, Any] = {
        parameter: settings[name] for name, parameter in _PARAMETERS.items() if name in settings
    }
    defaults["no_scale"] = not settings.get("scaled", True)
    if tuple(settings["labels"]) != DIGITS:
        defaults["labels"] = tuple(map(str, settings["labels"]))
    context.default_map = defaults
    return file


def check_same_data(file: Path | None, digest: str, source: ParameterSource | None) -> None:
    """Check that the data are those of the run whose settings are repeated, unless the command names other data.

    Args:
        file: settings.json of that run; None if no run is repeated.
        digest: digest of the data that were loaded.
        source: origin of the value of --data.

    Raises:
        DataError: the data have changed.
    """
    if file is None or source is ParameterSource.COMMANDLINE:
        return
    settings = read_settings_file(file)
    if settings.get(DATA_DIGEST, digest) != digest:
        raise DataError(
            f"{settings['data']} has changed: its SHA-256 is {digest[:12]}…, expected {settings[DATA_DIGEST][:12]}…, "
            f"that of {file}; restore the data, or pass --data to train on other data"
        )


def command_to_resume(context: click.Context) -> str:
    """Return the command of this context with --resume, as its user would type it."""
    words = ["edgernn", context.command.name or ""]
    for parameter in context.command.params:
        name, value = parameter.name or "", context.params.get(parameter.name or "")
        if context.get_parameter_source(name) is not ParameterSource.COMMANDLINE or name == "resume":
            continue
        words.append(parameter.opts[-1])
        if not getattr(parameter, "is_flag", False):
            words.append(",".join(value) if isinstance(value, tuple) else str(value))
    return shlex.join([*words, "--resume"])
