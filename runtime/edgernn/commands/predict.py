"""The command `edgernn predict`."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from edgernn.arrays import Float32
from edgernn.console.answers import Document, JsonLines, Lines, Place, Printer, check_answers
from edgernn.console.grading import Grade, grade, read_truth
from edgernn.console.lines import standard_input
from edgernn.console.loading import loading_options, warn_unverified
from edgernn.console.progress import ProgressBar
from edgernn.console.sources import chunks, find_files, read_lines, read_samples
from edgernn.console.terminal import say
from edgernn.console.warned import warnings_as_lines
from edgernn.errors import DataError, EdgernnError, list_names
from edgernn.metrics import Truth
from edgernn.model import Model, load
from edgernn.system.quiet import standard_error_aside

STANDARD_INPUT = Path("-")


@click.command()
@click.argument("artifact", metavar="ARTIFACT", type=click.Path(path_type=Path))
@click.argument("inputs", metavar="INPUT...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--top", type=click.IntRange(min=1), default=3, show_default=True, help="Number of classes to print.")
@loading_options
@click.option(
    "--expect",
    "labels",
    type=click.Path(path_type=Path),
    metavar="LABELS",
    help="File of right answers; also prints accuracy and confusion matrix.",
)
@click.option("--show", is_flag=True, help="Also draw the input of the model with characters.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document with every sample; JSON lines for -.")
def predict(artifact: Path, inputs: tuple[Path, ...], labels: Path | None, **options: Any) -> None:
    """Predict classes or values for arrays and pictures.

    TensorFlow is not needed. Prints the most probable classes of each sample, or the most probable class of each time
    step; for a regression, the values.

    INPUT is an .npy, an .npz (its x_test, x, or only array), an IDX file, CSV (one time step a line, a blank line
    between samples), JSON lines (.jsonl: one sample a line, an array of its steps), a picture, or a folder of such
    files; of a folder with MNIST's IDX files, the test images. A picture is prepared like the model's training images:
    upright, grey, cut to its ink, centred. INPUT - reads JSON lines from standard input and answers each before it
    reads the next.

    LABELS is a text or CSV file (one line a sample), an .npy, an .npz (its y_test, y, or only array), an IDX file, or
    a folder with MNIST's IDX files.
    Classes are given by name or by number, from 0.

    An input that cannot be answered is reported as an error; all others are answered.

    Exit code: 0 if every input is answered, 1 if one is not, 2 for wrong usage.

    \b
    Example:
        edgernn predict digits-int8.tflite digit.png --show
        edgernn predict digits-int8.tflite test.npz --json
        edgernn predict digits-int8.tflite pictures/ --expect labels.txt
        sensor | edgernn predict gestures.tflite - --json
    """
    _check_usage(inputs, options)
    model = _load(artifact, options)
    truth = None if labels is None else read_truth(labels, model.task, model.card)
    session = _Session(model, _printer(model, inputs, options, labels is not None), 0 if truth is None else len(truth))
    if inputs == (STANDARD_INPUT,):
        session.answer_lines()
    else:
        session.answer_files(inputs, lines=not options["as_json"])
    session.end(labels, truth)
    if session.failures:
        click.get_current_context().exit(1)


class _Session:
    """Answers inputs, counts failures, and keeps as many answers as there are labels."""

    def __init__(self, model: Model, printer: Printer, keep: int) -> None:
        self.failures = 0
        self._answered = 0
        self._model, self._printer, self._keep = model, printer, keep
        self._answers: list[Float32] = []

    def answer_files(self, inputs: Sequence[Path], lines: bool) -> None:
        """Answer files and folders; `lines` is True for the output for people."""
        paths = list(self._find(inputs))
        # Answers on the terminal already show the progress, except for a single file, of which only 20 are shown.
        quiet = not sys.stdout.isatty() or (lines and len(paths) == 1)
        with (
            ProgressBar(len(paths), shown=sys.stderr.isatty() and quiet) as progress,
            warnings_as_lines(make_way=progress.make_way),
        ):
            for path in paths:
                try:
                    self._answer_file(path, progress)
                except EdgernnError as error:  # also a missing extra
                    progress.make_way()
                    self._fail({"path": str(path)}, str(error))
                    progress.advance(1)

    def answer_lines(self) -> None:
        """Answer the lines of standard input, each before the next is read."""
        number = 0
        with warnings_as_lines(lambda: f"line {number}: "):
            for line in read_lines(standard_input(), self._model):
                number = line.number
                place = Place("-", number)
                if line.samples is None:
                    self._fail(place.as_json(), line.error, f"standard input: line {number} {line.error}")
                    continue
                self._answer(place, line.samples)

    def end(self, labels: Path | None, truth: Truth | None) -> None:
        """Print the grade, if there are labels, and the end of the output."""
        result, reason = None, ""
        if labels is not None and truth is not None:
            try:
                result = self._grade(labels, truth)
            except DataError as error:
                reason = str(error)
        self._printer.end(result, reason)
        if reason:
            self.failures += 1
            say(f"error: {reason}", err=True)

    def _find(self, inputs: Sequence[Path]) -> Iterator[Path]:
        for path in inputs:
            try:
                found = find_files(path)
            except DataError as error:
                self._fail({"path": str(path)}, str(error))
                continue
            if found.skipped:
                some = list_names(found.skipped, 3)
                say(f"{path}: {len(found.skipped):,} skipped, unsupported file type: {some}", err=True)
            yield from found.read

    def _answer_file(self, path: Path, progress: ProgressBar) -> None:
        samples = read_samples(path, self._model)
        for start, chunk in chunks(samples):
            try:
                answers = check_answers(self._model.predict(chunk), start)
            except DataError as error:
                raise DataError(f"{path}: {error}") from error
            progress.advance(len(chunk) / len(samples))
            for index, answer in enumerate(answers, start):
                self._print(Place(str(path), index, len(samples)), chunk[index - start], answer)

    def _answer(self, place: Place, samples: Any) -> None:
        try:
            (answer,) = check_answers(self._model.predict(samples))
        except DataError as error:
            self._fail(place.as_json(), str(error), f"standard input: line {place.index}: {error}")
            return
        self._print(place, samples[0], answer)

    def _print(self, place: Place, sample: Any, answer: Float32) -> None:
        self._answered += 1
        if self._answered <= self._keep:
            self._answers.append(answer)
        self._printer.answer(place, sample, answer)

    def _fail(self, where: dict[str, Any], reason: str, line: str = "") -> None:
        self.failures += 1
        say(f"error: {line or reason}", err=True)
        self._printer.failure(where, reason)

    def _grade(self, labels: Path, truth: Truth) -> Grade:
        if self.failures:
            raise DataError(f"{labels}: no accuracy, because {self.failures:,} of the inputs could not be answered")
        if self._answered != len(truth):
            raise DataError(f"{labels}: {len(truth):,} labels, expected {self._answered:,}, one for each sample")
        return grade(labels, self._model.task, self._model.card, np.stack(self._answers), truth)


def _check_usage(inputs: tuple[Path, ...], options: dict[str, Any]) -> None:
    if STANDARD_INPUT in inputs and len(inputs) > 1:
        raise click.UsageError("- reads standard input; give it as the only INPUT")
    if options["show"] and options["as_json"]:
        raise click.UsageError("--show and --json exclude each other; give one of them")


def _load(artifact: Path, options: dict[str, Any]) -> Model:
    with standard_error_aside():
        model = load(artifact, **{name: options[name] for name in ("backend", "threads", "unverified")})
    warn_unverified(model)
    return model


def _printer(model: Model, inputs: tuple[Path, ...], options: dict[str, Any], graded: bool) -> Printer:
    if not options["as_json"]:
        return Lines(model, options["top"], options["show"])
    if inputs == (STANDARD_INPUT,):
        return JsonLines(model, options["top"])
    return Document(model, options["top"], graded)
