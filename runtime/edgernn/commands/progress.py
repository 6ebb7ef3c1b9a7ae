"""A progress bar on standard error: on a terminal, and only when the work turns out to be long."""

import sys
import time
from types import TracebackType
from typing import Self

import click

from edgernn.terminal import clear_line

AFTER_S = 1.0
_PARTS = 1000  # of each piece of work


class ProgressBar:
    """Progress through pieces of work; shows nothing for the first second, or if `shown` is false."""

    def __init__(self, pieces: int, shown: bool, after_s: float = AFTER_S) -> None:
        self._bar = click.progressbar(length=pieces * _PARTS, label="predicting", file=sys.stderr) if shown else None
        self._begin, self._after_s = time.monotonic(), after_s
        self._drawn = False
        self._done = 0.0
        self._told = 0

    def advance(self, pieces: float) -> None:
        """So much more is done; a share of a piece may be."""
        self._done += pieces
        if self._bar is None or time.monotonic() - self._begin < self._after_s:
            return
        if not self._drawn:
            self._bar.__enter__()
            self._drawn = True
        now = int(self._done * _PARTS)
        self._bar.update(now - self._told)
        self._told = now

    def make_way(self) -> None:
        """Erase the bar for other output; it is drawn again when the work goes on."""
        if self._drawn:
            clear_line()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.make_way()
