"""Which backend runs a file, and what is said when it cannot."""

import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from edgernn.backends import open_artifact, tflite_runtime
from edgernn.backends.interpreter import Interpreted
from edgernn.errors import ArtifactError, MissingExtraError

FILE = Path("any.tflite")


class Interpreter:
    """An interpreter that adds one to two values."""

    content = b"model"

    def __init__(self, model_content: bytes, num_threads: int = 1) -> None:
        if model_content != self.content:
            raise ValueError("no model")
        self.threads = num_threads

    def allocate_tensors(self) -> None:
        pass

    def get_input_details(self) -> list[dict[str, Any]]:
        return [{"index": 0, "dtype": np.float32, "shape": np.array([1, 1, 2]), "quantization": (0.0, 0)}]

    def get_output_details(self) -> list[dict[str, Any]]:
        return self.get_input_details()

    def get_signature_list(self) -> dict[str, Any]:
        return {}

    def set_tensor(self, index: int, value: np.ndarray) -> None:
        self.value = value

    def invoke(self) -> None:
        self.value = self.value + 1

    def get_tensor(self, index: int) -> np.ndarray:
        return self.value


class Failing(Interpreter):
    """An interpreter whose kernels look at the graph only when they run."""

    def invoke(self) -> None:
        raise RuntimeError("Input tensor 9 lacks data")


@pytest.fixture
def without_litert(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)


@pytest.fixture
def with_tflite_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    package, module = ModuleType("tflite_runtime"), ModuleType("tflite_runtime.interpreter")
    package.__spec__ = ModuleSpec("tflite_runtime", None)
    module.Interpreter = Interpreter  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tflite_runtime", package)
    monkeypatch.setitem(sys.modules, "tflite_runtime.interpreter", module)
    monkeypatch.setattr(tflite_runtime, "version", lambda _name: "2.14.0")
    monkeypatch.setattr(np, "__version__", "1.26.4")


@pytest.fixture
def without_tflite_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tflite_runtime", None)


@pytest.mark.usefixtures("without_litert", "with_tflite_runtime")
def test_tflite_runtime_serves_where_there_is_no_litert() -> None:
    backend = open_artifact(FILE, Interpreter.content, 1)
    assert backend.name == "tflite-runtime 2.14.0"
    np.testing.assert_array_equal(backend.run(np.zeros((3, 1, 2), np.float32)), np.ones((3, 1, 2)))


@pytest.mark.usefixtures("with_tflite_runtime")
def test_litert_is_preferred(artifacts: Path) -> None:
    path = artifacts / "digits-float32.tflite"
    assert open_artifact(path, path.read_bytes(), 1).name.startswith("litert ")


@pytest.mark.usefixtures("without_litert", "without_tflite_runtime")
def test_with_neither_the_preferred_one_is_named() -> None:
    with pytest.raises(MissingExtraError, match=r'LiteRT, .* pip install "edgernn\[litert\]"'):
        open_artifact(FILE, Interpreter.content, 1)


@pytest.mark.usefixtures("without_litert", "with_tflite_runtime")
def test_a_numpy_that_tflite_runtime_cannot_bear_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(np, "__version__", "2.4.6")
    with pytest.raises(MissingExtraError, match=r'NumPy 2\.4\.6 is too new .* pip install "edgernn\[tflite\]"'):
        open_artifact(FILE, Interpreter.content, 1)


def test_a_file_that_the_interpreter_refuses_is_named_with_it() -> None:
    with pytest.raises(ArtifactError, match=r"some 1\.0 refuses the file: no model"):
        Interpreted("some 1.0", Interpreter, b"noise")


def test_a_file_that_opens_and_cannot_run_is_named_with_it() -> None:
    backend = Interpreted("some 1.0", Failing, Interpreter.content)
    with pytest.raises(ArtifactError, match=r"some 1\.0 cannot run the file: Input tensor 9 lacks data"):
        backend.run(np.zeros((1, 1, 2), np.float32))


def test_a_file_without_a_step_does_not_stream() -> None:
    with pytest.raises(ArtifactError, match="no signature `step`"):
        Interpreted("some 1.0", Interpreter, Interpreter.content).start()
