"""Quantization: a float32 TFLite file to full integers inside, float32 in and out."""

import contextlib
import io
import warnings
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edgernn.backends.litert import open_artifact
from edgernn.errors import ExportError
from edgernn_export.ranges import Group, measure_groups

Float32 = npt.NDArray[np.float32]

# Ranges are measured on this many samples; more move the extremes of no group that matters.
RANGE_SAMPLES = 500
# Candidates are judged on this many, so that the search takes about a second.
SEARCH_SAMPLES = 1000
# Where tanh is cut off: beyond ±4 it is 1 to within a step of int8; below ±2 too much is lost.
LIMITS = (2.0, 2.25, 2.5, 2.75, 3.0, 3.25, 3.5, 3.75, 4.0)


def quantize_int8(model: bytes, x: Float32, reference: Float32) -> bytes:
    """Quantize to int8: weights a channel, activations in ranges chosen on the calibration set.

    Args:
        model: a float32 .tflite file's content with one signature of one input.
        x: the calibration set, float32 [samples, *input_shape].
        reference: the Keras model's answers to it, float32 [samples, classes].

    Returns:
        The quantized file's content; of the candidates, the one whose answers are nearest to the
        reference in the mean over all probabilities.

    Raises:
        ExportError: the quantizer fails.
    """
    groups = measure_groups(model, x[:RANGE_SAMPLES])
    x, reference = x[:SEARCH_SAMPLES], reference[:SEARCH_SAMPLES]
    candidates = [_quantize(model, groups, limit) for limit in LIMITS]

    def distance(candidate: bytes) -> float:
        return float(np.abs(open_artifact(candidate, threads=1).run(x) - reference).mean())

    return min(candidates, key=distance)


def _quantize(model: bytes, groups: Sequence[Group], limit: float) -> bytes:
    from litert_quantizer import quantizer, recipe
    from litert_quantizer.algorithm_manager import AlgorithmName
    from litert_quantizer.qtyping import TFLOperationName

    ranges = {name: _as_qsv(*group.range(limit)) for group in groups for name in group.names}
    try:
        # It prints its progress to standard error and has no switch that silences all of it.
        with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
            # It looks into a graph by an interpreter made for debugging, which warns of its own memory use.
            warnings.filterwarnings("ignore", "Warning: Enabling `experimental_preserve_all_tensors`", UserWarning)
            work = quantizer.Quantizer(model, recipe.static_wi8_ai8())
            # Without this, what goes in and comes out would be integers.
            for side in (TFLOperationName.INPUT, TFLOperationName.OUTPUT):
                work.update_quantization_recipe(".*", side, algorithm_key=AlgorithmName.NO_QUANTIZE)
            result = work.quantize(ranges, enable_progress_bar=False, enable_progress_report=False)
    except (ValueError, RuntimeError, KeyError) as error:
        raise ExportError(f"the quantizer fails: {error}") from error
    return bytes(result.quantized_model)


def _as_qsv(low: float, high: float) -> dict[str, Float32]:
    """A range as the quantizer's calibration gives it ("quantization statistics value")."""
    return {"min": np.array([[low]], np.float32), "max": np.array([[high]], np.float32)}
