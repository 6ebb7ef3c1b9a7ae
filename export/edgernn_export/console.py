"""The console: tables of 80 columns."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from edgernn.backends import SUFFIXES
from edgernn.console.terminal import escaping
from edgernn.console.text_width import cut_in_the_middle, width_of
from edgernn.errors import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

WIDTH = 80
_MIN_NAME = 12


def make_console() -> "Console":
    """Make a console of 80 columns, independent of the terminal's width, so that tables look the same everywhere."""
    from rich.console import Console

    # Brackets in file names are not markup.
    return escaping(Console)(width=WIDTH, highlight=False, markup=False, emoji=False)


def make_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> "Table":
    """Make a table of artifacts' figures whose rows are one line each, in 80 columns.

    Args:
        headings: of the figures.
        rows: name of an artifact, marks after it, and its figures. Names that are too long are shortened (`fit_names`).
    """
    from rich import box
    from rich.table import Table

    figures = [[printable(cell) for cell in row[1:]] for row in rows]
    full_names = [printable(row[0]) for row in rows]
    widths = [max(map(width_of, column)) for column in zip(headings, *figures, strict=True)]
    # Columns move together before a name is shortened.
    rooms = {gap: WIDTH - sum(widths) - gap * len(widths) - 2 for gap in (2, 1)}
    gap = 2 if max(map(width_of, full_names), default=0) <= rooms[2] else 1
    table = Table(box=box.SIMPLE_HEAD, padding=(0, gap - 1, 0, 0), pad_edge=False)
    table.add_column("artifact", no_wrap=True)
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    for name, row in zip(fit_names(full_names, rooms[gap]), figures, strict=True):
        table.add_row(name, *row)
    return table


def fit_names(names: Sequence[str], width: int) -> list[str]:
    """Shorten names to this many columns: drop their common beginning first, and then cut them in the middle."""
    prefix = ""
    if max(map(width_of, names), default=0) > width:
        prefix = shared_prefix([name for name in names if any(suffix in name for suffix in SUFFIXES)])
    shorter = [f"…-{name.removeprefix(prefix)}" if prefix and name.startswith(prefix) else name for name in names]
    return [cut_in_the_middle(name, max(width, _MIN_NAME)) for name in shorter]


def shared_prefix(names: Sequence[str]) -> str:
    """Return the beginning that all names share, up to a hyphen; empty for fewer than two names."""
    if len(names) < 2:
        return ""
    words = [name.split("-")[:-1] for name in names]
    shared = min(map(len, words))
    for place, each in enumerate(zip(*words, strict=False)):
        if len(set(each)) > 1:
            shared = place
            break
    return "".join(f"{word}-" for word in words[0][:shared])
