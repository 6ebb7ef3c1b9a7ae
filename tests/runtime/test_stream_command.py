"""The command `edgernn stream` in a child process, as a sensor loop or a service runs it."""

import json
import select
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from hypothesis import given
from hypothesis import strategies as st

import edgernn
from edgernn.card import seal
from edgernn.commands.stream_lines import OpenSequence, Writer
from edgernn.console.lines import parse_numbers
from edgernn.data.datasets import read_samples
from edgernn.data.readers import Archive
from edgernn.errors import InputError
from edgernn.tasks import Task
from overhead.long_stream import stream_long

NAMES = ("digits-float32.tflite", "digits-int8.tflite", "digits-int8-loop.tflite", "digits-float32.onnx")
PATIENCE_SECONDS = 60
needs_signals = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to catch")
needs_proc = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux says there how much memory")


class Process:
    """`edgernn stream` with pipes for all its streams; waiting for a line has a time limit."""

    def __init__(self, *words: str | Path) -> None:
        command = [sys.executable, "-m", "edgernn", "stream", *map(str, words)]
        pipe = subprocess.PIPE
        self.popen = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0)

    def send(self, text: str) -> None:
        assert self.popen.stdin is not None
        self.popen.stdin.write(text.encode())

    def answer(self) -> str:
        return self._line(self.popen.stdout)

    def error(self) -> str:
        return self._line(self.popen.stderr)

    def end(self) -> tuple[str, str, int]:
        out, error = self.popen.communicate(timeout=PATIENCE_SECONDS)
        return out.decode(), error.decode(), self.popen.returncode

    def _line(self, pipe: Any) -> str:
        assert select.select([pipe], [], [], PATIENCE_SECONDS)[0], "no line came"
        line = pipe.readline().decode()
        assert line.endswith("\n"), f"half a line: {line!r}"
        return line.removesuffix("\n")


@pytest.fixture
def start() -> Iterator[Callable[..., Process]]:
    started: list[Process] = []

    def start(*words: str | Path) -> Process:
        started.append(Process(*words))
        return started[-1]

    yield start
    for process in started:
        process.popen.kill()
        process.popen.communicate()


@pytest.fixture(scope="module")
def x(run_folder: Path) -> np.ndarray:
    return read_samples(run_folder).x_test


def as_line(row: np.ndarray) -> str:
    return " ".join(repr(float(value)) for value in row) + "\n"


def as_lines(rows: np.ndarray) -> str:
    return "".join(map(as_line, rows))


def run(words: list[str | Path], text: str | bytes) -> tuple[str, str, int]:
    data = text.encode() if isinstance(text, str) else text
    command = [sys.executable, "-m", "edgernn", "stream", *map(str, words)]
    result = subprocess.run(command, input=data, capture_output=True, check=False, timeout=PATIENCE_SECONDS)
    assert b"Traceback" not in result.stderr
    return result.stdout.decode(), result.stderr.decode(), result.returncode


