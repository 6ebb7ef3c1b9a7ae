"""A device: the built wheel with one backend in a new environment, without TensorFlow."""

import json
import os
import shlex
import subprocess
import venv
import zipfile
from pathlib import Path

import click
import numpy as np
import pytest

import edgernn
from edgernn.cli import main
from edgernn.data.datasets import read_samples

ROOT = Path(__file__).parents[2]
MAX_WHEEL_BYTES = 660_000


@pytest.fixture(scope="session")
def device(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the Python of an environment with only edgernn[litert], in the versions of the lock."""
    folder = tmp_path_factory.mktemp("device")
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    lock = ROOT / "requirements.lock"
    pins = "\n".join(line.split(" \\")[0] for line in lock.read_text().splitlines() if line[:1].isalpha())
    constraints = folder / "constraints.txt"
    constraints.write_text(pins)
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-c", constraints]
    subprocess.run([*install, f"{wheel}[litert]"], check=True, capture_output=True)
    return python


def test_the_wheel_is_small_and_has_the_four_packages(wheel: Path) -> None:
    assert wheel.stat().st_size <= MAX_WHEEL_BYTES
    names = zipfile.ZipFile(wheel).namelist()
    rooms = {name.partition("/")[0] for name in names}
    assert {"edgernn", "edgernn_train", "edgernn_export", "edgernn_benchmarks"} <= rooms
    files = [name for name in names if name.endswith((".tflite", ".onnx", ".keras", ".npz", ".npy"))]
    samples = ("digits-int8.tflite", "digits.npy", "kernels-dynamic.tflite", "kernels-int8.tflite")
    assert sorted(files) == [f"edgernn/samples/{name}" for name in samples]


def test_a_device_predicts_without_tensorflow(device: Path, artifacts: Path, run_folder: Path, tmp_path: Path) -> None:
    x = read_samples(run_folder).x_test[:50]
    np.save(tmp_path / "digits.npy", x)
    artifact = artifacts / "digits-int8.tflite"
    command = [device, "-m", "edgernn", "predict", artifact, tmp_path / "digits.npy", "--json"]
    result = subprocess.run(command, check=True, capture_output=True, text=True, cwd=tmp_path)
    assert result.stderr == ""
    labels = [answer["label"] for answer in json.loads(result.stdout)]
    assert labels == [guesses[0].label for guesses in edgernn.load(artifact).classify(x, top=1)]


def test_a_device_has_only_what_it_needs(device: Path) -> None:
    program = "import importlib.metadata as m; print(*sorted(d.name.lower() for d in m.distributions()))"
    result = subprocess.run([device, "-c", program], check=True, capture_output=True, text=True)
    installed = set(result.stdout.split())
    assert {"edgernn", "numpy", "click", "ai-edge-litert"} <= installed
    assert not {"tensorflow", "keras", "onnx", "onnxruntime", "pillow", "rich", "scipy", "mlxtend"} & installed


def test_a_device_runs_the_demo_and_what_it_says_to_try(device: Path, tmp_path: Path) -> None:
    def run(*words: str | Path, cwd: Path) -> str:
        result = subprocess.run([device, "-m", "edgernn", *words], check=True, capture_output=True, text=True, cwd=cwd)
        assert result.stderr == ""
        return result.stdout

    shown = run("demo", cwd=tmp_path)
    version = next(line for line in (ROOT / "requirements.lock").read_text().splitlines() if "ai-edge-litert==" in line)
    # The pure wheel has no native kernels.
    assert f"Backend: litert {version.split('==')[1].split()[0]}\n" in shown
    commands = [line.strip() for line in shown.splitlines() if line.startswith("  ")]
    (folder,) = (Path(shlex.split(line)[1]) for line in commands if line.startswith("cd "))
    assert device.parents[1] in folder.parents
    assert "int8, unrolled" in run("info", "digits-int8.tflite", cwd=folder)
    # Without Pillow the demo names the array in place of the picture.
    assert "edgernn predict digits-int8.tflite digits.npy" in commands
    lines = run("predict", "digits-int8.tflite", "digits.npy", cwd=folder).splitlines()
    assert [line.split()[1] for line in lines] == list("0123456789")


@pytest.mark.parametrize(
    ("words", "install"),
    [
        (["train"], "mlxtend<0.26,>=0.23"),
        (["export", "run"], "tf2onnx<1.18,>=1.17"),
        (["compare", "run", "digits-int8.tflite"], "matplotlib>=3.9"),
        (["demo", "--out", "here"], "mlxtend<0.26,>=0.23"),
        (["predict", "digits-float32.onnx", "digit.npy"], "onnxruntime<2,>=1.15"),
        (["predict", "digits-int8.tflite", "digit.png"], "pillow>=11"),
    ],
)
def test_a_device_says_what_to_install(
    device: Path, artifacts: Path, tmp_path: Path, words: list[str], install: str
) -> None:
    np.save(tmp_path / "digit.npy", np.zeros((28, 28)))
    (tmp_path / "digit.png").write_bytes(b"\x89PNG")
    words = [str(artifacts / word) if word.startswith("digits-") else word for word in words]
    result = subprocess.run(
        [device, "-m", "edgernn", *words], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert result.returncode == 1
    assert result.stderr.startswith("error: ")
    assert f'"{install}"' in result.stderr.partition(" is not installed: pip install ")[2]
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("version", ["", "==8.1.*"], ids=["locked", "oldest"])
def test_every_help_answers_on_a_device(device: Path, tmp_path: Path, version: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    if version:  # in front of the locked one
        command = [device, "-m", "pip", "install", "--quiet", "--no-deps", "--target", tmp_path, f"click{version}"]
        subprocess.run(command, check=True, capture_output=True)
    for words in ([], *([name] for name in main.list_commands(click.Context(main)))):
        command = [device, "-m", "edgernn", *words, "--help"]
        result = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
        assert "Example:" in result.stdout
