"""Locks of files and folders, which end with the process that holds them, however that ends.

A lock lies in the folder that it protects: every process that can write there finds the same one. It is never read,
written or followed, and it is removed when it is released.
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
# Windows keeps others from reading and writing what is locked, so a byte is locked where no file has any.
_WINDOWS_OFFSET = 1 << 40
# A symbolic link or a pipe under the lock's name must neither be followed nor block.
_OPEN_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


def try_lock(handle: int) -> bool:
    """Lock an open file; False if another process, or another open file of this process, has locked it.

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
    """Keep every other edgernn process from writing a run or artifacts into a folder, which exists.

    Raises:
        LockedError: another process writes there.
        OutputError: the folder cannot be locked.
    """
    who = "another `edgernn train` or `edgernn export` writes there"
    with _held(folder / LOCK_NAME, f"{folder}: {who}; wait for its end, or choose another folder with --out"):
        yield


@contextmanager
def alone_at(file: Path) -> Iterator[None]:
    """Keep every other process that calls this from writing a file; its folder exists.

    Raises:
        LockedError: another process writes it.
        OutputError: it cannot be locked.
    """
    with _held(file.with_name(f".{file.name}.lock"), f"{file}: another process writes this file; name another"):
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
    """Open and lock a file, made if need be; None if another process holds it."""
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
        # Its holder removed it between the opening and the locking: try the next one.


def _try_lock_file(handle: int) -> bool:
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        raise OSError(errno.EINVAL, "it is not a file")
    return try_lock(handle)


def _is_at(path: Path, handle: int) -> bool:
    """True if a path leads to an open file: its holder may have removed it meanwhile."""
    try:
        return os.path.samestat(path.lstat(), os.fstat(handle))
    except FileNotFoundError:
        return False


def _release(lock: Path, handle: int) -> None:
    if os.name == "nt":  # an open file cannot be removed there, nor can one that the next process has opened
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
        return f"{lock.name} in it is no lock of edgernn; remove it"
    if lock.exists():
        return f"{lock.name} in it: {error.strerror or error}; remove it if no other edgernn is at work there"
    return f"{error.strerror or error}"
