"""Golden samples: choose inputs whose answers cover every output and agree on all kernels.

Many candidates are generated from seeds, within the ranges of the calibration set's features. A candidate is kept if
LiteRT's plain kernels, whose rounding differs from XNNPACK's, return almost the same answer. Each class gets equally
many of the kept candidates, and each sample is as far as possible from those chosen before it.
"""

import math
from dataclasses import replace
from functools import partial

import numpy as np

from edgernn.arrays import Bools, Float32, Float64, Int64
from edgernn.backends.interpreter import TfliteBackend
from edgernn.backends.litert import open_engine
from edgernn.card import MAX_GOLDEN_ROWS, MAX_GOLDEN_VALUES, MAX_RANGES, SEED_DIGITS, Card, Golden
from edgernn.errors import ArtifactError, ExportError
from edgernn.golden import (
    ROUNDING_TOLERANCE,
    digest,
    digest_step,
    digits_of,
    inputs_of,
    max_number,
    read_digits,
    spread,
    write_digits,
)
from edgernn.inputs import is_masked
from edgernn.kernels import kernels_of
from edgernn.metrics import scale_of
from edgernn.model import Model
from edgernn.tasks import CLASSIFICATION

# Numbers of candidates: fewer for long sequences, so that the search takes as long as about 2,000 short inferences.
MAX_TRIED, MIN_TRIED, MAX_TRIED_STEPS = 2_048, 128, 60_000  # a seed has 12 bits
# Samples in a card. Every load runs them, so long sequences have fewer.
MAX_SAMPLES, MIN_SAMPLES, MAX_STEPS = 24, 4, 1_024
# Numbers that a card stores of all answers together. If answers have many numbers, a sample stores only some of them;
# then there are more samples, so that every output is stored by one of them.
MAX_NUMBERS, MIN_SAMPLES_OF_MANY = 140, 14
# If every sample must agree within a narrow tolerance, fewer are needed, and each number takes more digits.
MAX_EXACT_SAMPLES, MAX_EXACT_NUMBERS, MAX_EXACT_TRIED = 6, 60, 256
# Standard deviations from the mean to either end of a feature's range.
_WIDTH = 2.0
# Ranges that differ by less than this share of the widest one are merged.
_ALIKE = 0.25
# Largest allowed difference of plain kernels, as a share of the tolerance.
_STEADY = 0.25
# Smallest allowed distance of an answer from a rounding border, as a share of the digest's step.
_MARGIN = 0.02


