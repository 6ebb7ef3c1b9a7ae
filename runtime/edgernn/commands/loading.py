"""How commands load artifacts: the options that all of them have, and what is said of a file without a card."""

from collections.abc import Callable
from typing import Any

import click

from edgernn.backends import NAMES
from edgernn.model import MAX_THREADS, Model
from edgernn.terminal import say

_OPTIONS = (
    click.option("--backend", type=click.Choice(NAMES), help="What executes it.  [default: the first installed]"),
    click.option(
        "--threads", type=click.IntRange(1, MAX_THREADS), default=1, show_default=True, help="Of the backend."
    ),
    click.option("--unverified", is_flag=True, help="Also run a file that has no card, unchecked."),
)


def loading_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options --backend, --threads and --unverified, by the names of `load`'s arguments."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def warn_unverified(model: Model) -> None:
    """Say on standard error that a model has no card, if it has none."""
    if model.card is None:
        say(f"warning: {model.path} has no card; its answers are unverified", err=True)
