"""Artifacts found in a folder: hidden files are ignored, those of an earlier model are reported and not mixed in."""

import json
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from made_up import measured, result

import edgernn
from edgernn.artifacts import find_artifacts, outdated_note
from edgernn.bench import document
from edgernn.bench.document import dump, read_result
from edgernn.card import read_card, seal
from edgernn.commands import demo as demo_module
from edgernn.console.measuring import stranger_lines
from edgernn.system.files import sha256_of

SAMPLE = edgernn.sample().read_bytes()
SOURCE = read_card(SAMPLE).source_sha256


def of_model(source_sha256: str) -> bytes:
    """Return the sample artifact as if it were exported from another Keras file."""
    return seal(SAMPLE.replace(SOURCE.encode(), source_sha256.encode()))


def test_hidden_damaged_and_other_files_are_no_artifacts(tmp_path: Path) -> None:
    whole = {"b.tflite": SAMPLE, "a.tflite": of_model("1" * 64)}
    others = {
        ".edgernn-abcd1234.tflite": SAMPLE,
        ".hidden.tflite": SAMPLE,
        "half.tflite": SAMPLE[:5000],
        "edited.tflite": SAMPLE.replace(SOURCE.encode(), b"2" * 64),
        "empty.onnx": b"",
        "c.bin": SAMPLE,
    }
    for name, data in (whole | others).items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "folder.tflite").mkdir()
    found = [(path.name, card.source_sha256) for path, card in find_artifacts(tmp_path)]
    assert found == [("a.tflite", "1" * 64), ("b.tflite", SOURCE)]
    assert list(find_artifacts(tmp_path / "not there")) == []


def test_artifacts_of_an_earlier_model_of_this_name_are_noted(tmp_path: Path) -> None:
    assert outdated_note(tmp_path, "digits", SOURCE) == ""
    (tmp_path / "a.tflite").write_bytes(SAMPLE)
    assert outdated_note(tmp_path, "digits", SOURCE) == ""
    assert outdated_note(tmp_path, "gestures", "1" * 64) == ""
    assert outdated_note(tmp_path, "digits", "1" * 64) == (
        f"note: {tmp_path}: a.tflite was exported from another model; export again, or delete"
    )
    (tmp_path / "b.tflite").write_bytes(of_model("2" * 64))
    assert "a.tflite, b.tflite were exported" in outdated_note(tmp_path, "digits", "1" * 64)


def test_a_result_names_artifacts_of_another_model(tmp_path: Path) -> None:
    keras = measured("Keras", role="original", source_sha256="a" * 64)
    ours = measured("ours.tflite", seed=1, source_sha256="a" * 64)
    unknown = measured("unknown.tflite", seed=2)
    old = measured("old.tflite", seed=3, source_sha256="b" * 64)
    seen = result(keras, ours, unknown, old)
    assert seen.strangers == (old,)
    (line,) = stranger_lines(seen)
    assert line.startswith(
        "old.tflite: exported from another model, digest bbbbbbbbbbbb…, expected the original's aaaaaaaaaaaa…"
    )
    written = json.loads(dump(seen))
    assert [each["of_another_model"] for each in written["subjects"]] == [False, False, False, True]
    (tmp_path / "result.json").write_text(dump(seen))
    assert [each.name for each in read_result(tmp_path / "result.json").strangers] == ["old.tflite"]
    for each in written["subjects"]:  # as an earlier version wrote it
        del each["source_sha256"], each["of_another_model"]
    (tmp_path / "result.json").write_text(json.dumps(written))
    assert read_result(tmp_path / "result.json").strangers == ()
    assert result(ours, old).strangers == ()  # without an original, as `bench` measures
    assert document.FORMAT == 2


class Steps:
    """Substitutes of the commands that `edgernn demo` calls, without minutes of training; each can fail."""

    def __init__(self, out: Path, fails: str = "") -> None:
        self.out, self.fails, self.compared = out, fails, [""]
        self.group = click.Group("edgernn", params=[])
        arguments = click.Argument(["words"], nargs=-1, type=click.UNPROCESSED)
        settings = {"ignore_unknown_options": True}
        for name in ("train", "export", "compare"):
            step = click.Command(name, callback=getattr(self, name), params=[arguments], context_settings=settings)
            self.group.add_command(step)
        self.group.add_command(demo_module.demo)

    def train(self, words: tuple[str, ...]) -> None:
        self._may_fail("train")
        (self.out / "model.keras").write_bytes(b"new model")

    def export(self, words: tuple[str, ...]) -> None:
        self._may_fail("export")
        assert "--overwrite" in words
        for name in ("digits-int8.tflite", "digits-float32.tflite"):
            (self.out / name).write_bytes(of_model(sha256_of(self.out / "model.keras")))

    def compare(self, words: tuple[str, ...]) -> None:
        self.compared = [Path(word).name for word in words if word.endswith(".tflite")]
        subjects = measured("Keras", role="original"), *(measured(name, seed=1) for name in self.compared)
        (self.out / "result.json").write_text(dump(result(*subjects)))

    def _may_fail(self, name: str) -> None:
        if name == self.fails:
            raise click.exceptions.Exit(1)

    def run(self) -> int:
        return CliRunner().invoke(self.group, ["demo", "--out", str(self.out)], catch_exceptions=False).exit_code


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    """Write files that an earlier demo left, and other files beside them."""
    (tmp_path / "model.keras").write_bytes(b"old model")
    old = of_model(sha256_of(tmp_path / "model.keras"))
    for name in ("digits-int8.tflite", "digits-dynamic.tflite"):
        (tmp_path / name).write_bytes(old)
    (tmp_path / "digits-mine.tflite").write_bytes(of_model("3" * 64))
    (tmp_path / "digits-other.tflite").write_bytes(b"no card")
    return tmp_path


@pytest.mark.parametrize("fails", ["train", "export"])
def test_a_demo_that_fails_deletes_nothing(earlier: Path, fails: str) -> None:
    before = {path.name: path.read_bytes() for path in earlier.glob("*.tflite")}
    assert Steps(earlier, fails).run() == 1
    assert {path.name: path.read_bytes() for path in earlier.glob("*.tflite")} == before


def test_a_demo_replaces_what_the_earlier_one_left_and_nothing_else(earlier: Path) -> None:
    steps = Steps(earlier)
    assert steps.run() == 0
    assert steps.compared == ["digits-float32.tflite", "digits-int8.tflite"]
    left = sorted(path.name for path in earlier.glob("*.tflite"))
    assert left == ["digits-float32.tflite", "digits-int8.tflite", "digits-mine.tflite", "digits-other.tflite"]


@pytest.mark.parametrize(("option", "name"), [("--json", "r.json"), ("--html", "r.html")])
def test_a_comparison_that_fails_leaves_no_empty_folder(
    refused: Callable[..., str], tmp_path: Path, option: str, name: str
) -> None:
    refused("compare", tmp_path / "no run", edgernn.sample(), option, tmp_path / "a" / "b" / name)
    assert list(tmp_path.iterdir()) == []
