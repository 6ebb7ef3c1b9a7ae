"""Export of one architecture, comparison of every artifact with Keras, and the problems found."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from common.row_streams import answers_by_row
from edgernn.arrays import Float32
from edgernn.errors import ExportError, ModelError, NoStepError, UnsupportedError, first_line
from edgernn.metrics import largest_difference
from edgernn.model import Model, load_bytes
from edgernn.system.child import Child, ChildError
from edgernn.system.tensorflow_setup import quiet_tensorflow
from edgernn_export import rebuilding, select_targets
from edgernn_export.artifact import make_artifact
from edgernn_export.settings import Settings
from edgernn_export.source import Source
from edgernn_export.targets import RUNTIME_TARGETS, Target
from matrix.architectures import Architecture
from matrix.building import original
from matrix.draws import draw
from matrix.tolerances import limit_of, matrix_tolerance_of

INTEGERS_IN_AND_OUT = tuple(select_targets(io_type="int8"))
# Every fifth model also has files with integer inputs and outputs; every twentieth is refined.
_INTEGERS_EVERY, _REFINED_EVERY = 5, 20
# Number of samples on which a stream is compared with Keras after every row.
_STREAMED = 3


@dataclass(frozen=True)
class Outcome:
    """Result of one target.

    Attributes:
        target: the requested artifact.
        reason: why there is no artifact; empty if it was made.
        failure: whether the reason is an error, not a clear refusal.
        size_bytes: size of the file.
        difference: largest difference to Keras, as in `metrics.largest_difference`.
        streams: whether it has a step.
        stream_difference: largest difference between its stream and its answers.
        row_difference: largest difference of its stream to Keras after any row; only of float32 with one answer.
        precision_gap: difference between Keras in the model's own precision and in float32; it is allowed besides the
            tolerance.
        rounding_error: change of the model's answers by float32's rounding, as `sensitivity.rounding_error_of`.
        remarks: further faults, which `Examine` found.
    """

    target: Target
    reason: str = ""
    failure: bool = False
    size_bytes: int = 0
    difference: float = 0.0
    streams: bool = False
    stream_difference: float = 0.0
    row_difference: float = 0.0
    precision_gap: float = 0.0
    rounding_error: float = 0.0
    remarks: tuple[str, ...] = ()

    @property
    def made(self) -> bool:
        """True if there is an artifact."""
        return not self.reason


# A further check of an artifact: from the target, the file and samples to the faults found.
Examine = Callable[[Target, bytes, Float32], Iterator[str]]


def _no_more(_target: Target, _data: bytes, _x: Float32) -> Iterator[str]:
    return iter(())


@dataclass(frozen=True)
class MatrixResult:
    """Results of one architecture.

    Attributes:
        architecture: the model.
        outcomes: one a target; none if the model was refused.
        refused: why the whole model was refused.
    """

    architecture: Architecture
    outcomes: tuple[Outcome, ...]
    refused: str = ""


def look_at(number: int, examine: Examine = _no_more) -> MatrixResult:
    """Export the model of a number as every artifact, and compare each with Keras."""
    more = INTEGERS_IN_AND_OUT if number % _INTEGERS_EVERY == 0 else ()
    return look(draw(number), (*RUNTIME_TARGETS, *more), refine=number % _REFINED_EVERY == 1, examine=examine)


def look_isolated(count: int) -> Iterator[MatrixResult]:
    """Check the first `count` models in a child process, so that a converter that aborts affects only one model."""
    child = Child(_looker)
    try:
        for number in range(count):
            if not child.alive:
                child = Child(_looker)
            try:
                yield child.ask(number)
            except ChildError as error:
                yield MatrixResult(draw(number), (), f"the process {error}")
    finally:
        child.close()


def _looker() -> Callable[[int], MatrixResult]:
    return look_at


def look(
    architecture: Architecture,
    targets: Sequence[Target] = RUNTIME_TARGETS,
    refine: bool = False,
    examine: Examine = _no_more,
) -> MatrixResult:
    """Export a model as each target, in this process, and compare each artifact with Keras."""
    # The decisions of an untrained model have no meaning, so the export's limits on them are off.
    settings = Settings(refine=refine, max_drop=float("inf"), min_agreement=float("-inf"), keep_failed=True)
    with quiet_tensorflow():
        import keras

    keras.backend.clear_session()
    with tempfile.TemporaryDirectory() as folder:
        try:
            source = Source(original(architecture, Path(folder)), settings)
        except ModelError as error:
            return MatrixResult(architecture, (), str(error).removeprefix(f"{folder}/small.keras: "))
        return MatrixResult(architecture, tuple(_outcome(source, target, examine) for target in targets))


def problems(result: MatrixResult) -> Iterator[str]:
    """Yield the problems: artifacts that are missing without a clear message, or whose answers are wrong."""
    if result.refused:
        yield f"refused: {result.refused}"
    for outcome in result.outcomes:
        for problem in faults(result.architecture, outcome):
            yield f"{outcome.target}: {problem}"


def faults(architecture: Architecture, outcome: Outcome) -> Iterator[str]:
    """Describe the faults of one target's result."""
    if not outcome.made:
        if outcome.failure:
            yield outcome.reason
        return
    yield from outcome.remarks
    limit = limit_of(architecture, outcome.target, outcome.rounding_error)
    tolerance = matrix_tolerance_of(outcome.target, outcome.rounding_error)
    # Written with `not` so that a NaN is a problem.
    if not outcome.difference <= limit + outcome.precision_gap:
        yield f"differs from Keras by {outcome.difference:.3g}, expected at most {limit + outcome.precision_gap:g}"
    if not outcome.stream_difference <= tolerance.stream:
        yield f"stream differs from answers by {outcome.stream_difference:.3g}, expected at most {tolerance.stream:g}"
    if not outcome.row_difference <= limit:
        yield f"stream after some row differs from Keras by {outcome.row_difference:.3g}, expected at most {limit:g}"
    # A fused operator changes its states at every row, also a masked one.
    is_causal = architecture.causal and not (architecture.mask_value is not None and outcome.target.layout == "fused")
    if outcome.streams != is_causal:
        yield "streams although Keras looks ahead" if outcome.streams else "does not stream although Keras could"