def answers(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def probabilities(answer: dict[str, Any]) -> np.ndarray:
    """Return the probabilities of an answer with all ten guesses, in the order of the classes."""
    by_label = {guess["label"]: guess["probability"] for guess in answer["guesses"]}
    return np.array([by_label[str(label)] for label in range(10)])


def test_each_line_is_answered_before_the_next_is_sent(
    start: Callable[..., Process], artifacts: Path, x: np.ndarray
) -> None:
    path = artifacts / "digits-int8.tflite"
    process = start(path)
    with edgernn.load(path).stream() as stream:
        for number, row in enumerate(x[0], 1):
            process.send(as_line(row))
            label = int(stream.push(row).argmax())
            assert process.answer().startswith(f"{number}  {label} ")
    assert process.end() == ("", "", 0)


@pytest.mark.parametrize("name", NAMES)
def test_the_last_answer_of_a_sequence_is_that_of_predict(artifacts: Path, x: np.ndarray, name: str) -> None:
    text = "\n".join(as_lines(sample) for sample in x[:3])  # an empty line between them
    out, _, exit_code = run([artifacts / name, "--json", "--last", "--top", "10"], text)
    expected = edgernn.load(artifacts / name).predict(x[:3])
    assert exit_code == 0
    assert [answer["row"] for answer in answers(out)] == [28] * 3
    assert all(answer["verified"] for answer in answers(out))
    np.testing.assert_allclose([probabilities(answer) for answer in answers(out)], expected, atol=1e-5)
    windows, _, _ = run(
        [artifacts / name, "--json", "--last", "--top", "10", "--every", "28"], as_lines(x[:3, :, :].reshape(-1, 28))
    )
    assert [answer["guesses"] for answer in answers(windows)] == [answer["guesses"] for answer in answers(out)]


def test_numbers_are_read_with_spaces_with_commas_and_as_json(artifacts: Path, x: np.ndarray) -> None:
    path = artifacts / "digits-float32.onnx"
    rows = x[0].astype(float).tolist()
    forms: tuple[Callable[[list[float]], str], ...] = (
        lambda row: " ".join(map(repr, row)),
        lambda row: "\t".join(map(repr, row)) + "\r",
        lambda row: ",".join(map(repr, row)),
        lambda row: " , ".join(map(repr, row)),
        json.dumps,
    )
    expected, _, _ = run([path], "\n".join(map(forms[0], rows)))  # the last line without its end
    mixed, error, exit_code = run([path], "\n".join(forms[place % 5](row) for place, row in enumerate(rows)))
    assert (mixed, error, exit_code) == (expected, "", 0)
    assert len(expected.splitlines()) == 28


BAD = {
    "hello": "number 1 is 'hello', expected a number",
    "0.5 " * 27: "27 numbers, expected 28",
    "[]": "0 numbers, expected 28",
    "1,2,,3": "number 3 is '', expected a number",
    "nan " + "0 " * 27: "number 1 is 'nan', expected a finite number in the range of float32",
    "0 " * 27 + "-inf": "number 28 is '-inf', expected a finite number in the range of float32",
    "1e39 " + "0 " * 27: "number 1 is '1e39', expected a finite number in the range of float32",
    "[1" + "0" * 400 + "]": "expected a finite number in the range of float32",
    "[NaN]": "number 1 is nan, expected a finite number in the range of float32",
    "[true]": "number 1 is True, expected a number",
    '["1"]': "number 1 is '1', expected a number",
    "[[1]]": "number 1 is [1], expected a number",
    "[1": "not a JSON array",
    "[" * 5000: "not a JSON array",
    "1_000": "number 1 is '1_000', expected a number",
    "1 " * 100_000: "longer than 65,536 bytes, expected 28 numbers",
    "x" * 1_000: "number 1 is 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxx…, expected a number",
    "\udcff\udcfe": "not UTF-8 text",
}


def test_a_bad_line_is_named_and_changes_nothing(artifacts: Path, x: np.ndarray) -> None:
    path = artifacts / "digits-int8.tflite"
    clean, _, _ = run([path, "--json", "--top", "10"], as_lines(x[0]))
    lines = [line for row, bad in zip(x[0], BAD, strict=False) for line in (bad + "\n", as_line(row))]
    text = "".join(lines) + as_lines(x[0][len(BAD) :])
    out, error, exit_code = run([path, "--json", "--top", "10"], text.encode("utf-8", "surrogateescape"))
    assert exit_code == 1
    errors = error.splitlines()
    assert len(errors) == len(BAD)
    for number, line, message in zip(range(1, 99, 2), errors, BAD.values(), strict=False):
        assert line.startswith(f"error: line {number}: ")
        assert message in line
        assert len(line) < 200
    assert [answer["guesses"] for answer in answers(out)] == [answer["guesses"] for answer in answers(clean)]


def test_wrong_lines_in_succession_are_counted(artifacts: Path, x: np.ndarray) -> None:
    text = "1 2\n" * 9 + as_line(x[0][0]) + "1 2\n" * 6 + as_line(x[0][1]) + "1 2\n" * 2
    out, error, exit_code = run([artifacts / "digits-int8.tflite"], text)
    assert ([line.split()[0] for line in out.splitlines()], exit_code) == (["10", "17"], 1)
    found = [line.partition(": 2 numbers")[0] for line in error.splitlines()]
    reported = [f"error: line {number}" for number in (1, 2, 3, 4, 5, 11, 12, 13, 14, 15, 18, 19)]
    counted = ["error: 4 lines, 6 to 9, could not be used either", "error: line 16 could not be used either"]
    assert found == [*reported[:5], counted[0], *reported[5:10], counted[1], *reported[10:]]
    assert error.count("expected 28; the next ones are only counted") == 2


def test_an_incomplete_or_too_long_sequence_is_noted(artifacts: Path, x: np.ndarray) -> None:
    path, text = artifacts / "digits-int8.tflite", as_lines(x[:3].reshape(-1, 28)[:70])
    out, error, exit_code = run([path, "--every", "28", "--last"], text)
    assert (len(out.splitlines()), exit_code) == (3, 0)
    assert error == "note: the last sequence has only 14 of 28 rows\n"
    _, error, exit_code = run([path], text)
    assert (error, exit_code) == (
        "note: line 29: the sequence is longer than the model's 28 rows; --every 28 begins a new one after 28 rows\n",
        0,
    )


def test_a_file_behind_the_artifact_is_refused_with_advice(artifacts: Path) -> None:
    path = artifacts / "digits-int8.tflite"
    _, error, exit_code = run([path, "rows.csv"], "")
    assert exit_code == 2
    assert f"'rows.csv'; rows are read from standard input: edgernn stream {path} < FILE." in error


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=40), st.integers(0, 3))
def test_written_numbers_are_read_back(values: list[float], form: int) -> None:
    text = json.dumps(values) if not form else (" ", ",", "  ,\t")[form - 1].join(map(repr, values))
    numbers = parse_numbers(f" {text}\r".encode())
    assert numbers.dtype == np.float32
    np.testing.assert_array_equal(numbers, np.array(values, np.float32))