def make_golden(model: Model, card: Card, data: bytes, *, x: Float32, tolerance: float) -> Golden:
    """Choose golden samples for an artifact and store its answers to them.

    Args:
        model: the artifact, loaded; it takes the values that the file takes, without a scale of features.
        card: its card, without golden samples.
        data: its content.
        x: the calibration set, float32 [samples, steps, features].
        tolerance: the largest difference allowed on another machine.

    Raises:
        ExportError: the artifact answers more than half of the candidates with NaN or infinity.
    """
    steps, size, exact = card.input_shape[0], math.prod(card.output_shape), tolerance < ROUNDING_TOLERANCE
    usual = MAX_EXACT_SAMPLES if exact else min(MAX_SAMPLES, max(MIN_SAMPLES_OF_MANY, MAX_NUMBERS // size))
    loadable = min(MAX_GOLDEN_ROWS // steps, MAX_GOLDEN_VALUES // math.prod(card.input_shape))
    count = max(1, min(usual, max(MIN_SAMPLES, MAX_STEPS // steps), loadable))
    kept = min(size, (MAX_EXACT_NUMBERS if exact else MAX_NUMBERS) // count)
    tried = np.arange(min(MAX_EXACT_TRIED if exact else MAX_TRIED, max(MIN_TRIED, MAX_TRIED_STEPS // steps)))
    mask_value = card.inputs[0].mask_value
    ranges = feature_ranges(x if mask_value is None else x[~is_masked(x, mask_value)])
    golden = Golden(
        seeds=write_digits(tried, SEED_DIGITS),
        outputs=(),
        between=(),
        tolerance=tolerance,
        ranges=() if ranges == (card.input_range,) else (ranges,),
    )
    (inputs,) = inputs_of(golden, card)
    answers = model.predict(inputs)
    usable = tried[np.isfinite(answers).reshape(len(tried), -1).all(axis=1)]
    if len(usable) < len(tried) // 2:
        low, high = card.input_range
        raise ExportError(
            f"answers {len(tried) - len(usable)} of {len(tried)} random inputs from {low:g} to {high:g} with NaN or "
            "infinity, expected finite numbers; pass samples of the range that the model was trained on"
        )
    if model.path.suffix == ".tflite":
        off = _off_on_plain_kernels(data, inputs[usable], answers[usable])
        if card.quantization == "dynamic" and size <= kept:
            off[_is_near_border(answers[usable])] = np.inf
        # Keep at least four times as many as are chosen, so that there is a choice.
        steady = max(4 * count, int((off <= _STEADY * tolerance).sum()))
        usable = usable[np.argsort(off, kind="stable")[:steady]]
    chosen = usable[choose(answers[usable], count, by_class=card.task.kind == CLASSIFICATION)]
    return _answered(model, card, replace(golden, seeds=write_digits(chosen, SEED_DIGITS)), kept)


def feature_ranges(x: Float32) -> tuple[tuple[float, float], ...]:
    """Measure the range of most values, for each block of neighbouring features; one block if all ranges are similar.

    Args:
        x: the calibration set, float32 [samples, steps, features], or only its rows, [rows, features].
    """
    rows = x.reshape(-1, x.shape[-1]).astype(np.float64)
    mean, width = rows.mean(axis=0), _WIDTH * rows.std(axis=0)
    lows, highs = np.maximum(rows.min(axis=0), mean - width), np.minimum(rows.max(axis=0), mean + width)
    features = len(lows)
    blocks = min(features, MAX_RANGES)
    if max(np.ptp(lows), np.ptp(highs)) <= _ALIKE * (highs - lows).max():
        blocks = 1
    groups = np.arange(features) * blocks // features
    return tuple(_rounded(lows[groups == block].min(), highs[groups == block].max()) for block in range(blocks))


def choose(answers: Float32, count: int, *, by_class: bool) -> Int64:
    """Choose `count` answers, each as far as possible from those chosen before it.

    Args:
        answers: float32 [samples, *output_shape].
        count: number to choose, at most the number of samples.
        by_class: whether each class is chosen equally often; if every step has an answer, the last one's class counts.

    Returns:
        The numbers of the samples.
    """
    flat = answers.reshape(len(answers), -1)
    points = flat / np.maximum(flat.std(axis=0), 1e-6 * scale_of(flat))
    groups = answers.reshape(len(answers), -1, answers.shape[-1])[:, -1].argmax(axis=1)
    groups = groups if by_class else np.zeros_like(groups)
    distances = np.square(points - points.mean(axis=0)).sum(axis=1)
    chosen: list[int] = []
    free = np.full(len(flat), fill_value=True)
    for _ in range(count):
        counts = np.bincount(groups[chosen], minlength=int(groups.max()) + 1)[groups]
        candidates = np.flatnonzero(free & (counts == counts[free].min()))
        best = int(candidates[distances[candidates].argmax()])
        distances = np.minimum(distances if chosen else np.inf, np.square(points - points[best]).sum(axis=1))
        free[best] = False
        chosen.append(best)
    return np.sort(chosen)


def _answered(model: Model, card: Card, golden: Golden, kept: int) -> Golden:
    """Add the artifact's answers, and digests of them if a probe identifies the kernels."""
    (inputs,) = inputs_of(golden, card)
    answers = model.predict(inputs)
    numbers = spread(answers, kept, read_digits(golden.seeds, SEED_DIGITS)).astype(np.float64)
    digits = digits_of(golden.tolerance)
    low, high = between = rounded_out(float(numbers.min()), float(numbers.max()))
    levels = np.rint((numbers - low) / ((high - low) or 1) * max_number(digits)).astype(np.int64)
    golden = replace(golden, outputs=(write_digits(levels, digits),), between=(between,))
    kernels = kernels_of(card.quantization, backend="litert") if model.path.suffix == ".tflite" else ""
    if not kernels:
        return golden
    digests = [digest((answers,))]
    if card.states:
        stream = model.stream()
        digests.append(digest((np.stack([stream.answer(sample) for sample in inputs]),)))
    return replace(golden, kernels=kernels, digests=tuple(dict.fromkeys(digests)))


def _off_on_plain_kernels(data: bytes, inputs: Float32, answers: Float32) -> Float64:
    """Measure the difference of LiteRT without XNNPACK for each sample; 0 if it cannot run the file."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    plain = partial(Interpreter, experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES)
    try:
        (others,) = TfliteBackend("litert without XNNPACK", partial(open_engine, plain, 1), data).run((inputs,))
    except ArtifactError:
        return np.zeros(len(inputs))
    off = np.abs(others.astype(np.float64) - answers).reshape(len(answers), -1).max(axis=1) / scale_of(answers)
    finite: Float64 = np.where(np.isnan(off), np.inf, off)
    return finite


def _is_near_border(answers: Float32) -> Bools:
    """Find the answers with a number so near a rounding border of the digest that its last bit decides."""
    position = answers.reshape(len(answers), -1).astype(np.float64) / digest_step(scale_of(answers))
    nearest: Float64 = np.abs(position - np.floor(position) - 0.5).min(axis=1)
    return nearest < _MARGIN


def _rounded(low: float, high: float) -> tuple[float, float]:
    """Round both ends to at most a tenth of their distance, because every digit takes space on the device."""
    digits = 1 - math.floor(math.log10(high - low)) if high > low else 3
    return round(float(low), digits), round(float(high), digits)


def rounded_out(low: float, high: float) -> tuple[float, float]:
    """Round both ends outwards, by at most a tenth of their distance."""
    step = 10.0 ** (math.floor(math.log10(high - low)) - 1) if high > low else 1.0
    first, last = math.floor(low / step) * step, math.ceil(high / step) * step
    return float(f"{first:.12g}"), float(f"{last:.12g}")
