"""The notebook of examples/post: its cells are those of the script, it has no outputs, and its kernel can read it."""

import json
import re
import runpy
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "examples" / "post"
SCRIPT, NOTEBOOK = FOLDER / "post.py", FOLDER / "post.ipynb"


@pytest.fixture(scope="module")
def notebook() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    return document


def test_the_notebook_is_what_its_command_makes_of_the_script() -> None:
    notebook_of = runpy.run_path(str(FOLDER / "make_notebook.py"))["notebook_of"]
    made = notebook_of(SCRIPT.read_text(encoding="utf-8"))
    assert NOTEBOOK.read_text(encoding="utf-8") == made, "run .venv/bin/python examples/post/make_notebook.py"


def test_the_cells_of_the_script_are_all_there(notebook: dict[str, Any]) -> None:
    code = "".join("".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code")
    _docstring, script = SCRIPT.read_text(encoding="utf-8").split('\n"""\n', 1)
    lines = [line for line in script.splitlines() if line and not line.startswith("#")]
    assert "".join(code.split()) == "".join("".join(lines).split())


def test_it_follows_the_format_and_has_no_outputs(notebook: dict[str, Any]) -> None:
    """See the JSON schema of nbformat 4.5: https://nbformat.readthedocs.io/en/latest/format_description.html."""
    assert set(notebook) == {"cells", "metadata", "nbformat", "nbformat_minor"}
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    names = [cell["id"] for cell in notebook["cells"]]
    assert len(names) == len(set(names)) > 20
    assert all(re.fullmatch(r"[a-zA-Z0-9-_]{1,64}", name) for name in names)
    for cell in notebook["cells"]:
        assert all(line.endswith("\n") for line in cell["source"][:-1])
        if cell["cell_type"] == "code":
            assert (cell["execution_count"], cell["outputs"]) == (None, [])
            assert len(cell["source"]) <= 20  # one screen
        else:
            assert set(cell) == {"cell_type", "id", "metadata", "source"}
            assert cell["cell_type"] == "markdown"
