"""Names and labels from files: of run folders, data sets and cards."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import edgernn
from edgernn.data.datasets import read_dataset, read_samples
from edgernn.data.run_folder import read_original
from edgernn.data.run_settings import read_settings, write_settings
from edgernn.errors import DataError, EdgernnError, ModelError
from edgernn.labels import find_fault
from edgernn.system.files import MAX_NAME_BYTES, check_file, find_name_fault
from edgernn_export.targets import TARGETS

PATHS = ("../x", "/etc/x", "a/b", "a\\b", "..\\x", "C:x", "host:x", "..", ".", ".hidden", "~root", "-rf", "--out")
OTHERS = (
    "",
    "  ",
    "a\nb",
    "a\rb",
    "\x1b[31m",
    "a\x00",
    "a\u202eb",
    "a\u200bb",
    "a\u2028b",
    "a*b",
    'a"b',
    "what?",
    "CON",
    "nul",
    "com1.v2",
    "LPT³",
)


@pytest.mark.parametrize("name", [*PATHS, *OTHERS, "x" * (MAX_NAME_BYTES + 1), "ж" * 60])
def test_names_that_could_act_are_refused(name: str, tmp_path: Path) -> None:
    write_settings(tmp_path, {"name": name, "labels": ["a"], "input": ""})
    with pytest.raises(DataError, match=r"settings\.json: name: found .*(; change the name there|, expected a text)"):
        read_settings(tmp_path)


@pytest.mark.parametrize(
    "name", ["digits", "my model 2", "модель", "手書き", "v1.2-final", "a" * MAX_NAME_BYTES, "CONSOLE"]
)
def test_names_in_many_languages_are_accepted(name: str, tmp_path: Path) -> None:
    write_settings(tmp_path, {"name": name, "labels": ["a"], "input": ""})
    assert read_settings(tmp_path)["name"] == name


@given(st.text(max_size=120))
def test_an_accepted_name_stays_in_its_folder(name: str) -> None:
    if not find_name_fault(name):
        for target in TARGETS:
            path = Path("/out") / target.file_name(name)
            assert path.parent == Path("/out")
            assert path.name == target.file_name(name)
            assert len(path.name.encode()) < 255


@pytest.mark.parametrize("stem", ["-rf", ".hidden", "a\x1b[31mb", "host:model"])
def test_a_model_whose_artifacts_would_have_such_a_name_is_refused(stem: str, tmp_path: Path) -> None:
    path = tmp_path / f"{stem}.keras"
    path.write_bytes(b"PK")
    with pytest.raises(ModelError, match="rename the file"):
        read_original(path)


def test_a_model_without_settings_is_not_a_run_folder(tmp_path: Path) -> None:
    (tmp_path / "model.keras").write_bytes(b"PK")
    with pytest.raises(
        DataError, match=r"no settings\.json in this folder; pass the file .*model\.keras --samples PATH"
    ):
        read_original(tmp_path)


def test_settings_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    file = tmp_path / "settings.json"
    for content in (
        b"[" * 100_000,
        b"\xff\xfe",
        b"{",
        b"[]",
        b'{"format": 1, "name": "a", "labels": [[]], "input": ""}',
    ):
        file.write_bytes(content)
        with pytest.raises(DataError, match=r"settings\.json"):
            read_settings(tmp_path)


FAULTS = {
    "two labels are 'a'; expected different ones": ["a", "b", "a"],
    "label 1 is ''; expected one line of printable text": ["a", "", "b"],
    "label 2 is ' '; expected one line of printable text": ["a", "b", " "],
    r"label 0 is 'a\nb', which contains \n; expected one line": ["a\nb", "b", "c"],
    r"label 1 is 'b\u202e', which contains \u202e; expected one line": ["a", "b\u202e", "c"],
    r"label 1 is 'a\u200b', which contains \u200b; expected one line": ["a", "a\u200b", "c"],
    "label 2 has 2,001 characters": ["a", "b", "c" * 2001],
}


@pytest.mark.parametrize(("fault", "labels"), FAULTS.items())
def test_labels_are_held_to_one_rule(fault: str, labels: list[str], tmp_path: Path) -> None:
    write_settings(tmp_path, {"name": "a", "labels": labels, "input": ""})
    x, y = np.zeros((3, 2, 1), np.float32), np.array([0, 1, 2])
    for stem, parts in {"set": ("train", "test"), "samples": ("calibration", "test")}.items():
        arrays = {f"{axis}_{part}": value for part in parts for axis, value in (("x", x), ("y", y))}
        np.savez(tmp_path / f"{stem}.npz", labels=np.array(labels), **arrays)
    calls: list[Callable[[], object]] = [
        lambda: read_settings(tmp_path),
        lambda: read_dataset(tmp_path / "set.npz"),
        lambda: read_samples(tmp_path / "samples.npz"),
    ]
    for call in calls:
        with pytest.raises(EdgernnError) as raised:
            call()
        assert fault in str(raised.value)
    assert fault in find_fault(labels).replace("\n", r"\n")


def test_many_labels_take_no_time() -> None:
    assert find_fault([str(index) for index in range(100_000)]) == ""


POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 113472\n"
COMMANDS = (
    ["info", "FILE.tflite"],
    ["info", "FILE.onnx"],
    ["predict", "FILE.tflite", "x.csv", "--unverified"],
    ["predict", "SAMPLE", "FILE.npy"],
    ["predict", "SAMPLE", "FILE.npz"],
    ["predict", "SAMPLE", "FILE.csv"],
    ["predict", "SAMPLE", "FILE.jsonl"],
    ["predict", "SAMPLE", "FILE.idx"],
    ["predict", "SAMPLE", "FILE.idx.gz"],
    ["predict", "SAMPLE", "FILE.png"],
    ["predict", "SAMPLE", "SAMPLE", "--expect", "FILE.txt"],
    ["stream", "FILE.onnx"],
    ["stream", "SAMPLE", "--state", "FILE.npz"],
    ["bench", "FILE.tflite"],
    ["compact", "FILE.tflite"],
    ["export", "FILE.keras", "--samples", "x.csv"],
    ["report", "FILE.json"],
    ["train", "--data", "FILE.npz"],
)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_git_lfs_pointer_is_called_one(words: list[str], tmp_path: Path, refused: Callable[..., str]) -> None:
    places = {"SAMPLE": edgernn.sample(), "x.csv": tmp_path / "x.csv"}
    for word in words:
        if word.startswith("FILE"):
            places[word] = tmp_path / word
            places[word].write_text(POINTER)
    (tmp_path / "x.csv").write_text("1,2\n")
    error = refused(*[places.get(word, word) for word in words])
    assert "a Git LFS pointer, expected the file itself; run `git lfs pull`" in error


def test_a_file_that_only_speaks_of_git_lfs_is_no_pointer(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("about version https://git-lfs.github.com/spec/v1")
    (tmp_path / "b.csv").write_text("version https://git-lfs.github.com/spec/v1\n" + "x" * 2000)
    for name in ("a.csv", "b.csv"):
        check_file(tmp_path / name, DataError, 10_000)


def test_settings_keep_what_else_they_say(tmp_path: Path) -> None:
    write_settings(tmp_path, {"name": "a", "labels": [0, 1], "input": "", "loss": float("nan")})
    assert json.loads((tmp_path / "settings.json").read_text(), parse_constant=pytest.fail)["loss"] is None
