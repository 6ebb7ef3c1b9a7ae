"""Warnings of the runtime as lines on standard error."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from edgernn.console.terminal import say
from edgernn.errors import InputWarning


@contextmanager
def warnings_as_lines(
    place: Callable[[], str] = lambda: "", make_way: Callable[[], None] = lambda: None
) -> Iterator[None]:
    """Print each `InputWarning` in this block as one line on standard error.

    Args:
        place: returns the place of the input, which stands in front of the message.
        make_way: called before the line is printed.
    """
    others = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
        if not issubclass(category, InputWarning):
            others(message, category, *where, **more)
            return
        make_way()
        say(f"warning: {place()}{message}", err=True)

    with warnings.catch_warnings():
        warnings.simplefilter("always", InputWarning)
        warnings.showwarning = show
        yield
