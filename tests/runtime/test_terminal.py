import ast
import json
import math
import struct
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from edgernn import sample
from edgernn.cli import main
from edgernn.console.answers import Place
from edgernn.console.grading import Grade, describe
from edgernn.console.measuring import columns
from edgernn.console.terminal import say
from edgernn.console.text_width import cut_in_the_middle, shortened, width_of
from edgernn.errors import DataError, EdgernnError, MissingExtraError, find_unusable, printable
from edgernn.system.files import to_json
from edgernn_export.console import fit_names, make_console, make_table
from edgernn_train.epoch_progress import make_console as make_training_console
from edgernn_train.epoch_progress import say as say_in_training

ROOT = Path(__file__).parents[2]
ROOMS = ("runtime/edgernn", "export/edgernn_export", "train/edgernn_train", "benchmarks/edgernn_benchmarks")
# One of each kind: escape sequences, line breaks, direction marks, zero width, half a surrogate pair, non-characters.
HOSTILE = (
    *("\x1b]0;OWNED\x07", "\x1b[2J", "\x9b2J", "\r", "\n", "\x0b", "\x7f", "\x85", "\u2028", "\u2029", "\x00"),
    *("\u202a", "\u202e", "\u2066", "\u2069", "\u200e", "\u200f", "\u061c", "\u200b", "\u2060", "\ufeff", "\u00ad"),
    *("\u180e", "\U000e0041", "\ud800", "\udcff", "\U000e0100", "\u3164", "\u034f", "\ufe0f", "\U0010ffff"),
)
ACTS = ("Cc", "Cf", "Cs", "Zl", "Zp")


def is_harmless(text: str) -> bool:
    return not any(unicodedata.category(each) in ACTS for each in text)


@pytest.mark.parametrize("hostile", HOSTILE)
def test_nothing_hostile_is_printable_and_names_stay_apart(hostile: str) -> None:
    text = printable(f"a{hostile}b")
    assert is_harmless(text)
    assert text != printable("ab")
    assert printable(text) == text
    assert printable(hostile) != hostile


def test_text_of_people_is_left_alone() -> None:
    for text in ("naïve Straße", "日本語　ラベル", "שלום", "العربية", "café ±5 µs 1.43×", "🙂", r"C:\new\table", ""):
        assert printable(text) == text
        assert not find_unusable(text)


def test_words_that_are_spelled_with_joiners_are_usable_and_shown_escaped() -> None:
    word = "می\u200cخواهم"
    assert not find_unusable(word)
    assert printable(word) == "می\\u200cخواهم"


@given(st.text())
def test_printable_text_acts_on_nothing_and_stays_itself(text: str) -> None:
    shown = printable(text)
    assert is_harmless(shown)
    assert printable(shown) == shown
    shown.encode()


@given(st.text(), st.sampled_from([kind for kind in EdgernnError.__subclasses__() if kind is not MissingExtraError]))
def test_every_error_is_one_printable_line(text: str, kind: type[EdgernnError]) -> None:
    assert is_harmless(str(kind(f"{text}: {kind(text)}")))


@given(st.text(), st.floats())
def test_json_is_ascii_that_every_reader_takes(text: str, number: float) -> None:
    written = to_json({text: [number, text]})
    assert written.isascii()
    assert written.isprintable()
    # NaN and infinity are not JSON.
    ((name, values),) = json.loads(written, parse_constant=pytest.fail).items()
    assert (name, values[1]) == (text, text)
    assert values[0] == (number if math.isfinite(number) else None)


@given(st.lists(st.text(), max_size=3))
def test_as_many_lines_are_printed_as_are_said(lines: list[str]) -> None:
    with CliRunner().isolation() as (out, _, _):
        say(*lines)
        written = out.getvalue().decode()
    assert written.count("\n") == max(1, len(lines))
    assert all(is_harmless(line) for line in written.split("\n"))


@pytest.mark.parametrize("hostile", [each for each in HOSTILE if not each.startswith(("\ud800", "\udcff"))])
def test_rich_prints_no_hostile_text_either(hostile: str, capsys: pytest.CaptureFixture[str]) -> None:
    console = make_console()
    console.print(make_table(("bytes",), [(f"a{hostile}b", f"1{hostile}")]))
    console.print(f"In {hostile}", soft_wrap=True)
    say_in_training(make_training_console(stderr=False, quiet=False), f"saved to {hostile}".replace("\n", " "))
    lines = capsys.readouterr().out.split("\n")
    assert all(is_harmless(line) for line in lines)


def test_long_names_of_artifacts_stay_on_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    names = ["activity-recognition-dynamic-fused.tflite", "activity-recognition-int8.onnx !", "Keras tf.function"]
    figures = ("14,128", "93.40%", "100.00%", "9.73 µs", "±0.4%!", "76.7×")
    headings = ("bytes", "accuracy", "agrees", "median", "±", "speed")
    make_console().print(make_table(headings, [(name, *figures) for name in names]))
    _, _, _, *rows = (line.rstrip() for line in capsys.readouterr().out.rstrip().split("\n"))
    assert [row.split()[0] for row in rows] == ["…-dynamic-fused.tflite", "…-int8.onnx", "Keras"]
    assert all(len(row) <= 80 and row.endswith("76.7×") for row in rows)
    assert fit_names(names, 80) == names
    full = ["digits-dynamic-fused.tflite", "digits-int8.onnx", "Keras"]
    make_console().print(make_table(headings, [(name, *figures) for name in full]))
    _, _, _, *rows = (line.rstrip() for line in capsys.readouterr().out.rstrip().split("\n"))
    assert [row.split()[0] for row in rows] == full
    assert fit_names(["a" * 30 + "-int8.tflite"], 21) == ["aaaaaaaaaa…nt8.tflite"]


