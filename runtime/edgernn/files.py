"""Files: checked before they are read; written whole or not at all."""

import errno
import json
import math
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from edgernn.errors import DataError, EdgernnError, OutputError, find_unusable
from edgernn.locks import try_lock

MAX_NAME_BYTES = 100  # with what an artifact's name adds, under the 255 of every file system
_SEPARATORS = "/\\:"  # `a:b` is a file on another machine for scp, and on another drive on Windows
_DEVICES = {"CON", "PRN", "AUX", "NUL", *(f"{port}{number}" for port in ("COM", "LPT") for number in "0123456789¹²³")}
_LFS_BEGINNING = b"version https://git-lfs.github.com/spec/"
_MAX_LFS_BYTES = 1024  # a longer file is none, says Git LFS's specification
TEMPORARY_PREFIX = ".edgernn-"


def check_file(path: Path, refusal: type[EdgernnError], max_bytes: int) -> None:
    """Check that a path is a file of a size that is read, and no Git LFS pointer.

    Only a regular file has a size to trust; a device or a pipe might never end.

    Raises:
        EdgernnError: it is missing, empty, not a file, a Git LFS pointer, or larger than `max_bytes`; of the type
            `refusal`.
    """
    try:
        if not path.is_file():
            raise refusal(f"{path}: {_what_it_is(path)}")
        size = path.stat().st_size
        is_pointer = 0 < size < _MAX_LFS_BYTES and path.read_bytes().startswith(_LFS_BEGINNING)
    except OSError as error:
        raise refusal(f"{path}: cannot be read: {error.strerror or error}") from error
    if not size:
        raise refusal(f"{path}: the file is empty")
    if is_pointer:
        raise refusal(
            f"{path}: a Git LFS pointer, expected the file itself; run `git lfs pull` in the repository that it comes "
            "from"
        )
    if size > max_bytes:
        raise refusal(f"{path}: {size:,} bytes, expected at most {max_bytes:,}")


def _what_it_is(path: Path) -> str:
    if not path.exists():
        return "no such file"
    if path.is_dir():
        return "a folder and not a file"
    return "a pipe and not a file" if path.is_fifo() else "a device and not a file"


