"""Fidelity: what the files answer beside the Keras model, and what they answer to a stream beside themselves."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

import edgernn
from edgernn import metrics
from edgernn.arrays import Float32, Int64
from edgernn.backends import open_artifact
from edgernn.datasets import Samples
from edgernn_export import keras_model
from edgernn_export.targets import TARGETS
from peers import exports
from peers.bare_subjects import CLASSIFIER
from peers.checks import Check
from peers.exports import Export
from peers.prefixes import cut

MAX_DROP_POINTS = 0.3
FLOAT_DIFFERENCE = 1e-5
STREAM_AGREEMENT = 0.99
INT8_FILES = (exports.INT8, exports.INT8_LOOP, exports.INT8_IO, exports.INT8_LOOP_IO)
# TFLite int8 is rounded as it runs, on kernels that may differ; ONNX int8 is multiplied out when it is loaded.
ROUNDED = tuple(target for target in TARGETS if target.quantization in ("dynamic", "int16x8"))
FLOAT = tuple(target for target in TARGETS if target not in (*INT8_FILES, *ROUNDED))


@dataclass(frozen=True)
class Fidelity:
    """How near a file's answers are to others, over all models.

    Attributes:
        drop: points (hundredths) of accuracy below the others, mean.
        agreement: share of answers with the same top class, mean.
        difference: the largest in any probability.
        apart: how many answers differ in any bit.
    """

    drop: float
    agreement: float
    difference: float
    apart: int


def mean_fidelity(pairs: Sequence[tuple[Float32, Float32, Int64]]) -> Fidelity:
    """Of one pair of answers a model, float32 [samples, classes], with the right classes, int64 [samples]."""
    drops = [100 * (CLASSIFIER.score(b, y) - CLASSIFIER.score(a, y)) for a, b, y in pairs]
    return Fidelity(
        drop=float(np.mean(drops)),
        agreement=float(np.mean([CLASSIFIER.agreement(a, b) for a, b, _ in pairs])),
        difference=max(metrics.largest_difference(a, b) for a, b, _ in pairs),
        apart=sum(count_differing(a, b) for a, b, _ in pairs),
    )


def count_differing(a: Float32, b: Float32) -> int:
    """How many answers differ in any bit; both float32 [..., classes]."""
    return int((a != b).any(axis=-1).sum())


def keras_checks(all_exports: Sequence[Export], progress: Callable[[str], None]) -> list[Check]:
    """The files beside Keras, over all test samples of each model."""
    models = []
    for each in all_exports:
        progress(f"asking Keras and the files of {each.run.name}")
        samples = each.samples
        models.append((each, samples, keras_model.predict(keras_model.load(each.run / "model.keras"), samples.x_test)))

    def measure(path_of: Callable[[Export], Path]) -> Fidelity | None:
        if not all(path_of(each).is_file() for each, _, _ in models):
            return None
        return mean_fidelity(
            [(edgernn.load(path_of(each)).predict(s.x_test), answers, s.require_truth()) for each, s, answers in models]
        )

    group = f"against Keras, {len(models[0][1].x_test):,} images, {len(models)} models"
    checks = []
    for target, limit in ((exports.FLOAT32, 1e-5), (exports.FLOAT16, 1e-2)):
        found = measure(partial(Export.path, target=target))
        checks.append(
            Check(group, f"{target}: largest difference", "probability", found.difference if found else None, limit)
        )
    found = measure(lambda each: each.unrefined_int8)
    checks += _loss_checks(group, f"{exports.INT8}, not refined", found, 0.992)
    for target, least in (
        (exports.INT8, 0.994),
        (exports.DYNAMIC, 0.992),
        (exports.INT16X8, 0.992),
        (exports.ONNX_INT8, 0.992),
    ):
        found = measure(partial(Export.path, target=target))
        checks += _loss_checks(group, str(target), found, least)
    return checks


def stream_checks(all_exports: Sequence[Export], progress: Callable[[str], None]) -> list[Check]:
    """The files' streams beside what they answer to sequences, after every step of every test sample."""
    group = "streaming against predicting, every step, every image"
    checks = []
    for target in (*INT8_FILES, *ROUNDED, *FLOAT):
        progress(f"streaming {target}")
        found = None
        if all(each.path(target).is_file() for each in all_exports):
            found = mean_fidelity(
                [pair for each in all_exports for pair in _stream_pairs(each.path(target), each.samples)]
            )
        if target in INT8_FILES:
            checks.append(Check(group, str(target), "answers", found.apart if found else None, 0))
        elif target in ROUNDED:
            checks.append(
                Check(
                    group, f"{target}: agreement", "share", found.agreement if found else None, STREAM_AGREEMENT, True
                )
            )
        else:
            checks.append(
                Check(
                    group, f"{target}: difference", "probability", found.difference if found else None, FLOAT_DIFFERENCE
                )
            )
    checks.append(Check(group, "int8 loop against int8 unrolled", "answers", _layouts_apart(all_exports), 0))
    return checks


def stream(path: Path, x: Float32) -> Float32:
    """The answers after every row: float32 [samples, steps, features] to [steps, samples, classes]."""
    pushed = edgernn.load(path).stream()
    answers = []
    for sample in x:
        pushed.reset()
        answers.append([pushed.push(row) for row in sample])
    return np.array(answers).swapaxes(0, 1)


def _stream_pairs(path: Path, samples: Samples) -> Iterator[tuple[Float32, Float32, Int64]]:
    """Yield for each number of steps: the stream's answers, the file's to a sequence of that length, the classes."""
    data, x = path.read_bytes(), samples.x_test
    for steps, streamed in enumerate(stream(path, x), start=1):
        if path.suffix == ".onnx":
            yield (
                streamed,
                open_artifact(path, data, threads=1).run(np.ascontiguousarray(x[:, :steps])),
                samples.require_truth(),
            )
            continue
        shortened = cut(data, steps, x.shape[1])
        if shortened is not None:
            yield streamed, open_artifact(path, shortened, threads=1).run(x), samples.require_truth()


def _layouts_apart(all_exports: Sequence[Export]) -> int | None:
    """How many answers differ between the two layouts of int8, streamed and predicted."""
    apart = 0
    for each in all_exports:
        paths = [each.path(target) for target in (exports.INT8, exports.INT8_LOOP)]
        if not all(path.is_file() for path in paths):
            return None
        x = each.samples.x_test
        for ask in (stream, lambda path, x: edgernn.load(path).predict(x)):
            a, b = (ask(path, x) for path in paths)
            apart += count_differing(a, b)
    return apart


def _loss_checks(group: str, name: str, found: Fidelity | None, least: float) -> list[Check]:
    return [
        Check(group, f"{name}: accuracy lost", "points", found.drop if found else None, MAX_DROP_POINTS),
        Check(group, f"{name}: agreement", "share", found.agreement if found else None, least, at_least=True),
    ]
