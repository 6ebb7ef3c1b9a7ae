"""Shared fixtures: one short training on the bundled digits, and its artifacts.

Both are made once for each content of the sources that make them, and kept in build/tests/. `make test` runs the tests
in several processes (pytest-xdist); each copies them before it uses them.
"""

import hashlib
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
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
ROOT = Path(__file__).parents[1]
KEPT = ROOT / "build" / "tests"
# Rooms whose code and data decide the training and the artifacts.
SOURCES = ("runtime", "train", "export")

# One thread per process: two workers would wait for each other. Also without workers, because on some processors
# refined weights differ with the number of threads, and all runs share the artifacts in build/tests. TensorFlow reads
# the variables when it is imported.
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


def _sources() -> Iterator[Path]:
    """Yield the files that decide the training and the artifacts."""
    yield from (Path(__file__), ROOT / "requirements.lock")
    for room in SOURCES:
        files = (path for path in (ROOT / room).rglob("*") if path.is_file())
        yield from sorted(path for path in files if "__pycache__" not in path.parts)


def _digest_of_sources() -> str:
    digest = hashlib.sha256(sys.version.encode())
    for path in _sources():
        content = path.read_bytes()
        digest.update(f"{path.relative_to(ROOT).as_posix()} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:16]


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> MakeOnce:
    """Return a function that fills a folder of a name, once for each content of the sources, and returns a copy.

    Other processes of the tests wait for the one that fills it. A test may change its copy.
    """
    folder = KEPT / _digest_of_sources()

    def make(name: str, fill: Callable[[Path], None]) -> Path:
        KEPT.mkdir(parents=True, exist_ok=True)
        # One lock for all names: an outdated folder is removed only if no other process fills it.
        with FileLock(KEPT / "lock"):
            if not (folder / name).exists():
                for outdated in KEPT.iterdir():
                    if outdated.is_dir() and outdated != folder:
                        shutil.rmtree(outdated)
                unfinished = folder / f"{name}-unfinished"
                shutil.rmtree(unfinished, ignore_errors=True)
                unfinished.mkdir(parents=True)
                fill(unfinished)
                unfinished.rename(folder / name)
            return Path(shutil.copytree(folder / name, tmp_path_factory.mktemp("made") / name))

    return make


@pytest.fixture(scope="session")
def run_folder(made_once: MakeOnce) -> Path:
    """Return a run folder of clean and noisy bundled digits, trained shortly."""

    def train(folder: Path) -> None:
        from edgernn_train import find_recipe, fit, load_dataset, open_run, write_run  # late, see `artifacts`

        # Recipe robust itself needs nearly its 30 epochs until all files with int8 weights pass their proof.
        recipe = replace(find_recipe("robust"), augmentation=None, optimizer_name="adam", simple_rnn=None)
        with open_run(folder / "digits") as staging:
            trained = fit(load_dataset("sample"), recipe, epochs=EPOCHS)
            write_run(staging, trained, "sample")

    return made_once("run", train) / "digits"


@pytest.fixture(scope="session")
def artifacts(run_folder: Path, made_once: MakeOnce) -> Path:
    """Return a folder with every default artifact of `run_folder`, also those that an export would leave out."""

    def fill(folder: Path) -> None:
        from edgernn_export import export  # late: the runtime's tests need no export
        from edgernn_export.targets import DEFAULT_TARGETS

        assert all(row.passed for row in export(run_folder, folder, targets=DEFAULT_TARGETS))

    return made_once("artifacts", fill)


@pytest.fixture(scope="module")
def in_process() -> Iterator[None]:
    """Export without a child process, and time the artifacts as briefly as possible, in a whole module of tests."""
    from in_process import InProcess  # its imports are not installed on a device

    from edgernn.bench.stopwatch import Method

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("edgernn_export.pipeline.Worker", InProcess)
        patch.setattr("edgernn_export.command.METHOD", Method(2, 0.0))
        yield


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
