"""Golden samples: inputs that every machine can make again, so that a card stores only their answers."""

import math

import numpy as np
import numpy.typing as npt

from edgernn.card import Card, Golden
from edgernn.errors import ArtifactError
from edgernn.metrics import scale_of

Float32 = npt.NDArray[np.float32]

SAMPLES = 4
# Of an answer of many numbers so many are kept.
KEPT = 40
# A promise this wide is that of an artifact whose activations are rounded.
ROUNDING_TOLERANCE = 0.01


def golden_inputs(count: int, shape: tuple[int, ...], low: float, high: float) -> Float32:
    """Inputs between `low` and `high` from an integer hash: the same bits on every machine.

    The hash is the 32-bit finalizer of MurmurHash3 (Appleby, public domain) of the value's index; its upper
    24 bits, which float32 holds exactly, are the fraction of the way from low to high.

    Returns:
        float32 [count, *shape].
    """
    index = np.arange(1, count * int(np.prod(shape)) + 1, dtype=np.uint32)
    index ^= index >> np.uint32(16)
    index *= np.uint32(0x85EBCA6B)
    index ^= index >> np.uint32(13)
    index *= np.uint32(0xC2B2AE35)
    index ^= index >> np.uint32(16)
    fraction = (index >> np.uint32(8)).astype(np.float32) / np.float32(1 << 24)
    span = np.float32(high) - np.float32(low)
    return (np.float32(low) + fraction * span).reshape(count, *shape)


def spread(answers: Float32) -> Float32:
    """Of each answer [samples, *output_shape] at most 40 numbers, evenly spread, its first and its last among them.

    Returns:
        float32 [samples, kept].
    """
    flat = answers.reshape(len(answers), -1)
    size = flat.shape[1]
    kept = min(size, KEPT)
    return flat[:, np.arange(kept) * (size - 1) // max(kept - 1, 1)]


def check_golden(card: Card, golden: Golden, outputs: Float32, backend: str) -> None:
    """Check that `outputs` are the answers that the card promises.

    Args:
        outputs: what the backend answered to `golden_inputs`, float32 [samples, *output_shape].

    Raises:
        ArtifactError: the backend gives other answers than the exporter saw.
    """
    expected = (np.asarray(golden.outputs) * golden.unit).astype(np.float32)
    shape = (len(expected), *card.output_shape)
    if outputs.shape != shape:
        raise ArtifactError(f"{backend} answers with shape {outputs.shape}, the card says {shape}")
    answers = spread(outputs)
    if answers.shape != expected.shape:
        raise ArtifactError(
            f"the card is damaged: {expected.shape[1]} numbers of each golden sample, expected {answers.shape[1]}"
        )
    # By the smaller scale: one huge number among the promised ones must not make all differences small.
    largest = np.abs(answers - expected).max(axis=1) / min(scale_of(expected), scale_of(answers))
    # Where activations are rounded, a sample near the border of two classes may go over to the other in a backend that
    # rounds otherwise. Of good int8 and dynamic artifacts 6 in 100 had such a one among four, and no median above 0.08;
    # none of those that tflite-runtime misreads had one below 0.29. A narrower promise binds every sample.
    difference = _median(largest) if golden.tolerance >= ROUNDING_TOLERANCE else float(largest.max())
    # Not (… <= …) rather than (… > …): a NaN must fail too.
    if not difference <= golden.tolerance:
        raise ArtifactError(
            f"{backend} misreads this {card.quantization} artifact: its answers to the golden samples are "
            f"{difference:.3g} off, at most {golden.tolerance:.3g} was promised; use another backend "
            "or another quantization"
        )


def _median(values: Float32) -> float:
    """The median, NaN if any value is; np.median would import parts of NumPy that a device needs for nothing else."""
    ordered = np.sort(values)  # a NaN comes last
    if np.isnan(ordered[-1]):
        return math.nan
    return float(ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2
