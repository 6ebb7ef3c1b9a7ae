"""matplotlib's SVG as a part of a page: text stays text, colours are the page's, and every id is the figure's own."""

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

# Stand-ins, colours that nobody would draw with, and the variables of templates/report.html.j2 that take their place.
_NAMES = ("ink", "muted", "line", "surface", "accent", "second", "good")
_VARIABLES = {f"#0{place}0{place}0{place}": name for place, name in enumerate(_NAMES, 1)}
INK, MUTED, LINE, SURFACE, ACCENT, SECOND, GOOD = _VARIABLES
_STAND_IN = re.compile("|".join(_VARIABLES))
_REFERENCE = re.compile(r"url\(#")

# In points: beside another one on a desk, and alone on a phone, where its letters come out at some 9 pixels.
WIDTH = 420
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    # Names are text and never formulas, whatever dollars are in them.
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
    """Give a figure to draw into, and what makes an <svg> element of it.

    Args:
        name: the page has no other figure of this name.
        height: in points.
        width: in points.
    """
    with rc_context({**_STYLE, "svg.hashsalt": name}), warnings.catch_warnings():
        # The browser draws the text, and has letters that matplotlib's own font has not.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        drawn = Figure(figsize=(width / 72, height / 72))
        FigureCanvasSVG(drawn)
        yield drawn, lambda: _finish(drawn, name)


def _finish(drawn: Figure, name: str) -> str:
    written = io.BytesIO()
    # Without a date the same result gives the same file.
    drawn.savefig(written, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    root = ElementTree.fromstring(written.getvalue())  # noqa: S314  matplotlib's own, just written
    for parent in root.iter():
        # The style would be the whole page's, and there is nothing in the metadata.
        for child in [child for child in parent if _plain(child.tag) in ("metadata", "style")]:
            parent.remove(child)
    for element in root.iter():
        element.tag = _plain(element.tag)
        element.attrib = {_plain(key): _of_page(_plain(key), value, name) for key, value in element.attrib.items()}
    # Its size is the page's business; the picture has a text of its own beside it.
    root.attrib = {"viewBox": root.attrib["viewBox"], "aria-hidden": "true", "focusable": "false"}
    return ElementTree.tostring(root, encoding="unicode")


def _plain(name: str) -> str:
    """Without the namespace, which HTML knows by itself."""
    return name.rpartition("}")[2]


def _of_page(key: str, value: str, name: str) -> str:
    if key == "id":
        return f"{name}-{value}"
    if key == "href":
        return f"#{name}-{value.removeprefix('#')}"
    value = _REFERENCE.sub(f"url(#{name}-", value)
    return _STAND_IN.sub(lambda found: f"var(--{_VARIABLES[found.group()]})", value)