@given(st.binary(max_size=60))
def test_any_line_is_numbers_or_an_input_error(line: bytes) -> None:
    try:
        numbers = parse_numbers(line)
    except InputError as error:
        assert len(str(error).splitlines()) == 1
    else:
        assert np.isfinite(numbers).all()


def test_unscaled_pixels_are_bad_lines(artifacts: Path, x: np.ndarray) -> None:
    raw = np.round(x[1] * 255)
    out, error, exit_code = run([artifacts / "digits-int8.tflite", "--every", "28"], as_lines(x[0]) + as_lines(raw))
    wrong = int((raw > 2).any(axis=1).sum())
    assert (len(out.splitlines()), exit_code) == (56 - wrong, 1)
    assert error.count("error: line ") == min(wrong, 5)
    assert f"error: {wrong - 5} lines, " in error
    assert "expected 0 to 1 (pixel / 255); divide by 255" in error


def test_numbers_far_from_the_calibration_are_reported_once(artifacts: Path, x: np.ndarray, tmp_path: Path) -> None:
    data, path = (artifacts / "digits-int8.tflite").read_bytes(), tmp_path / "sensors.tflite"
    digest = data.index(b'"sha256":"') + len(b'"sha256":"')
    unsealed = data[:digest] + b"0" * 64 + data[digest + 64 :]
    path.write_bytes(seal(unsealed.replace(b'"pixel / 255"', b'"m/s squared"')))
    out, error, exit_code = run([path, "--every", "28"], as_lines(x[0]) + as_lines(np.round(x[1] * 255)))
    assert (len(out.splitlines()), exit_code) == (56, 0)
    assert len(error.splitlines()) == 1
    assert ", far from 0 to 1, which the model was calibrated on (m/s squared); check its unit and scaling" in error
    assert error.startswith(f"warning: line {29 + int(np.argmax((x[1] * 255 > 2).any(axis=1)))}: ")


@needs_signals
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_waiting_ends_it_cleanly(
    start: Callable[..., Process], artifacts: Path, x: np.ndarray, number: signal.Signals
) -> None:
    process = start(artifacts / "digits-int8.tflite")
    process.send(as_line(x[0][0]))
    assert process.answer().startswith("1  ")
    process.send("half a li")
    process.popen.send_signal(number)
    process.popen.wait(PATIENCE_SECONDS)  # its input is still open
    assert process.end() == ("", "", 128 + number)


@needs_signals
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_amid_heavy_input_loses_and_cuts_no_answer(
    start: Callable[..., Process], artifacts: Path, x: np.ndarray, tmp_path: Path, number: signal.Signals
) -> None:
    path, state = artifacts / "digits-int8.tflite", tmp_path / "state.npz"
    rows = x[:200].reshape(-1, 28)
    process = start(path, "--json", "--state", state)
    sender = threading.Thread(target=_send_until_closed, args=(process, as_lines(rows)))
    sender.start()
    lines = [process.answer() for _ in range(500)]
    process.popen.send_signal(number)
    assert process.popen.stdout is not None
    rest = process.popen.stdout.read().decode()
    assert process.popen.wait(PATIENCE_SECONDS) == 128 + number
    sender.join()
    assert rest.endswith("\n") or not rest
    seen = answers("\n".join(lines) + "\n" + rest)
    assert 500 <= len(seen) < len(rows)
    assert [answer["line"] for answer in seen] == list(range(1, len(seen) + 1))
    with edgernn.load(path).stream() as stream:
        expected = [stream.push(row) for row in rows[: len(seen)]]
        for answer, right in zip(seen, expected, strict=True):
            assert answer["guesses"][0]["probability"] == right.max()
        # The state is that after the last answered line: the next process continues from there.
        out, _, _ = run([path, "--json", "--state", state], as_line(rows[len(seen)]))
        assert answers(out)[0]["guesses"][0]["probability"] == stream.push(rows[len(seen)]).max()
    assert answers(out)[0]["row"] == len(seen) + 1


