"""`edgernn stream --state`: the saved state after a process is killed at any moment."""

import errno
import json
import os
import select
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgernn
from edgernn.commands import stream_lines as stream_command
from edgernn.commands.stream_lines import Keeper, OpenSequence, StateFile
from edgernn.errors import OutputError

PATIENCE_SECONDS = 60
ROWS = np.random.default_rng(5).random((60, 28)).astype(np.float32).round(4)


class Process:
    """`edgernn stream --json` on the sample artifact, with pipes for all its streams."""

    def __init__(self, state: Path, *words: str) -> None:
        command = [sys.executable, "-m", "edgernn", "stream", str(edgernn.sample()), "--json", "--state", str(state)]
        pipe = subprocess.PIPE
        self.popen = subprocess.Popen([*command, *words], stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0)

    def send(self, rows: np.ndarray, end: str = "\n") -> None:
        assert self.popen.stdin is not None
        text = "\n".join(" ".join(repr(float(value)) for value in row) for row in rows)
        self.popen.stdin.write(f"{text}{end}".encode())

    def answers(self, count: int) -> list[dict[str, Any]]:
        return [json.loads(self._line()) for _ in range(count)]

    def end(self) -> tuple[str, str, int]:
        out, error = self.popen.communicate(timeout=PATIENCE_SECONDS)
        return out.decode(), error.decode(), self.popen.returncode

    def kill(self) -> tuple[str, str, int]:
        self.popen.kill()
        return self.end()

    def _line(self) -> str:
        assert select.select([self.popen.stdout], [], [], PATIENCE_SECONDS)[0], "no line came"
        assert self.popen.stdout is not None
        line: str = self.popen.stdout.readline().decode()
        return line


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    started: list[Process] = []

    def start(*words: str) -> Process:
        started.append(Process(tmp_path / "place" / "state.npz", *words))
        return started[-1]

    yield start
    for process in started:
        process.popen.kill()
        process.popen.communicate()


def wait_for_rows(state: Path, rows: int) -> None:
    """Wait until this number of rows is saved; the state is saved after the answer is printed."""
    for _ in range(PATIENCE_SECONDS * 100):
        with np.load(state) as arrays:
            if int(arrays["rows"]) == rows:
                return
        select.select([], [], [], 0.01)
    pytest.fail(f"not {rows} rows")


def probabilities(answers: list[dict[str, Any]]) -> list[float]:
    return [answer["guesses"][0]["probability"] for answer in answers]


def test_every_row_is_saved_when_no_further_one_is_waiting(start: Callable[..., Process], tmp_path: Path) -> None:
    with edgernn.load(edgernn.sample()).stream() as whole:
        expected = [float(whole.push(row).max()) for row in ROWS[:12]]
    state, seen = tmp_path / "place" / "state.npz", 0
    for count, unfinished in ((1, ""), (4, "0.5 0.5"), (7, "\n")):
        process = start()
        process.send(ROWS[seen : seen + count], "\n" + unfinished)
        answers = process.answers(count)
        assert [answer["row"] for answer in answers] == list(range(seen + 1, seen + count + 1))
        np.testing.assert_allclose(probabilities(answers), expected[seen : seen + count], atol=1e-6)
        # The empty line at the end begins a new sequence, which is also saved.
        wait_for_rows(state, 0 if count == 7 else seen + count)
        _, error, _ = process.kill()
        assert error == (f"note: {state}: goes on after row {seen}\n" if seen else "")
        seen += count
    process = start()
    process.send(ROWS[:1])
    assert [answer["row"] for answer in process.answers(1)] == [1]
    assert process.end()[1:] == (f"note: {state}: begins a new sequence\n", 0)
    assert [path.name for path in state.parent.iterdir()] == ["state.npz"]


def test_two_processes_do_not_keep_their_state_in_one_file(start: Callable[..., Process], tmp_path: Path) -> None:
    first = start()
    first.send(ROWS[:1])
    first.answers(1)
    out, error, exit_code = start().end()
    state = tmp_path / "place" / "state.npz"
    assert (out, error, exit_code) == (
        "",
        f"error: {state}: another process writes this file; wait for its end, or choose another file\n",
        1,
    )
    first.send(ROWS[1:2])
    assert [answer["row"] for answer in first.answers(1)] == [2]


