"""Make good files: artifacts with changed weights, new golden samples, and LiteRT's answers beside them.

Any weights make a good file. No training or conversion is needed, so hundreds are made in minutes.
"""

from dataclasses import replace
from pathlib import Path

import click
import numpy as np

from edgernn.arrays import Float32
from edgernn.card import read_card, seal
from edgernn.data.datasets import read_samples
from edgernn.errors import ExportError
from edgernn.model import load_bytes
from edgernn.system.files import make_folder, write_bytes
from edgernn_export.formats.tflite.convert import card_embedder
from edgernn_export.golden_samples import make_golden
from mutants.weights import weights_of

# Largest noise added to a tensor's values, in standard deviations of the tensor.
_MAX_NOISE = 0.5
_SAMPLES = 64


@click.command()
@click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--count", type=click.IntRange(min=1), default=500, show_default=True, help="files to make")
def main(run: Path, folder: Path, count: int) -> None:
    """Make COUNT files in FOLDER from the .tflite files of RUN, a run folder, for `good-try`.

    \b
    Example:
        python -m benchmarks good-make runs/demo build/good --count 500
    """
    x = read_samples(run).x_calibration
    sources = sorted(run.glob("*.tflite"))
    make_folder(folder)
    for number in range(count):
        source = sources[number % len(sources)]
        path = folder / f"{source.stem}-{number}.tflite"
        data = _good_file(path, source.read_bytes(), x, number)
        if data is None:
            continue
        write_bytes(path, data)
        np.savez(f"{path}.npz", x=x[:_SAMPLES], answers=load_bytes(path, data).predict(x[:_SAMPLES]))


def _good_file(path: Path, data: bytes, x: Float32, number: int) -> bytes | None:
    """Make an artifact whose noise is seeded by `number`, completed as by an export; None if it answers with NaN."""
    card = read_card(data)
    assert card.golden is not None  # noqa: S101 - every finished artifact has them
    rng = np.random.default_rng(number)
    noise = float(rng.uniform(0, _MAX_NOISE))
    for each in weights_of(data)[0]:
        values = each.read(data)
        drawn = values + rng.normal(0, noise * float(np.std(values.astype(np.float64))) + 1e-9, values.shape)
        if values.dtype.kind == "i":
            limits = np.iinfo(values.dtype)
            drawn = np.clip(np.rint(drawn), -limits.max, limits.max)
        data = each.write(data, drawn)
    unfinished = replace(card, golden=None)
    embed = card_embedder(data)
    bare = seal(embed(unfinished.encode()))
    model = load_bytes(path, bare, unfinished=True)
    try:
        golden = make_golden(model, unfinished, bare, x=x, tolerance=card.golden.tolerance)
    except ExportError:
        return None
    return seal(embed(replace(card, golden=golden).encode()))
