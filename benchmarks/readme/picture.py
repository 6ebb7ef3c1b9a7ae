"""The README's picture: accuracy, latency and size of one result as a stand-alone SVG file.

A page passes no colours to a picture in a separate file. The file therefore contains the report's colours, for light
and for dark, and its own background.
"""

import re
from importlib.resources import files
from xml.etree import ElementTree

from edgernn.bench.result import Result
from edgernn.bench.verdict import judge
from edgernn.errors import DataError
from edgernn_benchmarks.report.page import draw_trade, short_names

# In points.
WIDTH, MARGIN, LINE = 830, 18, 20
KEY = (
    "Dot area: file size. Blue: no other artifact is at least as good in accuracy, latency and size and better in one.",
    "Green ring: recommended. Squares: Keras and stock converters. Latency: one prediction from Python, logarithmic.",
)


def draw_picture(result: Result) -> str:
    """Return the text of an SVG file with every subject of a result.

    Args:
        result: with artifacts and test samples.

    Raises:
        DataError: there is one subject only.
    """
    verdict = judge(result)
    short = short_names(result)
    names = {each.name: f"{short[each.name]}, {each.size_bytes / 1000:.0f} kB" for each in result.subjects}
    drawn = draw_trade(result, verdict.recommended.name if verdict.recommended else None, names, width=WIDTH)
    if not drawn:
        raise DataError("the result has one subject; a picture needs two")
    axes = ElementTree.fromstring(drawn)  # noqa: S314  drawn by us just now
    _, _, width, height = (float(number) for number in axes.attrib["viewBox"].split())
    top = MARGIN + LINE * len(KEY)
    axes.attrib = {"y": f"{top}", "width": f"{width:g}", "height": f"{height:g}", "viewBox": axes.attrib["viewBox"]}
    size = {"width": f"{width:g}", "height": f"{height + top + MARGIN / 2:g}"}
    root = ElementTree.Element("svg", {"xmlns": "http://www.w3.org/2000/svg", **size})
    ElementTree.SubElement(root, "desc").text = f"Measured {result.started}"
    ElementTree.SubElement(root, "style").text = _read_colours()
    ElementTree.SubElement(root, "rect", {**size, "rx": "10", "fill": "var(--surface)"})
    for place, text in enumerate(KEY, start=1):
        style = "font: 12px system-ui, sans-serif; fill: var(--muted)"
        ElementTree.SubElement(root, "text", {"x": f"{MARGIN}", "y": f"{LINE * place + 4}", "style": style}).text = text
    root.append(axes)
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def _read_colours() -> str:
    """Return the style rules of the report that define its colours, for light and for dark."""
    css = (files("edgernn_benchmarks.report") / "templates" / "report.css").read_text(encoding="utf-8")
    light, dark = re.findall(r":root \{.*?\}", css, re.DOTALL)[:2]
    return f"{light} @media (prefers-color-scheme: dark) {{ {dark} }}"