def lose_the_folder_after_two_rows(process: Process, tmp_path: Path) -> Path:
    """When two rows are saved, rename the state's folder to `elsewhere` and put a file in its place."""
    process.send(ROWS[:2])
    process.answers(2)
    place = tmp_path / "place"
    wait_for_rows(place / "state.npz", 2)
    place.rename(tmp_path / "elsewhere")
    place.write_text("no folder any more")
    return place


def test_a_disk_that_fails_does_not_end_the_answers(start: Callable[..., Process], tmp_path: Path) -> None:
    process = start()
    place = lose_the_folder_after_two_rows(process, tmp_path)
    for row in ROWS[2:10]:
        process.send(row[np.newaxis])
        process.answers(1)
    _, error, exit_code = process.end()
    assert exit_code == 1
    (line,) = error.splitlines()
    assert line.startswith(f"error: cannot write {place}")
    assert line.endswith("answers go on, but the state is not saved; this is reported once")


def test_a_disk_that_recovers_keeps_the_state(start: Callable[..., Process], tmp_path: Path) -> None:
    process = start()
    place = lose_the_folder_after_two_rows(process, tmp_path)
    process.send(ROWS[2:3])
    process.answers(1)
    assert process.popen.stderr is not None
    assert b"cannot write" in process.popen.stderr.readline()
    place.unlink()
    (tmp_path / "elsewhere").rename(place)
    process.send(ROWS[3:4])
    process.answers(1)
    assert process.end()[1:] == ("", 0)
    with np.load(place / "state.npz") as arrays:
        assert int(arrays["rows"]) == 4


@pytest.fixture
def sequence() -> OpenSequence:
    model = edgernn.load(edgernn.sample())
    return OpenSequence(model.stream(), 28)


class Saves:
    """State file that counts its writes."""

    def __init__(self, file: StateFile, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count, self.now = 0, 100.0
        save = StateFile.save

        def count(self_: StateFile, sequence: OpenSequence) -> None:
            self.count += 1
            save(self_, sequence)

        monkeypatch.setattr(StateFile, "save", count)
        monkeypatch.setattr(stream_command.time, "monotonic", lambda: self.now)
        self.file = file


@pytest.fixture
def saves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Saves:
    return Saves(StateFile(tmp_path / "state.npz", "a", "b"), monkeypatch)


def test_rows_without_a_pause_are_saved_every_thousand_and_every_second(saves: Saves, sequence: OpenSequence) -> None:
    keeper = Keeper(saves.file, sequence)
    keeper.begin()
    assert saves.count == 1
    for _ in range(2500):
        keeper.count()
        keeper.save_if_due()
    assert saves.count == 3
    for seconds, count in ((0.9, 3), (0.2, 4), (0.9, 4), (60, 5)):
        saves.now += seconds
        keeper.count()
        keeper.save_if_due()
        assert saves.count == count
    keeper.save()
    assert saves.count == 5  # nothing has changed since
    keeper.count()
    keeper.save()
    assert saves.count == 6


def test_nothing_is_saved_without_a_file(saves: Saves, sequence: OpenSequence) -> None:
    keeper = Keeper(None, sequence)
    keeper.begin()
    for _ in range(2000):
        keeper.count()
        keeper.save_if_due()
    keeper.save()
    assert (saves.count, keeper.failed) == (0, False)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EIO, errno.EDQUOT])
def test_a_full_disk_is_reported_once_and_tried_again(
    saves: Saves,
    sequence: OpenSequence,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: int,
) -> None:
    keeper = Keeper(saves.file, sequence)
    keeper.begin()

    def fail(_handle: int) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as full:
        full.setattr(os, "fsync", fail)
        for _ in range(3):
            sequence.push(ROWS[0])
            keeper.count()
            keeper.save()
        assert keeper.failed
        with pytest.raises(OutputError, match=os.strerror(number)):  # at the start, a failed save is an error
            Keeper(saves.file, sequence).begin()
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    assert len(said) == 1
    assert os.strerror(number) in said[0]
    assert [path.name for path in saves.file.path.parent.iterdir()] == ["state.npz"]
    keeper.save()
    assert not keeper.failed
    with np.load(saves.file.path) as arrays:
        assert int(arrays["rows"]) == sequence.rows
