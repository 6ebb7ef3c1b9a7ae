"""Shared fixtures: one short training on the bundled digits, and its artifacts.

`make test` runs them in several processes (pytest-xdist), which share both; `pytest` alone does without.
"""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from filelock import FileLock
from hypothesis import settings
from made_up_report import make_result

from edgernn.bench.result import Result as Measurement
from edgernn.cli import main

EPOCHS = 4  # enough for a model whose rounding can be judged
MakeOnce = Callable[[str, Callable[[Path], None]], Path]

if "PYTEST_XDIST_WORKER" in os.environ:
    # One thread per process: more would wait for each other. TensorFlow reads the variable when it is imported.
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
    os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")


# Tests that are started in the background may ignore Ctrl-C, and their child processes would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


# Neither tests nor hypothesis assert a time: a busy machine is not an error of the code.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the modules that need the training last, so that no process begins by waiting for it."""
    needing = {item.path for item in items if "run_folder" in getattr(item, "fixturenames", ())}
    items.sort(key=lambda item: item.path in needing)


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> MakeOnce:
    """Let the first process that asks for a folder of this name fill it; the others wait for it."""
    base = tmp_path_factory.getbasetemp()
    shared = base if worker_id == "master" else base.parent

    def make(name: str, fill: Callable[[Path], None]) -> Path:
        folder = shared / name
        with FileLock(shared / f"{name}.lock"):
            if not folder.exists():
                unfinished = tmp_path_factory.mktemp(name) / name
                unfinished.mkdir()
                fill(unfinished)
                unfinished.rename(folder)
        return folder

    return make


@pytest.fixture(scope="session")
def run_folder(made_once: MakeOnce) -> Path:
    """Return a run folder of the robust recipe, trained for a few epochs on the bundled digits."""

    def train(folder: Path) -> None:
        words = ["train", "--recipe", "robust", "--epochs", str(EPOCHS), "--out", str(folder / "digits"), "--quiet"]
        result = CliRunner().invoke(main, words, catch_exceptions=False)
        assert result.exit_code == 0, result.output

    return made_once("run", train) / "digits"


@pytest.fixture(scope="session")
def artifacts(run_folder: Path, made_once: MakeOnce) -> Path:
    """Return a folder with every artifact of the default export of `run_folder`."""

    def export(folder: Path) -> None:
        result = CliRunner().invoke(main, ["export", str(run_folder), "--out", str(folder)], catch_exceptions=False)
        assert result.exit_code == 0, result.output

    return made_once("artifacts", export)


@pytest.fixture(scope="session")
def made_up_result(tmp_path_factory: pytest.TempPathFactory) -> Measurement:
    """Return a result of `edgernn compare` without measuring."""
    return make_result(tmp_path_factory.mktemp("made_up") / "run")


@pytest.fixture
def edgernn_command() -> Callable[..., Result]:
    """Call the command line with these words; an unforeseen exception fails the test."""

    def call(*words: str | Path) -> Result:
        return CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)

    return call


@pytest.fixture
def refused(edgernn_command: Callable[..., Result]) -> Callable[..., str]:
    """Call the command line with these words; it must end with one line of error; return that line."""

    def call(*words: str | Path, exit_code: int = 1) -> str:
        result = edgernn_command(*words)
        assert result.exit_code == exit_code, result.output
        errors = [line for line in result.stderr.splitlines() if line.lower().startswith("error: ")]
        assert len(errors) == 1, result.stderr
        assert "Traceback" not in result.output
        return errors[0]

    return call
