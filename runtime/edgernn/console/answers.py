"""Output of `edgernn predict`: lines for people, JSON for programs. Everything is flushed as it is printed."""

import sys
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from edgernn.arrays import Array, Float32
from edgernn.console.grading import Grade, describe
from edgernn.console.terminal import say, say_document, say_json
from edgernn.console.text_drawing import draw, ramp_for
from edgernn.errors import InputError
from edgernn.inputs import scale_pixels
from edgernn.model import Model
from edgernn.records import record
from edgernn.system.files import to_json
from edgernn.tasks import REGRESSION

# Limit on the samples of a file, and on the steps of one answer, that are shown to people; --json prints all.
SHOWN = 20


@record(frozen=True)
class Place:
    """Origin of a sample: a file and its index in it, or a line of standard input.

    Attributes:
        path: the file; `-` for standard input.
        index: of the sample, from 0; of the line, from 1.
        count: of samples in the file.
    """

    path: str
    index: int
    count: int = 1

    def __str__(self) -> str:
        if self.path == "-":
            return f"line {self.index}"
        return f"{self.path}[{self.index}]" if self.count > 1 else self.path

    def as_json(self) -> dict[str, Any]:
        """Return the origin for programs."""
        return {"path": self.path, "line" if self.path == "-" else "index": self.index}


class Printer(Protocol):
    """Printer of answers, one by one."""

    def answer(self, place: Place, sample: Array, answer: Float32) -> None:
        """Print the answer, [outputs] or [steps, outputs], to a sample."""

    def failure(self, where: dict[str, Any], reason: str) -> None:
        """Print that an input could not be answered; standard error also says so."""

    def end(self, grade: Grade | None, reason: str) -> None:
        """Print the end of the output: the grade, or the reason why there is none."""


class Lines:
    """Printer of lines for people: one for each sample, at most 20 a file."""

    def __init__(self, model: Model, top: int, show: bool) -> None:
        self._model, self._top, self._show = model, top, show

    def answer(self, place: Place, sample: Array, answer: Float32) -> None:
        """See `Printer`."""
        shown = (
            SHOWN if place.path != "-" else place.index + 1
        )  # standard input may be endless: all its lines are shown
        if place.index < shown:
            if self._show:
                say(*draw(self._as_input(sample), ramp_for(sys.stdout.encoding)).split("\n"))
            unverified = "" if self._model.card else "  (unverified)"
            say(f"{place}  {as_text(self._model, answer, self._top)}{unverified}")
        elif place.index == place.count - 1:
            say(f"… and {place.count - shown:,} more; --json prints them all")

    def _as_input(self, sample: Array) -> Array:
        card = self._model.card
        return scale_pixels(sample, card.input_meaning) if card else sample

    def failure(self, where: dict[str, Any], reason: str) -> None:
        """Print nothing; standard error reports it."""

    def end(self, grade: Grade | None, reason: str) -> None:
        """See `Printer`."""
        if grade:
            unverified = "" if self._model.card else " (unverified)"
            *lines, last = describe(grade)
            say("", *lines, f"{last}{unverified}")


class Document:
    """Printer of one JSON document: a list of objects; with a grade, an object of that list and the grade."""

    def __init__(self, model: Model, top: int, graded: bool) -> None:
        self._model, self._top, self._graded = model, top, graded
        self._before = '{"answers": [\n' if graded else "[\n"

    def answer(self, place: Place, sample: Array, answer: Float32) -> None:
        """See `Printer`."""
        self._add(place.as_json() | _verified(self._model) | as_fields(self._model, answer, self._top))

    def failure(self, where: dict[str, Any], reason: str) -> None:
        """See `Printer`."""
        self._add(where | {"error": reason})

    def end(self, grade: Grade | None, reason: str) -> None:
        """See `Printer`."""
        begin = self._before if self._before != ",\n" else ""
        if not self._graded:
            say_document(f"{begin}\n]\n")
            return
        say_document(f'{begin}\n],\n"expected": {to_json(_graded(self._model, grade, reason))}}}\n')

    def _add(self, value: dict[str, Any]) -> None:
        say_document(f"{self._before}  {to_json(value)}")
        self._before = ",\n"


class JsonLines:
    """Printer of JSON lines: one object for each line of standard input, and one with the grade at the end."""

    def __init__(self, model: Model, top: int) -> None:
        self._model, self._top = model, top

    def answer(self, place: Place, sample: Array, answer: Float32) -> None:
        """See `Printer`."""
        say_json(place.as_json() | _verified(self._model) | as_fields(self._model, answer, self._top))

    def failure(self, where: dict[str, Any], reason: str) -> None:
        """See `Printer`."""
        say_json(where | {"error": reason})

    def end(self, grade: Grade | None, reason: str) -> None:
        """See `Printer`."""
        if grade or reason:
            say_json({"expected": _graded(self._model, grade, reason)})


def _graded(model: Model, grade: Grade | None, reason: str) -> dict[str, Any]:
    return _verified(model) | (dict(grade.as_json()) if grade else {"error": reason})


def check_answers(answers: Float32, first: int = 0) -> Float32:
    """Check that answers [samples, ...] are finite; `first` is the index of the first sample.

    Raises:
        InputError: an answer contains NaN or infinity, because the input is too large for the model.
    """
    if not np.isfinite(answers).all():
        bad = int(np.argmin(np.isfinite(answers).reshape(len(answers), -1).all(axis=1)))
        raise InputError(
            f"sample {first + bad}: the answer is NaN or infinity, because its numbers are too large for the model"
        )
    return answers


def as_text(model: Model, answer: Float32, top: int) -> str:
    """Format one answer, [outputs] or [steps, outputs], as a line of at most 20 steps."""
    if answer.ndim > 1:
        if model.task.kind == REGRESSION:
            return _join([as_text(model, step, top) for step in answer], "; ")
        return _join([model.guess(step, 1)[0].label for step in answer], " ")
    if model.task.kind == REGRESSION:
        return " ".join(f"{value:.6g}" for value in answer)
    return "  ".join(f"{guess.label} {guess.probability:.1%}" for guess in model.guess(answer, top))


def as_fields(model: Model, answer: Float32, top: int) -> dict[str, Any]:
    """Return one answer, [outputs] or [steps, outputs], as fields for `to_json`, which writes null for NaN."""
    if model.task.kind == REGRESSION:
        return {"values": answer.tolist()}
    if answer.ndim > 1:
        return {"steps": [as_fields(model, step, top) for step in answer]}
    guesses = model.guess(answer, top)
    named = [{"label": guess.label, "probability": guess.probability} for guess in guesses]
    return {"label": guesses[0].label, "guesses": named}


def _join(steps: Sequence[str], separator: str) -> str:
    more = f"{separator}… and {len(steps) - SHOWN:,} more steps" if len(steps) > SHOWN else ""
    return separator.join(steps[:SHOWN]) + more


def _verified(model: Model) -> dict[str, Any]:
    return {"verified": model.card is not None}
