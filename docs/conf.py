"""Sphinx configuration of the documentation (`make docs`).

Sphinx 9 with MyST, because the Python project uses Sphinx, it has been maintained for eighteen years, it checks every
reference between pages and into docstrings (`-W` makes a broken one an error), and it has a directive for click's
commands. Alternatives: MkDocs 1 has had no release since 2024, and Material for MkDocs gets only fixes until May 2027.
Zensical, by the same authors, is well maintained, but it is before version 1.0 and changes weekly, most of all in its
reading of docstrings, so a strict build would need a pin. Furo is the theme of pip, attrs and Black.

The build never imports TensorFlow: the packages import it inside functions.
"""

import re
import typing
from dataclasses import is_dataclass
from typing import Any

from sphinx.util.typing import stringify_annotation

from edgernn import __version__

typing.TYPE_CHECKING = True  # so that `edgernn.arrays` imports ArrayLike from numpy.typing
from edgernn import arrays  # noqa: E402

typing.TYPE_CHECKING = False

project = "edgernn"
copyright = "the edgernn authors"
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_click"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

# In docstrings, `name` is code.
default_role = "code"
nitpicky = True
# Inventories of other projects are not loaded, so that a build needs no network.
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

# In signatures, NumPy's aliases appear as long unions and generics; show their familiar names.
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
    """Show arrays by NumPy's names; omit the signature of a class that users do not instantiate."""
    if what == "class" and not (is_dataclass(object_) or hasattr(object_, "_fields")):
        return "", None
    for long, short in ALIASES.items():
        signature, returns = (text and text.replace(long, short) for text in (signature, returns))
    return signature, returns


def escape_stars(_app: Any, _what: str, _name: str, _object: Any, _options: Any, lines: list[str]) -> None:
    """Escape stars in shapes such as [samples, *output_shape], which would start emphasis."""
    lines[:] = [re.sub(r"(?<=[\[ ])\*(?=[a-z])", r"\\*", line) for line in lines]


def show_examples(_app: Any, _context: Any, lines: list[str]) -> None:
    """Show the lines under a heading such as `Example:` in a command's help as code, not as a line block."""
    shown = []
    for line in lines:
        if line.startswith("| ") and line.endswith(":"):
            shown += [line.removeprefix("| "), "", f".. code-block:: {'shell' if 'Example' in line else 'text'}", ""]
        else:
            shown.append(line.removeprefix("| "))
    lines[:] = shown


def setup(app: Any) -> None:
    """Connect the functions above; Sphinx calls this."""
    app.connect("autodoc-process-signature", show_signature)
    app.connect("autodoc-process-docstring", escape_stars)
    app.connect("sphinx-click-process-description", show_examples)
