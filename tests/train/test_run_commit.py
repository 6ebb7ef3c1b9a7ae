"""A run folder is replaced as a whole, wherever the replacing process ends."""

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgernn.data.run_commit import PICTURES
from edgernn.data.run_folder import read_original, write_samples
from edgernn.data.run_settings import write_settings
from edgernn.data.samples import Samples
from edgernn.errors import DataError, ModelError, OutputError
from edgernn.system.locks import alone_in
from edgernn_train import open_run

PROGRAM = Path(__file__).with_name("kill_points.py")
FILES = ["history.json", "model.keras", "samples.npz", "settings.json"]


def fill(staging: Path, number: int) -> None:
    x = np.full((2, 3, 4), number, np.float32)
    (staging / "model.keras").write_bytes(f"model {number}".encode())
    (staging / "history.json").write_text(json.dumps({"loss": [number]}))
    write_samples(staging, Samples.unnamed(x, np.zeros(2, np.int64), x, np.zeros(2, np.int64)))
    training = {"data": "my data.npz", "recipe": "seed", "epochs": 2, "seed": number, "scaled": False}
    write_settings(staging, {"name": f"run{number}", "labels": [], "input": "", **training})


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    with open_run(folder) as staging:
        fill(staging, 1)
    return folder


def cut_off(folder: Path, moved: int) -> None:
    """Make a folder as a process leaves it that is killed between the moves of run 2's files."""
    staged = folder / ".run-abcd"
    staged.mkdir()
    fill(staged, 2)
    for name in ("settings.json", "model.keras", "history.json", "samples.npz")[: moved + 1]:
        (staged / name).replace(folder / name)


