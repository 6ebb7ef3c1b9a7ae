"""Progress bars: only on a terminal, and only for work that takes longer than a second."""

import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import ceil
from types import TracebackType
from typing import Any, Self, TextIO

import click

from edgernn.bench.stopwatch import Turn
from edgernn.console.terminal import clear_line
from edgernn.console.text_width import shortened
from edgernn.errors import printable

AFTER_S = 1.0
_PARTS = 1000  # steps of the bar for each piece of work
_MEASURING_WIDTH = 10  # of the bar, so that the line fits into 80 columns
_AROUND = 7  # click's spaces and brackets around the bar, and a free column at the end


class ProgressBar:
    """Progress bar over pieces of work; it appears after `after_s` seconds, and never if `shown` is false.

    Args:
        pieces: number of pieces of work, for instance files.
        shown: whether the bar may appear, for instance because the output is a terminal.
        after_s: seconds until the bar appears.
        file: the terminal; standard error by default.
        style: options of `click.progressbar`.
    """

    def __init__(
        self, pieces: int, shown: bool, after_s: float = AFTER_S, *, file: TextIO | None = None, **style: Any
    ) -> None:
        self._file = file or sys.stderr
        style = {"label": "predicting", **style}
        self._bar = click.progressbar(length=pieces * _PARTS, file=self._file, **style) if shown else None
        self._begin, self._after_s = time.monotonic(), after_s
        self._drawn = False
        self._done = 0.0
        self._shown_steps = 0

    def advance(self, pieces: float, *, label: str = "", note: str | None = None) -> None:
        """Add finished pieces, or a share of one; show another label, and a note behind the bar."""
        self._done += pieces
        if self._bar is None or time.monotonic() - self._begin < self._after_s:
            return
        self._bar.label = label or self._bar.label
        self._bar.current_item = note
        if not self._drawn:
            self._bar.__enter__()  # draws it
            self._drawn = True
        now = int(self._done * _PARTS)
        self._bar.update(now - self._shown_steps, note)
        self._shown_steps = now

    def make_way(self) -> None:
        """Erase the bar before other output; the next `advance` draws it again."""
        if self._drawn:
            clear_line(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.make_way()


@contextmanager
def measuring_bar(file: TextIO | None = None, after_s: float = AFTER_S) -> Iterator[Callable[[Turn], None]]:
    """Show which subject is being measured, and the seconds left, in a progress bar.

    Args:
        file: the terminal; standard error by default. If it is none, nothing is shown.
        after_s: seconds until the bar appears.

    Yields:
        The function to call before each turn.
    """
    output = file or sys.stderr
    if not output.isatty():
        yield lambda _turn: None
        return
    bar: ProgressBar | None = None
    time_left = TimeLeft()
    try:

        def before_turn(turn: Turn) -> None:
            nonlocal bar
            label = f"round {turn.round} of {turn.rounds}"
            if bar is None:
                style = {"label": label, "width": _MEASURING_WIDTH, "show_eta": False, "show_percent": False}
                pieces = turn.subjects * turn.rounds
                bar = ProgressBar(pieces, True, after_s, file=output, item_show_func=str, **style)
            done = 0 if (turn.place, turn.round) == (1, 1) else 1
            room = shutil.get_terminal_size().columns - len(label) - _MEASURING_WIDTH - _AROUND
            bar.advance(done, label=label, note=_describe(turn, time_left.begin(turn, time.monotonic()), room))

        yield before_turn
    finally:
        if bar:
            bar.make_way()


class TimeLeft:
    """Estimate of the time left: each subject will take as long in each round as it took last.

    There is none before the third round, because the first round may be longer, with loading and compiling.
    """

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}
        self._timed_in_round: set[str] = set()
        self._running: tuple[str, float] | None = None

    def begin(self, turn: Turn, now: float) -> float | None:
        """Return the seconds left as a turn begins; None in the first two rounds.

        Args:
            turn: that begins.
            now: time in seconds, from any start.
        """
        if self._running:
            name, since = self._running
            self._seconds[name] = now - since
            self._timed_in_round.add(name)
        if turn.place == 1:
            self._timed_in_round.clear()
        self._running = turn.name, now
        if turn.round <= 2:
            return None
        later = (turn.rounds - turn.round) * sum(self._seconds.values())
        return later + sum(each for name, each in self._seconds.items() if name not in self._timed_in_round)


def _describe(turn: Turn, seconds: float | None, room: int) -> str:
    """Describe a turn in at most `room` columns; a long name is cut."""
    place = f"{turn.place} of {turn.subjects} "
    left = f", about {ceil(seconds)} s left" if seconds is not None else ""
    name, space = printable(turn.name), max(1, room - len(place) - len(left))
    return place + shortened(name, space) + left
