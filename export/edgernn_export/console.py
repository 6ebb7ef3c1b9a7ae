"""The terminal: tables of 80 columns."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from edgernn.terminal import PrintableText

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

WIDTH = 80


def make_console() -> "Console":
    """Make a console of 80 columns, independent of the terminal's width, so that tables look the same everywhere."""
    from rich.console import Console

    class PrintableConsole(PrintableText, Console):
        pass

    # File names may have brackets in them, which are not meant as markup.
    return PrintableConsole(width=WIDTH, highlight=False, markup=False, emoji=False)


def make_table(headings: Sequence[str]) -> "Table":
    """A table with a column for the artifact's name and, to the right, one for each of these figures."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("artifact", overflow="fold")
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    return table
