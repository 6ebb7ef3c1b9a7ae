"""The documents are true: targets, commands and modules that they mention exist."""

import re
import shlex
import subprocess
from pathlib import Path

import click
import pytest

from edgernn.bench.statistics import MAX_SPREAD, MIN_ROUNDS, TIE
from edgernn.cli import main
from edgernn.system.extras import NATIVE_WHEELS, WHEEL

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_make_lists_the_targets_the_readme_names() -> None:
    listed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for target in re.findall(r"make ([a-z-]+)", README):
        if target != "and":
            assert f"make {target}" in listed
    assert "make test" in listed


@pytest.mark.parametrize("line", sorted(set(re.findall(r"^ {4}(edgernn [a-z].*?)(?: {2,}#.*)?$", README, re.M))))
def test_every_command_in_the_readme_can_be_called_like_that(line: str) -> None:
    words = shlex.split(line)[1:]
    with click.Context(main) as ctx:
        command = main.get_command(ctx, words[0])
        assert command
        # Parses the options and arguments without running the command.
        command.make_context(words[0], words[1:], parent=ctx)


@pytest.mark.parametrize("page", [ROOT / "README.md", *DOCS.rglob("*.md"), *(ROOT / "examples").rglob("*.md")], ids=str)
def test_documents_install_what_there_is(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert set(re.findall(r"edgernn-[\w.-]+\.whl", text)) <= {WHEEL, *NATIVE_WHEELS.values()}
    # No package index has edgernn: the wheel's name stands in front of an extra.
    assert "edgernn[" not in text


def test_no_figure_is_left_to_be_filled_in() -> None:
    assert not re.search(r"@[A-Z]+@", README)


def test_the_page_of_the_raspberry_pi_has_its_generated_parts() -> None:
    page = (DOCS / "raspberry-pi.md").read_text(encoding="utf-8")
    parts = re.findall(r"<!-- (\w+): generated -->\n(.*?)<!-- \1: until here -->", page, re.S)
    assert [name for name, _ in parts] == ["answers", "instructions"]
    assert all("| `digits-int8.tflite` |" in text for _, text in parts)


def test_every_command_is_in_the_readme() -> None:
    for name in main.list_commands(click.Context(main)):
        assert f"edgernn {name}" in README or f"make {name}" in README


def test_ci_runs_targets_of_make_and_the_tests_last() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    commands = [line for line in script.splitlines() if line and not line.startswith(("#", "set ", "cd "))]
    assert commands == ["make test-install", "make docs", "make test"]


def test_the_readme_lists_what_make_test_runs() -> None:
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in ("test", "lint"):
        (steps,) = re.findall(rf"^{target}: .*\n((?:\t.*\n)+)", recipe, re.M)
        for command in re.findall(r"^\t\$\(BIN\)/(.*)$", steps, re.M):
            assert f".venv\\Scripts\\{command}" in README


def test_the_architecture_names_modules_that_exist() -> None:
    text = (DOCS / "architecture.md").read_text(encoding="utf-8")
    for room, folder in (("runtime/edgernn", "runtime"), ("export/edgernn_export", "export")):
        section = text.split(f"## {room}\n")[1].split("\n## ")[0]
        tables = section.split("| module | stage |\n| --- | --- |\n")[1:] or section.split("| --- | --- |\n")[1:2]
        rows = "\n".join(table.split("\n\n")[0] for table in tables)
        for names in re.findall(r"^\| (.*?) \|", rows, re.M):
            for name in re.findall(r"`([a-z_/]+)`", names):
                path = ROOT / room / name.rstrip("/")
                assert path.is_dir() or path.with_suffix(".py").is_file(), f"{name} in {folder}"


def test_the_lock_names_no_host() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert "://" not in lock
    assert "--hash=sha256:" in lock


def test_documents_and_help_state_the_limit_of_unreliable_times() -> None:
    limit = f"±{100 * MAX_SPREAD:g} %"
    texts = [(DOCS / name).read_text(encoding="utf-8") for name in ("benchmarks.md", "glossary.md")]
    ctx = click.Context(main)
    for name in ("bench", "compare"):
        command = main.get_command(ctx, name)
        assert command is not None
        texts.append(command.help or "")
    assert [text for text in texts if limit not in " ".join(text.split())] == []
    assert f"below {TIE - 1:.0%}".replace("%", " %") in texts[0]
    assert all(f"fewer than {MIN_ROUNDS} rounds" in text for text in texts[:2])
