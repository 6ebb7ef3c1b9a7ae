"""Rows of numbers as spreadsheets of several countries write them, in files and on standard input."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from edgernn import sample
from edgernn.cli import main
from edgernn.console.lines import parse_numbers
from edgernn.data.readers import read_csv
from edgernn.data.readers.rows import split_row
from edgernn.errors import DataError, InputError

FORMS: dict[str, tuple[str, str]] = {
    "comma": (",", "."),
    "comma and space": (", ", "."),
    "semicolon": (";", "."),
    "semicolon, decimal comma": (";", ","),
    "semicolon and space, decimal comma": ("; ", ","),
    "tab": ("\t", "."),
    "tab, decimal comma": ("\t", ","),
    "space": (" ", "."),
    "aligned": ("   ", "."),
}
NUMBERS = st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=6)


def write(values: list[float], separator: str, decimal: str, quoted: bool = False) -> str:
    texts = [repr(value).replace(".", decimal) for value in values]
    return separator.join(f'"{text}"' if quoted else text for text in texts)


@given(NUMBERS, st.sampled_from(sorted(FORMS)), st.booleans())
def test_a_row_is_read_as_it_was_written(values: list[float], form: str, quoted: bool) -> None:
    separator, decimal = FORMS[form]
    # A single number with a decimal comma cannot be distinguished from two numbers.
    values = values * 2 if len(values) == 1 else values
    numbers = parse_numbers(write(values, separator, decimal, quoted).encode())
    np.testing.assert_array_equal(numbers, np.array(values, np.float32))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("header", [(), ("a", "b", "c"), ('"acc x"', '"acc y"', '"Temp °C"')])
@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
def test_csv_of_any_form_is_read(form: str, header: tuple[str, ...], start: bytes, tmp_path: Path) -> None:
    separator, decimal = FORMS[form]
    x = np.array([[[0.5, -1.25, 3], [4, 5.5, 1e-3]], [[7, 8, 9.75], [0, -0.5, 2]]])
    head = separator.join(header) + "\r\n" if header else ""
    samples = ["".join(write(row, separator, decimal) + "\r\n" for row in each) for each in x.tolist()]
    (tmp_path / "a.csv").write_bytes(start + (head + "\r\n".join(samples)).encode("cp1252"))
    np.testing.assert_array_equal(read_csv(tmp_path / "a.csv"), x)


def test_the_same_text_is_two_things_by_what_stands_between() -> None:
    assert split_row("1,5;2,5").fields == ["1.5", "2.5"]
    assert split_row("1,5\t2,5").fields == ["1.5", "2.5"]
    assert split_row("1,5").fields == ["1", "5"]
    assert split_row("1,\t5").fields == ["1", "5"]
    assert split_row("1;5").fields == ["1", "5"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1,5;2.5\n", "'1,5' has a decimal comma, '2.5' a decimal point"),
        ("1.000,5;2\n", "'1.000,5' has a decimal comma"),
        ("1,5;2\n1.5;2\n", "line 2 has decimal points, those before decimal commas"),
        ("1;2\n1,2\n", "line 2 has commas between its fields, the first line semicolons"),
        ("1,2\n1\t2\n", "line 2 has tabs between its fields, the first line commas"),
        ("1;;2\n", "contains '', which is not a number"),
        ("1;1,2,3\n", "contains"),
        (
            "time,x\n12:30:01,1\n",
            "contains '12:30:01' in column 'time'.*a time stamp is not a model input: omit that column",
        ),
        ("t;x\n2026-11-30 12:00;1,5\n", "in column 't'.*a time stamp"),
        ("Zeit\tx\n30.11.2026\t1\n", "in column 'Zeit'.*a time stamp"),
        ("a,b\n1,inf\n", "'inf' in column 'b', which is not a number"),
        ("١,٢\n", "which is not a number"),
    ],
)
def test_what_cannot_be_known_is_refused_with_what_was_found(content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read_csv(tmp_path / "a.csv")


def test_utf_16_is_called_so(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("1,2\n".encode("utf-16"))
    with pytest.raises(DataError, match="UTF-16 text, expected UTF-8; save it as UTF-8"):
        read_csv(tmp_path / "a.csv")


@given(st.text(max_size=60))
def test_any_text_is_a_row_or_an_input_error(text: str) -> None:
    try:
        row = split_row(text)
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert row.separator in ";\t, "


def stream(text: str, *words: str) -> tuple[list[Any], str, int]:
    result = CliRunner().invoke(main, ["stream", str(sample()), "--json", *words], input=text, catch_exceptions=False)
    return [json.loads(line) for line in result.stdout.splitlines()], result.stderr, result.exit_code


@pytest.mark.parametrize("form", FORMS)
def test_stream_and_predict_take_the_same(form: str, tmp_path: Path) -> None:
    separator, decimal = FORMS[form]
    x = np.random.default_rng(0).random((28, 28)).round(3)
    header = separator.join(f"pixel{number}" for number in range(28))
    text = "\n".join([header, *(write(row, separator, decimal) for row in x.tolist())])
    (tmp_path / "a.csv").write_text(text)
    answers, notes, exit_code = stream(text)
    assert exit_code == 0
    assert "note: line 1 names the columns: pixel0, pixel1" in notes
    assert [answer["line"] for answer in answers] == list(range(2, 30))
    predicted = CliRunner().invoke(main, ["predict", str(sample()), str(tmp_path / "a.csv"), "--json", "--top", "1"])
    (answer,) = json.loads(predicted.stdout)
    assert answer["guesses"] == answers[-1]["guesses"]


def test_only_the_first_line_of_a_stream_names_columns() -> None:
    names = ",".join(["name"] * 28)
    _, errors, exit_code = stream(f"{names}\n{names}\n")
    assert exit_code == 1
    assert "error: line 2: number 1 is 'name', expected a number" in errors


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (" ".join(["a"] * 27), "number 1 is 'a', expected a number"),
        (",".join(["1,5"] * 28), "56 numbers, expected 28; if these are decimal commas, put semicolons or tabs"),
        (";".join(["2026-11-30 12:00", *["1,5"] * 28]), "a time stamp is not a model input"),
        (";".join(["1,5", "1.5"] * 14), "'1,5' has a decimal comma, '1.5' a decimal point"),
    ],
)
def test_a_stream_says_what_was_found(line: str, message: str) -> None:
    _, errors, exit_code = stream(line)
    assert exit_code == 1
    assert message in errors


@pytest.mark.parametrize(
    "front",
    ["# made by a sensor", "sep=;", '"sep=,"', "SEP=\t", "#0,5", "# a,b\n# 1;2", "sep=;\npixels", "\n\n# a\n\npixels"],
)
def test_remarks_in_front_of_the_first_row_are_no_rows(front: str, tmp_path: Path) -> None:
    x = np.random.default_rng(1).random((28, 28)).round(3)
    front = front.replace("pixels", ";".join(f"pixel{number}" for number in range(28)))
    text = "\n".join(["\ufeff" + front, *(write(row, ";", ",") for row in x.tolist())])
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")
    np.testing.assert_array_equal(read_csv(tmp_path / "a.csv"), x[np.newaxis])
    answers, notes, exit_code = stream(text)
    assert (len(answers), answers[-1]["row"], exit_code) == (28, 28, 0)
    assert ("names the columns: pixel0, pixel1" in notes) == ("pixel" in front)


def test_a_remark_behind_the_first_row_is_an_error(tmp_path: Path) -> None:
    row = ",".join(["0.5"] * 28)
    (tmp_path / "a.csv").write_text(f"{row}\n# here\n{row}\n")
    with pytest.raises(DataError, match="line 2 h"):
        read_csv(tmp_path / "a.csv")
    answers, notes, exit_code = stream(f"{row}\n# here\n{row}\n")
    assert (len(answers), exit_code) == (2, 1)
    assert "error: line 2: " in notes
