"""Bars: a measured figure, what it must hold, and the table of all of them."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from edgernn.bench.environment import describe_machine, look_at_machine

WIDTH = 80
FORMAT = 1

_UNITS: Mapping[str, Callable[[float], str]] = {
    "bytes": lambda value: f"{value:,.0f}",
    "ratio": lambda value: f"{value:.3f} ×",
    "points": lambda value: f"{value:+.3f} points",
    "share": lambda value: f"{100 * value:.2f} %",
    "probability": lambda value: f"{value:.1e}",
    "answers": lambda value: f"{value:,.0f} apart",
    "lines": lambda value: f"{value:,.0f}",
    "operators": lambda value: f"{value:,.0f}",
    "s": lambda value: f"{value:.1f} s",
    "GB": lambda value: f"{value:.2f} GB",
    "MB": lambda value: f"{value:.2f} MB",
}


@dataclass(frozen=True)
class Check:
    """A figure and what it must hold.

    Attributes:
        group: what the bars around it are about.
        name: what was measured.
        unit: bytes, ratio, points (hundredths of accuracy lost), share, probability (a difference in one),
            answers (how many differ), lines, operators (how many there are), s, GB (1e9 bytes) or MB.
        figure: what was measured; None: it could not be.
        limit: what it must not pass; None: it is only told.
        at_least: whether the limit is a lower one.
    """

    group: str
    name: str
    unit: str
    figure: float | None
    limit: float | None = None
    at_least: bool = False

    @property
    def holds(self) -> bool:
        """Whether the figure keeps to its limit; one that is missing or NaN does not."""
        if self.figure is None or math.isnan(self.figure):
            return False
        if self.limit is None:
            return True
        return self.figure >= self.limit if self.at_least else self.figure <= self.limit


def show(bars: Sequence[Check]) -> None:
    """Print the bars, 80 columns wide, a table a group."""
    console = Console(width=WIDTH, highlight=False)
    for group in dict.fromkeys(bar.group for bar in bars):
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, width=WIDTH)
        table.add_column(group, overflow="fold", ratio=1)
        for heading, width in (("measured", 13), ("bar", 14), ("", 6)):
            table.add_column(heading, justify="right", no_wrap=True, width=width)
        for bar in bars:
            if bar.group == group:
                table.add_row(bar.name, *_cells(bar))
        console.print(table)
    judged = [bar for bar in bars if bar.limit is not None or not bar.holds]
    missed = [bar for bar in judged if not bar.holds]
    console.print(f"{len(judged) - len(missed)} of {len(judged)} bars hold.")
    for bar in missed:
        console.print(f"misses: {bar.group}: {bar.name}", markup=False)


def show_latencies(heading: str, latencies: Mapping[str, Mapping[str, float]]) -> None:
    """Print the latencies of subjects by name, the quickest first: what `latency.as_rows` gives."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, width=WIDTH)
    table.add_column(heading, ratio=1)
    for column in ("µs", "of loads", "bytes"):
        table.add_column(column, justify="right", no_wrap=True)
    for name, row in sorted(latencies.items(), key=lambda item: item[1]["median_us"]):
        loads = f"{row['lowest_us']:.1f} to {row['highest_us']:.1f}"
        table.add_row(name, f"{row['median_us']:.1f}", loads, f"{row['size_bytes']:,}")
    Console(width=WIDTH, highlight=False).print(table)


def environment() -> dict[str, Any]:
    """The machine and the versions that were measured, and how busy the machine is."""
    return {**describe_machine(), **look_at_machine()}


def show_environment(environment: Mapping[str, Any]) -> None:
    """Print the environment."""
    console = Console(width=WIDTH, highlight=False)
    machine = "{cpu}, {cores} cores, {machine}, {system}, Python {python}".format_map(environment)
    console.print(machine, markup=False)
    console.print(", ".join(f"{name} {number}" for name, number in environment["versions"].items()))
    if environment["load"] is not None:
        console.print(f"{environment['load']:.1f} processes were running, this one included.")


def as_json(
    bars: Sequence[Check], environment: Mapping[str, Any], latencies: Mapping[str, Any], reasons: Sequence[str]
) -> dict[str, Any]:
    """Everything that was measured, and why the rest was not, for programs."""
    return {
        "format": FORMAT,
        "environment": dict(environment),
        "bars": [{**asdict(bar), "holds": bar.holds} for bar in bars],
        "latencies": dict(latencies),
        "reasons": list(reasons),
        "holds": all(bar.holds for bar in bars),
    }


def _cells(bar: Check) -> tuple[str, str, str]:
    write = _UNITS[bar.unit]
    measured = "–" if bar.figure is None else write(bar.figure)
    if bar.limit is None:
        return measured, "", "" if bar.holds else "misses"
    return measured, f"{'≥' if bar.at_least else '≤'} {write(bar.limit).lstrip('+')}", _verdict(bar)


def _verdict(bar: Check) -> str:
    return "holds" if bar.holds else "misses"
