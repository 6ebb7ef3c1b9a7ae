"""Output of all commands, escaped, so that no name in a file acts on a terminal.

File names, labels, and texts in cards and settings may contain escape sequences, line breaks that forge a line, or
characters that change the order of a line. `say` prints whole lines, each escaped; `say_json` prints JSON, which is
ASCII; `escaping` does the same for rich. tests/runtime/test_terminal.py finds a command that prints otherwise.
"""

from typing import IO, Any, TypeVar

import click

from edgernn.errors import printable
from edgernn.system.files import to_json

T = TypeVar("T")


def say(*lines: str, err: bool = False, file: IO[Any] | None = None, bold: bool = False) -> None:
    """Print lines in one piece and flush; without lines, print an empty one.

    A line break inside a line is escaped: split a text into lines before names are put into it.

    Args:
        lines: without line breaks.
        err: print to standard error.
        file: print to this file in place of standard output.
        bold: print in bold on a terminal.
    """
    text = "\n".join(map(printable, lines))
    click.echo(click.style(text, bold=True) if bold else text, err=err, file=file)


def say_json(value: Any, indent: int | None = None) -> None:
    """Print a value as JSON and end the line."""
    click.echo(to_json(value, indent))


def say_document(text: str) -> None:
    """Print a part of a document that `to_json` wrote, unchanged."""
    click.echo(text, nl=False)


def clear_line(file: IO[Any] | None = None) -> None:
    """Erase the progress bar's line, on standard error by default, and show the cursor, which click has hidden."""
    click.echo("\r\x1b[K\x1b[?25h", nl=False, err=True, file=file)


def escaping(console: type[T]) -> type[T]:
    """Derive a class from rich's Console that escapes every text it prints to one printable line."""

    class PrintableConsole(console):  # type: ignore[valid-type, misc]
        def render_str(self, text: str, **options: Any) -> Any:
            return super().render_str(printable(text), **options)

    return PrintableConsole
