"""A progress bar on standard error: only on a terminal, and only for work that takes longer than a second."""

import sys
import time
from types import TracebackType
from typing import Self

import click

from edgernn.console.terminal import clear_line

AFTER_S = 1.0
_PARTS = 1000  # steps of the bar for each piece of work


class ProgressBar:
    """Progress bar over pieces of work; it appears after `after_s` seconds, and never if `shown` is false."""

    def __init__(self, pieces: int, shown: bool, after_s: float = AFTER_S) -> None:
        self._bar = click.progressbar(length=pieces * _PARTS, label="predicting", file=sys.stderr) if shown else None
        self._begin, self._after_s = time.monotonic(), after_s
        self._drawn = False
        self._done = 0.0
        self._shown_steps = 0

    def advance(self, pieces: float) -> None:
        """Add finished pieces, or a share of one."""
        self._done += pieces
        if self._bar is None or time.monotonic() - self._begin < self._after_s:
            return
        if not self._drawn:
            self._bar.__enter__()
            self._drawn = True
        now = int(self._done * _PARTS)
        self._bar.update(now - self._shown_steps)
        self._shown_steps = now

    def make_way(self) -> None:
        """Erase the bar before other output; the next `advance` draws it again."""
        if self._drawn:
            clear_line()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.make_way()
