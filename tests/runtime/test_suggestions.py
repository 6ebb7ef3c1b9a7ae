"""Suggestions for mistyped paths."""

from pathlib import Path

import pytest

from edgernn.errors import DataError
from edgernn.suggestions import did_you_mean_path
from edgernn.system.files import check_file


@pytest.mark.parametrize(
    ("path", "suggested"),
    [
        ("modle.keras", "model.keras"),
        ("model.kears", "model.keras"),
        ("MODEL.KERAS", "model.keras"),
        ("rnus", "runs"),
        ("rnus/digits.tflite", "runs/digits.tflite"),
        ("runs/digit.tflite", "runs/digits.tflite"),
        ("other.csv", ""),
        ("rnus/other.csv", ""),
        ("/nowhere/model.keras", ""),
        (".", ""),
        ("", ""),
        (".hiddn", ""),
    ],
)
def test_the_nearest_name_in_the_folder_is_suggested(
    path: str, suggested: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    for name in ("model.keras", "runs/digits.tflite", ".hidden"):
        (tmp_path / name).write_text("any")
    expected = f". Did you mean {str(Path(suggested))!r}?" if suggested else ""
    assert did_you_mean_path(Path(path)) == expected


def test_a_missing_file_is_reported_with_it(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("any")
    with pytest.raises(DataError) as error:
        check_file(tmp_path / "lables.txt", DataError, 100)
    assert (
        str(error.value) == f"{tmp_path / 'lables.txt'}: no such file. Did you mean {str(tmp_path / 'labels.txt')!r}?"
    )
