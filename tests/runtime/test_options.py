"""Types of options: labels from a file or a list."""

from pathlib import Path

import click
import pytest

from edgernn.console.options import Labels


def test_labels_come_from_a_file_or_a_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "names").write_text("shake, fast\nrest\n", encoding="utf-8-sig")
    assert Labels().convert("names", None, None) == ("shake, fast", "rest")
    assert Labels().convert("shake, rest,walk", None, None) == ("shake", "rest", "walk")
    assert Labels().convert("temperature", None, None) == ("temperature",)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("a,b,a", "two labels are 'a'; expected different ones"),
        ("a,,b", "label 1 is ''; expected one line of printable text"),
        ("", "label 0 is ''; expected one line"),
        ("lables.txt", "lables.txt: no such file."),
        ("emtpy.txt", "emtpy.txt: no such file. Did you mean 'empty.txt'?"),
        ("empty.txt", "empty.txt: the file is empty"),
        ("twice.txt", "twice.txt: two labels are 'b'"),
    ],
)
def test_wrong_labels_are_refused(value: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.txt").touch()
    (tmp_path / "twice.txt").write_text("a\nb\nb\n")
    with pytest.raises(click.UsageError) as error:
        Labels().convert(value, None, None)
    assert message in error.value.message