def _outcome(source: Source, target: Target, examine: Examine) -> Outcome:
    try:
        result = make_artifact(source, target)
    except UnsupportedError as error:
        return Outcome(target, str(error))
    except ExportError as error:
        return Outcome(target, str(error), failure=True)
    except Exception as error:  # noqa: BLE001 - the matrix looks for any error
        return Outcome(target, f"{type(error).__name__}: {first_line(error)}", failure=True)
    model = load_bytes(Path(target.file_name("small")), result.data)
    streams = _has_step(model)
    return Outcome(
        target=target,
        size_bytes=len(result.data),
        difference=result.proof.difference,
        streams=streams,
        stream_difference=result.proof.stream_difference,
        precision_gap=source.precision_gap.difference,
        rounding_error=source.rounding_error,
        row_difference=_row_difference(source, model) if streams and target.quantization == "float32" else 0.0,
        remarks=tuple(examine(target, result.data, source.samples.x_test)),
    )


def _has_step(model: Model) -> bool:
    try:
        model.stream()
    except NoStepError:
        return False
    return True


def _row_difference(source: Source, model: Model) -> float:
    """Return the stream's largest difference to Keras after any row; 0 if the proof already compares every step."""
    if source.test_answers.ndim == 3:
        return 0.0
    x = source.samples.x_test[:_STREAMED]
    expected = source.shared("Keras after each row", lambda: _keras_by_row(source, x))
    return largest_difference(answers_by_row(model, x), expected)


def _keras_by_row(source: Source, x: Float32) -> Float32:
    """Return Keras's answers after each row: float32 [samples, steps, features] to [samples, steps, outputs]."""
    loaded = source.load()
    keras = rebuilding.with_steps(loaded, None)
    rebuilding.check_rebuilt(loaded, keras, x)
    answers = [np.asarray(keras(x[:, : row + 1], training=False)) for row in range(x.shape[1])]
    return np.stack(answers, axis=1)
