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
from edgernn.suggestions import did_you_mean_path
from edgernn.system.locks import try_lock

MAX_NAME_BYTES = 100  # with an artifact's additions to the name, under the 255 of every file system
_SEPARATORS = "/\\:"  # `a:b` is a file on another machine for scp, and on another drive on Windows
_WILDCARDS = '*?"<>|'
_DEVICES = {"CON", "PRN", "AUX", "NUL", *(f"{port}{number}" for port in ("COM", "LPT") for number in "0123456789¹²³")}
_LFS_BEGINNING = b"version https://git-lfs.github.com/spec/"
_MAX_LFS_BYTES = 1024  # by Git LFS's specification, a pointer is shorter
TEMPORARY_PREFIX = ".edgernn-"


def check_file(path: Path, refusal: type[EdgernnError], max_bytes: int) -> None:
    """Check that a path is a file of at most `max_bytes`, and not a Git LFS pointer.

    Only regular files are accepted: a device or a pipe has no size and may never end.

    Raises:
        EdgernnError: it is missing, empty, not a file, a Git LFS pointer, or larger than `max_bytes`; of the type
            `refusal`.
    """
    try:
        if not path.is_file():
            raise refusal(f"{path}: {_describe(path)}")
        size = path.stat().st_size
        is_pointer = 0 < size < _MAX_LFS_BYTES and path.read_bytes().startswith(_LFS_BEGINNING)
    except OSError as error:
        raise refusal(f"{path}: cannot be read: {error.strerror or error}") from error
    if not size:
        raise refusal(f"{path}: the file is empty")
    if is_pointer:
        raise refusal(f"{path}: a Git LFS pointer, expected the file itself; run `git lfs pull` in its repository")
    if size > max_bytes:
        raise refusal(f"{path}: {size:,} bytes, expected at most {max_bytes:,}")


def _describe(path: Path) -> str:
    if not path.exists():
        return f"no such file{did_you_mean_path(path)}"
    if path.is_dir():
        return "is a folder, expected a file"
    return "is a pipe, expected a file" if path.is_fifo() else "is a device, expected a file"


def find_name_fault(name: str) -> str:
    """Find the reason why a name from a file cannot be a file name, here or on a device; empty if it can be one.

    Returns:
        A clause that follows the name, such as "begins with '-'".
    """
    if not name.strip():
        return "is empty"
    if len(name.encode(errors="surrogatepass")) > MAX_NAME_BYTES:
        return f"is longer than {MAX_NAME_BYTES} bytes"
    if found := next((each for each in name if each in _SEPARATORS), ""):
        return f"contains {found!r}, so it is a path and not a name"
    if found := next((each for each in name if each in _WILDCARDS), ""):
        return f"contains {found!r}, which no file name on Windows has"
    if unusable := find_unusable(name):
        return f"contains {unusable}, which is not a printable character"
    if name[0] in ".-~":
        return f"begins with {name[0]!r}"
    if name.split(".")[0].strip().upper() in _DEVICES:
        return "is a device on Windows"
    return ""


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Yield a temporary path beside `target` that replaces it if the block ends without an error.

    The content is on the disk before it gets its name, and the name before this returns: a power cut leaves the old
    file or the new one. The temporary file has the suffix of `target` and is removed after an error. Temporary files
    of killed processes in the folder are also removed.

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
        OSError: the disk or the file system refuses.
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
    """Remove the temporary files of killed processes from a folder; a live writer has locked its file."""
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
    """List the files of a folder with one of these suffixes, sorted by name; skip hidden files, which are unfinished.

    Raises:
        OSError: the folder cannot be read.
    """
    return sorted(path for path in folder.iterdir() if path.suffix in suffixes and not path.name.startswith("."))


def write_bytes(target: Path, data: bytes) -> None:
    """Write `data` to `target`, whole or not at all."""
    with replacing(target) as temporary:
        temporary.write_bytes(data)


def write_json(target: Path, value: Any) -> None:
    """Write `value` as indented JSON."""
    write_bytes(target, (to_json(value, indent=2) + "\n").encode())


def to_json(value: Any, indent: int | None = None, separators: tuple[str, str] | None = None) -> str:
    """Return a value as JSON in printable ASCII, safe on a terminal; NaN and infinity become null."""
    try:
        text = json.dumps(value, indent=indent, separators=separators, allow_nan=False)
    except ValueError:
        text = json.dumps(_without_nan(value), indent=indent, separators=separators, allow_nan=False)
    return text.replace("\x7f", "\\u007f")  # the one control character that json.dumps leaves as it is


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal digits.

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
    """Create `folder` and its parents if they do not exist.

    Raises:
        OutputError: it cannot be created, or cannot be written into.
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
    """Create `folder` and its parents for this block; at its end remove those that were created here and are empty.

    Raises:
        OutputError: it cannot be created, or cannot be written into.
    """
    try:
        missing = [path for path in (folder, *folder.parents) if not path.exists()]
    except OSError as error:  # in a folder that may not be entered
        raise _cannot_write(folder, error) from error
    try:
        make_folder(folder)
        yield
    finally:
        for path in missing:
            with suppress(OSError):  # not empty
                path.rmdir()


def _open_temporary(target: Path) -> tuple[Path, int]:
    """Create a file beside `target` and lock it; return its path and its handle."""
    import tempfile  # late: a device that only predicts writes nothing

    while True:
        handle, name = tempfile.mkstemp(prefix=TEMPORARY_PREFIX, suffix=target.suffix, dir=target.parent)
        try:
            locked = try_lock(handle)
        except OSError:  # a file system without locks: no file there is ever regarded as abandoned
            return Path(name), handle
        if locked and os.fstat(handle).st_nlink:
            return Path(name), handle
        os.close(handle)  # another process regards the unlocked file as abandoned and removes it


def _cannot_write(target: Path, error: OSError) -> OutputError:
    return OutputError(f"cannot write {target}: {error.strerror or error}")


def _umask() -> int:
    # The only portable way to read the umask is to set it.
    mask = os.umask(0)
    os.umask(mask)
    return mask
