"""What the tests share: one short training on the bundled digits, and its artifacts."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from edgernn.cli import main

EPOCHS = 4  # enough for a model whose rounding can be judged


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder of the robust recipe, trained for a few epochs on the bundled digits."""
    folder = tmp_path_factory.mktemp("run") / "digits"
    arguments = ["train", "--recipe", "robust", "--epochs", str(EPOCHS), "--out", str(folder), "--quiet"]
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return folder


@pytest.fixture(scope="session")
def artifacts(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every artifact that the default export makes of `run_folder`."""
    folder = tmp_path_factory.mktemp("artifacts")
    result = CliRunner().invoke(main, ["export", str(run_folder), "--out", str(folder)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return folder


@pytest.fixture
def edgernn_command() -> Callable[..., Result]:
    """Call the command line with these words; an unforeseen exception fails the test."""

    def call(*words: str | Path) -> Result:
        return CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)

    return call


@pytest.fixture
def refused(edgernn_command: Callable[..., Result]) -> Callable[..., str]:
    """Call the command line with these words; it must end with one line of error, which is given."""

    def call(*words: str | Path, exit_code: int = 1) -> str:
        result = edgernn_command(*words)
        assert result.exit_code == exit_code, result.output
        errors = [line for line in result.stderr.splitlines() if line.lower().startswith("error: ")]
        assert len(errors) == 1, result.stderr
        assert "Traceback" not in result.output
        return errors[0]

    return call
