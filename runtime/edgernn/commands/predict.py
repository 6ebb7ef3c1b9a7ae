"""The command `edgernn predict`."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import numpy as np

from edgernn.backends import Float32
from edgernn.errors import InputError
from edgernn.model import MAX_THREADS, Model, fits, load
from edgernn.quiet import standard_error_aside
from edgernn.readers import read_array
from edgernn.tasks import REGRESSION

# Of samples, and of the steps or values of one. On a terminal nobody reads more; --json has them all.
SHOWN = 20


@click.command()
@click.argument("artifact", metavar="ARTIFACT", type=click.Path(path_type=Path))
@click.argument("inputs", metavar="INPUT...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--top", type=click.IntRange(min=1), default=3, show_default=True, help="How many classes to name.")
@click.option("--threads", type=click.IntRange(1, MAX_THREADS), default=1, show_default=True, help="Of the backend.")
@click.option("--unverified", is_flag=True, help="Also run a file that has no card, unchecked.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document, with every sample.")
def predict(artifact: Path, inputs: tuple[Path, ...], top: int, threads: int, unverified: bool, as_json: bool) -> None:
    """Predict what arrays and pictures show; needs the artifact's backend, no TensorFlow.

    Names the most probable classes of each sample, or the most probable one of each time step; of a regression
    the values.

    INPUT is an .npy, an .npz (its x_test, x, or only array), an IDX file, or a picture of the size that the
    model takes.

    \b
    Example:
        edgernn predict digits-int8.tflite digit.png
        edgernn predict digits-int8.tflite test.npz --json
    """
    with standard_error_aside():  # LiteRT says there which delegate it made
        model = load(artifact, threads=threads, unverified=unverified)
    if model.card is None:
        click.echo(f"warning: {artifact} has no card; its answers are unverified", err=True)
    answers = {path: _predict(model, path) for path in inputs}
    if as_json:
        documents = [
            {"path": str(path), "index": index, **_as_json(model, answer, top)}
            for path, rows in answers.items()
            for index, answer in enumerate(rows)
        ]
        click.echo(json.dumps(documents, indent=2))
        return
    for path, rows in answers.items():
        for index, answer in enumerate(rows[:SHOWN]):
            place = f"{path}[{index}]" if len(rows) > 1 else str(path)
            click.echo(f"{place}  {_as_text(model, answer, top)}")
        if len(rows) > SHOWN:
            click.echo(f"… and {len(rows) - SHOWN:,} more; --json prints them all")


def _predict(model: Model, path: Path) -> Float32:
    """The answers to the samples in a file, [samples, *output_shape]."""
    x = read_array(path)
    samples = x[np.newaxis] if fits(x.shape, model.input_shape) else x
    try:
        return model.predict(samples)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _as_text(model: Model, answer: Float32, top: int) -> str:
    """One answer, [outputs] or [steps, outputs], in a line."""
    if model.task.kind == REGRESSION:
        return _join([" ".join(f"{value:.6g}" for value in step) for step in np.atleast_2d(answer)], "; ")
    if answer.ndim == 1:
        return "  ".join(f"{guess.label} {guess.probability:.1%}" for guess in model.guess(answer, top))
    return _join([model.guess(step, 1)[0].label for step in answer], " ")


def _join(steps: Sequence[str], separator: str) -> str:
    more = f"{separator}… and {len(steps) - SHOWN:,} more steps" if len(steps) > SHOWN else ""
    return separator.join(steps[:SHOWN]) + more


def _as_json(model: Model, answer: Float32, top: int) -> dict[str, Any]:
    if model.task.kind == REGRESSION:
        return {"values": answer.tolist()}
    if answer.ndim > 1:
        return {"steps": [_as_json(model, step, top) for step in answer]}
    guesses = model.guess(answer, top)
    return {"label": guesses[0].label, "guesses": [asdict(guess) for guess in guesses]}
