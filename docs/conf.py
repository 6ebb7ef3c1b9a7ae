"""How the pages are built: `make docs`.

The generator is Sphinx 9 with MyST. It is the one that the Python project itself documents with, has been kept for
eighteen years, checks every reference between pages and into docstrings (`-W` turns a broken one into an error), and
click's commands have a directive for it. What else there is: MkDocs 1 has had no release since 2024, and Material for
MkDocs only gets fixes until May 2027; its makers' Zensical is well kept, but before its 1.0 and with a releasing pace
that moves pages from one week to the next, so a strict build would need a pin for a tool that changes most where we
lean on it, the reading of docstrings. Furo is the theme that pip, attrs and Black use.

Nothing here imports TensorFlow: the rooms import it inside their functions.
"""

import re
import typing
from dataclasses import is_dataclass
from typing import Any

from sphinx.util.typing import stringify_annotation

from edgernn import __version__

typing.TYPE_CHECKING = True  # so that `edgernn.arrays` has the ArrayLike of numpy.typing
from edgernn import arrays  # noqa: E402

typing.TYPE_CHECKING = False

project = "edgernn"
copyright = "the edgernn authors"
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_click"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

# Docstrings write `name` for anything that is code.
default_role = "code"
nitpicky = True
# No inventory of other projects is loaded: a build needs no network.
nitpick_ignore_regex = [("py:.*", r"(?!edgernn).*")]
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "exclude-members": "__new__,__init__"}
python_maximum_signature_line_length = 90
napoleon_numpy_docstring = False
napoleon_use_ivar = True

html_theme = "furo"
html_title = f"edgernn {release}"
html_copy_source = False
html_show_sphinx = False

# NumPy's aliases are unions and generics when a signature is read; people know them by these names.
ALIASES = {
    stringify_annotation(alias, "smart"): name
    for alias, name in (
        (arrays.ArrayLike, "ArrayLike"),
        (arrays.Float32, "NDArray[float32]"),
        (arrays.Int64, "NDArray[int64]"),
        (arrays.AnyArray, "NDArray"),
        (arrays.Array, "NDArray"),
    )
}


def show_signature(
    _app: Any, what: str, _name: str, object_: Any, _options: Any, signature: str | None, returns: str | None
) -> tuple[str | None, str | None]:
    """Arrays in a signature by the names that NumPy gives them; none for a class that people do not make."""
    if what == "class" and not (is_dataclass(object_) or hasattr(object_, "_fields")):
        return "", None
    for long, short in ALIASES.items():
        signature, returns = (text and text.replace(long, short) for text in (signature, returns))
    return signature, returns


def escape_stars(_app: Any, _what: str, _name: str, _object: Any, _options: Any, lines: list[str]) -> None:
    """A shape like [samples, *output_shape] is no emphasis."""
    lines[:] = [re.sub(r"(?<=[\[ ])\*(?=[a-z])", r"\\*", line) for line in lines]


def show_examples(_app: Any, _context: Any, lines: list[str]) -> None:
    """Commands under `Example:` in a command's help are code; click's own form would make them verse."""
    shown = []
    for line in lines:
        if line == "| Example:":
            shown += ["Example:", "", ".. code-block:: shell", ""]
        else:
            shown.append(line.removeprefix("| "))
    lines[:] = shown


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("autodoc-process-signature", show_signature)
    app.connect("autodoc-process-docstring", escape_stars)
    app.connect("sphinx-click-process-description", show_examples)
