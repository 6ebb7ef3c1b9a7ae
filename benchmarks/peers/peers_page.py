"""docs/peers.md, from what `make bench` measured; `python benchmarks/peers/peers_page.py JSON` writes it again."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from edgernn.bench.statistics import Ratio, speed_ratio
from edgernn.bench.stopwatch import Round
from edgernn.errors import DataError, EdgernnError
from edgernn.files import write_bytes
from peers.growth_page import growth_section, table

PAGE = Path(__file__).parents[2] / "docs" / "peers.md"
FORMAT = 1  # of the results
Found = Mapping[str, Any]

_HEAD = """\
# edgernn and other tools

Written by `make bench`, which measures, and `python benchmarks/peers/peers_page.py JSON`, which writes it again from
what was measured; do not edit it. {effort}

Measured on {cpu}, {cores} cores, {machine}, {system}, Python {python}; {load:.1f} processes were running.
{versions}.

## How it was measured

- One float32 sample [1, steps, features] in, its answer out, from Python, on one thread, through the API that each
  tool's own documentation has for that (`benchmarks/peers/tools`, each with the page it follows). Nothing goes through
  edgernn but its .onnx files, whose first states it puts in; its .tflite files are run by LiteRT's bare interpreter.
- Every file of every tool is made and asked in a process of its own first, {checked} samples beside Keras. One that
  crashes, or names another class on more than 0.1 % of them (10 % where it has integers), is not timed. Of several
  files of a tool the quickest hot counts, whatever its number format; its name says which it is.
- All files of a table are timed side by side, in rounds with an order of their own; in each a file is loaded afresh,
  warmed up until it gets no quicker, and called for a while. A time is the median of the rounds' medians. **×** is a
  file's time over that of edgernn's int8 unrolled file, round by round, with its 95 % interval: above 1 edgernn is
  quicker.
- **Cold**: twice the last-level cache is walked through before every call, as other work of a device would. **Load**:
  from the bytes of the file to something that answers, the library being there already.
- **Size**: of what must be on the device beside the library; of a C extension, with its code.
- **Export**: from the Keras model in memory to the file, each tool by itself; ours with its proof, and with refined
  weights, which several of our files have in common: they count for the first of them, int8 unrolled.
"""
_QUICK = "**A quick look of few rounds, to see that all of it works: not a measurement.**"
_ELSEWHERE = """\
## Left out

