"""Checks: measured figures with their limits, printed as tables and written as JSON."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from edgernn.bench.environment import describe_machine, look_at_machine

WIDTH = 80
FORMAT = 1

_UNITS: Mapping[str, Callable[[float], str]] = {
    **dict.fromkeys(("bytes", "lines", "operators", "instructions"), lambda value: f"{value:,.0f}"),
    "ratio": lambda value: f"{value:.3f} ×",
    "points": lambda value: f"{value:+.3f} points",
    "share": lambda value: f"{100 * value:.2f} %",
    "probability": lambda value: f"{value:.1e}",
    "answers": lambda value: f"{value:,.0f} differ",
    "s": lambda value: f"{value:.1f} s",
    "GB": lambda value: f"{value:.2f} GB",
    "MB": lambda value: f"{value:.2f} MB",
}


@dataclass(frozen=True)
class Check:
    """A measured figure and its limit.

    Attributes:
        group: heading of its table.
        name: measured quantity.
        unit: bytes, ratio, points (hundredths of accuracy lost), share, probability (a difference of probabilities),
            answers (number that differ), lines, operators or instructions (number of them), s, GB (1e9 bytes) or MB
            (1e6 bytes).
        figure: measured value; None: it could not be measured.
        limit: maximum of the figure; None: it is only reported.
        at_least: True if the limit is a minimum.
    """

    group: str
    name: str
    unit: str
    figure: float | None
    limit: float | None = None
    at_least: bool = False

    @property
    def passed(self) -> bool:
        """True if the figure keeps to its limit; a figure that is missing or NaN does not."""
        if self.figure is None or math.isnan(self.figure):
            return False
        if self.limit is None:
            return True
        return self.figure >= self.limit if self.at_least else self.figure <= self.limit


def ratio_check(group: str, name: str, figure: float, limit: float | None = None) -> Check:
    """Return a check of a ratio."""
    return Check(group, name, "ratio", figure=figure, limit=limit)


def without_missing(checks: Iterable[Check]) -> list[Check]:
    """Leave out checks without a figure, which would fail; for checks that have no limit."""
    return [check for check in checks if check.figure is not None]


def show(checks: Sequence[Check]) -> None:
    """Print the checks, 80 columns wide, one table a group."""
    console = Console(width=WIDTH, highlight=False)
    for group in dict.fromkeys(check.group for check in checks):
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, width=WIDTH)
        table.add_column(group, overflow="fold", ratio=1)
        for heading, width in (("measured", 13), ("limit", 14), ("", 6)):
            table.add_column(heading, justify="right", no_wrap=True, width=width)
        for check in checks:
            if check.group == group:
                table.add_row(check.name, *_cells(check))
        console.print(table)
    judged = [check for check in checks if check.limit is not None or not check.passed]
    failed = [check for check in judged if not check.passed]
    console.print(f"{len(judged) - len(failed)} of {len(judged)} checks passed.")
    for check in failed:
        console.print(f"failed: {check.group}: {check.name}", markup=False)


def show_latencies(heading: str, latencies: Mapping[str, Mapping[str, float]]) -> None:
    """Print the latencies of subjects by name, the quickest first; `latency.time_calls` makes the rows."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, width=WIDTH)
    table.add_column(heading, ratio=1)
    for column in ("µs", "range", "bytes"):
        table.add_column(column, justify="right", no_wrap=True)
    for name, row in sorted(latencies.items(), key=lambda item: item[1]["median_us"]):
        extremes = f"{row['lowest_us']:.1f} to {row['highest_us']:.1f}"
        table.add_row(name, f"{row['median_us']:.1f}", extremes, f"{row['size_bytes']:,}")
    Console(width=WIDTH, highlight=False).print(table)


def environment() -> dict[str, Any]:
    """Describe the machine, the measured versions, and how busy the machine is."""
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
    checks: Sequence[Check], environment: Mapping[str, Any], latencies: Mapping[str, Any], reasons: Sequence[str]
) -> dict[str, Any]:
    """Return the results and the reasons for missing figures, for programs."""
    return {
        "format": FORMAT,
        "environment": dict(environment),
        "bars": [{**asdict(check), "holds": check.passed} for check in checks],
        "latencies": dict(latencies),
        "reasons": list(reasons),
        "holds": all(check.passed for check in checks),
    }


def _cells(check: Check) -> tuple[str, str, str]:
    write = _UNITS[check.unit]
    measured = "–" if check.figure is None else write(check.figure)
    if check.limit is None:
        return measured, "", "" if check.passed else "failed"
    limit = f"{'≥' if check.at_least else '≤'} {write(check.limit).lstrip('+')}"
    return measured, limit, "passed" if check.passed else "failed"
