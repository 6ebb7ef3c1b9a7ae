import io
import json
import os
import pickle
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

import edgernn
from edgernn.cli import main
from edgernn.console.answers import Lines, Place
from edgernn.console.grading import MAX_TRUTHS, Grade, describe, grade, read_truth
from edgernn.console.progress import ProgressBar
from edgernn.console.text_drawing import ASCII, BLOCKS, draw, ramp_for
from edgernn.data.datasets import read_samples
from edgernn.data.named_arrays import IDX_NAMES
from edgernn.errors import DataError
from edgernn.specs import CLIPPED_PIXEL
from edgernn.tasks import Task

from .test_card import card_with

INT8 = "digits-int8.tflite"


@pytest.fixture(scope="session")
def digits(run_folder: Path) -> np.ndarray:
    return read_samples(run_folder).x_test[:30]


@pytest.fixture
def picture(digits: np.ndarray, tmp_path: Path) -> Path:
    path = tmp_path / "digit.png"
    Image.fromarray(np.round(digits[0] * 255).astype(np.uint8)).save(path)
    return path


def labels_of(artifact: Path, x: np.ndarray) -> list[str]:
    return [guesses[0].label for guesses in edgernn.load(artifact).classify(x, top=1)]


def write_all(folder: Path, x: np.ndarray) -> list[str]:
    """Write the same samples to every kind of file; return the names of the files."""
    np.save(folder / "a.npy", x)
    np.savez(folder / "b.npz", x_test=x)
    samples = ("".join(",".join(map(repr, step)) + "\n" for step in sample) for sample in x.tolist())
    (folder / "c.csv").write_text("\n".join(samples))
    (folder / "d.jsonl").write_text("\n".join(json.dumps(sample.tolist()) for sample in x))
    header = bytes([0, 0, 0x0D, 3]) + np.array(x.shape, ">i4").tobytes()
    (folder / "e.idx").write_bytes(header + x.astype(">f4").tobytes())
    return ["a.npy", "b.npz", "c.csv", "d.jsonl", "e.idx"]


def test_predict_names_the_classes_of_a_picture(
    edgernn_command: Callable[..., Result], artifacts: Path, digits: np.ndarray, picture: Path
) -> None:
    (expected,) = labels_of(artifacts / INT8, digits[:1])
    assert edgernn_command("predict", artifacts / INT8, picture).stdout.startswith(f"{picture}  {expected} ")


@pytest.mark.parametrize("name", [INT8, "digits-float32.onnx"])
def test_every_kind_of_file_gives_the_same_answers(
    edgernn_command: Callable[..., Result], artifacts: Path, digits: np.ndarray, tmp_path: Path, name: str
) -> None:
    expected = labels_of(artifacts / name, digits)
    for file in write_all(tmp_path, digits):
        result = edgernn_command("predict", artifacts / name, tmp_path / file, "--json")
        answers = json.loads(result.stdout)
        assert [answer["label"] for answer in answers] == expected
        assert [answer["index"] for answer in answers] == list(range(30))
        assert {answer["path"] for answer in answers} == {str(tmp_path / file)}
    shown = edgernn_command("predict", artifacts / name, tmp_path / "a.npy").stdout
    assert "… and 10 more; --json prints them all" in shown
    assert len(shown.splitlines()) == 21


