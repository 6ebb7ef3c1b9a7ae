"""Common parts of the commands that measure: options and the format of figures."""

import textwrap
from collections.abc import Callable, Sequence
from typing import Any

import click

from edgernn.bench.result import Measured, Result
from edgernn.bench.statistics import NO_DIFFERENCE, Ratio
from edgernn.bench.stopwatch import ROUNDS, SECONDS
from edgernn.console.options import Number
from edgernn.console.text_width import left_aligned, right_aligned, width_of

_OPTIONS = (
    click.option(
        "--rounds",
        type=click.IntRange(2, 1000),
        default=ROUNDS,
        show_default=True,
        help="Number of rounds; each loads and times every artifact again.",
    ),
    click.option(
        "--seconds",
        type=Number(0, 60),
        default=SECONDS,
        show_default=True,
        help="Total measuring time per row of the table and kind of call (invoke, predict, step), over all rounds.",
    ),
    click.option("--cold", is_flag=True, help="Time each call with cold caches, as after other work of the device."),
    click.option("--isolate", is_flag=True, help="Run each artifact in an isolated process; also measures its memory."),
    click.option(
        "--baseline",
        metavar="NAME",
        help="Row of the table that speeds are relative to. "
        "[default: Keras tf.function; without Keras, as in edgernn bench, the first artifact]",
    ),
)


def measuring_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options --rounds, --seconds, --cold, --isolate and --baseline."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def show_speed(speed: Ratio | None) -> str:
    """Format a speed: 1.43×, = for no difference seen, – for None."""
    if speed is None:
        return "–"
    if speed.verdict == NO_DIFFERENCE:
        return "="
    digits = 0 if speed.estimate >= 100 else 1 if speed.estimate >= 10 else 2
    return f"{speed.estimate:,.{digits}f}×"


def speed_cell(result: Result, subject: Measured) -> str:
    """Format a subject's speed relative to the baseline, with ! if it is unreliable."""
    if subject.name == result.baseline:
        return "1"
    return show_speed(result.speed(subject)) + mark(result.is_speed_reliable(subject))


def mark(reliable: bool) -> str:
    """Return the mark after a figure: ! if it is unreliable."""
    return "" if reliable else "!"


def show_time(us: float) -> str:
    """Format a time with three digits: 18.9 µs, 1.68 ms, 146 ms."""
    value, unit = (us, "µs") if us < 1000 else (us / 1000, "ms") if us < 1e6 else (us / 1e6, "s")
    digits = 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:,.{digits}f} {unit}"


def show_spread(share: float) -> str:
    """Format half of an interval's width as a share: ±0.4%, ±12%."""
    return f"±{share:.1%}" if share < 0.0995 else f"±{share:.0%}"


def doubt_lines(result: Result, calls: Sequence[str], width: int = 80) -> list[str]:
    """List why times of these calls are unreliable, as lines below a heading; empty if all are reliable."""
    doubted = [each for each in result.subjects if set(calls) & set(each.unreliable)]
    if not doubted:
        return []
    reasons = [f"all: {doubt}" for doubt in result.doubts]
    reasons += [f"{each.name}: {'; '.join(each.doubts)}" for each in doubted if each.doubts]
    wrapper = textwrap.TextWrapper(width, initial_indent="    ", subsequent_indent="      ")
    return [
        "! Unreliable times and speeds, and their causes:",
        *(line for each in reasons for line in wrapper.wrap(each)),
    ]


def stranger_reasons(result: Result) -> dict[str, str]:
    """Return the artifacts that were exported from another model than the original, by name, each with the reason."""
    original = result.original
    return {
        each.name: f"exported from another model, digest {each.source_sha256[:12]}…, expected the original's "
        f"{original.source_sha256[:12]}…; export it again"
        for each in result.strangers
        if original
    }


def stranger_lines(result: Result) -> list[str]:
    """List the artifacts that were exported from another model, a line each."""
    return [f"{name}: {reason}" for name, reason in stranger_reasons(result).items()]


def method_sentence(result: Result) -> str:
    """Describe the method of measuring in a sentence."""
    method = result.method
    caches = "cold" if method.cold else "hot"
    where = "isolated processes, " if result.isolated else ""
    threads = f"{result.threads} {'thread' if result.threads == 1 else 'threads'}"
    once = " (Keras once)" if result.original else ""
    return (
        f"{method.rounds} rounds, loaded again in each{once}; {method.seconds:g} s per call in total; {caches} caches, "
        f"{where}{threads}. ± is half of the 95% interval."
    )


def columns(rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """Format rows of text as lines: first column left-aligned, others right-aligned, a rule under the first row.

    A first cell that is too long for its column stands alone, in the line above its figures.
    """
    widths = [max(map(width_of, column)) for column in list(zip(*rows, strict=True))[1:]]
    figures = [
        "".join(f" {right_aligned(cell, size)}" for cell, size in zip(row[1:], widths, strict=True)) for row in rows
    ]
    room = max(0, min(width - len(figures[0]), max(width_of(row[0]) for row in rows)))
    lines = []
    for (first, *_), rest in zip(rows, figures, strict=True):
        lines += [left_aligned(first, room) + rest] if width_of(first) <= room else [first, f"{'':{room}}{rest}"]
    return [lines[0], "─" * (room + len(figures[0])), *lines[1:]]
