"""No command and no backend looks up a host or writes outside the folders it was given; `make test-network`.

Each runs under strace. `train --data mnist`, the only command that downloads, is not run here.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
import pytest
from network.tracing import Trace, Tracer

import edgernn
from edgernn.backends import BACKENDS
from edgernn.cli import main

EDGERNN = Path(sys.executable).with_name("edgernn")
# A folder in which not even root can make a file.
NO_HOME = Path("/proc")
COMMANDS = {
    "train": "train --data sample --recipe seed --epochs 1 --out {folder}/run",
    "export": "export {folder}/run --no-refine --min-agreement 0 --max-drop 100 --out {folder}/artifacts",
    "compact": "compact {folder}/artifacts/digits-int8.tflite --out {folder}/compact.tflite",
    "compare": "compare {folder}/run {folder}/artifacts/digits-int8.tflite {folder}/artifacts/digits-int8.onnx "
    "--json {folder}/result.json --html {folder}/result.html",
    "report": "report {folder}/result.json --html {folder}/report.html",
    "info": "info {folder}/artifacts/digits-int8.onnx",
    "info --backends": "info --backends",
    "bench": "bench {folder}/artifacts/digits-int8.onnx",
    "predict": "predict {folder}/artifacts/digits-float32.onnx {folder}/run/samples.npz",
    "stream": "stream {folder}/artifacts/digits-float32.onnx --state {folder}/state.npz",
    "help": "--help",
}
READ = """
import sys, numpy as np, edgernn
model = edgernn.load(sys.argv[1], backend=sys.argv[2])
model.predict(np.zeros((2, *model.input_shape), np.float32))
with model.stream() as stream:
    stream.push(np.zeros(model.input_shape[1], np.float32))
"""


def check(trace: Trace, *folders: Path) -> None:
    """Check that a program succeeded, looked up no host and wrote only into these folders."""
    assert trace.exit_code == 0, trace.output
    assert trace.asked == ()
    assert trace.outside(*folders) == []
    assert trace.left == ()


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the files that commands write and later ones read."""
    return tmp_path_factory.mktemp("asked")


def test_a_lookup_is_seen(make_tracer: Callable[[], Tracer]) -> None:
    program = "import socket\ntry: socket.getaddrinfo('edgernn.invalid', 80)\nexcept OSError: pass"
    assert make_tracer().run(sys.executable, "-c", program).asked


def test_a_file_is_seen(make_tracer: Callable[[], Tracer]) -> None:
    tracer = make_tracer()
    program = "import pathlib, os, tempfile; pathlib.Path.home().joinpath('here').mkdir(); tempfile.mkstemp()"
    trace = tracer.run(sys.executable, "-c", program)
    assert trace.outside() == [tracer.home / "here"]
    assert len(trace.left) == 1


def test_the_telemetry_of_onnx_runtime_is_seen_where_edgernn_is_not_imported(make_tracer: Callable[[], Tracer]) -> None:
    """Check the tracer: if this fails, the wheel has no telemetry, and the tests below prove nothing about it."""
    tracer = make_tracer()
    trace = tracer.run(sys.executable, "-c", "import onnxruntime, time; time.sleep(1)")
    assert trace.outside() != []
    assert tracer.run(sys.executable, "-c", "import edgernn, onnxruntime, time; time.sleep(1)").outside() == []


def test_every_command_is_run() -> None:
    commands = {line.split()[0] for line in COMMANDS.values()}
    assert set(main.list_commands(click.Context(main))) - commands == {"demo"}  # the others, one after the other


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command(name: str, tracer: Tracer, folder: Path) -> None:
    """Run in the order of the table, because a command reads the files of earlier ones."""
    rows = b"".join(b",".join([b"0.5"] * 28) + b"\n" for _ in range(3))
    trace = tracer.run(EDGERNN, *COMMANDS[name].format(folder=folder).split(), stdin=rows)
    check(trace, folder, tracer.cache)


def test_the_demo_of_a_device(make_tracer: Callable[[], Tracer]) -> None:
    check(make_tracer().run(EDGERNN, "demo", "--device"))


@pytest.mark.parametrize("known", [known for known in BACKENDS if known.installed], ids=lambda known: known.name)
def test_a_backend(known: type, make_tracer: Callable[[], Tracer], folder: Path) -> None:
    artifact = folder / "artifacts" / f"digits-int8{known.suffix}"
    check(make_tracer().run(sys.executable, "-c", READ, artifact, known.name))


@pytest.mark.parametrize("name", ["train", "report", "predict"])
def test_a_home_that_cannot_be_written(
    name: str, make_tracer: Callable[[], Tracer], folder: Path, tmp_path: Path
) -> None:
    words = COMMANDS[name].replace("--out {folder}", "--out {other}").replace("--html {folder}", "--html {other}")
    trace = make_tracer().run(EDGERNN, *words.format(folder=folder, other=tmp_path).split(), home=NO_HOME)
    check(trace, tmp_path)


def test_the_sample_needs_no_home(make_tracer: Callable[[], Tracer], tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((1, 28, 28), np.float32))
    check(make_tracer().run(EDGERNN, "predict", edgernn.sample(), tmp_path / "x.npy", home=NO_HOME))
