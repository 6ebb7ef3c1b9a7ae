"""Write docs/peers.md from the results of `make bench`."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from common.markdown import table
from common.results import read_results
from edgernn.bench.statistics import Ratio, speed_ratio
from edgernn.bench.stopwatch import Round
from edgernn.errors import DataError
from edgernn.system.files import write_bytes
from peers.growth_page import growth_section, median_us

PAGE = Path(__file__).parents[2] / "docs" / "peers.md"
Found = Mapping[str, Any]

_HEAD = """\
# edgernn and other tools

Measured and written by `make bench`; `python -m benchmarks peers-page JSON` writes this page again from the
results. Do not edit it. {effort}

Measured on {cpu}, {cores} cores, {machine}, {system}, Python {python}; {load:.1f} processes were running.
{versions}.

## How it was measured

- A call takes one float32 sample [1, steps, features] and returns its answer, from Python, on one thread, through the
  API that each tool's own documentation describes (`benchmarks/peers/tools`, with links to the pages). edgernn's
  .tflite files run on its native kernels, with the checks of the input, and in LiteRT's bare interpreter; its .onnx
  files run through edgernn, which adds the first states; its C source is compiled with `gcc -O3 -march=native` and
  called as emx-onnx-cgen's.
- Every file of every tool is first built and checked in a separate process, on {checked} samples beside Keras. A file
  that crashes, or gives another class on more than 0.1 % of them (10 % for integer and float16 files), is not timed. Of
  several files of a tool the quickest hot one counts, whatever its number format; its name includes the format.
- All files of a table are timed side by side, in rounds of varying order. In each round a file is reloaded, warmed up
  until it gets no quicker, and called repeatedly. A time is the median of the rounds' medians. **×** is a file's time
  divided by that of edgernn's int8 unrolled file on native kernels, round by round, with its 95 % interval: above 1,
  edgernn is quicker.
- **Cold**: before every call, an array twice as large as the last-level cache is read, as other work on a device would
  do. **Load**: the time from the bytes of the file to a ready model, with the library already loaded.
- **Size**: the bytes that must be on the device besides the library; of a C extension, with its code.
- **Export**: the time from the Keras model in memory to the file, each tool alone. Ours includes the proof and refining
  the weights; work that several of our files share counts for the first of them, int8 unrolled.
"""
_QUICK = "**Few rounds, only to see that everything works: not a measurement.**"
_ELSEWHERE = """\
## Left out

keras2c and onnx2c are on no package index: their C sources must be fetched and built from their repositories. Nor is
`ncnn2int8`, without which ncnn has no integers. Two tools are called without a part that does not affect the results:
pnnx's Python functions need PyTorch to call its program, so the program is called directly; MNN's command `mnnconvert`
installs a package and reports to its maker after a conversion, so the function behind it is called.
"""


@click.command()
@click.argument("json_file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def main(json_file: Path) -> None:
    """Write docs/peers.md from JSON_FILE, a result of `make bench`.

    \b
    Example:
        python -m benchmarks peers-page build/peers.json
    """
    write_page(read_peers(json_file))
    click.echo(f"{PAGE} written")


def read_peers(file: Path) -> Found:
    """Read a result of `make bench`.

    Raises:
        DataError: the file cannot be read, or has another format.
    """
    found = read_results(file, "bench", ("environment", "quick", "models", "growth", "growth_missing"))
    if "cpu" not in found["environment"]:
        raise DataError(f"{file}: incomplete result, without cpu; run `make bench` again")
    return found


def write_page(found: Found) -> None:
    """Write the page."""
    write_bytes(PAGE, describe(found).encode())


def describe(found: Found) -> str:
    """Return the page as Markdown, from a result of `read_peers`."""
    parts = [_head(found), *(f"- {note}\n" for note in found.get("notes", ()))]
    parts += [_model_section(model) for model in found["models"]]
    parts += [growth_section(found)] if found["growth"] else []
    return "\n".join([*parts, _ELSEWHERE])


def times_of(row: Found, base: Found, figure: str) -> Ratio:
    """Return how many times as long a row took as another, by rounds; the figure is hot_us or cold_us."""
    return speed_ratio(_rounds(base[figure]), _rounds(row[figure]))


def _rounds(rounds_us: Sequence[float]) -> list[Round]:
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
    return "\n".join(
        [f"## {model['title']}\n", table(heads, lines, numbers=True), _summary(model, rows), *_missing(model)]
    )


def _times(row: Found, base: Found, figure: str) -> str:
    if row is base:
        return "1"
    ratio = times_of(row, base, figure)
    return f"{ratio.estimate:.2f} ({ratio.low:.2f} to {ratio.high:.2f})"


def _summary(model: Found, rows: Sequence[Found]) -> str:
    """List the tools that have a quicker or a smaller file than int8 unrolled."""
    base = model["rows"][0]
    others = [row for row in rows if row["tool"] != base["tool"]]
    lines = []
    for figure, word in (("hot_us", "Hot"), ("cold_us", "Cold")):
        ratios = {row["name"]: times_of(row, base, figure) for row in others}
        # If the interval contains 1, the rounds do not show which file is quicker.
        quicker = [name for name, ratio in ratios.items() if ratio.high < 1]
        alike = [name for name, ratio in ratios.items() if ratio.low <= 1 <= ratio.high]
        lines.append(
            f"- {word}, quicker than `{base['name']}`: {_names(quicker)}; no difference seen: {_names(alike)}."
        )
    smaller = [row["name"] for row in others if row["size_bytes"] < base["size_bytes"]]
    return "\n".join([*lines, f"- Smaller: {_names(smaller)}.", ""])


def _names(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "none"


def _missing(model: Found) -> Iterator[str]:
    """Yield the other files of the tools, and the reasons for missing ones."""
    if model["slower"]:
        ascending = sorted(model["slower"].items(), key=lambda item: item[1])
        slower = ", ".join(f"`{name}` {value:.1f}" for name, value in ascending)
        yield f"Other files of these tools, slower than the ones above, hot, µs: {slower}.\n"
    if model["missing"]:
        yield "Missing:\n"
        yield "".join(f"- `{name}`: {reason}\n" for name, reason in model["missing"].items())
    without = [tool for tool in model["tools"] if tool not in {row["tool"] for row in model["rows"]}]
    if without:
        yield f"So this table has no file of {', '.join(without)}.\n"
