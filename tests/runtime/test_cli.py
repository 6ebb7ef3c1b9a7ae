import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import Result
from PIL import Image

import edgernn
from edgernn.cli import main
from edgernn.datasets import read_samples

COMMANDS = main.list_commands(click.Context(main))


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_has_an_example_fits_and_needs_no_tensorflow(command: str) -> None:
    program = (
        "import sys; from edgernn.cli import main\n"
        f"main({[*command.split(), '--help']}, standalone_mode=False)\n"
        "heavy = {'tensorflow', 'keras', 'sklearn', 'matplotlib', 'mlxtend', 'rich', 'onnx', 'ai_edge_litert'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "Example:" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 90
    assert result.stderr.strip() == "[]"


def test_importing_edgernn_imports_nothing_heavy() -> None:
    program = "import sys, edgernn; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    heavy = {"tensorflow", "keras", "sklearn", "matplotlib", "mlxtend", "rich", "PIL", "click", "onnx"}
    assert not heavy & set(result.stdout.split())
    rooms = {"edgernn_train", "edgernn_export", "edgernn_benchmarks"}
    assert not rooms & set(result.stdout.split())


def test_all_that_is_public_is_there() -> None:
    assert edgernn.__all__ == sorted(edgernn.__all__)
    for name in edgernn.__all__:
        assert getattr(edgernn, name).__doc__


def test_unknown_commands_are_wrong_usage(refused: Callable[..., str]) -> None:
    assert "No such command 'fly'" in refused("fly", exit_code=2)


@pytest.fixture
def picture(run_folder: Path, tmp_path: Path) -> Path:
    path = tmp_path / "digit.png"
    pixels = np.round(read_samples(run_folder).x_test[0] * 255).astype(np.uint8)
    Image.fromarray(pixels).save(path)
    return path


@pytest.mark.parametrize("name", ["digits-int8.tflite", "digits-float32.onnx"])
def test_predict_reads_a_picture_and_arrays(
    edgernn_command: Callable[..., Result], artifacts: Path, picture: Path, run_folder: Path, tmp_path: Path, name: str
) -> None:
    x = read_samples(run_folder).x_test[:30]
    expected = edgernn.load(artifacts / name).classify(x, top=1)
    np.save(tmp_path / "many.npy", x)
    np.savez(tmp_path / "many.npz", x_test=x)
    result = edgernn_command("predict", artifacts / name, picture)
    assert result.stdout.startswith(f"{picture}  {expected[0][0].label} ")
    for file in ("many.npy", "many.npz"):
        result = edgernn_command("predict", artifacts / name, tmp_path / file, "--json")
        answers = json.loads(result.stdout)
        assert [answer["label"] for answer in answers] == [guesses[0].label for guesses in expected]
        assert [answer["index"] for answer in answers] == list(range(30))
    shown = edgernn_command("predict", artifacts / name, tmp_path / "many.npy").stdout
    assert "… and 10 more; --json prints them all" in shown


def test_predict_refuses_what_does_not_fit(refused: Callable[..., str], artifacts: Path, tmp_path: Path) -> None:
    artifact = artifacts / "digits-int8.tflite"
    np.save(tmp_path / "nan.npy", np.full((28, 28), np.nan, np.float32))
    np.save(tmp_path / "flat.npy", np.zeros((3, 784), np.float32))
    Image.new("L", (30, 40)).save(tmp_path / "large.png")
    (tmp_path / "notes.txt").write_text("7")
    for name, message in {
        "nan.npy": "nan.npy: the input holds NaN or infinity",
        "flat.npy": "flat.npy: the input has shape (3, 784), expected (28, 28) or (samples, 28, 28)",
        "large.png": "large.png: the input has shape (40, 30), expected (28, 28)",
        "notes.txt": "nobody reads the suffix '.txt'",
        "missing.png": "no such file",
    }.items():
        assert message in refused("predict", artifact, tmp_path / name)
    assert "no such file" in refused("predict", tmp_path / "missing.tflite", tmp_path / "nan.npy")


def test_predict_without_a_card_says_unverified(
    edgernn_command: Callable[..., Result], run_folder: Path, refused: Callable[..., str], tmp_path: Path
) -> None:
    from edgernn_export import keras_model, onnx

    foreign = tmp_path / "foreign.onnx"
    foreign.write_bytes(onnx.convert(keras_model.load(run_folder / "model.keras")))
    np.save(tmp_path / "x.npy", np.zeros((28, 28), np.float32))
    assert "--unverified" in refused("predict", foreign, tmp_path / "x.npy")
    result = edgernn_command("predict", foreign, tmp_path / "x.npy", "--unverified")
    assert result.exit_code == 0
    assert "its answers are unverified" in result.stderr


def test_info_shows_the_card(edgernn_command: Callable[..., Result], artifacts: Path) -> None:
    names = sorted(artifacts.iterdir())
    text = edgernn_command("info", *names).stdout
    for word in ("int8, unrolled", "6,602", "pixel / 255", "4,000 training samples", "0, 1, 2, 3, 4, 5, 6, 7, 8, 9"):
        assert word in text
    documents = json.loads(edgernn_command("info", *names, "--json").stdout)
    assert [Path(document["path"]) for document in documents] == names
    assert all(document["input_shape"] == [28, 28] for document in documents)


def test_info_refuses_what_has_no_card(refused: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "a.tflite").write_bytes(b"TFL3 no card")
    assert f"{tmp_path / 'a.tflite'}: no card in the file" in refused("info", tmp_path / "a.tflite")
    assert "no such file" in refused("info", tmp_path / "b.tflite")


@pytest.mark.parametrize(
    ("package", "words", "install"),
    [
        ("tensorflow", ["train"], "edgernn[train]"),
        ("tf2onnx", ["export", "RUN"], "edgernn[export]"),
        ("keras", ["compare", "RUN", "ARTIFACT"], "edgernn[bench]"),
        ("ai_edge_litert", ["predict", "ARTIFACT", "PICTURE"], "edgernn[litert]"),
        ("PIL", ["predict", "ARTIFACT", "PICTURE"], "edgernn[images]"),
    ],
)
def test_a_missing_package_says_the_pip_install(
    package: str, words: list[str], install: str, run_folder: Path, artifacts: Path, picture: Path, tmp_path: Path
) -> None:
    places = {"RUN": run_folder, "ARTIFACT": artifacts / "digits-int8.tflite", "PICTURE": picture}
    program = (
        "import importlib.machinery\n"
        "finder = importlib.machinery.PathFinder\n"
        "find = finder.find_spec\n"
        f"finder.find_spec = lambda name, *rest: None if name.split('.')[0] == {package!r} else find(name, *rest)\n"
        f"from edgernn.cli import main; main({[str(places.get(word, word)) for word in words]})"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert result.returncode == 1
    assert f'pip install "{install}"' in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has /dev/full, a disk that is always full")
def test_a_full_disk_behind_standard_output_is_one_line(artifacts: Path) -> None:
    command = [sys.executable, "-m", "edgernn", "info", str(artifacts / "digits-int8.tflite")]
    with Path("/dev/full").open("w") as full:
        result = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert result.returncode == 1
    assert result.stderr == "error: cannot write standard output: No space left on device\n"