def _send_until_closed(process: Process, text: str) -> None:
    with suppress(BrokenPipeError):
        process.send(text)


@pytest.mark.parametrize("name", NAMES)
def test_a_restarted_process_goes_on_bit_for_bit(artifacts: Path, x: np.ndarray, tmp_path: Path, name: str) -> None:
    words = [artifacts / name, "--json", "--top", "10", "--every", "28"]
    rows, state = x[:3].reshape(-1, 28), tmp_path / "state.npz"
    whole, _, _ = run(words, as_lines(rows))
    parts = [
        run([*words, "--state", state], as_lines(rows[first:last]))[0]
        for first, last in ((0, 11), (11, 11), (11, 40), (40, 84))
    ]

    def numbers(out: str) -> list[tuple[int, Any]]:
        return [(answer["row"], answer["guesses"]) for answer in answers(out)]

    assert numbers("".join(parts)) == numbers(whole)
    with np.load(state, allow_pickle=False) as arrays:
        assert int(arrays["rows"]) == 0  # the third window was full


def test_a_state_that_is_not_this_artifacts_is_refused(
    refused: Callable[..., str], artifacts: Path, x: np.ndarray, tmp_path: Path
) -> None:
    path, state = artifacts / "digits-int8.tflite", tmp_path / "state.npz"
    run([path, "--state", state], as_lines(x[0][:5]))
    kept = dict(np.load(state))
    others = {name: kept[name] for name in kept if name != "state_000"}
    message = refused("stream", artifacts / "digits-float32.tflite", "--state", state)
    assert f"{state}: a state of 'digits-int8.tflite'" in message
    assert "expected 'digits-float32.tflite'" in message
    damaged: dict[str, tuple[dict[str, Any], str]] = {
        "empty": ({}, "not a state of format 1"),
        "later": ({**kept, "format": 2}, "not a state of format 1"),
        "rows": ({**kept, "rows": -1}, "not a state of format 1"),
        "words": ({**kept, "rows": "9" * 5_000}, "not a state of format 1"),
        "more rows than ever come": ({**kept, "rows": np.uint64(2**64 - 1)}, "not a state of format 1"),
        "record": ({**kept, "format": np.zeros((), [("format", "i4")])}, "not a state of format 1"),
        "rows of time": ({**kept, "rows": np.timedelta64(3, "s")}, "not a state of format 1"),
        "float": ({**kept, "format": 1.0}, "not a state of format 1"),
        "two states": ({**kept, "state_001": kept["state_000"]}, "2 states, expected 1: state_000"),
        "other name": ({**others, "state_x": kept["state_000"]}, "1 states, expected 1: state_000"),
        "many": ({**kept, "format": [1, 1]}, "not a state of format 1"),
        "names": ({**kept, "sha256": [["a"]]}, "a state of 'digits-int8.tflite', SHA-256"),
        "shape": ({**kept, "state_000": kept["state_000"][:-1]}, "expected ['int8 (64,)']"),
        "type": ({**kept, "state_000": kept["state_000"].astype(np.float32)}, "expected ['int8 (64,)']"),
        "none": (others, "0 states, expected 1: state_000"),
        "pickle": ({**kept, "state_000": np.array([{"a": 1}], object)}, "cannot be read as .npz"),
    }
    for name, (arrays, expected) in damaged.items():
        file = tmp_path / f"{name}.npz"
        np.savez(file, **arrays)
        before = file.read_bytes()
        message = refused("stream", path, "--state", file)
        assert f"{file}: " in message
        assert expected in message
        assert file.read_bytes() == before
    np.savez(tmp_path / "bomb.npz", **others)
    with zipfile.ZipFile(tmp_path / "bomb.npz", "a") as archive, archive.open("state_000.npy", "w") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (10**17,)}
        np.lib.format.write_array_header_1_0(file, header)
    assert "bytes unpacked; expected at most 4,194,304" in refused("stream", path, "--state", tmp_path / "bomb.npz")
    with (tmp_path / "large.npz").open("wb") as file:
        file.truncate(5_000_000)
    large = refused("stream", path, "--state", tmp_path / "large.npz")
    assert "5,000,000 bytes, too large for a state that `edgernn stream` saves; name another file" in large
    (tmp_path / "cut.npz").write_bytes(state.read_bytes()[:-30])
    assert "cannot be read as .npz" in refused("stream", path, "--state", tmp_path / "cut.npz")
    assert "cannot write" in refused("stream", path, "--state", path / "state.npz")


