"""The sample that the wheel ships, the digits drawn for it, and the demo that runs both."""

import doctest
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result

import edgernn
from edgernn import samples
from edgernn.commands import demo as demo_module
from edgernn.console.text_drawing import draw_small
from edgernn.data.pictures import read_picture
from edgernn.data.readers import read_npy
from edgernn.samples.drawing import draw_digits, write_digits
from edgernn.system.extras import require

MAX_SAMPLE_BYTES = 20_000
WITHOUT = (
    "import importlib.machinery\n"
    "finder = importlib.machinery.PathFinder\n"
    "find = finder.find_spec\n"
    "missing = {{*{missing!r}}}\n"
    "finder.find_spec = lambda name, *rest: None if {{name, name.split('.')[0]}} & missing else find(name, *rest)\n"
    "from edgernn.cli import main; main({words!r})"
)


def run_without(missing: list[str], *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    program = WITHOUT.format(missing=missing, words=list(words))
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=cwd, check=False)


def test_the_sample_is_a_small_proven_artifact() -> None:
    path = edgernn.sample()
    assert path.stat().st_size < MAX_SAMPLE_BYTES
    card = edgernn.load(path).card
    assert card is not None
    assert (card.quantization, card.layout, card.inputs[0].dtype) == ("int8", "unrolled", "float32")
    assert card.golden is not None
    assert card.measured["samples"] == 1000
    assert card.measured["artifact"]["accuracy"] > 0.9
    assert "failed" not in card.measured


def test_the_sample_reads_every_drawn_digit() -> None:
    model, digits = edgernn.load(edgernn.sample()), draw_digits()
    assert model.predict(digits).argmax(axis=1).tolist() == list(range(10))
    for digit in digits:
        with model.stream() as stream:
            rows = [stream.push(row) for row in digit]
        np.testing.assert_array_equal(rows[-1], model.predict(digit))


@pytest.mark.parametrize("shift", [(0, 1), (0, -1), (1, 0), (-1, 0)])
def test_the_digits_are_no_lucky_hits(shift: tuple[int, int]) -> None:
    """Shifted by one pixel, all but one or two digits are still read correctly."""
    moved = np.roll(draw_digits(), shift, axis=(1, 2))
    read = edgernn.load(edgernn.sample()).predict(moved).argmax(axis=1)
    assert np.count_nonzero(read == np.arange(10)) >= 8


def test_the_digits_are_drawn_as_mnist_has_them() -> None:
    digits = draw_digits()
    assert (digits.shape, digits.dtype) == ((10, 28, 28), np.uint8)
    assert digits.max() == 255
    for digit in digits.astype(float):
        rows, columns = np.nonzero(digit)
        assert max(np.ptp(rows), np.ptp(columns)) + 1 in (19, 20)
        # Between full ink and none there are soft edges.
        assert np.count_nonzero((digit > 0) & (digit < 255)) > 20
        mass = np.array([(np.indices(digit.shape)[axis] * digit).sum() for axis in (0, 1)]) / digit.sum()
        np.testing.assert_allclose(mass, 13.5, atol=0.1)


def test_the_files_hold_what_is_drawn(tmp_path: Path) -> None:
    write_digits(tmp_path)
    for folder in (tmp_path, edgernn.sample().parent):
        card = edgernn.load(edgernn.sample()).card
        pictures = np.stack([read_picture(folder / f"digit-{name}.png", card) for name in range(10)])
        np.testing.assert_array_equal(pictures, read_npy(folder / "digits.npy"))
        # Another machine may round a grey level differently.
        np.testing.assert_allclose(pictures.astype(int), draw_digits().astype(int), atol=1)


def test_the_example_of_sample_is_right() -> None:
    results = doctest.testmod(samples)
    assert (results.attempted, results.failed) == (4, 0)


def test_a_picture_in_the_terminal_has_two_rows_a_line() -> None:
    picture = np.array([[0, 255, 0, 255], [0, 0, 255, 255]], np.uint8)
    assert draw_small(np.vstack([picture, picture[::-1]])) == [" ▀▄█", " ▄▀█"]


def test_the_device_demo_predicts_streams_and_measures(edgernn_command: Callable[..., Result]) -> None:
    result = edgernn_command("demo", "--device")
    assert result.exit_code == 0
    path = edgernn.sample()
    model = edgernn.load(path)
    assert (
        f"{path.name}, {path.stat().st_size:,} bytes, loaded and checked.\nBackend: {model.backend}\n" in result.stdout
    )
    digits = draw_digits()
    guesses = [guesses[0] for guesses in model.classify(digits, top=1)]
    text = re.split(r"row by row.*\n", result.stdout)
    assert re.findall(r"(\d)  (\d+%)", text[0]) == [(each.label, f"{each.probability:.0%}") for each in guesses]
    with model.stream() as stream:
        settled = [model.guess(stream.push(row), top=1)[0] for row in digits[8]][1::2]
    shown = re.findall(r"^ +(\d+) .{28}  (\d) +(\d+%)", text[1], re.M)
    assert shown == [(str(2 * line + 2), each.label, f"{each.probability:.0%}") for line, each in enumerate(settled)]
    assert "equals the answer to the whole picture, bit for bit" in text[1]
    assert len(re.findall(r"^  (predict|push).*? [\d,]+\.\d µs +[\d,]+\.\d µs$", text[1], re.M)) == 2
    # The demo does not choose the length of the path.
    assert max(len(line) for line in result.stdout.splitlines() if "cd " not in line) <= 80


def test_the_demo_of_a_device_is_the_one_without_tensorflow(tmp_path: Path) -> None:
    missing = ["tensorflow", "keras", "mlxtend", "rich", "PIL"]
    result = run_without(missing, "demo", cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    assert "loaded and checked" in result.stdout
    assert "edgernn predict digits-int8.tflite digits.npy" in result.stdout
    assert not list(tmp_path.iterdir())
    # With a folder, the demo trains.
    result = run_without(missing, "demo", "--out", "here", cwd=tmp_path)
    assert result.returncode == 1
    assert 'tensorflow is not installed: pip install "keras<4,>=3.12" ' in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_the_demo_without_a_backend_says_the_pip_install(tmp_path: Path) -> None:
    missing = ["tensorflow", "keras", "edgernn._native", "ai_edge_litert", "tflite_runtime", "tflite_micro"]
    result = run_without(missing, "demo", cwd=tmp_path)
    assert result.returncode == 1
    assert 'pip install "ai-edge-litert<3,>=2.1"' in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_the_demo_trains_where_it_can(
    edgernn_command: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    called = []
    monkeypatch.setattr(demo_module, "_train_export_compare", lambda _, out: called.append(out))
    monkeypatch.setattr(demo_module, "show_device_demo", lambda: called.append("device"))
    require("train", "tensorflow", "keras", "mlxtend")
    for words in ((), ("--out", tmp_path), ("--device",)):
        assert edgernn_command("demo", *words).exit_code == 0
    assert called == [Path("runs/demo"), tmp_path, "device"]


def test_a_folder_is_of_no_use_on_a_device(refused: Callable[..., str], tmp_path: Path) -> None:
    assert "give either --device or --out" in refused("demo", "--device", "--out", tmp_path, exit_code=2)


def test_a_terminal_that_knows_no_blocks_gets_others() -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "cp1252", "PYTHONUTF8": "0"}
    command = [sys.executable, "-m", "edgernn", "demo", "--device"]
    result = subprocess.run(command, capture_output=True, env=environment, check=True)
    shown = result.stdout.decode("cp1252")
    assert "####" in shown
    assert "µs" in shown
