"""Options of all commands that load artifacts, and the warning about a file without a card."""

from collections.abc import Callable
from typing import Any

import click

from edgernn.backends import NAMES
from edgernn.console.options import Name
from edgernn.console.terminal import say
from edgernn.model import MAX_THREADS, Model

_OPTIONS = (
    click.option("--backend", type=Name(NAMES), help="Library that runs the artifact.  [default: the first installed]"),
    click.option(
        "--threads", type=click.IntRange(1, MAX_THREADS), default=1, show_default=True, help="Threads of the backend."
    ),
    click.option("--unverified", is_flag=True, help="Also accept a file without a card; its answers are not checked."),
)


def loading_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options --backend, --threads and --unverified, named like the arguments of `load`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def warn_unverified(model: Model) -> None:
    """Print a warning on standard error if the model has no card."""
    if model.card is None:
        say(f"warning: {model.path} has no card; its answers are unverified", err=True)
