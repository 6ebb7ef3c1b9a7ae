"""The table of tolerances: largest differences of an artifact to Keras, and of a stream to its artifact."""

from collections.abc import Mapping
from dataclasses import dataclass

from edgernn_export.formats import format_of, tolerance_of
from edgernn_export.targets import Target
from matrix.architectures import Architecture, traits


@dataclass(frozen=True)
class MatrixTolerance:
    """Largest allowed differences, relative to the largest of Keras's answers, or to 1 if that is less.

    Attributes:
        keras: between the artifact's answers and Keras's.
        stream: between the artifact's stream and its answers.
    """

    keras: float
    stream: float


TOLERANCES: Mapping[str, MatrixTolerance] = {
    "float32": MatrixTolerance(2e-5, 1e-5),
    "float16": MatrixTolerance(1e-2, 1e-5),
    "dynamic": MatrixTolerance(0.1, 0.1),
    "int8": MatrixTolerance(0.1, 0.0),
    "int16x8": MatrixTolerance(0.05, 0.05),
    "onnx int8": MatrixTolerance(0.1, 1e-5),
}
_NEGATIVE_GATES = "with gates that may be negative, the state and its rounding error grow"
_NORM = "it divides by the spread of a few units; int8 rounds a small spread to 0"
# Models for which the 256 steps of int8 are too coarse, by `architectures.traits`: the largest difference, and why. The
# steps are the cause: the same graph in int16x8, whose steps are 256 times as fine, is within its tolerance.
LIMITS_OF_INT8: Mapping[str, tuple[float, str]] = {
    **{f"LayerNormalization {place}": (0.3, _NORM) for place in ("in front", "between", "behind")},
    **{f"recurrent_activation={name}": (0.3, _NEGATIVE_GATES) for name in ("tanh", "hard_tanh", "softsign", "linear")},
    "activation=exponential": (0.3, "its range is as wide as its largest value, and most values are small"),
}


def matrix_tolerance_of(target: Target, rounding_error: float) -> MatrixTolerance:
    """Return the tolerance of a target: its own if there is one, otherwise its quantization's.

    If `Tolerance.for_model` widens the export's tolerance for this rounding error, its limits replace those of the
    table.
    """
    table = TOLERANCES.get(f"{target.format} {target.quantization}") or TOLERANCES[target.quantization]
    narrow = tolerance_of(target)
    wide = narrow.for_model(rounding_error)
    return MatrixTolerance(
        table.keras if wide.difference == narrow.difference else wide.difference,
        table.stream if wide.stream_difference == narrow.stream_difference else wide.stream_difference,
    )


def limit_of(architecture: Architecture, target: Target, rounding_error: float) -> float:
    """Return the largest allowed difference to Keras: larger for models for which int8 is known to be too coarse."""
    limit = matrix_tolerance_of(target, rounding_error).keras
    if format_of(target).is_calibrated(target) and target.quantization == "int8":
        limit = max([limit, *(LIMITS_OF_INT8[trait][0] for trait in traits(architecture) if trait in LIMITS_OF_INT8)])
    return limit
