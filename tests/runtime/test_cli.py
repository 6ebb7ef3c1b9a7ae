import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import Result
from PIL import Image

import edgernn
from edgernn.cli import main
from edgernn.data.datasets import read_samples
from edgernn.kernels import probe_path

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


def test_without_arguments_the_help_is_printed_in_lines() -> None:
    command = [sys.executable, "-m", "edgernn"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    page = subprocess.run([*command, "--help"], capture_output=True, text=True, check=True).stdout
    assert (result.stdout + result.stderr).strip() == page.strip()


def test_the_list_of_commands_imports_none_and_has_each_on_one_line() -> None:
    program = "import sys; from edgernn.cli import main\nmain(['--help'], standalone_mode=False)\nprint(*sys.modules)"
    *page, modules = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert not {"numpy", "edgernn.commands", "edgernn_export"} & set(modules.split())
    listed = [line.split(maxsplit=1) for line in page[page.index("Commands:") + 1 :]]
    assert [name for name, _ in listed] == COMMANDS
    context = click.Context(main)
    for name, line in listed:
        command = main.get_command(context, name)
        assert command is not None
        assert line.split()[0] == command.get_short_help_str().split()[0]


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
    assert "No such command 'fly'; expected one of demo, train, export" in refused("fly", exit_code=2)
    assert refused("exprt", exit_code=2).endswith("No such command 'exprt'. Did you mean 'export'?")


@pytest.mark.parametrize(
    ("typed", "missing", "expected"),
    [
        ("edgernn exp", "numpy", ["export"]),  # completes from the table, and imports no command
        ("edgernn export --qu", "tensorflow", ["--quantize"]),
        ("edgernn export --quantize int", "tensorflow", ["int8", "int16x8"]),
        ("edgernn train --recipe r", "tensorflow", ["robust"]),
    ],
)
def test_a_shell_completes_commands_options_and_values(typed: str, missing: str, expected: list[str]) -> None:
    program = f"import sys; sys.modules[{missing!r}] = None; from edgernn.cli import main; main(prog_name='edgernn')"
    words = {"COMP_WORDS": typed, "COMP_CWORD": str(len(typed.split()) - 1)}
    result = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "_EDGERNN_COMPLETE": "bash_complete", **words},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.stdout.split() == [f"plain,{each}" for each in expected], result.stderr