def test_a_state_of_many_members_is_refused_before_they_are_read(
    refused: Callable[..., str], artifacts: Path, x: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = tmp_path / "state.npz"
    run([artifacts / "digits-int8.tflite", "--state", state], as_lines(x[0][:5]))
    with zipfile.ZipFile(state, "a") as archive:
        for place in range(1, 2_000):
            archive.writestr(f"state_{place:03}.npy", b"")
    read = []
    unpack = Archive._unpack
    monkeypatch.setattr(Archive, "_unpack", lambda *words: read.append(words[2]) or unpack(*words))
    message = refused("stream", artifacts / "digits-int8.tflite", "--state", state)
    assert "2,000 states, expected 1" in message
    assert not [name for name in read if name.startswith("state_")]


def test_a_closed_pipe_behind_it_ends_it_quietly(
    start: Callable[..., Process], artifacts: Path, x: np.ndarray, tmp_path: Path
) -> None:
    state = tmp_path / "state.npz"
    process = start(artifacts / "digits-int8.tflite", "--state", state)
    process.send(as_line(x[0][0]))
    assert process.answer()
    assert process.popen.stdout is not None
    process.popen.stdout.close()
    process.send(as_lines(x[0][1:]))
    assert process.popen.wait(PATIENCE_SECONDS) == 1
    assert process.popen.stderr is not None
    assert process.popen.stderr.read() == b""
    assert int(np.load(state)["rows"]) == 2  # the row whose answer was not read is counted


@needs_signals
def test_a_terminal_shows_the_expected_input(artifacts: Path, x: np.ndarray) -> None:
    import pty

    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "edgernn", "stream", str(artifacts / "digits-int8.tflite")]
    process = subprocess.Popen(command, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with open(ours, "wb", buffering=0) as keyboard:  # noqa: PTH123
        keyboard.write(as_line(x[0][0]).encode() + b"\x04")
        out, error = process.communicate(timeout=PATIENCE_SECONDS)
    assert error == b"28 numbers a line (pixel / 255); empty line: new sequence; Ctrl-D ends\n"
    assert (out[:3], process.returncode) == (b"1  ", 0)


def test_a_file_without_a_card_is_unverified_in_every_answer(foreign: Path, refused: Callable[..., str]) -> None:
    assert "--unverified" in refused("stream", foreign)
    out, error, exit_code = run([foreign, "--unverified", "--json"], "1 2\n3 4\n")
    assert exit_code == 0
    assert [answer["verified"] for answer in answers(out)] == [False, False]
    assert "its answers are unverified" in error
    out, _, _ = run([foreign, "--unverified"], "1 2\n3 4\n")
    assert [line.endswith("  (unverified)") for line in out.splitlines()] == [True, True]


def test_an_infinite_answer_is_an_error_and_a_new_sequence(foreign: Path) -> None:
    out, error, exit_code = run([foreign, "--unverified", "--json"], "3e38 1\n3e38 2\n0.5 1\n")
    assert exit_code == 1
    assert [(answer["line"], answer["row"]) for answer in answers(out)] == [(1, 1), (3, 1)]
    assert "error: line 2: answered with NaN or infinity" in error


@pytest.mark.parametrize(
    ("task", "answer", "fields", "text"),
    [
        ("regression", [0.5, np.nan], {"values": [0.5, None]}, "7  0.5 nan"),
        ("regression", [[0.5], [1e6]], {"values": [[0.5], [1e6]]}, "7  0.5; 1e+06"),
        (
            "binary",
            [0.25],
            {"label": "no", "guesses": [{"label": "no", "probability": 0.75}, {"label": "yes", "probability": 0.25}]},
            "7  no 75.0%  yes 25.0%",
        ),
    ],
)
def test_answers_of_every_task_have_their_line(
    artifacts: Path, task: str, answer: list[Any], fields: dict[str, Any], text: str
) -> None:
    model = edgernn.load(artifacts / "digits-int8.tflite")
    assert model.card is not None
    sequence = OpenSequence(model.stream(), 28)
    sequence.rows, sequence.answer = 3, np.array(answer, np.float32)
    model.task = Task(task)
    output = replace(model.card.outputs[0], labels=("no", "yes"), shape=(len(answer),))
    model.card = replace(model.card, outputs=(output,))
    assert Writer(model, 2, as_json=False).line(7, sequence) == text
    written = Writer(model, 2, as_json=True).line(7, sequence)
    assert written is not None
    assert json.loads(written) == {"line": 7, "row": 3, **fields, "verified": True}


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """Write an .onnx file with a state and without a card; it answers the sum of all rows."""
    import onnx
    from onnx import TensorProto, helper

    def value(name: str, *shape: int | str) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    nodes = [
        helper.make_node("ReduceSum", ["x", "axis"], ["sum"], keepdims=0),
        helper.make_node("Add", ["sum", "state_0"], ["state_0_out"]),
        helper.make_node("Identity", ["state_0_out"], ["y"]),
    ]
    axis = helper.make_tensor("axis", TensorProto.INT64, [1], [1])
    inputs = [value("x", "batch", "steps", 2), value("state_0", "batch", 2)]
    outputs = [value("y", "batch", 2), value("state_0_out", "batch", 2)]
    graph = helper.make_graph(nodes, "sums", inputs, outputs, [axis])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "foreign.onnx")
    return tmp_path / "foreign.onnx"


