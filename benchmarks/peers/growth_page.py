"""Section of docs/peers.md on the growth of cost with units and time steps."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from common import exports
from common.markdown import table
from peers.growth import USUAL_HIDDEN, USUAL_STEPS
from peers.growth_laws import LESS, LINEAR, OFFSET, Law, find_crossover, find_law

Row = Mapping[str, Any]

_TITLES = {"simplernn": "SimpleRNN", "gru": "GRU", "lstm": "LSTM"}
_UNROLLED, _LOOP = str(exports.INT8), str(exports.INT8_LOOP)
# Every law fits two points.
_MIN_LENGTHS = 3
# From this ratio of sizes on, a file has grown with its steps.
_MIN_GROWTH = 1.2
_UNITS = {1 << 20: "MB", 1 << 10: "KB"}

_INTRODUCTION = """\
## How cost grows

The models have 28 features, are untrained with a fixed seed, and are exported without refining: weights change neither
size nor latency. Times are hot / cold, in µs. The time of an export runs from the Keras model in memory to the file;
work that our TFLite files share counts for int8 unrolled.
"""
_LAWS = """\
The exponent is the slope of cost over steps, both in logarithms: 1.00 is linear, twice the steps take twice the time.
"Fixed" is the time of a call before its first step, and "a step" the time that each step adds, by a straight line
through all lengths, each weighted by 1 / time. "Linear" is an exponent within 0.1 of 1.
"""


def growth_section(found: Mapping[str, Any]) -> str:
    """Return tables of each kind over units and over steps, the law of each file, and where loops are quicker."""
    rows: Sequence[Row] = found["growth"]
    caches = found["environment"].get("caches", {})
    parts = [_INTRODUCTION]
    for kind in dict.fromkeys(row["kind"] for row in rows):
        mine = [row for row in rows if row["kind"] == kind]
        longer = sorted((row for row in mine if row["hidden"] == USUAL_HIDDEN), key=lambda row: row["steps"])
        wider = sorted((row for row in mine if row["steps"] == USUAL_STEPS), key=lambda row: row["hidden"])
        if _sizes(longer, "steps"):
            parts += [_tables(f"### {_TITLES[kind]}({USUAL_HIDDEN}), more steps", longer, "steps")]
            parts += [_steps_text(longer, caches)]
        if _sizes(wider, "hidden"):
            parts += [_tables(f"### {_TITLES[kind]}, {USUAL_STEPS} steps, more units", wider, "hidden")]
            parts += [_hidden_text(wider)]
    missing = found.get("growth_missing", {})
    if missing:
        parts.append("Missing:\n\n" + "".join(f"- {name}: {reason}\n" for name, reason in missing.items()))
    return "\n".join(parts)


def _tables(heading: str, rows: Sequence[Row], along: str) -> str:
    targets = list(dict.fromkeys(row["target"] for row in rows))
    cells = {(row[along], row["target"]): row for row in rows}
    word = "units" if along == "hidden" else "steps"
    latency, cost = [], []
    for size in _sizes(rows, along):
        there = [cells.get((size, target)) for target in targets]
        latency.append([f"{size}", *(_latency(row) for row in there)])
        cost.append([f"{size}", *(_cost(row) for row in there)])
    return "\n".join(
        [
            f"{heading}\n",
            table([word, *targets], latency, numbers=True),
            "Size in bytes, export in s:\n",
            table([word, *targets], cost, numbers=True),
        ]
    )


def _latency(row: Row | None) -> str:
    return f"{median_us(row, 'hot_us'):.1f} / {median_us(row, 'cold_us'):.1f}" if row else "–"


def _cost(row: Row | None) -> str:
    return f"{row['size_bytes']:,}, {row['export_s']:.1f}" if row else "–"


def _steps_text(rows: Sequence[Row], caches: Mapping[str, int]) -> str:
    if len(_sizes(rows, "steps")) < _MIN_LENGTHS:
        return f"Fewer than {_MIN_LENGTHS} lengths do not show how cost grows.\n"
    lines, reasons = [], []
    for target in dict.fromkeys(row["target"] for row in rows):
        mine = [row for row in rows if row["target"] == target]
        for figure, word in (("hot_us", "hot"), ("cold_us", "cold")):
            if len(mine) < _MIN_LENGTHS:
                continue
            law = find_law([row["steps"] for row in mine], [median_us(row, figure) for row in mine])
            lines.append([f"{target}, {word}", f"{law.exponent:.2f}", f"{law.fixed:.1f}", f"{law.slope:.3f}", law.kind])
            reasons += _reason(f"{target}, {word}", law, mine, caches)
    heads = ["file", "exponent", "fixed, µs", "a step, µs", "cost in steps"]
    return "\n".join([_LAWS, table(heads, lines, numbers=True), *reasons, "", *_crossovers(rows)])


def _reason(name: str, law: Law, rows: Sequence[Row], caches: Mapping[str, int]) -> list[str]:
    """Explain why a file's cost is not linear in steps."""
    if law.kind == LINEAR:
        return []
    if law.kind == OFFSET:
        return [f"- {name}: linear, plus {law.fixed:.1f} µs for the call itself, which matter for short sequences."]
    if law.kind == LESS:
        why = "the cost of a call outside its steps varies with the length, or outweighs the steps"
        return [f"- {name}: less than linear; {why} (exponent of the last two lengths: {law.last_exponent:.2f})."]
    if law.bends_at is None:
        return [f"- {name}: more than linear over all lengths, exponent {law.exponent:.2f}."]
    before = next(row for row in rows if row["steps"] >= law.bends_at)
    behind = next(row for row in rows if row["steps"] > law.bends_at)
    text = f"- {name}: more than linear beyond {law.bends_at:g} steps"
    size = behind["size_bytes"]
    if size < _MIN_GROWTH * before["size_bytes"]:
        return [f"{text}; its file is about as large as before ({size:,} bytes), so its size is not the reason."]
    text += f"; at {behind['steps']} steps the file has {size:,} bytes"
    outgrown = [level for level, cache_bytes in caches.items() if size > cache_bytes]
    if outgrown:
        cache = f"{_short(caches[outgrown[-1]])} of {outgrown[-1]}"
        return [f"{text}, more than the {cache}: what every step reads probably comes from slower memory."]
    return [f"{text}; it has operators for every step, so probably less and less of it stays in the first cache."]


