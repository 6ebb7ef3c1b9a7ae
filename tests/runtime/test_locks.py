"""Locks of folders: they exclude other processes, end with their process, and leave no file."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from edgernn.errors import LockedError, OutputError
from edgernn.system.locks import LOCK_NAME, alone_at, alone_in

HOLD = """
import sys, tempfile
from pathlib import Path
from edgernn.system.locks import alone_in
with alone_in(Path(sys.argv[1])):
    print(tempfile.gettempdir(), flush=True)
    sys.stdin.read()
"""


def hold(folder: Path, **environment: str) -> subprocess.Popen[str]:
    """Start a process that holds the lock until its standard input ends."""
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdin=pipe, stdout=pipe, text=True, env={**os.environ, **environment}
    )
    assert process.stdout is not None
    assert process.stdout.readline()
    return process


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def test_one_process_at_a_time_whatever_its_temporary_folder(folder: Path, tmp_path: Path) -> None:
    with hold(folder, TMPDIR=str(tmp_path)) as process:
        message = "writes into this folder; wait for its end, or choose another folder"
        with pytest.raises(LockedError, match=message), alone_in(folder):
            pytest.fail("the block must not begin")
        process.communicate("")
    with alone_in(folder):
        pass
    assert list(folder.iterdir()) == []


def test_the_lock_of_a_killed_process_is_free(folder: Path) -> None:
    with hold(folder) as process:
        process.kill()
        process.wait()
        assert [path.name for path in folder.iterdir()] == [LOCK_NAME]
        with alone_in(folder):
            pass
    assert list(folder.iterdir()) == []


def test_it_is_given_up_after_an_error(folder: Path) -> None:
    for _ in range(2):
        with pytest.raises(KeyError), alone_in(folder):
            raise KeyError
    assert list(folder.iterdir()) == []


def test_after_a_lock_file_was_removed_locks_still_exclude(folder: Path) -> None:
    with alone_in(folder):
        (folder / LOCK_NAME).unlink()
        second = alone_in(folder)  # of another file, which the first one must leave where it is
        second.__enter__()
    with pytest.raises(LockedError), alone_in(folder):
        pytest.fail("the block must not begin")
    second.__exit__(None, None, None)
    assert list(folder.iterdir()) == []


def test_a_folder_that_is_gone_at_the_end_is_no_error(folder: Path) -> None:
    with alone_in(folder):
        (folder / LOCK_NAME).unlink()
        folder.rmdir()


def _link_to_file(lock: Path, victim: Path) -> None:
    lock.symlink_to(victim)


def _link_to_nothing(lock: Path, victim: Path) -> None:
    lock.symlink_to(victim.with_name("not there"))


def _pipe(lock: Path, _victim: Path) -> None:
    os.mkfifo(lock)


def _folder(lock: Path, _victim: Path) -> None:
    lock.mkdir()


@pytest.mark.parametrize("plant", [_link_to_file, _link_to_nothing, _pipe, _folder])
def test_what_is_planted_in_its_place_is_neither_followed_nor_removed(
    folder: Path, tmp_path: Path, plant: Callable[[Path, Path], None]
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    plant(folder / LOCK_NAME, victim)
    with pytest.raises(OutputError, match="is not a lock file of edgernn; remove it"), alone_in(folder):
        pytest.fail("the block must not begin")
    assert victim.read_text() == "precious"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "victim"]
    assert [path.name for path in folder.iterdir()] == [LOCK_NAME]


def test_a_hard_link_in_its_place_loses_nothing(folder: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (folder / LOCK_NAME).hardlink_to(victim)
    with alone_in(folder):
        pass
    assert victim.read_text() == "precious"


def test_a_folder_that_cannot_be_written_is_an_output_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"cannot lock .*: No such file or directory"), alone_in(tmp_path / "none"):
        pytest.fail("the block must not begin")


def test_of_one_file_and_others_beside_it(folder: Path) -> None:
    with alone_at(folder / "a.npz"), alone_at(folder / "b.npz"), alone_in(folder):
        again = alone_at(folder / "a.npz")
        with pytest.raises(LockedError, match=r"a.npz: another process writes this file"):
            again.__enter__()
    assert list(folder.iterdir()) == []
