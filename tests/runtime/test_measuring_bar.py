"""The progress of a measurement: which subject, and how many seconds are left."""

import io
import re
from collections.abc import Iterator

import click
import pytest

from edgernn.bench.stopwatch import Turn
from edgernn.console.progress import TimeLeft, measuring_bar

SECONDS = {"quick.tflite": 1.0, "slow.onnx": 3.0}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def turns(rounds: int, names: tuple[str, ...] = tuple(SECONDS)) -> Iterator[Turn]:
    for number in range(1, rounds + 1):
        for place, name in enumerate(names, start=1):
            yield Turn(name, place, len(names), number, rounds)


def test_the_time_left_is_that_of_the_turns_to_come() -> None:
    time_left, now, shown = TimeLeft(), 0.0, []
    for turn in turns(4):
        shown.append(time_left.begin(turn, now))
        now += SECONDS[turn.name] + (60 if turn.round == 1 else 0)  # loading and compiling
    assert shown == [None, None, None, None, 8.0, 7.0, 4.0, 3.0]


def shown_on(terminal: io.StringIO, names: tuple[str, ...], after_s: float = 0.0) -> list[str]:
    with measuring_bar(terminal, after_s) as before_turn:
        for turn in turns(3, names):
            before_turn(turn)
    return [click.unstyle(line).rstrip() for line in re.split(r"[\r\n]+", terminal.getvalue())]


def test_a_terminal_shows_the_subject_and_the_seconds_left() -> None:
    lines = shown_on(Terminal(), ("quick.tflite", "slow.onnx"))
    assert any(re.fullmatch(r"round 1 of 3 .*  1 of 2 quick\.tflite", line) for line in lines)
    assert any(re.fullmatch(r"round 3 of 3 .*  2 of 2 slow\.onnx, about \d+ s left", line) for line in lines)
    assert lines[-1] == ""  # the bar is erased


def test_a_long_name_is_cut_and_a_hostile_one_is_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = shown_on(Terminal(), (f"a\x1b]0;title\x07{'long' * 40}.tflite",))
    assert max(map(len, lines)) <= 80
    assert any("…, about" in line for line in lines)
    assert not any("\x07" in line for line in lines)


def test_short_work_and_a_log_show_nothing() -> None:
    assert shown_on(Terminal(), ("a",), after_s=1e9) == [""]
    assert shown_on(io.StringIO(), ("a",)) == [""]
