"""The pages in docs/: every example in them runs. `make docs` builds them and runs tests/site."""

import doctest
import io
import re
from collections.abc import Callable
from contextlib import redirect_stdout
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from click.testing import Result

import edgernn
from edgernn.data.datasets import read_samples

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
ROOMS = ("edgernn", "edgernn_train", "edgernn_export", "edgernn_benchmarks")
ALONE = "use-without-edgernn.md"
# The times that a page measures do not matter here.
LONG, QUICK = "Method(rounds=10, seconds=1.0)", "Method(rounds=2, seconds=0)"

pytestmark = pytest.mark.usefixtures("in_process")


def blocks_of(page: Path) -> list[str]:
    """Return the blocks of Python code in a page."""
    return re.findall(r"^```python\n(.*?)^```$", page.read_text(encoding="utf-8"), re.M | re.S)


def execute(code: str, place: str, names: dict[str, Any]) -> dict[str, Any]:
    """Run a block with `names` as globals; its output is not shown."""
    with redirect_stdout(io.StringIO()):
        exec(compile(code, place, "exec"), names)  # noqa: S102 the project's own pages
    return names


@pytest.mark.parametrize("name", ["guide.md", "workstation.md", "your-sensor.md"])
def test_the_examples_of_a_page_run_one_after_the_other(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = blocks_of(DOCS / name)
    assert len(blocks) > 2
    assert sum(LONG in block for block in blocks) == (name == "workstation.md")
    names: dict[str, Any] = {"__name__": "example"}
    for number, block in enumerate(blocks, start=1):
        execute(block.replace(LONG, QUICK), f"{name}, block {number}", names)


def test_every_page_with_examples_is_run() -> None:
    with_examples = {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md") if blocks_of(page)}
    assert with_examples == {"guide.md", "workstation.md", "your-sensor.md", ALONE}


@pytest.fixture(scope="module")
def beside(artifacts: Path, run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the folder of `use-without-edgernn.md`: a digit and artifacts."""
    folder = tmp_path_factory.mktemp("beside")
    for path in artifacts.glob("digits-*"):
        (folder / path.name).write_bytes(path.read_bytes())
    np.save(folder / "digit.npy", read_samples(run_folder).x_test[7])
    return folder


@pytest.fixture
def with_integers(beside: Path, run_folder: Path, edgernn_command: Callable[..., Result]) -> Path:
    if not (beside / "digits-int8-io8.tflite").exists():
        words = ("--to", "tflite", "--layout", "unrolled", "--io", "int8", "--no-refine", "--out", beside)
        assert edgernn_command("export", run_folder, *words).exit_code == 0
    return beside


ALONE_BLOCKS = blocks_of(DOCS / ALONE)
ANSWERING = [block for block in ALONE_BLOCKS if "answer.argmax()" in block]


def test_the_page_for_people_without_edgernn_needs_none() -> None:
    assert len(ANSWERING) == 5
    assert not [block for block in ALONE_BLOCKS if "edgernn." in block or "import edgernn" in block]


@pytest.mark.parametrize("block", ANSWERING, ids=range(len(ANSWERING)))
def test_what_people_write_without_edgernn_answers_as_edgernn(
    block: str, with_integers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(with_integers)
    (name,) = re.findall(r'"(digits-[\w-]+\.\w+)"', block)
    answer = execute(block, ALONE, {})["answer"]
    expected = edgernn.load(name).predict(np.load("digit.npy"))
    if name.endswith(".tflite"):
        assert np.array_equal(answer, expected)
    else:
        np.testing.assert_allclose(answer, expected, atol=1e-5)  # row by row, float32 adds in another order


def test_states_are_made_required(beside: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import onnxruntime

    (tmp_path / "digits-int8.onnx").write_bytes((beside / "digits-int8.onnx").read_bytes())
    monkeypatch.chdir(tmp_path)
    (block,) = (block for block in ALONE_BLOCKS if "initializer.remove" in block)
    execute(block, ALONE, {})
    session = onnxruntime.InferenceSession("digits-int8-web.onnx", providers=["CPUExecutionProvider"])
    assert [source.name for source in session.get_inputs()] == ["input", "state_0"]
    assert session.get_overridable_initializers() == []


def test_the_card_is_read_without_edgernn(beside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(beside)
    (block,) = (block for block in ALONE_BLOCKS if "zeroed" in block)
    for path in sorted(beside.glob("digits-*")):
        names = execute(block.replace("digits-int8.tflite", path.name), ALONE, {})
        card = edgernn.load(path).card
        assert card is not None
        assert names["target"]["labels"] == list(card.labels)
        assert names["card"]["quantization"] == card.quantization
    damaged = bytearray((beside / "digits-int8.tflite").read_bytes())
    damaged[damaged.index(b'{"edgernn_card":') // 2] ^= 1  # in front of the card, which stays readable
    (beside / "damaged.tflite").write_bytes(damaged)
    with pytest.raises(AssertionError, match="damaged"):
        execute(block.replace("digits-int8.tflite", "damaged.tflite"), ALONE, {})


def test_a_runtime_is_checked_without_edgernn(beside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(beside)
    (block,) = (block for block in ALONE_BLOCKS if "golden" in block and "0x85EBCA6B" in block)
    for path in sorted(set(beside.glob("digits-*.tflite")) - set(beside.glob("*-io8.tflite"))):
        execute(block.replace("digits-int8.tflite", path.name), ALONE, {})
    misreading = block.replace('["output"][0]', '["output"][0][::-1]')
    assert misreading != block
    with pytest.raises(AssertionError, match="misreads"):
        execute(misreading, ALONE, {})


def test_a_runtime_is_checked_with_integers(with_integers: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Add the conversions of the program for int8 inputs and outputs, as the page says."""
    monkeypatch.chdir(with_integers)
    (block,) = (block for block in ALONE_BLOCKS if "golden" in block and "0x85EBCA6B" in block)
    (program,) = (block for block in ANSWERING if "io8" in block)
    conversions = re.findall(r"^(?:scale, |quantized = |answer = ).*\n", program, re.MULTILINE)
    read_input, quantize, read_output, convert_back = conversions
    quantize = quantize.replace("x /", "inputs /")
    convert_back = "answers = (answers" + convert_back.removeprefix("answer = (output")
    before, answers, after = re.split(r"^(answers = np\.array.*\n)", block, flags=re.MULTILINE)
    answers = answers.replace("in inputs", "in quantized")
    converted = "".join([before, read_input, quantize, answers, read_output, convert_back, after])
    execute(converted.replace("digits-int8.tflite", "digits-int8-io8.tflite"), ALONE, {})


def test_the_example_of_the_readme_runs(beside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(beside)
    (block,) = blocks_of(ROOT / "README.md")
    names = execute(block, "README.md", {})
    assert np.array_equal(names["answer"], names["model"].predict(names["x"][3]))


def modules() -> list[ModuleType]:
    rooms = [import_module(room) for room in ROOMS]
    inside = [module.name for room in rooms for module in walk_packages(room.__path__, f"{room.__name__}.")]
    return rooms + [import_module(name) for name in inside if not name.endswith(".__main__")]


def test_every_example_in_a_docstring_runs() -> None:
    for module in modules():
        for test in doctest.DocTestFinder().find(module, module.__name__):
            assert not [example for example in test.examples if doctest.SKIP in example.options], test.name
            failed, _tried = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test)
            assert failed == 0, test.name
