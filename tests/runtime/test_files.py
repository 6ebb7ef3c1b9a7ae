"""Files written whole: leftovers of a killed writer, and the order in which data reach the disk."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import edgernn.system.files
from edgernn.errors import OutputError
from edgernn.system.files import made_folder, remove_abandoned, replacing, visible_files, write_bytes, write_json

KILLED = """
import sys
from pathlib import Path
from edgernn.system.files import replacing
with replacing(Path(sys.argv[1])) as temporary:
    temporary.write_bytes(b"half")
    print(temporary.name, flush=True)
    sys.stdin.read()
"""


def write_in_a_process(target: Path) -> subprocess.Popen[str]:
    """Start a process that has begun to write, and waits for the end of its input."""
    pipe = subprocess.PIPE
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(target)], stdin=pipe, stdout=pipe, text=True)
    assert process.stdout is not None
    assert process.stdout.readline()
    return process


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("name", ["x.tflite", "state.npz", "no suffix", "." + "x" * 240 + ".json"])
def test_the_next_writer_removes_what_killed_ones_left(tmp_path: Path, name: str) -> None:
    with (
        write_in_a_process(tmp_path / "x.tflite") as first,
        write_in_a_process(tmp_path / "other.json") as second,
    ):
        for process in (first, second):
            process.kill()
    left = names_in(tmp_path)
    assert len(left) == 2
    assert all(name.startswith(".edgernn-") for name in left)
    write_bytes(tmp_path / name, b"whole")
    assert names_in(tmp_path) == [name]


def test_what_a_living_writer_writes_stays(tmp_path: Path) -> None:
    with write_in_a_process(tmp_path / "slow.json") as process:
        write_json(tmp_path / "quick.json", {})
        assert len(names_in(tmp_path)) == 2
        process.communicate("")
    assert process.returncode == 0
    assert names_in(tmp_path) == ["quick.json", "slow.json"]
    assert (tmp_path / "slow.json").read_bytes() == b"half"


def test_other_hidden_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / ".edgernn-link.json").symlink_to(tmp_path / ".profile")
    (tmp_path / ".edgernn-folder").mkdir()
    (tmp_path / ".profile").write_text("mine")
    before = names_in(tmp_path)
    remove_abandoned(tmp_path)
    assert names_in(tmp_path) == before


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_a_disk_that_does_not_keep_it_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    write_bytes(tmp_path / "x.json", b"old")

    def fail(_handle: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OutputError, match=f"x.json: {os.strerror(number)}"):
        write_bytes(tmp_path / "x.json", b"new")
    assert names_in(tmp_path) == ["x.json"]
    assert (tmp_path / "x.json").read_bytes() == b"old"


def test_content_is_on_the_disk_before_its_name_and_the_name_before_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    sync, rename = os.fsync, os.replace

    def record_sync(handle: int) -> None:
        seen.append("folder" if os.path.samestat(os.fstat(handle), tmp_path.stat()) else f"{os.fstat(handle).st_size}")
        sync(handle)

    def record_rename(source: Path, target: Path) -> None:
        seen.append("rename")
        rename(source, target)

    monkeypatch.setattr(os, "fsync", record_sync)
    monkeypatch.setattr(os, "replace", record_rename)
    with replacing(tmp_path / "a.npz") as temporary:
        np.savez(temporary, x=np.zeros(1000))
    assert seen == [str((tmp_path / "a.npz").stat().st_size), "rename", "folder"]


def test_a_folder_that_cannot_be_synced_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sync = os.fsync

    def refuse_folders(handle: int) -> None:
        if os.path.samestat(os.fstat(handle), tmp_path.stat()):
            raise OSError(errno.EINVAL, "Invalid argument")
        sync(handle)

    monkeypatch.setattr(os, "fsync", refuse_folders)
    write_bytes(tmp_path / "x", b"whole")
    assert (tmp_path / "x").read_bytes() == b"whole"


def test_a_file_system_without_locks_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_handle: int) -> bool:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(edgernn.system.files, "try_lock", refuse)
    (tmp_path / ".edgernn-abcd.json").touch()
    write_bytes(tmp_path / "x.json", b"whole")
    assert names_in(tmp_path) == [".edgernn-abcd.json", "x.json"]  # it may belong to a running process


def test_a_folder_that_becomes_a_file_is_an_output_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot write"), replacing(tmp_path / "place" / "x.json") as temporary:
        temporary.write_bytes(b"whole")
        (tmp_path / "place").rename(tmp_path / "elsewhere")
        (tmp_path / "place").touch()


def test_folders_that_were_made_do_not_stay_empty(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), made_folder(tmp_path / "a" / "b" / "c"):
        (tmp_path / "a" / "kept").touch()
        raise KeyboardInterrupt
    assert names_in(tmp_path) == ["a"]
    assert names_in(tmp_path / "a") == ["kept"]
    with made_folder(tmp_path / "a"):
        (tmp_path / "a" / "kept").unlink()
    assert names_in(tmp_path / "a") == []  # it was there before


def test_hidden_files_are_not_listed(tmp_path: Path) -> None:
    for name in (".edgernn-1234.tflite", "b.onnx", "a.tflite", "c.txt", ".d.onnx"):
        (tmp_path / name).write_text(json.dumps(name))
    assert [path.name for path in visible_files(tmp_path, (".tflite", ".onnx"))] == ["a.tflite", "b.onnx"]