def test_a_file_that_cannot_stream_is_refused(foreign: Path, refused: Callable[..., str], tmp_path: Path) -> None:
    import onnx

    model = onnx.load(foreign)
    nodes = [onnx.helper.make_node("ReduceSum", ["x", "axis"], ["y"], keepdims=0)]
    graph = onnx.helper.make_graph(nodes, "sum", model.graph.input[:1], model.graph.output[:1], model.graph.initializer)
    whole = tmp_path / "whole.onnx"
    onnx.save(onnx.helper.make_model(graph, opset_imports=model.opset_import, ir_version=8), whole)
    assert "cannot stream" in refused("stream", whole, "--unverified")


def test_wrong_arguments_are_refused(
    edgernn_command: Callable[..., Result], refused: Callable[..., str], artifacts: Path
) -> None:
    path = artifacts / "digits-int8.tflite"
    assert "no such file" in refused("stream", artifacts / "missing.tflite")
    assert "reads .onnx files only" in refused("stream", path, "--backend", "onnxruntime")
    for words in (["--every", "0"], ["--top", "0"], ["--backend", "abacus"]):
        assert edgernn_command("stream", path, *words).exit_code == 2


@needs_signals
@needs_proc
def test_a_second_signal_ends_a_process_whose_answers_are_not_read(
    artifacts: Path, x: np.ndarray, start: Callable[..., Process]
) -> None:
    process = start(artifacts / "digits-int8.tflite", "--json")
    process.send(as_line(x[0, 0]))
    process.answer()
    sender = threading.Thread(target=_send_until_closed, args=(process, as_lines(x[:200].reshape(-1, 28))))
    sender.start()
    _wait_until_idle(process.popen.pid)  # the pipe is full
    process.popen.send_signal(signal.SIGTERM)
    with pytest.raises(subprocess.TimeoutExpired):  # it waits until its answers are read
        process.popen.wait(timeout=1)
    process.popen.send_signal(signal.SIGTERM)
    assert process.popen.wait(timeout=PATIENCE_SECONDS) == -signal.SIGTERM
    sender.join()


def _wait_until_idle(process: int) -> None:
    """Wait until a process has used no CPU time for half a second."""
    used, before = "", "none yet"
    while used != before:
        time.sleep(0.5)
        before, used = used, " ".join(Path(f"/proc/{process}/stat").read_text().split()[13:15])


@needs_proc
@pytest.mark.parametrize("name", ["digits-int8.tflite", "digits-float32.onnx"])
def test_memory_stays_the_same(artifacts: Path, name: str) -> None:
    seen = stream_long(artifacts / name, 3_000)
    assert (seen.answers, seen.exit_code) == (3_000, 0)
    assert min(seen.memory_bytes[:-1]) > 0
    assert seen.growth_bytes <= 256 << 10  # 87 bytes a step would show