def _crossovers(rows: Sequence[Row]) -> list[str]:
    """Say from how many steps on the loop is the quicker int8 file."""
    steps = _sizes(rows, "steps")
    cells = {(row["steps"], row["target"]): row for row in rows}
    both = [length for length in steps if (length, _UNROLLED) in cells and (length, _LOOP) in cells]
    if len(both) < 2:
        return []
    parts = []
    for figure, word in (("hot_us", "hot"), ("cold_us", "cold")):
        unrolled, loop = ([median_us(cells[n, target], figure) for n in both] for target in (_UNROLLED, _LOOP))
        at = find_crossover(both, unrolled, loop)
        parts.append(f"{word} {_from(at, both)}")
    largest = both[-1]
    sizes = [cells[largest, target]["size_bytes"] for target in (_UNROLLED, _LOOP)]
    quicker = f"**Where the loop is quicker than `unrolled`**: the int8 loop is the quicker file {', '.join(parts)}."
    return [f"{quicker} At {largest} steps the loop has {sizes[1]:,} bytes, unrolled {sizes[0]:,}.\n"]


def _from(at: float | None, sizes: Sequence[int]) -> str:
    if at is None:
        return f"at no length up to {sizes[-1]} steps"
    return f"from {sizes[0]} steps on, the fewest measured" if at <= sizes[0] else f"from about {at:.0f} steps on"


def _hidden_text(rows: Sequence[Row]) -> str:
    """Describe how latency grows with units at the upper end, where the recurrent product, units², dominates."""
    sizes = _sizes(rows, "hidden")
    if len(sizes) < 2:
        return ""
    parts = []
    for target in dict.fromkeys(row["target"] for row in rows):
        mine = [row for row in rows if row["target"] == target]
        if len(mine) > 1:
            law = find_law([row["hidden"] for row in mine], [median_us(row, "hot_us") for row in mine])
            parts.append(f"{target} {law.last_exponent:.2f} ({law.exponent:.2f} over all)")
    return (
        f"The exponent of hot latency over units, from {sizes[-2]} to {sizes[-1]}: {', '.join(parts)}. The recurrent "
        "product has units² weights and the rest of a step grows with units, so the exponent is between 1 and 2 until "
        "the weights outgrow a cache.\n"
    )


def _sizes(rows: Sequence[Row], along: str) -> list[int]:
    return sorted({row[along] for row in rows})


def median_us(row: Row, figure: str = "hot_us") -> float:
    """Return the median of the rounds."""
    return float(np.median(row[figure]))


def _short(size: int) -> str:
    unit = next((unit for unit in _UNITS if size >= unit), 1)
    return f"{size // unit} {_UNITS.get(unit, 'bytes')}"
