"""Suggestions for mistyped names and paths."""

import os
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

# Lowest similarity of a suggestion, as `difflib` measures it from 0 to 1: "exprt" and "export" have 0.91.
_MIN_SIMILARITY = 0.5
# Of file names, which often have the same suffix.
_MIN_FILE_SIMILARITY = 0.65
_MAX_FILES = 10_000  # in a folder; compared in half a second


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ". Did you mean 'export'?", to end a message about a mistyped name; empty if no known name is similar.

    Args:
        name: as the user wrote it.
        known: the names that exist.
    """
    return _ask(_nearest(name, known, _MIN_SIMILARITY))


def did_you_mean_path(path: Path) -> str:
    """Return ". Did you mean 'runs/demo'?", to end a message about a missing file or folder; empty if none is similar.

    Args:
        path: as the user wrote it; its last folder that exists is searched.
    """
    try:
        folder = next(each for each in path.parents if each.is_dir())
        with os.scandir(folder) as entries:
            names = [each.name for each in islice(entries, _MAX_FILES) if not each.name.startswith(".")]
    except (OSError, StopIteration):
        return ""
    missing, *rest = path.relative_to(folder).parts
    found = _nearest(missing, sorted(names), _MIN_FILE_SIMILARITY)
    near = folder.joinpath(found, *rest)
    return _ask(str(near) if found and near.exists() else "")


def _nearest(name: str, known: Iterable[str], min_similarity: float) -> str:
    from difflib import get_close_matches  # late: a run without errors does not need it

    names = list(known)
    same = next((each for each in names if each.casefold() == name.casefold()), "")
    return same or next(iter(get_close_matches(name, names, n=1, cutoff=min_similarity)), "")


def _ask(found: str) -> str:
    return f". Did you mean {found!r}?" if found else ""
