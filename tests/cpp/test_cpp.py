"""The C++ program of docs/use-without-edgernn.md, compiled with LiteRT's SDK; run by `make test-cpp`."""

import os
import re
import shlex
import subprocess
from pathlib import Path

import numpy as np
import pytest

import edgernn
from edgernn.data.datasets import read_samples

PAGE = Path(__file__).parents[2] / "docs" / "use-without-edgernn.md"
# LiteRT's own build passes -fpermissive, too.
COMPILE = ("g++", "-std=c++20", "-O1", "-fpermissive", "-w")
COUNT = 5


@pytest.fixture(scope="module")
def run(request: pytest.FixtureRequest) -> Path:
    """Return a folder with a run and its artifacts: that of RUN=DIR, or a new one."""
    given = os.environ.get("RUN")
    return Path(given).resolve() if given else request.getfixturevalue("run_folder")


@pytest.fixture(scope="module")
def exported(request: pytest.FixtureRequest, run: Path) -> Path:
    return run if os.environ.get("RUN") else request.getfixturevalue("artifacts")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cpp")
    (code,) = re.findall(r"^```cpp\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    (folder / "digit.cc").write_text(code, encoding="utf-8")
    command = [*COMPILE, folder / "digit.cc", "-o", folder / "digit", *shlex.split(os.environ["FLAGS"])]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return folder / "digit"


@pytest.mark.parametrize("name", ["float32", "float16", "dynamic", "int8", "int16x8", "int8-loop"])
def test_the_program_answers_and_streams_as_edgernn(
    program: Path, run: Path, exported: Path, tmp_path: Path, name: str
) -> None:
    artifact = exported / f"digits-{name}.tflite"
    model = edgernn.load(artifact)
    for digit in read_samples(run).x_test[:COUNT]:
        (tmp_path / "digit.f32").write_bytes(digit.astype("<f4").tobytes())
        command = [program, artifact, tmp_path / "digit.f32"]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        whole, streamed = (np.array(line.split(), np.float32) for line in printed.splitlines())
        with model.stream() as stream:
            expected = [stream.push(row) for row in digit][-1]
        np.testing.assert_allclose(whole, model.predict(digit), atol=2e-6)  # six digits are printed
        np.testing.assert_allclose(streamed, expected, atol=2e-6)
