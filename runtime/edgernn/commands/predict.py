"""The command `edgernn predict`."""

import json
from pathlib import Path
from typing import Any

import click
import numpy as np

from edgernn.errors import InputError
from edgernn.model import MAX_THREADS, Guess, Model, fits, load
from edgernn.quiet import standard_error_aside
from edgernn.readers import read_array

# On a terminal nobody reads more; --json has them all.
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
    answers = {path: _predict(model, path, top) for path in inputs}
    if as_json:
        documents = [_as_json(path, index, row) for path, rows in answers.items() for index, row in enumerate(rows)]
        click.echo(json.dumps(documents, indent=2))
        return
    for path, rows in answers.items():
        for index, guesses in enumerate(rows[:SHOWN]):
            place = f"{path}[{index}]" if len(rows) > 1 else str(path)
            click.echo(f"{place}  " + "  ".join(f"{g.label} {g.probability:.1%}" for g in guesses))
        if len(rows) > SHOWN:
            click.echo(f"… and {len(rows) - SHOWN:,} more; --json prints them all")


def _predict(model: Model, path: Path, top: int) -> list[list[Guess]]:
    """The guesses for each sample in a file."""
    x = read_array(path)
    samples = x[np.newaxis] if fits(x.shape, model.input_shape) else x
    try:
        return [model.guess(row, top) for row in model.predict(samples)]
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _as_json(path: Path, index: int, guesses: list[Guess]) -> dict[str, Any]:
    return {
        "path": str(path),
        "index": index,
        "label": guesses[0].label,
        "guesses": [{"label": guess.label, "probability": guess.probability} for guess in guesses],
    }
