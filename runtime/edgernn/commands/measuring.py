"""How commands measure: the options that they have in common, the bar of rounds, and how figures are written."""

import math
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

import click

from edgernn.bench.result import Result
from edgernn.bench.statistics import NO_DIFFERENCE, Ratio
from edgernn.bench.stopwatch import ROUNDS, SECONDS, Method


class Number(click.FloatRange):
    """A range that keeps NaN out, too, which compares with nothing."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """See click."""
        number = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"nan is not in the range {self._describe_range()}.", param, ctx)
        return number


_OPTIONS = (
    click.option(
        "--rounds",
        type=click.IntRange(2, 1000),
        default=ROUNDS,
        show_default=True,
        help="How often each has its turn, freshly loaded.",
    ),
    click.option(
        "--seconds",
        type=Number(0, 60),
        default=SECONDS,
        show_default=True,
        help="How long each call is timed, in all its turns.",
    ),
    click.option("--cold", is_flag=True, help="Time each call with cold caches, as after other work."),
    click.option("--isolate", is_flag=True, help="A process for each, which also tells its memory."),
    click.option("--baseline", metavar="NAME", help="What speeds are told against, by its name in the table."),
)


def measuring_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options --rounds, --seconds, --cold, --isolate and --baseline."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@contextmanager
def round_bar(method: Method, label: str, file: TextIO | None = None) -> Iterator[Callable[[int], None]]:
    """A progress bar of rounds, on standard error unless told otherwise; gives what to call after each.

    It begins with the first round that is done, so that what is said before stands above it.
    """
    bar = click.progressbar(length=method.rounds, label=label, file=file or sys.stderr)
    begun = False

    def after_round(_done: int) -> None:
        nonlocal begun
        if not begun:
            bar.__enter__()
            begun = True
        bar.update(1)

    try:
        yield after_round
    finally:
        if begun:
            bar.render_finish()


def show_speed(speed: Ratio | None) -> str:
    """A speed as people read it: 1.43×, or = where no difference is seen; – where there is none."""
    if speed is None:
        return "–"
    if speed.verdict == NO_DIFFERENCE:
        return "="
    digits = 0 if speed.estimate >= 100 else 1 if speed.estimate >= 10 else 2
    return f"{speed.estimate:,.{digits}f}×"


def show_time(us: float) -> str:
    """A time as people read it, in three digits: 18.9 µs, 1.68 ms, 146 ms."""
    value, unit = (us, "µs") if us < 1000 else (us / 1000, "ms") if us < 1e6 else (us / 1e6, "s")
    digits = 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:,.{digits}f} {unit}"


def show_spread(share: float) -> str:
    """Half an interval's width as a share: ±0.4%, ±12%."""
    return f"±{share:.1%}" if share < 0.0995 else f"±{share:.0%}"


def doubt_lines(result: Result, width: int = 80) -> list[str]:
    """Why times are not to be believed: a heading, and lines for each reason; empty where they are."""
    reasons = [f"all: {doubt}" for doubt in result.doubts]
    reasons += [f"{each.name}: {'; '.join(each.doubts)}" for each in result.subjects if each.doubts]
    if not reasons:
        return []
    wrapper = textwrap.TextWrapper(width, initial_indent="    ", subsequent_indent="      ")
    return ["! Not to be believed:", *(line for reason in reasons for line in wrapper.wrap(reason))]


def stranger_lines(result: Result) -> list[str]:
    """List the artifacts that were exported from another model than the original, a line each."""
    original = result.original
    return [
        f"{each.name}: exported from another model, SHA-256 {each.source_sha256[:12]}…, expected the original's "
        f"{original.sha256[:12]}…; export it again"
        for each in result.strangers
        if original
    ]


def method_sentence(result: Result) -> str:
    """How it was measured, in a sentence."""
    method = result.method
    caches = "cold" if method.cold else "hot"
    where = "a process for each, " if result.isolated else ""
    threads = f"{result.threads} {'thread' if result.threads == 1 else 'threads'}"
    once = " (Keras once)" if result.original else ""
    return (
        f"{method.rounds} rounds, freshly loaded in each{once}, and {method.seconds:g} s for each call in all; caches "
        f"{caches}, {where}{threads}; ± is half the 95% interval."
    )


def columns(rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """Rows of text as lines: the first column to the left, the others to the right, a rule under the first row.

    A first cell that finds no room beside its figures has a line of its own, in front of them.
    """
    widths = [max(map(len, column)) for column in list(zip(*rows, strict=True))[1:]]
    figures = ["".join(f" {cell:>{size}}" for cell, size in zip(row[1:], widths, strict=True)) for row in rows]
    room = max(0, min(width - len(figures[0]), max(len(row[0]) for row in rows)))
    lines = []
    for (first, *_), rest in zip(rows, figures, strict=True):
        lines += [f"{first:<{room}}{rest}"] if len(first) <= room else [first, f"{'':{room}}{rest}"]
    return [lines[0], "─" * (room + len(figures[0])), *lines[1:]]
