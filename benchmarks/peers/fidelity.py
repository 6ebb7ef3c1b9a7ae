"""Fidelity: answers of the files compared with Keras, and of their streams compared with the files."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

import edgernn
from edgernn import metrics
from edgernn.arrays import Float32, Int64
from edgernn.backends import open_artifact
from edgernn.data.datasets import Samples
from edgernn_export import keras_model
from edgernn_export.targets import TARGETS
from peers import exports
from peers.bare_subjects import CLASSIFIER
from peers.checks import Check
from peers.exports import Export
from peers.prefixes import cut

MAX_DROP_POINTS = 0.3
MAX_FLOAT_DIFFERENCE = 1e-5
MIN_STREAM_AGREEMENT = 0.99
INT8_FILES = (exports.INT8, exports.INT8_LOOP, exports.INT8_IO, exports.INT8_LOOP_IO)
# TFLite int8 is rounded as it runs, by kernels that may differ; ONNX int8 becomes float32 when it is loaded.
ROUNDED = tuple(target for target in TARGETS if target.quantization in ("dynamic", "int16x8"))
FLOAT = tuple(target for target in TARGETS if target not in (*INT8_FILES, *ROUNDED))


@dataclass(frozen=True)
class Fidelity:
    """Closeness of a file's answers to reference answers, over all models.

    Attributes:
        drop: points (hundredths) of accuracy below the reference, mean.
        agreement: share of answers with the same top class, mean.
        difference: largest difference in any probability.
        differing: number of answers that differ in any bit.
    """

    drop: float
    agreement: float
    difference: float
    differing: int


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


def keras_checks(all_exports: Sequence[Export], progress: Callable[[str], None]) -> list[Check]:
    """Compare the files with Keras, over all test samples of each model."""
    models = []
    for each in all_exports:
        progress(f"predicting with Keras and the files of {each.run.name}")
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
            Check(
                group,
                f"{target}: largest difference",
                "probability",
                figure=found.difference if found else None,
                limit=limit,
            )
        )
    found = measure(lambda each: each.unrefined_int8)
    checks += _loss_checks(group, f"{exports.INT8}, not refined", found, 0.992)
    for target, min_agreement in (
        (exports.INT8, 0.994),
        (exports.DYNAMIC, 0.992),
        (exports.INT16X8, 0.992),
        (exports.ONNX_INT8, 0.992),
    ):
        found = measure(partial(Export.path, target=target))
        checks += _loss_checks(group, str(target), found, min_agreement)
    return checks


def stream_checks(all_exports: Sequence[Export], progress: Callable[[str], None]) -> list[Check]:
    """Compare the files' streams with their answers to sequences, after every step of every test sample."""
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
            checks.append(Check(group, str(target), "answers", figure=found.differing if found else None, limit=0))
        elif target in ROUNDED:
            checks.append(
                Check(
                    group,
                    f"{target}: agreement",
                    "share",
                    figure=found.agreement if found else None,
                    limit=MIN_STREAM_AGREEMENT,
                    at_least=True,
                )
            )
        else:
            checks.append(
                Check(
                    group,
                    f"{target}: difference",
                    "probability",
                    figure=found.difference if found else None,
                    limit=MAX_FLOAT_DIFFERENCE,
                )
            )
    checks.append(
        Check(
            group, "int8 loop against int8 unrolled", "answers", figure=_count_layout_differences(all_exports), limit=0
        )
    )
    return checks


def stream(path: Path, x: Float32) -> Float32:
    """Return the answers after every row: float32 [samples, steps, features] to [steps, samples, classes]."""
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


def _count_layout_differences(all_exports: Sequence[Export]) -> int | None:
    """Count the answers that differ between the two layouts of int8, streamed and predicted."""
    differing = 0
    for each in all_exports:
        paths = [each.path(target) for target in (exports.INT8, exports.INT8_LOOP)]
        if not all(path.is_file() for path in paths):
            return None
        x = each.samples.x_test
        for predict in (stream, lambda path, x: edgernn.load(path).predict(x)):
            a, b = (predict(path, x) for path in paths)
            differing += count_differing(a, b)
    return differing


def _loss_checks(group: str, name: str, found: Fidelity | None, min_agreement: float) -> list[Check]:
    return [
        Check(group, f"{name}: accuracy lost", "points", figure=found.drop if found else None, limit=MAX_DROP_POINTS),
        Check(
            group,
            f"{name}: agreement",
            "share",
            figure=found.agreement if found else None,
            limit=min_agreement,
            at_least=True,
        ),
    ]
