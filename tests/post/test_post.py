"""The notebook of examples/post, cell by cell on the bundled digits, in the order of a reader; `make test-post`."""

import ast
import io
import json
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgernn.artifacts import find_artifacts

NOTEBOOK = Path(__file__).parents[2] / "examples" / "post" / "post.ipynb"


class Cells:
    """Cells that ran: the names that they defined, what they printed, and the values of their last lines."""

    def __init__(self) -> None:
        self.names: dict[str, Any] = {"__name__": "notebook"}
        self.values: list[Any] = []
        self.printed = io.StringIO()

    def run(self, code: str, place: str) -> None:
        """Run a cell as IPython does: its value is that of its last line, if that is an expression."""
        tree = ast.parse(code)
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        with redirect_stdout(self.printed):
            exec(compile(tree, place, "exec"), self.names)  # noqa: S102 the project's own notebook
            if isinstance(last, ast.Expr):
                value = eval(compile(ast.Expression(last.value), place, "eval"), self.names)  # noqa: S307 likewise
                self.values.append(value)


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Cells:
    """Run all cells in a new folder."""
    ran = Cells()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("post"))
        for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] == "code":
                ran.run("".join(cell["source"]), cell["id"])
        ran.names["folder"] = ran.names["folder"].resolve()
    return ran


def test_every_step_of_the_post_is_there(cells: Cells) -> None:
    printed, names = cells.printed.getvalue(), cells.names
    assert "Total params: 6,602" in printed
    assert [line[:10] for line in printed.splitlines() if line.startswith("epoch")] == [
        f"epoch {n}/5 " for n in range(1, 6)
    ]
    assert names["probabilities"].shape == (10,)
    evaluated = names["trained"].evaluate(names["noisy"].x_test, names["noisy"].y_test)
    assert evaluated == names["trained"].results["noisy"]
    assert str(evaluated) in printed
    # Five epochs on 4,000 images; a guess is right once in ten times.
    assert evaluated["accuracy"] > 0.6


def test_pictures_are_the_values_of_their_cells(cells: Cells) -> None:
    figures = [value for value in cells.values if hasattr(value, "savefig")]
    assert len(figures) == 5
    assert all(figure._repr_png_().startswith(b"\x89PNG") for figure in figures)
    counts = [len([axes for axes in figure.axes if axes.images]) for figure in figures]
    assert counts == [1, 10, 10, 1, 0]


def test_the_int8_file_answers_beside_keras(cells: Cells) -> None:
    names = cells.names
    ((path, card),) = find_artifacts(names["folder"])
    assert (path.name, card.quantization) == ("digits-int8.tflite", "int8")
    assert names["int8"].shape == names["keras"].shape == (1000, 10)
    assert names["same"] == np.mean(names["keras"].argmax(axis=1) == names["int8"].argmax(axis=1)) >= 0.97
    assert f"the same digit on {names['same']:.1%} of 1,000 images" in cells.printed.getvalue()
