"""Cache folders: edgernn's folder, and inside it those of libraries that would otherwise write into the user's home."""

import atexit
import os
import shutil
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

# The variable for a library's folder, the folder's name here, and the user's own settings, which take precedence.
_LIBRARIES = (
    ("KERAS_HOME", "keras", ".keras/keras.json"),
    ("MPLCONFIGDIR", "matplotlib", ".config/matplotlib/matplotlibrc"),
)


def cache_folder() -> Path:
    """Return edgernn's folder in the user's cache folder (XDG Base Directory Specification); it may not exist."""
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (base if base.is_absolute() else _home() / ".cache") / "edgernn"


def move_library_folders() -> None:
    """Move the files of Keras and matplotlib into edgernn's cache folder; call this before they are imported.

    Keras writes its settings when it is imported, and matplotlib a list of fonts. If the user has settings for a
    library, its folder is not moved. Child processes inherit the folders.
    """
    for variable, name, settings in _LIBRARIES:
        if not os.environ.get(variable) and not (_home() / settings).is_file():
            os.environ[variable] = str(_writable_folder() / name)


def _home() -> Path:
    return Path(os.path.expanduser("~"))  # noqa: PTH111  Path.home() raises where there is none


@cache
def _writable_folder() -> Path:
    """Return the cache folder; if it cannot be written, a temporary one that is removed when the process ends."""
    folder = cache_folder()
    if folder.is_absolute():  # there may be no home
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                return folder
    temporary = tempfile.mkdtemp(prefix="edgernn-")
    atexit.register(shutil.rmtree, temporary, ignore_errors=True)
    return Path(temporary)