def test_several_chunks_are_answered_like_single_samples(
    edgernn_command: Callable[..., Result],
    artifacts: Path,
    digits: np.ndarray,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("edgernn.console.sources.MAX_CHUNK_SAMPLES", 7)
    np.save(tmp_path / "a.npy", digits)
    answers = json.loads(edgernn_command("predict", artifacts / INT8, tmp_path / "a.npy", "--json").stdout)
    model = edgernn.load(artifacts / INT8)
    for digit, answer in zip(digits, answers, strict=True):
        assert answer["guesses"][0]["probability"] == pytest.approx(float(model.predict(digit).max()))


def test_a_folder_is_read_in_order_of_names_and_skipped_entries_are_reported(
    edgernn_command: Callable[..., Result], artifacts: Path, digits: np.ndarray, picture: Path
) -> None:
    np.save(picture.parent / "a.npy", digits[1])
    (picture.parent / "notes.md").write_text("7")
    (picture.parent / ".hidden.npy").write_text("7")
    (picture.parent / "inside").mkdir()
    result = edgernn_command("predict", artifacts / INT8, picture.parent)
    assert result.exit_code == 0
    assert [line.split("  ")[0] for line in result.stdout.splitlines()] == [
        str(picture.parent / "a.npy"),
        str(picture),
    ]
    assert result.stderr == f"{picture.parent}: 2 skipped, unsupported file type: inside, notes.md\n"


def test_of_a_folder_with_the_files_of_mnist_the_test_images_are_answered_and_graded(
    edgernn_command: Callable[..., Result], artifacts: Path, digits: np.ndarray, tmp_path: Path
) -> None:
    """`edgernn train` and `edgernn export` take the same folder."""
    pixels = np.rint(digits * 255).astype(np.uint8)
    truth = np.array([int(label) for label in labels_of(artifacts / INT8, pixels)], np.uint8)
    for name, array in {"x_train": pixels[:2], "y_train": truth[:2], "x_test": pixels, "y_test": truth}.items():
        sizes = np.array(array.shape, ">u4").tobytes()
        (tmp_path / IDX_NAMES[name]).write_bytes(bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes())
    (tmp_path / "labels.txt").write_text("\n".join("0123456789"))
    result = edgernn_command("predict", artifacts / INT8, tmp_path, "--expect", tmp_path)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "accuracy 100.00%" in result.stdout
    assert f"on {len(digits)} samples" in result.stdout


def test_of_several_inputs_a_bad_one_is_named_and_the_others_are_answered(
    edgernn_command: Callable[..., Result], artifacts: Path, picture: Path, tmp_path: Path
) -> None:
    inputs = [picture, tmp_path / "missing.npy", picture]
    result = edgernn_command("predict", artifacts / INT8, *inputs)
    assert result.exit_code == 1
    assert result.stderr == f"error: {tmp_path / 'missing.npy'}: no such file\n"
    assert len(result.stdout.splitlines()) == 2
    answers = json.loads(edgernn_command("predict", artifacts / INT8, *inputs, "--json").stdout)
    assert [answer.get("error", "") for answer in answers] == ["", f"{tmp_path / 'missing.npy'}: no such file", ""]


def saved(array: np.ndarray, **options: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def archive(**members: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as target:
        for name, text in members.items():
            target.writestr(name, text)
    return file.getvalue()


def zipped(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.savez(file, x=array)
    return file.getvalue()


ONE = np.zeros((28, 28))
WRONG_FILES = {
    "shape.npy": (saved(np.zeros((3, 784))), "the input has shape (3, 784), expected (28, 28) or (samples, 28, 28)"),
    "scalar.npy": (saved(np.float32(1)), "shape (), expected (28, 28)"),
    "empty.npy": (saved(np.zeros((0, 28, 28))), "shape (0, 28, 28), expected at least one sample"),
    "nothing.npy": (b"", "the file is empty"),
    "nan.npy": (saved(np.where(np.arange(3)[:, None, None] == 1, np.nan, [ONE] * 3)), "NaN or infinity, first in s"),
    "infinity.npy": (saved(ONE + np.inf), "the input contains NaN or infinity, first in sample 0"),
    "too large.npy": (saved(ONE + 1e300), "the input contains NaN or infinity, first in sample 0"),
    "range.npy": (saved(ONE + 255), "sample 0 has values from 255 to 255, expected 0 to 1 (pixel / 255)"),
    "text.npy": (saved(np.full((28, 28), "a")), "the input has type <U1, expected numbers"),
    "complex.npy": (saved(ONE.astype(complex)), "the input has type complex128, expected numbers"),
    "bool.npy": (saved(ONE.astype(bool)), "the input has type bool, expected numbers"),
    "time.npy": (saved(ONE.astype("M8[s]")), "the input has type datetime64[s], expected numbers"),
    "fields.npy": (saved(np.zeros((28, 28), [("a", "f4")])), "the input has type [('a', '<f4')], expected numbers"),
    "objects.npy": (
        saved(ONE.astype(object), allow_pickle=True),
        "it contains pickled Python objects, expected numbers",
    ),
    "pickle.npy": (pickle.dumps([1, 2, 3]), "not an array that NumPy saved"),
    "objects.npz": (zipped(ONE.astype(object)), "it contains pickled Python objects, expected numbers"),
    "cut.npy": (saved(ONE)[:-1], "6,271 bytes, expected 6,272 for shape (28, 28)"),
    "noise.npz": (bytes(range(200)), "cannot be read as .npz"),
    "ragged.csv": (b"1,2\n3\n", "line 2 has 1 numbers, expected 2"),
    "nan.csv": (b"1,nan\n", "line 1 contains 'nan', which is not a number"),
    "short.csv": (b"1,2\n3,4\n", "the input has shape (1, 2, 2), expected (28, 28)"),
    "ragged.jsonl": (b"[[1, 2], [3]]\n", "line 1 contains a time step of 1 numbers (step 1) after one of 2"),
    "infinity.jsonl": (b"[[1e999]]\n".replace(b"1e999", b", ".join([b"1e999"] * 28)), "shape (1, 1, 28), expected"),
    "text.npz": (archive(x="hello"), "x in it is not an array; save arrays of numbers"),
    "bad.idx": (b"\0\0\x08\x03" + b"\xff" * 12, "at most"),
    "bad.png": (b"hello", "expected PNG, JPEG, BMP, GIF or WebP"),
    "notes.txt": (b"7", "unsupported file type '.txt'"),
}


@pytest.mark.parametrize("name", WRONG_FILES)
def test_every_wrong_file_is_one_line_that_says_what_was_found(
    refused: Callable[..., str], artifacts: Path, tmp_path: Path, name: str
) -> None:
    content, message = WRONG_FILES[name]
    (tmp_path / name).write_bytes(content)
    error = refused("predict", artifacts / INT8, tmp_path / name)
    assert error.startswith(f"error: {tmp_path / name}: ")
    assert message in error


def test_a_path_that_is_not_a_file_is_one_line(refused: Callable[..., str], artifacts: Path, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.md").write_text("7")
    os.mkfifo(tmp_path / "pipe.npy")
    for path, message in {
        tmp_path / "missing.png": "no such file",
        tmp_path / "folder": "an empty folder, expected pictures, arrays, CSV or JSON lines",
        tmp_path / "other": "a folder without a supported file (1 skipped)",
        tmp_path / "pipe.npy": "is a pipe, expected a file",
        Path("/dev/zero"): "is a device, expected a file",
        tmp_path / ("x" * 300 + ".npy"): "cannot be read: File name too long",
    }.items():
        assert f"{path}: {message}" in refused("predict", artifacts / INT8, path)
    assert "no such file" in refused("predict", tmp_path / "missing.tflite", tmp_path / "missing.png")


def test_wrong_usage_has_exit_code_2(refused: Callable[..., str], artifacts: Path, picture: Path) -> None:
    assert "give it as the only INPUT" in refused("predict", artifacts / INT8, "-", picture, exit_code=2)
    assert "give one of them" in refused("predict", artifacts / INT8, picture, "--show", "--json", exit_code=2)
    assert "Missing argument 'INPUT...'" in refused("predict", artifacts / INT8, exit_code=2)


def test_without_a_card_every_output_says_unverified(
    edgernn_command: Callable[..., Result], run_folder: Path, refused: Callable[..., str], tmp_path: Path
) -> None:
    from edgernn_export import keras_model
    from edgernn_export.formats.onnx import convert as onnx

    foreign, x = tmp_path / "foreign.onnx", tmp_path / "x.npy"
    foreign.write_bytes(onnx.convert(keras_model.load(run_folder / "model.keras")))
    np.save(x, np.zeros((2, 28, 28), np.float32))
    (tmp_path / "labels.txt").write_text("0\n0\n")
    assert "--unverified" in refused("predict", foreign, x)
    expect = ["--unverified", "--expect", tmp_path / "labels.txt"]
    result = edgernn_command("predict", foreign, x, *expect)
    assert result.exit_code == 0
    assert "its answers are unverified" in result.stderr
    assert all("unverified" in line for line in result.stdout.split("\n\n")[0].splitlines())
    assert result.stdout.rstrip().endswith("(unverified)")
    document = json.loads(edgernn_command("predict", foreign, x, *expect, "--json").stdout)
    assert all(answer["verified"] is False for answer in [*document["answers"], document["expected"]])
    line = json.dumps(np.zeros((28, 28)).tolist())
    streamed = CliRunner().invoke(main, ["predict", str(foreign), "-", "--unverified", "--json"], input=line)
    assert json.loads(streamed.stdout)["verified"] is False
    Image.new("L", (28, 28)).save(tmp_path / "a.png")
    assert "the model has no card that says how it scales pixels" in refused(
        "predict", foreign, tmp_path / "a.png", "--unverified"
    )


def test_without_pillow_only_the_picture_fails(
    edgernn_command: Callable[..., Result], artifacts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.save(tmp_path / "a.npy", np.zeros((28, 28)))
    np.save(tmp_path / "c.npy", np.zeros((28, 28)))
    (tmp_path / "b.png").write_bytes(b"any")
    monkeypatch.setitem(sys.modules, "PIL", None)
    result = edgernn_command("predict", artifacts / INT8, tmp_path, "--json")
    assert result.exit_code == 1
    first, failed, last = json.loads(result.stdout)
    assert first["label"] == last["label"]
    assert 'pip install "pillow>=11"' in failed["error"]


@pytest.mark.skipif(os.name == "nt", reason="a shell of POSIX closes the streams")
@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("predict MODEL - <&-", "standard input is closed"),
        ("predict MODEL x.npy >&-", "standard output is closed"),
        ("stream MODEL <&-", "standard input is closed"),
        ("stream MODEL >&- < x.csv", "standard output is closed"),
        ("info MODEL >&-", "standard output is closed"),
    ],
)
def test_a_closed_stream_is_one_line(artifacts: Path, tmp_path: Path, command: str, message: str) -> None:
    np.save(tmp_path / "x.npy", np.zeros((28, 28)))
    np.savetxt(tmp_path / "x.csv", np.zeros((28, 28)), delimiter=",")
    words = command.replace("MODEL", str(artifacts / INT8))
    line = f"{sys.executable} -m edgernn {words}"
    result = subprocess.run(["sh", "-c", line], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert result.returncode == 1
    assert result.stderr.startswith(f"error: {message}")
    assert len(result.stderr.splitlines()) == 1


def test_an_infinite_answer_is_an_error(
    refused: Callable[..., str], artifacts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = np.array([[0.5] * 10, [np.inf] * 10], np.float32)
    monkeypatch.setattr(edgernn.Model, "predict", lambda _model, x: answer[: len(x)])
    np.save(tmp_path / "x.npy", np.zeros((2, 28, 28)))
    assert "sample 1: the answer is NaN or infinity" in refused("predict", artifacts / INT8, tmp_path / "x.npy")


# --- standard input


def test_a_bad_line_gets_an_error_and_the_next_is_answered(artifacts: Path, digits: np.ndarray) -> None:
    good = json.dumps(digits[0].tolist())
    lines = [
        "\ufeff" + good,
        "",
        "[[1], [2, 3]]",
        "[[1]]",
        "[[" + "9" * (5 << 20) + "]]",
        good.replace("0.0", "NaN"),
        good,
    ]
    result = CliRunner().invoke(main, ["predict", str(artifacts / INT8), "-", "--json"], input="\n".join(lines))
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.exit_code == 1
    assert [answer["line"] for answer in answers] == [1, 3, 4, 5, 6, 7]
    assert answers[0]["guesses"] == answers[-1]["guesses"]
    for answer, message in zip(answers[1:-1], ["after one of", "(1, 1)", "longer than", "'NaN'"], strict=True):
        assert message in answer["error"]
        assert f"standard input: line {answer['line']} {answer['error']}" in result.stderr
    text = CliRunner().invoke(main, ["predict", str(artifacts / INT8), "-"], input="\n".join(lines)).stdout
    assert [line.split("  ")[0] for line in text.splitlines()] == ["line 1", "line 7"]


def start(artifact: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "edgernn", "predict", str(artifact), "-", "--json"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_each_line_is_answered_before_the_next_arrives(artifacts: Path, digits: np.ndarray) -> None:
    with start(artifacts / INT8) as process:
        assert process.stdin
        assert process.stdout
        for number, label in enumerate(labels_of(artifacts / INT8, digits[:3]), 1):
            process.stdin.write(json.dumps(digits[number - 1].tolist()) + "\n")
            process.stdin.flush()
            answer = json.loads(process.stdout.readline())
            assert (answer["line"], answer["label"]) == (number, label)
        process.stdin.close()
        assert process.wait() == 0


def test_sigterm_loses_no_answered_line(artifacts: Path, digits: np.ndarray) -> None:
    line = json.dumps(digits[0].tolist()) + "\n"
    with start(artifacts / INT8) as process:
        assert process.stdin
        assert process.stdout

        def feed() -> None:
            with suppress(BrokenPipeError):
                for _ in range(100_000):
                    process.stdin.write(line)

        feeder = threading.Thread(target=feed)
        feeder.start()
        first = [process.stdout.readline() for _ in range(50)]
        process.terminate()
        rest = process.stdout.readlines()
        feeder.join()
        with suppress(BrokenPipeError):
            process.stdin.close()
        assert process.wait() == 143
    answers = [json.loads(text) for text in first + rest]  # each is whole
    assert [answer["line"] for answer in answers] == list(range(1, len(answers) + 1))


# --- right answers


@pytest.mark.parametrize("name", ["labels.txt", "labels.csv", "labels.npy", "labels.npz", "labels.idx"])
def test_expected_labels_give_accuracy_and_a_confusion_matrix(
    edgernn_command: Callable[..., Result], artifacts: Path, digits: np.ndarray, tmp_path: Path, name: str
) -> None:
    answered = np.array([int(label) for label in labels_of(artifacts / INT8, digits)])
    truth = answered.copy()
    truth[:3] = (truth[:3] + 1) % 10
    path = tmp_path / name
    match path.suffix:
        case ".npy":
            np.save(path, truth)
        case ".npz":
            np.savez(path, x_test=digits, y_test=truth)
        case ".idx":
            path.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 30]) + truth.astype(np.uint8).tobytes())
        case suffix:
            path.write_text(("digit\n" if suffix == ".csv" else "") + "\n".join(map(str, truth)))
    np.save(tmp_path / "x.npy", digits)
    result = edgernn_command("predict", artifacts / INT8, tmp_path / "x.npy", "--expect", path, "--json")
    assert result.exit_code == 0, result.stderr
    graded = json.loads(result.stdout)["expected"]
    confusion = np.array(graded["confusion"])
    assert graded["accuracy"] == pytest.approx(27 / 30)
    assert graded["labels"] == list("0123456789")
    assert (confusion.trace(), confusion.sum()) == (27, 30)
    assert confusion[truth[0], answered[0]] >= 1
    text = edgernn_command("predict", artifacts / INT8, tmp_path / "x.npy", "--expect", path).stdout
    assert "accuracy 90.00%" in text
    assert "on 30 samples" in text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1\n2\n", "2 labels, expected 3, one for each sample"),
        ("1\n2\n3\n4\n", "4 labels, expected 3, one for each sample"),
        ("1\n2\nx\n", "line 3: unknown label 'x', expected 0, 1, 2"),
        ("1\n2\n10\n", "line 3: unknown label '10'"),
        ("1\n\n-2\n1\n", "line 3: unknown label '-2'"),
        ("\n", "is empty, expected labels"),
        ("1\n\xff\n2", "line 2: unknown label 'ÿ'"),
    ],
)
def test_labels_that_do_not_fit_are_one_error(
    refused: Callable[..., str], artifacts: Path, tmp_path: Path, digits: np.ndarray, content: str, message: str
) -> None:
    np.save(tmp_path / "x.npy", digits[:3])
    (tmp_path / "labels.txt").write_text(content, encoding="utf-8")
    error = refused("predict", artifacts / INT8, tmp_path / "x.npy", "--expect", tmp_path / "labels.txt")
    assert f"labels.txt: {message}" in error


def test_too_many_labels_are_refused(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "y.npz", y=np.zeros(MAX_TRUTHS + 1, np.uint8))
    card = card_of("classification", 3)
    with pytest.raises(DataError, match=r"y\.npz: 16,777,217 labels or values, expected at most 16,777,216"):
        read_truth(tmp_path / "y.npz", card.task, card)


def test_there_is_no_accuracy_when_an_input_is_missing(
    edgernn_command: Callable[..., Result], artifacts: Path, tmp_path: Path, picture: Path
) -> None:
    (tmp_path / "labels.txt").write_text("1\n2\n")
    words = [picture, tmp_path / "missing.png", "--expect", tmp_path / "labels.txt"]
    result = edgernn_command("predict", artifacts / INT8, *words, "--json")
    assert result.exit_code == 1
    assert (
        "no accuracy, because 1 of the inputs could not be answered" in json.loads(result.stdout)["expected"]["error"]
    )


def card_of(kind: str, outputs: int, labels: tuple[str, ...] = ()) -> Any:
    return card_with(target={"task": Task(kind), "labels": labels, "shape": (outputs,)})


def test_labels_are_names_before_they_are_numbers(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("walk, fast\nrest\n1\n")
    card = card_of("classification", 3, ("rest", "walk, fast", "run"))
    assert read_truth(tmp_path / "a.txt", card.task, card).tolist() == [1, 0, 1]
    (tmp_path / "a.txt").write_text("3\n1\n")
    card = card_of("classification", 3, ("3", "2", "1"))
    assert read_truth(tmp_path / "a.txt", card.task, card).tolist() == [0, 2]


def test_every_task_is_graded_by_its_measures(tmp_path: Path) -> None:
    path = tmp_path / "truth.csv"
    for kind, text, answers, measure in [
        ("regression", "temperature\n1.5\n2.5\n", [[1.5], [2.5]], {"r2": 1, "mae": 0}),
        ("multilabel", "1,0\n1,1\n", [[0.9, 0.1], [0.8, 0.2]], {"accuracy": 0.75}),
        ("binary", "no\nyes\n", [[0.1], [0.7]], {"accuracy": 1}),
    ]:
        path.write_text(text)
        given = np.array(answers, np.float32)
        card = card_of(kind, given.shape[1], ("no", "yes") if kind == "binary" else ())
        result = grade(path, card.task, card, given, read_truth(path, card.task, card))
        assert result.measures == pytest.approx({**result.measures, **measure})
        assert (result.confusion is not None) == (kind == "binary")
    path.write_text("1.5\nhot\n")
    with pytest.raises(DataError, match="found 'hot', expected numbers"):
        read_truth(path, Task("regression"), card_of("regression", 1))


def test_answers_a_step_are_graded_step_by_step(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("0,1\n1,1\n")
    card = card_of("classification", 2)
    answers = np.array([[[0.9, 0.1], [0.2, 0.8]], [[0.3, 0.7], [0.6, 0.4]]], np.float32)
    result = grade(tmp_path / "a.csv", card.task, card, answers, read_truth(tmp_path / "a.csv", card.task, card))
    assert result.confusion is not None
    assert result.confusion.tolist() == [[1, 0], [1, 2]]


def test_an_answer_of_nan_counts_for_no_class(tmp_path: Path) -> None:
    answers = np.array([[np.nan, 0.1], [0.2, 0.8]], np.float32)
    result = grade(tmp_path, Task("classification"), None, answers, np.array([1, 1]))
    assert result.measures["accuracy"] == 0.5
    assert result.confusion is not None
    assert result.confusion.tolist() == [[0, 0], [0, 1]]


@pytest.mark.parametrize(
    "labels",
    [list("0123456789"), ["a label much longer than any column"] * 10, ["yes", "no"], [str(i) for i in range(60)]],
)
@pytest.mark.parametrize("count", [1, 99_999])
def test_a_confusion_matrix_fits_80_columns(labels: list[str], count: int) -> None:
    confusion = np.random.default_rng(0).integers(0, count + 1, (len(labels), len(labels)))
    confusion[0, 1] = count
    lines = describe(Grade(int(confusion.sum()), {"accuracy": 0.5, "f1": 0.5}, labels, confusion))
    assert max(map(len, lines)) <= 80
    assert f"{count}" in "".join(lines).replace(",", "")


# --- output for people


def test_show_draws_the_input_of_the_model(
    edgernn_command: Callable[..., Result], artifacts: Path, picture: Path, digits: np.ndarray
) -> None:
    result = edgernn_command("predict", artifacts / INT8, picture, "--show")
    lines = result.stdout.splitlines()
    assert len(lines) == 29
    assert max(map(len, lines[:28])) <= 56
    assert "\x1b" not in result.stdout
    for drawn, row in zip(lines, digits[0], strict=False):
        assert len(drawn) == (0 if row.max() < 0.2 else 2 * (np.flatnonzero(row >= 0.2).max() + 1))


def test_show_draws_pixels_as_the_model_receives_them(capsys: pytest.CaptureFixture[str]) -> None:
    """With the meaning "pixel, at most 1", grey ink and black ink are the same number."""
    sample, answer = np.array([[0, 60, 255], [0, 0, 128]], np.uint8), np.zeros(1, np.float32)
    card = edgernn.load(edgernn.sample()).card
    clipped = replace(card, inputs=(replace(card.inputs[0], meaning=CLIPPED_PIXEL),))
    model: Any = SimpleNamespace(card=clipped, task=Task("regression"))
    Lines(model, 1, True).answer(Place("x.npy", 0), sample, answer)
    assert capsys.readouterr().out.splitlines()[:2] == ["  ████", "    ██"]


@pytest.mark.parametrize("shape", [(28, 28), (1, 1), (500, 3), (5, 700), (100, 81), (28, 41)])
@pytest.mark.parametrize("ramp", [BLOCKS, ASCII])
def test_a_drawing_fits_the_terminal(shape: tuple[int, int], ramp: str) -> None:
    sample = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    lines = draw(sample, ramp).split("\n")
    assert len(lines) == min(28, shape[0])
    assert max(map(len, lines)) <= 80
    if sample.size > 1:
        assert lines[-1][-1] == ramp[-1]
    assert set("".join(lines)) <= set(ramp)


def test_a_terminal_without_blocks_gets_ascii() -> None:
    assert [ramp_for(encoding) for encoding in ("utf-8", "ascii", None, "latin-1", "nonsense")] == [
        BLOCKS,
        ASCII,
        ASCII,
        ASCII,
        ASCII,
    ]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("shown", "after_s"), [(True, 0.0), (True, 1e9), (False, 0.0)])
def test_a_progress_bar_is_there_on_long_work_only_and_makes_way(
    monkeypatch: pytest.MonkeyPatch, shown: bool, after_s: float
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with ProgressBar(2, shown, after_s) as progress:
        for _ in range(4):
            progress.advance(0.5)
    written = terminal.getvalue()
    if shown and not after_s:
        assert "25%" in written
        assert "100%" in written
        assert written.endswith("\r\x1b[K\x1b[?25h")
    else:
        assert written == ""


def test_the_backend_can_be_chosen(
    edgernn_command: Callable[..., Result], refused: Callable[..., str], artifacts: Path, tmp_path: Path
) -> None:
    np.save(tmp_path / "x.npy", np.zeros((28, 28), np.float32))
    int8 = artifacts / "digits-int8.tflite"
    chosen = edgernn_command("predict", int8, tmp_path / "x.npy", "--backend", "litert")
    assert chosen.stdout == edgernn_command("predict", int8, tmp_path / "x.npy").stdout
    message = refused("predict", int8, tmp_path / "x.npy", "--backend", "onnxruntime")
    assert message.endswith("backend onnxruntime reads .onnx files only")
