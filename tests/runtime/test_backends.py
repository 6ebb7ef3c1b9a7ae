"""Backends: the choice for a file, and the errors when none can run it."""

import sys
from functools import partial
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from edgernn import backends, load
from edgernn.backends import BACKENDS, open_artifact
from edgernn.backends.interpreter import TfliteBackend
from edgernn.backends.litert import open_engine
from edgernn.backends.tensor_port import TensorPort
from edgernn.data.datasets import read_samples
from edgernn.errors import ArtifactError, MissingExtraError, SettingError
from edgernn.system.extras import NATIVE_WHEELS, native_machine

FILE = Path("any.tflite")


class Interpreter:
    """Interpreter that adds one to two values."""

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
    """Interpreter whose kernels check the graph only when they run."""

    def invoke(self) -> None:
        raise RuntimeError("Input tensor 9 lacks data")


@pytest.fixture
def without_litert(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)


@pytest.fixture
def without_native(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "edgernn._native", None)


@pytest.fixture
def with_tflite_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    package, module = ModuleType("tflite_runtime"), ModuleType("tflite_runtime.interpreter")
    package.__spec__ = ModuleSpec("tflite_runtime", None)
    module.Interpreter = Interpreter  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tflite_runtime", package)
    monkeypatch.setitem(sys.modules, "tflite_runtime.interpreter", module)
    package.__version__ = "2.14.0"  # type: ignore[attr-defined]
    monkeypatch.setattr(np, "__version__", "1.26.4")


@pytest.fixture
def without_tflite_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tflite_runtime", None)


@pytest.mark.usefixtures("without_native", "without_litert", "with_tflite_runtime")
def test_tflite_runtime_serves_where_there_is_no_litert() -> None:
    backend = open_artifact(FILE, Interpreter.content, 1)
    assert backend.name == "tflite-runtime 2.14.0"
    np.testing.assert_array_equal(backend.run((np.zeros((3, 1, 2), np.float32),))[0], np.ones((3, 1, 2)))


@pytest.mark.usefixtures("without_native", "with_tflite_runtime")
def test_litert_is_preferred(artifacts: Path) -> None:
    path = artifacts / "digits-float32.tflite"
    assert open_artifact(path, path.read_bytes(), 1).name.startswith("litert ")


@pytest.mark.parametrize(
    ("name", "backend"),
    [("digits-float32.tflite", "native"), ("digits-int8.tflite", "native"), ("digits-dynamic.tflite", "litert")],
)
def test_native_kernels_are_preferred_for_the_files_that_they_run(artifacts: Path, name: str, backend: str) -> None:
    path = artifacts / name
    assert open_artifact(path, path.read_bytes(), 1).name.startswith(backend)
    assert not open_artifact(path, path.read_bytes(), 1, with_partial=False).name.startswith("native")
    assert not open_artifact(path, path.read_bytes(), 2).name.startswith("native")


@pytest.mark.usefixtures("without_litert", "without_tflite_runtime")
def test_native_kernels_need_no_other_backend(artifacts: Path) -> None:
    path = artifacts / "digits-int8.tflite"
    assert open_artifact(path, path.read_bytes(), 1, with_partial=False).name.startswith("native")
    with pytest.raises(MissingExtraError, match=r"^native: .*; LiteRT, .* is not installed: pip install"):
        open_artifact(path, (artifacts / "digits-dynamic.tflite").read_bytes(), 1)


def test_native_says_why_it_does_not_run_a_file(artifacts: Path) -> None:
    path = artifacts / "digits-dynamic.tflite"
    with pytest.raises(ArtifactError, match=r"native does not run this file: .*; use another backend"):
        load(path, backend="native")
    with pytest.raises(SettingError, match="2 threads; backend native supports only 1"):
        load(artifacts / "digits-int8.tflite", backend="native", threads=2)