@pytest.fixture
def picture(run_folder: Path, tmp_path: Path) -> Path:
    path = tmp_path / "digit.png"
    pixels = np.round(read_samples(run_folder).x_test[0] * 255).astype(np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def test_info_needs_no_numpy(artifacts: Path, run_folder: Path) -> None:
    program = "import sys; sys.modules['numpy'] = None; from edgernn.cli import main; main()"
    files = [artifacts / "digits-int8.tflite", probe_path("int8"), run_folder]
    done = subprocess.run(
        [sys.executable, "-c", program, "info", *map(str, files)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert [word in done.stdout for word in ("int8, unrolled", "card          none", "edgernn export")] == [True] * 3


def test_info_shows_the_card(edgernn_command: Callable[..., Result], artifacts: Path) -> None:
    names = sorted(artifacts.iterdir())
    text = edgernn_command("info", *names).stdout
    for word in ("int8, unrolled", "6,602", "pixel / 255", "4,000 training samples", "0, 1, 2, 3, 4, 5, 6, 7, 8, 9"):
        assert word in text
    documents = json.loads(edgernn_command("info", *names, "--json").stdout)
    assert [Path(document["path"]) for document in documents] == names
    assert all(document["inputs"][0]["shape"] == [28, 28] for document in documents)


def test_info_refuses_what_has_no_card(refused: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "a.tflite").write_bytes(b"TFL3 no card")
    assert f"{tmp_path / 'a.tflite'}: not a .tflite file" in refused("info", tmp_path / "a.tflite")
    assert "no such file" in refused("info", tmp_path / "b.tflite")


@pytest.mark.parametrize(
    ("package", "words", "install"),
    [
        ("tensorflow", ["train"], '"mlxtend<0.26,>=0.23"'),
        ("tf2onnx", ["export", "RUN"], '"tf2onnx<1.18,>=1.17"'),
        ("keras", ["compare", "RUN", "ARTIFACT"], '"matplotlib>=3.9"'),
        ("ai_edge_litert", ["predict", "DYNAMIC", "PICTURE"], '"ai-edge-litert<3,>=2.1"'),
        ("PIL", ["predict", "ARTIFACT", "PICTURE"], '"pillow>=11"'),
        ("matplotlib", ["bench", "ARTIFACT", "--html", "report.html"], '"matplotlib>=3.9"'),
        ("rich", ["report", "result.json"], '"rich>=13.9"'),
    ],
)
def test_a_missing_package_says_the_pip_install(
    package: str, words: list[str], install: str, run_folder: Path, artifacts: Path, picture: Path, tmp_path: Path
) -> None:
    places = {"RUN": run_folder, "ARTIFACT": artifacts / "digits-int8.tflite", "PICTURE": picture}
    places["DYNAMIC"] = artifacts / "digits-dynamic.tflite"  # which native does not run
    program = (
        "import importlib.machinery\n"
        "finder = importlib.machinery.PathFinder\n"
        "find = finder.find_spec\n"
        f"finder.find_spec = lambda name, *rest: None if name.split('.')[0] == {package!r} else find(name, *rest)\n"
        f"from edgernn.cli import main; main({[str(places.get(word, word)) for word in words]})"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert re.search(rf" is not installed: pip install .*{re.escape(install)}", line)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has /dev/full, a disk that is always full")
def test_a_full_disk_behind_standard_output_is_one_line(artifacts: Path) -> None:
    command = [sys.executable, "-m", "edgernn", "info", str(artifacts / "digits-int8.tflite")]
    with Path("/dev/full").open("w") as full:
        result = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert result.returncode == 1
    assert result.stderr == "error: cannot write standard output: No space left on device\n"


def test_info_lists_the_backends(edgernn_command: Callable[..., Result], refused: Callable[..., str]) -> None:
    documents = {each["backend"]: each for each in json.loads(edgernn_command("info", "--backends", "--json").stdout)}
    assert documents["litert"]["version"] == version("ai-edge-litert")
    assert documents["onnxruntime"]["reads"] == ".onnx"
    lines = edgernn_command("info", "--backends").stdout.splitlines()
    assert [line.split()[0] for line in lines] == list(documents)
    for each in documents.values():
        if each["version"] is None:
            assert re.search(
                rf'^{each["backend"]} .*(pip install .*"{each["backend"]}|no wheel)', "\n".join(lines), re.M
            )
    assert "either artifacts or --backends" in refused("info", exit_code=2)


@pytest.mark.skipif(sys.platform != "linux", reason="the extension is built for Linux only")
def test_info_names_the_instruction_set_of_native(
    edgernn_command: Callable[..., Result], refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from edgernn import _native

    for variable, expected in (("", _native.instruction_sets()[-1]), ("scalar", "scalar")):
        monkeypatch.setenv("EDGERNN_NATIVE", variable)
        documents = json.loads(edgernn_command("info", "--backends", "--json").stdout)
        assert {each["backend"]: each["instruction_set"] for each in documents} == {
            each["backend"]: expected if each["backend"] == "native" else None for each in documents
        }
        line, *_ = edgernn_command("info", "--backends").stdout.splitlines()
        assert line.split() == ["native", ".tflite", version("edgernn"), expected]
    monkeypatch.setenv("EDGERNN_NATIVE", "sclar")
    assert "EDGERNN_NATIVE='sclar': not an instruction set of this machine" in refused("info", "--backends")


def test_info_names_no_backend_to_install_that_has_no_wheel(
    edgernn_command: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _library: None)
    monkeypatch.setattr("sys.maxsize", (1 << 31) - 1)
    monkeypatch.setattr("sys.version_info", (3, 11, 2))
    here = dict(line.split(maxsplit=1) for line in edgernn_command("info", "--backends").stdout.splitlines())
    assert here["litert"].endswith("not installed: it has no wheel for 32-bit systems")
    assert here["tflite-runtime"].endswith('not installed: pip install "numpy<2" "tflite-runtime>=2.14"')
    monkeypatch.setattr("sys.version_info", (3, 13, 5))
    here = dict(line.split(maxsplit=1) for line in edgernn_command("info", "--backends").stdout.splitlines())
    assert here["tflite-runtime"].endswith("not installed: it has no wheel for Python 3.12 and later")
