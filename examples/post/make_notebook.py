"""Writer of post.ipynb from the cells of post.py, without outputs.

.venv/bin/python examples/post/make_notebook.py
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edgernn.system.files import write_bytes

SCRIPT = Path(__file__).with_name("post.py")
NOTEBOOK = SCRIPT.with_suffix(".ipynb")
_CELL, _TEXT = "# %%", "# %% [markdown]"


def notebook_of(script: str) -> str:
    """Return a script in the percent format as a notebook: JSON of nbformat 4.5.

    Text in front of the first cell is left out.
    """
    cells = [_cell(number, *each) for number, each in enumerate(_split(script), start=1)]
    metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    document = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _split(script: str) -> Iterator[tuple[bool, list[str]]]:
    """Yield each cell: True if it is text, and its lines without blank lines at its ends."""
    found: list[tuple[bool, list[str]]] = []
    for line in script.splitlines():
        if line in (_CELL, _TEXT):
            found.append((line == _TEXT, []))
        elif found:
            found[-1][1].append(line)
    for is_text, lines in found:
        yield is_text, "\n".join(lines).strip("\n").splitlines()


def _cell(number: int, is_text: bool, lines: list[str]) -> dict[str, Any]:
    source = [line.removeprefix("#").removeprefix(" ") for line in lines] if is_text else lines
    text = "\n".join(source).splitlines(keepends=True)
    common = {"id": f"cell-{number:02}", "metadata": {}, "source": text}
    return (
        {"cell_type": "markdown", **common}
        if is_text
        else {"cell_type": "code", "execution_count": None, "outputs": [], **common}
    )


if __name__ == "__main__":
    write_bytes(NOTEBOOK, notebook_of(SCRIPT.read_text(encoding="utf-8")).encode())