def find_name_fault(name: str) -> str:
    """Find why a name from a file cannot be a file name, here or on a device; empty if it can be one.

    Returns:
        A clause to put behind the name, such as "begins with '-'".
    """
    if not name.strip():
        return "is empty"
    if len(name.encode(errors="surrogatepass")) > MAX_NAME_BYTES:
        return f"is longer than {MAX_NAME_BYTES} bytes"
    if found := next((each for each in name if each in _SEPARATORS), ""):
        return f"holds {found!r}, so it is a path and not a name"
    if unusable := find_unusable(name):
        return f"holds {unusable}, which is no printable character"
    if name[0] in ".-~":
        return f"begins with {name[0]!r}"
    if name.split(".")[0].strip().upper() in _DEVICES:
        return "is a device on Windows"
    return ""


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Give a temporary path beside `target` that takes its place when the block ends well.

    The content is on the disk before it gets its name, and the name before this returns: a power cut leaves the old
    file or the new one. The temporary file has the suffix of `target` and is gone after an error; those that killed
    processes have left in the folder are removed.

    Raises:
        OutputError: the folder or the file cannot be written.
    """
    make_folder(target.parent)
    remove_abandoned(target.parent)
    try:
        temporary, handle = _open_temporary(target)
    except OSError as error:
        raise _cannot_write(target, error) from error
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        sync(temporary)
        if os.name == "nt":  # an open file cannot be renamed there
            os.close(handle)
            handle = -1
        temporary.replace(target)
        sync(target.parent)
    except OSError as error:
        raise _cannot_write(target, error) from error
    finally:
        if handle >= 0:
            os.close(handle)
        with suppress(OSError):  # renamed, or gone with its folder
            temporary.unlink()


def sync(path: Path) -> None:
    """Force the content of a file, or the names in a folder, to the disk, so that a power cut does not lose them.

    Raises:
        OSError: it cannot.
    """
    folder = path.is_dir()
    if folder and os.name == "nt":  # Windows cannot sync folders
        return
    handle = os.open(path, os.O_RDONLY if folder else os.O_RDWR)
    try:
        os.fsync(handle)
    except OSError as error:
        # Some network file systems cannot sync a folder.
        if not folder or error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(handle)


def remove_abandoned(folder: Path) -> None:
    """Remove the temporary files of killed processes from a folder; a live writer holds a lock on its file."""
    with suppress(OSError), os.scandir(folder) as entries:  # a file that cannot be removed does not prevent writing
        for entry in entries:
            if entry.name.startswith(TEMPORARY_PREFIX) and entry.is_file(follow_symlinks=False):
                _remove_if_abandoned(Path(entry.path))


def _remove_if_abandoned(path: Path) -> None:
    with suppress(OSError):
        if os.name == "nt":  # an open file cannot be removed there
            path.unlink()
            return
        handle = os.open(path, os.O_RDWR)
        try:
            if try_lock(handle):
                path.unlink()
        finally:
            os.close(handle)


def visible_files(folder: Path, suffixes: Collection[str]) -> list[Path]:
    """List the files of a folder with one of these suffixes, by name; hidden files are left out as unfinished.

    Raises:
        OSError: the folder cannot be read.
    """
    return sorted(path for path in folder.iterdir() if path.suffix in suffixes and not path.name.startswith("."))


def write_bytes(target: Path, data: bytes) -> None:
    """Write `data` to `target`, whole or not at all."""
    with replacing(target) as temporary:
        temporary.write_bytes(data)


def write_json(target: Path, value: Any) -> None:
    """Write `value` as JSON that a person can read too."""
    write_bytes(target, (to_json(value, indent=2) + "\n").encode())


def to_json(value: Any, indent: int | None = None, separators: tuple[str, str] | None = None) -> str:
    """Write a value as JSON in printable ASCII, safe on a terminal; null for NaN and infinity."""
    try:
        text = json.dumps(value, indent=indent, separators=separators, allow_nan=False)
    except ValueError:
        text = json.dumps(_without_nan(value), indent=indent, separators=separators, allow_nan=False)
    return text.replace("\x7f", "\\u007f")  # the one control character that json.dumps leaves as it is


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, hexadecimal.

    Raises:
        DataError: it cannot be read.
    """
    import hashlib  # late, see `edgernn.digests`

    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error


def make_folder(folder: Path) -> None:
    """Make `folder` and its parents where they do not exist.

    Raises:
        OutputError: it cannot be made, or cannot be written into.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot_write(folder, error) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(f"cannot write into {folder}: {_why_not_writable(folder)}; choose another folder")


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nan(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _why_not_writable(folder: Path) -> str:
    if os.name == "posix" and os.statvfs(folder).f_flag & os.ST_RDONLY:
        return "the file system is read-only"
    return "no permission"


@contextmanager
def made_folder(folder: Path) -> Iterator[None]:
    """Make `folder` and its parents for this block; at its end, those that were made and are empty are removed.

    Raises:
        OutputError: it cannot be made, or cannot be written into.
    """
    try:
        made = [path for path in (folder, *folder.parents) if not path.exists()]
    except OSError as error:  # in a folder that may not be entered
        raise _cannot_write(folder, error) from error
    try:
        make_folder(folder)
        yield
    finally:
        for path in made:
            with suppress(OSError):  # not empty
                path.rmdir()


def _open_temporary(target: Path) -> tuple[Path, int]:
    """Make a file beside `target` and lock it; returns its path and its handle."""
    import tempfile  # imported late: a device that only predicts writes nothing

    while True:
        handle, name = tempfile.mkstemp(prefix=TEMPORARY_PREFIX, suffix=target.suffix, dir=target.parent)
        try:
            locked = try_lock(handle)
        except OSError:  # a file system without locks: no file there is ever found abandoned
            return Path(name), handle
        if locked and os.fstat(handle).st_nlink:
            return Path(name), handle
        os.close(handle)  # another process saw it unlocked, as if abandoned, and removes it


def _cannot_write(target: Path, error: OSError) -> OutputError:
    return OutputError(f"cannot write {target}: {error.strerror or error}")


def _umask() -> int:
    # The only portable way to read the umask is to set it.
    mask = os.umask(0)
    os.umask(mask)
    return mask
