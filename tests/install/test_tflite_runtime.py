"""A device with tflite-runtime 2.14, as on 32-bit Arm: files that it misreads are refused, all others run."""

import json
import os
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgernn
from edgernn.data.datasets import read_samples

SAMPLES, STREAMED = 200, 10
READ_RIGHTLY = ("float32", "float16", "int8", "int16x8", "int8-loop")
MISREAD = ("dynamic", "dynamic-fused")
# Some integers are rounded differently, by up to three steps inside the model.
MIN_AGREEMENT = {"float32": 1.0, "float16": 1.0, "int16x8": 0.99, "int8": 0.98, "int8-loop": 0.98}

needs_tflite_runtime = pytest.mark.skipif(
    sys.version_info >= (3, 12), reason="tflite-runtime has no wheel for Python 3.12 and later"
)

PROGRAM = """
import json, sys
from pathlib import Path
import numpy as np
import edgernn
from edgernn.backends import open_artifact

streamed, *paths = sys.argv[1:]
found, x = {}, np.load("x.npy")
for path in map(Path, paths):
    # The answers of the backend without any check.
    here = found[path.stem] = {"unchecked": open_artifact(path, path.read_bytes(), 1).run((x,))[0].tolist()}
    try:
        model = edgernn.load(path)
    except edgernn.ArtifactError as error:
        here["refused"] = str(error)
        continue
    here |= {"backend": model.backend, "answers": model.predict(x).tolist(), "streams": []}
    for sample in x[:int(streamed)]:
        with model.stream() as stream:
            here["streams"].append([stream.push(row) for row in sample][-1].tolist())
print(json.dumps({"numpy": np.__version__, "found": found}))
"""


@pytest.fixture(scope="module")
def tflite_device(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the Python of an environment with only the built wheel and its extra `tflite`."""
    folder = tmp_path_factory.mktemp("tflite-device")
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary=:all:"]
    subprocess.run([*install, f"{wheel}[tflite]"], check=True, capture_output=True)
    return python


@pytest.fixture(scope="module")
def x(run_folder: Path) -> np.ndarray:
    return read_samples(run_folder).x_test[:SAMPLES]


@pytest.fixture(scope="module")
def answered(
    tflite_device: Path, artifacts: Path, x: np.ndarray, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """Return the device's answers or refusals for every .tflite file of a default export, by name."""
    folder = tmp_path_factory.mktemp("answered")
    np.save(folder / "x.npy", x)
    command = [tflite_device, "-I", "-c", PROGRAM, str(STREAMED), *sorted(artifacts.glob("*.tflite"))]
    result = subprocess.run(command, check=True, capture_output=True, text=True, cwd=folder)
    answers: dict[str, Any] = json.loads(result.stdout)
    assert answers["numpy"].startswith("1.")
    return {name.removeprefix("digits-"): found for name, found in answers["found"].items()}


@needs_tflite_runtime
def test_every_artifact_is_expected_to_run_or_to_be_refused(answered: dict[str, Any]) -> None:
    assert set(answered) == {*READ_RIGHTLY, *MISREAD}


@needs_tflite_runtime
@pytest.mark.parametrize("name", READ_RIGHTLY)
def test_files_that_it_reads_correctly_answer_and_stream_as_here(
    answered: dict[str, Any], artifacts: Path, x: np.ndarray, name: str
) -> None:
    there, here = answered[name], edgernn.load(artifacts / f"digits-{name}.tflite", backend="litert")
    assert there.get("refused") is None
    assert there["backend"] == "tflite-runtime 2.14.0"
    answers = np.array(there["answers"])
    assert np.mean(answers.argmax(1) == here.predict(x).argmax(1)) >= MIN_AGREEMENT[name]
    assert np.mean(np.array(there["streams"]).argmax(1) == answers[:STREAMED].argmax(1)) >= MIN_AGREEMENT[name]


@needs_tflite_runtime
@pytest.mark.parametrize("name", MISREAD)
def test_files_that_it_misreads_are_refused(
    answered: dict[str, Any], artifacts: Path, x: np.ndarray, name: str
) -> None:
    """Unchecked, the backend answers wrongly and without an error; the golden samples detect it."""
    there, here = answered[name], edgernn.load(artifacts / f"digits-{name}.tflite")
    assert np.mean(np.array(there["unchecked"]).argmax(1) == here.predict(x).argmax(1)) < 0.5
    message = there["refused"]
    assert f"digits-{name}.tflite: tflite-runtime 2.14.0 misreads this dynamic artifact" in message
    assert "golden samples" in message
    assert message.endswith("use another backend or another quantization")