def test_another_backend_runs_what_native_answers_wrongly(artifacts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from edgernn.backends.native import NativeBackend

    run = NativeBackend.run
    monkeypatch.setattr(NativeBackend, "run", lambda self, inputs: (run(self, inputs)[0][:, ::-1].copy(),))
    assert load(artifacts / "digits-int8.tflite").backend.startswith("litert")
    with pytest.raises(ArtifactError, match=r"native .* misreads this int8 artifact"):
        load(artifacts / "digits-int8.tflite", backend="native")


@pytest.mark.usefixtures("without_native", "without_litert", "without_tflite_runtime")
def test_with_neither_the_preferred_one_is_named() -> None:
    wheel = rf"native is not installed: pip install {NATIVE_WHEELS[native_machine()]}"
    with pytest.raises(MissingExtraError, match=rf'^{wheel}; LiteRT, .*: pip install "ai-edge-litert<3,>=2\.1"$'):
        open_artifact(FILE, Interpreter.content, 1)


@pytest.mark.usefixtures("without_native", "without_litert", "without_tflite_runtime")
def test_on_a_32_bit_system_the_one_that_it_has_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.maxsize", (1 << 31) - 1)
    monkeypatch.setattr("sys.version_info", (3, 11, 2))
    monkeypatch.setattr("platform.machine", lambda: "armv7l")
    with pytest.raises(MissingExtraError, match=r'_armv7l\.whl; .* pip install "numpy<2" "tflite-runtime>=2\.14"$'):
        open_artifact(FILE, Interpreter.content, 1)
    monkeypatch.setattr("platform.machine", lambda: "armv6l")
    with pytest.raises(
        ArtifactError, match=r"no backend runs it here; native .*_armv6l\.whl; litert: .* 32-bit .*: .* armv6l linux"
    ):
        open_artifact(FILE, Interpreter.content, 1)


@pytest.mark.usefixtures("without_native", "without_litert", "with_tflite_runtime")
def test_a_numpy_too_new_for_tflite_runtime_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(np, "__version__", "2.4.6")
    with pytest.raises(
        MissingExtraError, match=r'NumPy 2\.4\.6 is too new .* pip install "numpy<2" "tflite-runtime>=2\.14"$'
    ):
        open_artifact(FILE, Interpreter.content, 1)


def opened(interpreter: type[Interpreter], data: bytes) -> TfliteBackend:
    return TfliteBackend("some 1.0", partial(open_engine, interpreter, 1), data)


def test_a_file_that_the_interpreter_refuses_is_named_with_it() -> None:
    with pytest.raises(ArtifactError, match=r"some 1\.0 refuses the file: no model"):
        opened(Interpreter, b"noise")


def test_a_file_that_opens_and_cannot_run_is_named_with_it() -> None:
    backend = opened(Failing, Interpreter.content)
    with pytest.raises(ArtifactError, match=r"some 1\.0 cannot run the file: Input tensor 9 lacks data"):
        backend.run((np.zeros((1, 1, 2), np.float32),))


class TwoOfEach(Interpreter):
    """Interpreter of two integer inputs, which gives their sum and their difference."""

    def get_input_details(self) -> list[dict[str, Any]]:
        return [
            {"index": index, "dtype": np.int8, "shape": np.array([1, 1, 2]), "quantization": (scale, 0)}
            for index, scale in ((3, 0.5), (5, 0.25))
        ]

    def get_output_details(self) -> list[dict[str, Any]]:
        return [
            {"index": index, "dtype": np.float32, "shape": np.array([1, 1, 2]), "quantization": (0.0, 0)}
            for index in (7, 8)
        ]

    def set_tensor(self, index: int, value: np.ndarray) -> None:
        vars(self).setdefault("values", {})[index] = value.astype(np.float32)

    def invoke(self) -> None:
        pass

    def get_tensor(self, index: int) -> np.ndarray:
        left, right = self.values[3] * 0.5, self.values[5] * 0.25  # type: ignore[attr-defined]
        return {7: left + right, 8: left - right}[index]


def test_several_inputs_and_outputs_run_in_the_files_order() -> None:
    backend = opened(TwoOfEach, Interpreter.content)
    assert backend.input_shapes == backend.output_shapes == ((1, 2), (1, 2))
    a, b = (np.arange(6, dtype=np.float32).reshape(3, 1, 2) * scale for scale in (1, 2))
    for found, expected in zip(backend.run((a, b)), (a + b, a - b), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("shape", "dtype", "message"),
    [
        ((1, 2), np.int8, "type int8 with scale 0, expected one above 0"),
        ((1,), np.float32, r"shape \(1,\), expected a batch of 1 and then other axes"),
        ((4, 2), np.float32, r"shape \(4, 2\), expected a batch of 1"),
        ((1, 2), np.int32, "type int32, expected float32, int8 or int16"),
    ],
)
def test_ports_that_have_no_meaning_are_refused(shape: tuple[int, ...], dtype: type, message: str) -> None:
    with pytest.raises(ArtifactError, match=message):
        TensorPort(0, shape, dtype, (0.0, 0))


def test_a_damaged_file_does_not_stream() -> None:
    with pytest.raises(ArtifactError, match=r"not a \.tflite file that can be read"):
        opened(Interpreter, Interpreter.content).start()


def test_every_backend_has_its_module() -> None:
    assert [known.name for known in BACKENDS] == ["native", "litert", "tflite-runtime", "tflite-micro", "onnxruntime"]
    package = Path(backends.__file__).parent
    assert all((package / f"{known.name.replace('-', '_')}.py").is_file() for known in BACKENDS)


@pytest.mark.parametrize(
    ("backend", "message"),
    [
        ("tensorrt", "unknown backend 'tensorrt'; expected native, litert, tflite-runtime, tflite-micro, onnxruntime"),
        ("onnxruntime", r"any\.tflite: backend onnxruntime reads \.onnx files only"),
    ],
)
def test_a_backend_that_does_not_fit_is_refused(backend: str, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        open_artifact(FILE, Interpreter.content, 1, backend)


@pytest.mark.usefixtures("with_tflite_runtime")
def test_the_backend_asked_for_is_used() -> None:
    assert open_artifact(FILE, Interpreter.content, 1, "tflite-runtime").name == "tflite-runtime 2.14.0"


@pytest.mark.usefixtures("without_tflite_runtime")
def test_a_backend_asked_for_that_is_missing_is_named() -> None:
    with pytest.raises(MissingExtraError, match=r'tflite-runtime, .* pip install "numpy<2" "tflite-runtime>=2\.14"$'):
        open_artifact(FILE, Interpreter.content, 1, "tflite-runtime")


@pytest.mark.usefixtures("without_tflite_runtime")
def test_a_backend_asked_for_that_has_no_wheel_here_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.version_info", (3, 13, 5))
    monkeypatch.setattr("edgernn.backends.BackendInfo.installed", False)
    with pytest.raises(
        SettingError,
        match=r"tflite-runtime cannot be .*: it has no wheel for Python 3.12 and later; choose native or litert",
    ):
        open_artifact(FILE, Interpreter.content, 1, "tflite-runtime")


@pytest.mark.parametrize("name", ["float32", "int8", "int8-loop", "int16x8"])
def test_tflite_micro_predicts_and_streams(artifacts: Path, run_folder: Path, name: str) -> None:
    pytest.importorskip("tflite_micro", reason="tflite-micro has wheels for x86-64 Linux only")
    path = artifacts / f"digits-{name}.tflite"
    x = read_samples(run_folder).x_test[:20]
    micro, here = load(path, backend="tflite-micro"), load(path)
    assert micro.backend.startswith("tflite-micro ")
    answers = micro.predict(x)
    assert np.mean(answers.argmax(1) == here.predict(x).argmax(1)) >= 0.95
    with micro.stream() as stream:
        np.testing.assert_array_equal([stream.answer(sample) for sample in x], answers)


def test_tflite_micro_says_what_it_cannot(artifacts: Path) -> None:
    pytest.importorskip("tflite_micro", reason="tflite-micro has wheels for x86-64 Linux only")
    with pytest.raises(ArtifactError, match=r"dynamic\.tflite: tflite-micro .* it runs float32, int8 and int16x8"):
        load(artifacts / "digits-dynamic.tflite", backend="tflite-micro")
    with pytest.raises(SettingError, match="2 threads; tflite-micro supports only 1"):
        load(artifacts / "digits-int8.tflite", backend="tflite-micro", threads=2)