keras2c and onnx2c are on no package index: they are C to be fetched and built from their repositories. Nor is
`ncnn2int8`, without which ncnn has no integers. Of two tools a part is left out and does not matter: pnnx's Python
functions want PyTorch to call its program, which is called without them; MNN's command `mnnconvert` installs a package
and reports to its maker once it has converted, so the function is called that it calls.
"""


@click.command()
@click.argument("json_file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def main(json_file: Path) -> None:
    """Write docs/peers.md from JSON_FILE, which `make bench` made.

    \b
    Example:
        python benchmarks/peers/peers_page.py build/peers.json
    """
    try:
        write_page(read_results(json_file))
    except EdgernnError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{PAGE} written")


def read_results(file: Path) -> Found:
    """What `make bench` wrote.

    Raises:
        DataError: it cannot be read, or is of another format.
    """
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{file}: cannot be read: {error}") from error
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise DataError(f"{file}: expected results of format {FORMAT}; measure again: make bench")
    missing = [name for name in ("environment", "quick", "models", "growth", "growth_missing") if name not in found]
    if missing or "cpu" not in found["environment"]:
        raise DataError(f"{file}: is no complete result of `make bench`: {', '.join(missing) or 'cpu'} is missing")
    return found


def write_page(found: Found) -> None:
    """Write the page."""
    write_bytes(PAGE, describe(found).encode())


def describe(found: Found) -> str:
    """The page, Markdown, from what `read_results` gives."""
    parts = [_head(found), *(f"- {note}\n" for note in found.get("notes", ()))]
    parts += [_model_section(model) for model in found["models"]]
    parts += [growth_section(found)] if found["growth"] else []
    return "\n".join([*parts, _ELSEWHERE])


def times_of(row: Found, base: Found, figure: str) -> Ratio:
    """How many times as long a row took as another, by rounds: hot_us or cold_us."""
    return speed_ratio(_turns(base[figure]), _turns(row[figure]))


def median_us(row: Found, figure: str = "hot_us") -> float:
    """The median of the rounds."""
    return float(np.median(row[figure]))


def _turns(rounds_us: Sequence[float]) -> list[Round]:
    return [Round(np.array([1000 * value])) for value in rounds_us]


def _head(found: Found) -> str:
    environment = found["environment"]
    versions = ", ".join(f"{name} {number}" for name, number in environment["versions"].items())
    effort = _QUICK if found["quick"] else ""
    return _HEAD.format(**{**environment, "versions": versions, "effort": effort, "checked": found["checked_samples"]})


def _model_section(model: Found) -> str:
    base = model["rows"][0]
    rows = sorted(model["rows"], key=median_us)
    lines = [
        [
            f"**{row['name']}**" if row["tool"] == base["tool"] else row["name"],
            f"{median_us(row):.1f}",
            _times(row, base, "hot_us"),
            f"{median_us(row, 'cold_us'):.1f}",
            _times(row, base, "cold_us"),
            f"{row['size_bytes']:,}",
            f"{row['load_ms']:.1f}",
            f"{row['export_s']:.1f}",
            f"{100 * row['agreement']:.1f} %",
        ]
        for row in rows
    ]
    heads = ["file", "hot, µs", "×", "cold, µs", "×", "size, bytes", "load, ms", "export, s", "as Keras"]
    return "\n".join([f"## {model['title']}\n", table(heads, lines), _summary(model, rows), *_not_there(model)])


def _times(row: Found, base: Found, figure: str) -> str:
    if row is base:
        return "1"
    ratio = times_of(row, base, figure)
    return f"{ratio.estimate:.2f} ({ratio.low:.2f} to {ratio.high:.2f})"


def _summary(model: Found, rows: Sequence[Found]) -> str:
    """Which tools have a quicker or a smaller file than int8 unrolled."""
    base = model["rows"][0]
    others = [row for row in rows if row["tool"] != base["tool"]]
    lines = []
    for figure, word in (("hot_us", "Hot"), ("cold_us", "Cold")):
        ratios = {row["name"]: times_of(row, base, figure) for row in others}
        # Where the interval holds 1, rounds do not tell which is quicker.
        quicker = [name for name, ratio in ratios.items() if ratio.high < 1]
        alike = [name for name, ratio in ratios.items() if ratio.low <= 1 <= ratio.high]
        lines.append(
            f"- {word}, quicker than `{base['name']}`: {_names(quicker)}; no difference seen: {_names(alike)}."
        )
    smaller = [row["name"] for row in others if row["size_bytes"] < base["size_bytes"]]
    return "\n".join([*lines, f"- Smaller: {_names(smaller)}.", ""])


def _names(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "none"


def _not_there(model: Found) -> Iterator[str]:
    """What other files the tools have, and why some are not there."""
    if model["slower"]:
        ascending = sorted(model["slower"].items(), key=lambda item: item[1])
        slower = ", ".join(f"`{name}` {value:.1f}" for name, value in ascending)
        yield f"Other files of these tools, slower than the ones above, hot, µs: {slower}.\n"
    if model["missing"]:
        yield "Not there:\n"
        yield "".join(f"- `{name}`: {reason}\n" for name, reason in model["missing"].items())
    without = [tool for tool in model["tools"] if tool not in {row["tool"] for row in model["rows"]}]
    if without:
        yield f"So this table has no file of {', '.join(without)}.\n"


if __name__ == "__main__":
    main()
