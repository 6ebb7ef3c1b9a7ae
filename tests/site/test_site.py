"""The pages in docs/ build without a warning and name every public thing; `make docs`."""

import shutil
import subprocess
import sys
import zlib
from importlib import import_module
from pathlib import Path

import click
import pytest

from edgernn.cli import main

ROOT = Path(__file__).parents[2]
DOCS, SITE = ROOT / "docs", ROOT / "build" / "docs"
ROOMS = ("edgernn", "edgernn_train", "edgernn_export", "edgernn_benchmarks")
# Sphinx in an isolated process, which fails if anything in it has imported TensorFlow.
BUILD = """
import sys
from sphinx.cmd.build import main
code = main(sys.argv[1:])
sys.exit(code or ("TensorFlow was imported" if "tensorflow" in sys.modules else 0))
"""


@pytest.fixture(scope="module")
def site() -> Path:
    shutil.rmtree(SITE, ignore_errors=True)
    command = [sys.executable, "-c", BUILD, "-W", "--keep-going", "-q", "-E", str(DOCS), str(SITE)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    return SITE


def test_the_site_builds_without_a_warning_and_without_tensorflow(site: Path) -> None:
    pages = [page.relative_to(DOCS).with_suffix(".html") for page in DOCS.rglob("*.md")]
    assert len(pages) > 8
    assert [page for page in pages if not (site / page).is_file()] == []


@pytest.mark.parametrize("room", ROOMS)
def test_everything_public_is_in_the_api_pages(site: Path, room: str) -> None:
    inventory = (site / "objects.inv").read_bytes().split(b"\n", 4)[4]
    documented = {line.split()[0] for line in zlib.decompress(inventory).decode().splitlines() if " py:" in line}
    assert [name for name in import_module(room).__all__ if f"{room}.{name}" not in documented] == []


def test_the_command_line_page_has_every_command(site: Path) -> None:
    page = (site / "command-line.html").read_text(encoding="utf-8")
    for name in main.list_commands(click.Context(main)):
        assert f'id="edgernn-{name}"' in page
