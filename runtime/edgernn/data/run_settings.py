"""settings.json of a run folder: read, checked and written; this module needs no NumPy."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgernn.data.run_commit import FILES, SETTINGS, digests_of
from edgernn.errors import DataError
from edgernn.json_values import as_list, as_mapping, as_text, read_field, shorten
from edgernn.labels import check_labels
from edgernn.system.files import check_file, find_name_fault, write_json

FORMAT = 1
MAX_SETTINGS_BYTES = 1 << 20


def read_settings(folder: Path) -> dict[str, Any]:
    """Read a run folder's settings.json.

    Raises:
        DataError: it is missing, damaged, or of a format that this version does not support.
    """
    return read_settings_file(folder / SETTINGS)


def read_settings_file(file: Path) -> dict[str, Any]:
    """Read a file such as settings.json.

    Raises:
        DataError: as for `read_settings`.
    """
    check_file(file, DataError, MAX_SETTINGS_BYTES)
    try:
        settings = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{file}: cannot be read: {error}") from error
    if not isinstance(settings, dict) or settings.get("format") != FORMAT:
        raise DataError(f"{file}: expected settings of format {FORMAT}, as `edgernn train` writes them")
    try:
        _check_settings(settings)
    except (DataError, ValueError) as error:
        raise DataError(f"{file}: {error}") from error
    return settings


def _check_settings(settings: Mapping[str, Any]) -> None:
    read_field(settings, "name", _as_name)
    read_field(settings, "input", as_text)
    read_field({"sha256": {}, **settings}, "sha256", as_mapping)
    labels = read_field(settings, "labels", as_list)
    if other := [label for label in labels if not isinstance(label, str | int | float)]:
        raise DataError(f"labels: found {shorten(other[0])}, expected texts or numbers")
    check_labels([str(label) for label in labels])


def _as_name(value: Any) -> str:
    name = as_text(value)
    if fault := find_name_fault(name):
        raise ValueError(f"found {shorten(name)}, which {fault}; change the name there")
    return name


def write_settings(folder: Path, settings: Mapping[str, Any]) -> None:
    """Write settings.json with the digests of the other files in the folder.

    Args:
        folder: the run folder; its other files must be written already.
        settings: must contain `name`, `labels` and `input`.
    """
    write_json(folder / SETTINGS, {"format": FORMAT, **settings, "sha256": digests_of(folder)})


def expected_digests(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the digests in the settings, by file name; empty for settings that a person wrote."""
    digests = settings.get("sha256", {})
    return {name: digests[name] for name in FILES if name in digests}
