"""matplotlib's SVG as a part of a page: text stays text, colours are the page's, ids begin with the figure's name."""

import io
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from xml.etree import ElementTree

from matplotlib import rc_context
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

# Placeholder colours, not used otherwise, and the variables of templates/report.css that replace them.
_NAMES = ("ink", "muted", "line", "surface", "accent", "second", "good")
_VARIABLES = {f"#0{place}0{place}0{place}": name for place, name in enumerate(_NAMES, 1)}
INK, MUTED, LINE, SURFACE, ACCENT, SECOND, GOOD = _VARIABLES
_STAND_IN = re.compile("|".join(_VARIABLES))
_REFERENCE = re.compile(r"url\(#")

# In points: two fit side by side on a desktop screen, one on a phone, where letters are about 9 pixels high.
WIDTH = 420
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    # Names with dollar signs are text, not formulas.
    "text.parse_math": False,
    "figure.dpi": 72,
    "figure.facecolor": "none",
    "figure.constrained_layout.use": True,
    "font.size": 12,
    "text.color": INK,
    "legend.fontsize": 12,
    "axes.edgecolor": LINE,
    "axes.labelcolor": MUTED,
    "axes.labelsize": 12,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.linewidth": 0.8,
    **{f"{axis}tick.{size}.size": 0 for axis in "xy" for size in ("major", "minor")},
    **{f"{axis}tick.color": MUTED for axis in "xy"},
}


@contextmanager
def figure(name: str, height: int, width: int = WIDTH) -> Iterator[tuple[Figure, Callable[[], str]]]:
    """Yield a figure to draw into, and a function that returns it as an <svg> element.

    Args:
        name: unique name of the figure in the page.
        height: in points.
        width: in points.
    """
    with rc_context({**_STYLE, "svg.hashsalt": name}), warnings.catch_warnings():
        # The browser draws the text; it has letters that matplotlib's font does not have.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        drawn = Figure(figsize=(width / 72, height / 72))
        FigureCanvasSVG(drawn)
        yield drawn, lambda: _finish(drawn, name)


def _finish(drawn: Figure, name: str) -> str:
    written = io.BytesIO()
    # Without a date the same result gives the same file.
    drawn.savefig(written, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    root = ElementTree.fromstring(written.getvalue())  # noqa: S314  written by matplotlib just now
    for parent in root.iter():
        # The style would apply to the whole page; the metadata is empty.
        for child in [child for child in parent if _plain(child.tag) in ("metadata", "style")]:
            parent.remove(child)
    for element in root.iter():
        element.tag = _plain(element.tag)
        element.attrib = {_plain(key): _of_page(_plain(key), value, name) for key, value in element.attrib.items()}
    # The page sets the size, and has a text beside the figure.
    root.attrib = {"viewBox": root.attrib["viewBox"], "aria-hidden": "true", "focusable": "false"}
    return ElementTree.tostring(root, encoding="unicode")


def _plain(name: str) -> str:
    """Remove the namespace, which HTML does not need."""
    return name.rpartition("}")[2]


def _of_page(key: str, value: str, name: str) -> str:
    if key == "id":
        return f"{name}-{value}"
    if key == "href":
        return f"#{name}-{value.removeprefix('#')}"
    value = _REFERENCE.sub(f"url(#{name}-", value)
    return _STAND_IN.sub(lambda found: f"var(--{_VARIABLES[found.group()]})", value)
