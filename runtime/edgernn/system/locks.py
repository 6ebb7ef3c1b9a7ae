"""Locks of files and folders; the operating system releases them when the process ends.

The lock file is in the folder that it protects: every process that can write there finds the same one. The file is
never read, written or followed as a link, and it is removed when the lock is released.
"""

import errno
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from edgernn.errors import LockedError, OutputError

LOCK_NAME = ".edgernn.lock"
# Windows prevents others from reading and writing a locked byte, so the byte is beyond the end of every file.
_WINDOWS_OFFSET = 1 << 40
# A symbolic link or a pipe under the lock's name must neither be followed nor block.
_OPEN_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


def try_lock(handle: int) -> bool:
    """Lock an open file; return False if another process, or another open file of this process, has locked it.

    Raises:
        OSError: the file system has no locks.
    """
    if sys.platform == "win32":
        import msvcrt

        os.lseek(handle, _WINDOWS_OFFSET, os.SEEK_SET)
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        finally:
            os.lseek(handle, 0, os.SEEK_SET)
        return True
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Get exclusive access to write a run or artifacts into a folder; the folder exists.

    Raises:
        LockedError: another process writes there.
        OutputError: the folder cannot be locked.
    """
    refusal = (
        f"{folder}: another `edgernn train` or `edgernn export` writes into this folder; wait for its end, or choose "
        "another folder with --out"
    )
    with _held(folder / LOCK_NAME, refusal):
        yield


@contextmanager
def alone_at(file: Path) -> Iterator[None]:
    """Get exclusive access to write a file; its folder exists.

    Raises:
        LockedError: another process writes it.
        OutputError: it cannot be locked.
    """
    with _held(
        file.with_name(f".{file.name}.lock"),
        f"{file}: another process writes this file; wait for its end, or choose another file",
    ):
        yield


@contextmanager
def _held(lock: Path, refusal: str) -> Iterator[None]:
    try:
        handle = _take(lock)
    except OSError as error:
        raise OutputError(f"cannot lock {lock.parent}: {_reason(lock, error)}; or choose another folder") from error
    if handle is None:
        raise LockedError(refusal)
    try:
        yield
    finally:
        _release(lock, handle)


def _take(lock: Path) -> int | None:
    """Open and lock a file, created if it does not exist; return None if another process has locked it."""
    while True:
        handle = os.open(lock, _OPEN_FLAGS, 0o666)
        try:
            locked = _try_lock_file(handle)
            if locked and _is_at(lock, handle):
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)
        if not locked:
            return None
        # The last holder removed the file after it was opened here and before it was locked: try again.


def _try_lock_file(handle: int) -> bool:
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        raise OSError(errno.EINVAL, "not a regular file")
    return try_lock(handle)


def _is_at(path: Path, handle: int) -> bool:
    """Return True if a path still refers to an open file; its holder may have removed it."""
    try:
        return os.path.samestat(path.lstat(), os.fstat(handle))
    except FileNotFoundError:
        return False


def _release(lock: Path, handle: int) -> None:
    if os.name == "nt":  # an open file cannot be removed there
        os.close(handle)
        with suppress(OSError):
            lock.unlink()
        return
    with suppress(OSError):  # gone with its folder
        if _is_at(lock, handle):
            lock.unlink()
    os.close(handle)


def _reason(lock: Path, error: OSError) -> str:
    if lock.is_symlink() or (lock.exists() and not lock.is_file()):
        return f"{lock.name} in it is not a lock file of edgernn; remove it"
    if lock.exists():
        return f"{lock.name} in it: {error.strerror or error}; remove it if no other edgernn writes there"
    return f"{error.strerror or error}"
