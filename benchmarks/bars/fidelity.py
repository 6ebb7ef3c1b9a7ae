"""Fidelity: answers of artifacts compared with other answers, and streams after every row."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import edgernn
from bars.prefixes import cut
from common.bare_subjects import CLASSIFIER
from common.row_streams import answers_by_row
from edgernn import metrics
from edgernn.arrays import Float32, Int64
from edgernn.backends import open_artifact


@dataclass(frozen=True)
class Fidelity:
    """Closeness of a file's answers to reference answers, over all models; None without the file.

    Attributes:
        drop: points (hundredths) of accuracy below the reference, mean.
        agreement: share of answers with the same top class, mean.
        difference: largest difference in any probability.
        differing: number of answers that differ in any bit.
    """

    drop: float | None = None
    agreement: float | None = None
    difference: float | None = None
    differing: int | None = None


MISSING = Fidelity()


def mean_fidelity(pairs: Sequence[tuple[Float32, Float32, Int64]]) -> Fidelity:
    """Compare answers with reference answers.

    Args:
        pairs: for each model the answers and the reference, float32 [samples, classes], and the right classes,
            int64 [samples].
    """
    drops = [100 * (CLASSIFIER.score(b, y) - CLASSIFIER.score(a, y)) for a, b, y in pairs]
    return Fidelity(
        drop=float(np.mean(drops)),
        agreement=float(np.mean([CLASSIFIER.agreement(a, b) for a, b, _ in pairs])),
        difference=max(metrics.largest_difference(a, b) for a, b, _ in pairs),
        differing=sum(count_differing(a, b) for a, b, _ in pairs),
    )


def count_differing(a: Float32, b: Float32) -> int:
    """Count the answers that differ in any bit; both arrays are float32 [..., classes]."""
    return int((a != b).any(axis=-1).sum())


def stream(path: Path, x: Float32) -> Float32:
    """Return the answers after every row: float32 [samples, steps, features] to [steps, samples, classes]."""
    return answers_by_row(edgernn.load(path), x).swapaxes(0, 1)


def pair_steps(path: Path, x: Float32, streamed: Float32) -> Iterator[tuple[Float32, Float32]]:
    """Yield for each number of steps the stream's answers, and the file's to a sequence of that length.

    Args:
        path: an artifact of one SimpleRNN(tanh).
        x: float32 [samples, steps, features].
        streamed: result of `stream`.
    """
    data = path.read_bytes()
    for steps, answers in enumerate(streamed, start=1):
        if path.suffix == ".onnx":
            yield answers, open_artifact(path, data, threads=1).run((np.ascontiguousarray(x[:, :steps]),))[0]
        elif (shortened := cut(data, steps, x.shape[1])) is not None:
            yield answers, open_artifact(path, shortened, threads=1).run((x,))[0]