def outcomes(tmp_path: Path, ending: str, before: str) -> list[dict[str, Any]]:
    words = [sys.executable, PROGRAM, tmp_path / "run", ending, before]
    result = subprocess.run(words, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork")
@pytest.mark.parametrize(("ending", "before"), [("kill", "old"), ("kill", "new"), ("fail", "old")])
def test_at_every_point_a_reader_finds_the_old_run_or_the_new_one(tmp_path: Path, ending: str, before: str) -> None:
    seen = outcomes(tmp_path, ending, before)
    assert len(seen) > 30
    for each in seen:
        if "error" in each:
            assert before == "new"
            assert each["seen"] == []
            assert "expected a" in each["error"]
        else:
            assert each["runs"] in ([["1"], ["2"]] if before == "old" else [["2"]])
            # Until the commit the old run keeps its file names, also for programs without edgernn.
            assert each["runs"] == ["2"] or each["untouched"]
            # A picture is of the run that it lies beside.
            assert each["picture"] in (None, *each["runs"])
            assert each["others"] == (["digits.tflite"] if before == "old" else [])
        assert each["next"]["runs"] == ["3"]
        assert each["next"]["picture"] == "3"
        assert each["left"] == sorted([*FILES, PICTURES[0], *(["digits.tflite"] if before == "old" else [])])
    new = [each.get("runs") == ["2"] for each in seen]
    if ending == "kill":
        assert new == sorted(new)  # after the commit it stays the new run
    assert new[-1]
    assert seen[-1]["picture"] == "2"
    assert any(
        each.get("untouched") is False for each in seen
    )  # an end after the commit: the reader finished the replacement


@pytest.mark.parametrize("moved", [0, 1, 2, 3])
def test_a_reader_finishes_what_was_cut_off_behind_the_commit(run: Path, moved: int) -> None:
    cut_off(run, moved)
    original = read_original(run)
    assert (original.name, original.model.read_bytes()) == ("run2", b"model 2")
    assert original.require_samples().x_test.max() == 2
    assert [path.name for path in sorted(run.iterdir()) if path.name != ".run-abcd"] == FILES


@pytest.mark.parametrize("name", ["model.keras", "history.json", "samples.npz"])
def test_a_file_of_another_run_is_named_with_how_to_repeat(run: Path, tmp_path: Path, name: str) -> None:
    with open_run(tmp_path / "other") as staging:
        fill(staging, 2)
    shutil.copy(tmp_path / "other" / name, run / name)
    with pytest.raises(DataError) as caught:
        read_original(run)
    message = str(caught.value)
    assert message.startswith(
        f"{run}: {name} has another SHA-256 than settings.json expects: the training was interrupted"
    )
    words = "edgernn train --data 'my data.npz' --recipe seed --epochs 2 --seed 1 --no-scale --out"
    assert f"train again: {words} {run} --overwrite" in message
    assert f"{run / 'model.keras'} --samples {run / 'samples.npz'}" in message
    assert "\n" not in message


def test_a_staging_folder_without_the_missing_files_does_not_help(run: Path) -> None:
    cut_off(run, 0)
    (run / ".run-abcd" / "model.keras").write_bytes(b"model 3")
    with pytest.raises(DataError, match=r"model.keras has another SHA-256 than settings.json expects"):
        read_original(run)
    with open_run(run, overwrite=True) as staging:
        fill(staging, 4)
    assert read_original(run).name == "run4"


def test_what_may_not_be_read_is_named(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_path = Path.open

    def refuse(path: Path, *arguments: Any, **options: Any) -> Any:
        if path.name == "model.keras":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return open_path(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(DataError, match=r"model.keras: cannot be read: Permission denied"):
        read_original(run)
    monkeypatch.setattr(os, "access", lambda *_arguments: False)
    with pytest.raises(ModelError, match=r"run: cannot be read: no permission"):
        read_original(run)


def test_without_its_model_a_folder_is_no_run(run: Path) -> None:
    (run / "model.keras").unlink()
    with pytest.raises(ModelError, match=r"no model.keras in this folder"):
        read_original(run)


def test_what_is_not_asked_for_may_be_missing(run: Path, tmp_path: Path) -> None:
    shutil.copy(run / "samples.npz", tmp_path / "mine.npz")
    for name in ("samples.npz", "history.json"):
        (run / name).unlink()
    assert read_original(run, tmp_path / "mine.npz").require_samples().x_test.max() == 1
    with pytest.raises(DataError, match=r"no samples.npz in this folder; pass --samples"):
        read_original(run)


def test_settings_without_digests_are_a_persons_own(run: Path) -> None:
    settings = json.loads((run / "settings.json").read_text())
    del settings["sha256"]
    (run / "settings.json").write_text(json.dumps(settings))
    (run / "model.keras").write_bytes(b"mine")
    assert read_original(run).model.read_bytes() == b"mine"


@pytest.mark.parametrize("digests", [[], "abc", None, 7])
def test_digests_that_are_none_are_a_data_error(run: Path, digests: Any) -> None:
    settings = {**json.loads((run / "settings.json").read_text()), "sha256": digests}
    (run / "settings.json").write_text(json.dumps(settings))
    with pytest.raises(DataError, match=r"settings.json: sha256: found .*, expected"):
        read_original(run)


@pytest.mark.parametrize("digest", [7, None, "../../x", ["a"]])
def test_a_digest_of_another_kind_is_no_files(run: Path, digest: Any) -> None:
    settings = {**json.loads((run / "settings.json").read_text()), "sha256": {"model.keras": digest, "../x": "y"}}
    (run / "settings.json").write_text(json.dumps(settings))
    with pytest.raises(DataError, match=r"model.keras has another SHA-256"):
        read_original(run)


def test_the_old_run_is_read_while_another_is_trained(run: Path) -> None:
    with open_run(run, overwrite=True) as staging:
        fill(staging, 2)
        assert read_original(run).name == "run1"
    assert read_original(run).name == "run2"


def test_a_training_waits_for_no_export(run: Path) -> None:
    with alone_in(run), pytest.raises(OutputError, match="writes into this folder"), open_run(run, overwrite=True):
        pytest.fail("the block must not begin")


WRITE = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from kill_points import fill
from edgernn_train import open_run
for number in (2, 1) * 20:
    with open_run(Path(sys.argv[1]), overwrite=True) as staging:
        fill(staging, number)
"""


def test_who_reads_meanwhile_never_sees_files_of_both(run: Path) -> None:
    seen = set()
    with subprocess.Popen([sys.executable, "-c", WRITE, run, PROGRAM.parent]) as process:
        while process.poll() is None:
            original = read_original(run)
            seen.add((original.name, int(original.require_samples().x_test.max())))
    assert process.returncode == 0
    assert seen <= {("run1", 1), ("run2", 2)}
    assert sorted(path.name for path in run.iterdir()) == sorted([*FILES, PICTURES[0]])