def test_characters_of_two_columns_do_not_move_the_figures_of_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    names = [
        "동작-인식-float32-loop.tflite",
        "cafe\u0301-int8.tflite",
        "動作認識動作認識動作認識動作認識動作認識-int8.tflite",
    ]
    figures = ("14,128", "93.40%", "100.00%", "9.73 µs", "±0.4%!", "76.7×")
    make_console().print(
        make_table(("bytes", "accuracy", "agrees", "median", "±", "speed"), [(each, *figures) for each in names])
    )
    _, _, _, *rows = (line.rstrip() for line in capsys.readouterr().out.rstrip().split("\n"))
    lines = columns([("artifact", "bytes"), *((each, "14,128") for each in names[:2])], 80)[2:]
    matrix = describe(
        Grade(samples=2, measures={}, labels=("걷기", "서기동작감지센서"), confusion=np.eye(2, dtype=np.int64))
    )[4:]
    for printed, end in ((rows, "76.7×"), (lines, "14,128"), (matrix, "")):
        assert all(row.endswith(end) for row in printed)
        assert len({cell_len(row) for row in printed}) == 1
        assert cell_len(printed[0]) <= 80


@given(st.text(st.characters(codec="utf-8", exclude_categories=("C", "M", "Z"))), st.integers(3, 30))
def test_a_text_is_cut_to_its_columns(text: str, width: int) -> None:
    for cut in (shortened(text, width), cut_in_the_middle(text, width)):
        assert width_of(cut) <= width
        assert (cut == text) == (width_of(text) <= width)


def calls(tree: ast.AST) -> list[str]:
    return [ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)]


@pytest.mark.parametrize("name", ["x" * 60_000, "\x1b" * 60_000, ", ".join(map(str, range(60_000)))])
def test_a_message_that_quotes_much_still_ends_with_what_to_do(name: str) -> None:
    message = str(DataError(f"s.npz: contains {name}; expected x"))
    assert message.startswith("s.npz: contains ")
    assert message.endswith("; expected x")
    assert 2_000 <= len(message) < 2_100
    assert "more) …" in message


@pytest.mark.parametrize("room", ROOMS)
def test_no_command_prints_past_the_terminal_module(room: str) -> None:
    """A `click.echo(path)` in a command fails here: use `edgernn.console.terminal`."""
    found = {
        (path.name, call)
        for path in (ROOT / room).rglob("*.py")
        if path.name != "terminal.py"
        for call in calls(ast.parse(path.read_text(encoding="utf-8")))
        if call.split(".")[-1] in ("echo", "secho", "print", "print_json", "Console")
        or call in ("sys.stdout.write", "sys.stderr.write", "sys.__stdout__.write")
    }
    # Consoles that escape their output; each is of a class that `escaping` returns.
    # A command that is ended by a signal prints its name, a constant, when nothing can be imported any more.
    found -= {("interrupt.py", "print")}
    assert {call for _, call in found} <= {"console.print"}
    assert {name for name, _ in found} <= {"command.py", "result_table.py", "terminal_table.py", "epoch_progress.py"}


def write_array(path: Path, values: np.ndarray) -> None:
    """Write an .npy under a name that may have line breaks; numpy.save would add a suffix."""
    header = str({"descr": "<f4", "fortran_order": False, "shape": values.shape}).ljust(117) + "\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + values.tobytes())


NAMES = ("\x1b]0;OWNED\x07.npy", "a  9 100.0%\nb.npy", "c\nerror: forged.npy", "d\u202eypn.npy", "e\u200b.npy")


@pytest.mark.parametrize("json_option", [[], ["--json"]])
@pytest.mark.parametrize("good", [True, False])
def test_predict_shows_names_of_files_escaped(
    good: bool, json_option: list[str], edgernn_command: Callable[..., Result], tmp_path: Path
) -> None:
    for name in NAMES:
        if good:
            write_array(tmp_path / name, np.zeros((28, 28), np.float32))
        else:
            (tmp_path / name).write_bytes(b"junk")
        (tmp_path / f"{name}.txt").write_text("skipped")
    result = edgernn_command("predict", sample(), tmp_path, *json_option)
    assert result.exit_code == int(not good)
    lines = result.output.split("\n")
    assert all(is_harmless(line) for line in lines)
    assert not [line for line in lines if line.startswith(("error: forged", "b.npy"))]
    if json_option:
        assert [Path(each["path"]).name for each in json.loads(result.stdout)] == sorted(NAMES)


def test_usage_errors_quote_the_command_line_escaped() -> None:
    for words in (["\x1b[31mfly"], ["info", "--\x1b[31m"], ["predict", "a", "b", "--top", "\u202e1"], ["--\n"]):
        result = CliRunner().invoke(main, words)
        assert result.exit_code == 2
        assert all(is_harmless(line) for line in result.output.split("\n"))


def test_a_place_may_have_any_name() -> None:
    with CliRunner().isolation() as (out, _, _):
        say(str(Place("a\nb", 1, 3)))
        assert out.getvalue() == b"a\\nb[1]\n"


@pytest.mark.parametrize("command", ["info", "predict", "stream", "bench", "compact", "export", "compare", "report"])
def test_what_cannot_be_read_is_named_escaped(command: str, edgernn_command: Callable[..., Result]) -> None:
    name = "missing\x1b[31m\n\u202e.tflite"
    more = {"predict": ["x.npy"], "compare": [name]}.get(command, [])
    result = edgernn_command(command, name, *more)
    assert result.exit_code == 1
    assert r"missing\x1b[31m\n\u202e" in result.stderr
    assert all(is_harmless(line) for line in result.output.split("\n"))
