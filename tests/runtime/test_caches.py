"""Cache folders of Keras and matplotlib, each case in a separate process."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import json, os, sys
from edgernn.system.caches import move_library_folders
move_library_folders()
print(json.dumps([os.environ["KERAS_HOME"] if "KERAS_HOME" in os.environ else "", os.environ.get("MPLCONFIGDIR", "")]))
"""


def folders(home: Path | str, temporary: Path, **environment: str) -> list[str]:
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    words = {**kept, "HOME": str(home), "TMPDIR": str(temporary), **environment}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=words, capture_output=True, text=True, check=True)
    found: list[str] = json.loads(done.stdout)
    return found


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    (tmp_path / "tmp").mkdir()
    return tmp_path / "tmp"


def test_they_are_in_the_cache_folder(tmp_path: Path, temporary: Path) -> None:
    cache = tmp_path / ".cache" / "edgernn"
    assert folders(tmp_path, temporary) == [str(cache / "keras"), str(cache / "matplotlib")]
    other = tmp_path / "other"
    moved = folders(tmp_path, temporary, XDG_CACHE_HOME=str(other))
    assert moved == [str(other / "edgernn" / "keras"), str(other / "edgernn" / "matplotlib")]
    assert list(temporary.iterdir()) == []


def test_what_a_user_has_set_stays(tmp_path: Path, temporary: Path) -> None:
    assert folders(tmp_path, temporary, KERAS_HOME="/mine", MPLCONFIGDIR="/other") == ["/mine", "/other"]
    for settings in (tmp_path / ".keras" / "keras.json", tmp_path / ".config" / "matplotlib" / "matplotlibrc"):
        settings.parent.mkdir(parents=True)
        settings.write_text("{}")
    assert folders(tmp_path, temporary) == ["", ""]


@pytest.mark.parametrize("home", ["/proc", "/proc/self/missing", "/dev/null"])
def test_a_home_that_cannot_be_written(home: str, temporary: Path) -> None:
    """Use places where not even root can write: /proc, and below a file."""
    found = folders(home, temporary)
    assert all(Path(folder).is_relative_to(temporary) for folder in found)
    assert list(temporary.iterdir()) == []  # removed with the process
