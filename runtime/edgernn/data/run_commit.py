"""Run folders replaced as a whole: a reader finds the old run or the new one, never files of both.

A new run is written into a hidden staging folder inside the run folder. Renaming its settings.json, which holds the
digests of the other files, into the run folder is the commit. Before the commit the old run is untouched, except that
its pictures are removed last, so that none is ever beside a run that it does not show. After the commit the other files
are moved; if that is interrupted, the next reader finds them by their digests and moves them.
"""

import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from edgernn.errors import DataError, LockedError, OutputError
from edgernn.system.files import sha256_of, sync
from edgernn.system.locks import alone_in

MODEL, SETTINGS, HISTORY, SAMPLES = "model.keras", "settings.json", "history.json", "samples.npz"
FILES = (MODEL, HISTORY, SAMPLES)
# Pictures of the training, for people; a run may lack any of them.
PICTURES = tuple(
    f"training-{name}.png" for name in ("curves", "confusions", "mistakes", "samples", "rows", "corruptions")
)
MAX_MODEL_BYTES = 2 << 30
STAGING_PREFIX = ".run-"
_POLL_S = 0.02


def digests_of(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file of a run that is in the folder, by name; without settings.json."""
    return {name: sha256_of(folder / name) for name in FILES if (folder / name).is_file()}


@contextmanager
def staging(folder: Path) -> Iterator[Path]:
    """Yield a staging folder for a new run that replaces the run in `folder` if the block ends without an error.

    The caller has locked `folder`. After an error the old run is unchanged.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        staged = Path(tempfile.mkdtemp(prefix=STAGING_PREFIX, dir=folder))
        complete = False
        try:
            yield staged
            for path in (*(staged / name for name in (*FILES, SETTINGS)), staged):
                sync(path)
            for name in PICTURES:
                (folder / name).unlink(missing_ok=True)
            complete = True
            (staged / SETTINGS).replace(folder / SETTINGS)
        finally:
            # After an interrupt that follows the rename, the staging folder has the only copy of the new files.
            if not complete or (staged / SETTINGS).exists():
                shutil.rmtree(staged, ignore_errors=True)
        sync(folder)
        _move_up(staged, folder, FILES)
    except OSError as error:
        raise OutputError(f"cannot write into {folder}: {error.strerror or error}") from error


def recover(folder: Path, digests: Mapping[str, str]) -> bool:
    """Finish an interrupted move; return False to try again, if another process has locked the folder.

    Args:
        folder: the run folder.
        digests: digests of its files, from settings.json.

    Raises:
        DataError: the missing files are in the staging folder and cannot be moved.
    """
    if not _stagings(folder):
        return True
    try:
        with alone_in(folder):
            finish(folder, digests)
    except LockedError:
        time.sleep(_POLL_S)
        return False
    except (OutputError, OSError) as error:
        if any(_staged_files(staged, folder, digests) for staged in _stagings(folder)):
            raise DataError(
                f"{folder}: the training was interrupted while it saved, and finishing it failed: {error}; make the "
                "folder writable and repeat this command"
            ) from error
    return True


def finish(folder: Path, digests: Mapping[str, str]) -> None:
    """Move the staged files that settings.json names into `folder`; the caller has locked it.

    Raises:
        OSError: a file cannot be moved.
    """
    for staged in _stagings(folder):
        names = _staged_files(staged, folder, digests)
        if names:
            _move_up(staged, folder, names)


def remove_stagings(folder: Path) -> None:
    """Remove the staging folders of killed trainings; the caller has locked `folder`, so none is in use."""
    for staged in _stagings(folder):
        shutil.rmtree(staged, ignore_errors=True)


def wrong_files(folder: Path, digests: Mapping[str, str]) -> list[str]:
    """List the files that are missing or have another digest than settings.json says."""
    return [name for name, digest in digests.items() if not _has_digest(folder / name, digest)]


def _staged_files(staged: Path, folder: Path, digests: Mapping[str, str]) -> list[str]:
    return [name for name in wrong_files(folder, digests) if _has_digest(staged / name, digests[name])]


def _has_digest(path: Path, digest: str) -> bool:
    try:
        return path.is_file() and sha256_of(path) == digest
    except DataError:
        if path.exists():
            raise
        return False  # moved by another process


def _move_up(staged: Path, folder: Path, names: Iterable[str]) -> None:
    # The pictures first: a reader who finishes an interrupted move looks for the other files only.
    pictures = [name for name in PICTURES if (staged / name).is_file()]
    for name in (*pictures, *names):
        (staged / name).replace(folder / name)
    sync(folder)
    shutil.rmtree(staged, ignore_errors=True)


def _stagings(folder: Path) -> list[Path]:
    return [path for path in folder.glob(f"{STAGING_PREFIX}*") if path.is_dir() and not path.is_symlink()]
