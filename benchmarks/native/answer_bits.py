"""Answers of backend native compared with LiteRT's, bit by bit: int8 files, whole sequences and streams."""

from pathlib import Path

import numpy as np

import edgernn
from bars.fidelity import count_differing
from common.checks import Check
from common.row_streams import answers_by_row
from edgernn.arrays import Float32
from native.native_limits import MAX_DIFFERING

SAMPLES = 2000
_NOISE = 0.25


def draw_samples(x: Float32, count: int = SAMPLES) -> Float32:
    """Repeat samples up to a number, with different noise each time.

    Args:
        x: float32 [samples, steps, features] from 0 to 1; these samples come first, without noise.
        count: number of samples to return.
    """
    repeated: Float32 = np.resize(x, (count, *x.shape[1:]))
    noise: Float32 = np.random.default_rng(0).random(repeated.shape, np.float32)
    noise[: len(x)] = 0.5
    drawn: Float32 = np.clip(repeated + (noise - np.float32(0.5)) * np.float32(2 * _NOISE), 0, 1)
    return drawn


def answer_checks(title: str, paths: list[Path], x: Float32) -> list[Check]:
    """Count the answers of int8 files that differ from LiteRT's in any bit, whole and after every row.

    Args:
        title: name of the model.
        paths: its files.
        x: float32 [samples, steps, features].
    """
    group = f"{title}: int8 answers that differ from LiteRT's, {len(x):,} samples"
    checks = []
    for path in paths:
        native, litert = (edgernn.load(path, backend=backend) for backend in ("native", "litert"))
        whole = count_differing(native.predict(x), litert.predict(x))
        streamed = count_differing(answers_by_row(native, x), answers_by_row(litert, x))
        checks += [
            Check(group, f"{path.name}: {name}", "answers", figure=figure, limit=MAX_DIFFERING)
            for name, figure in (("whole", whole), ("after every row", streamed))
        ]
    return checks
