"""One architecture through the real export, every artifact beside Keras: what came of it, and what of that is wrong."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgernn.child import Child, ChildError
from edgernn.errors import ExportError, ModelError, NoStepError, UnsupportedError, first_line
from edgernn.metrics import largest_difference
from edgernn.model import Model, load_bytes
from edgernn.tensorflow_setup import quiet_tensorflow
from edgernn_export import rebuilding, select_targets
from edgernn_export.artifact import make_artifact
from edgernn_export.settings import Settings
from edgernn_export.source import Source
from edgernn_export.targets import TARGETS, Target
from matrix.architectures import Architecture
from matrix.building import original
from matrix.drawing import draw
from matrix.tolerances import limit_of, matrix_tolerance_of

INTEGERS_IN_AND_OUT = tuple(select_targets(io_type="int8"))
# One in so many models has files with integers in and out as well, and one in so many is refined.
_INTEGERS_EVERY, _REFINED_EVERY = 5, 20
# A stream is compared with Keras after every row, on so many samples.
_STREAMED = 3


@dataclass(frozen=True)
class Outcome:
    """Result of one target.

    Attributes:
        target: which artifact was asked for.
        reason: why there is none; empty if it was made.
        failure: whether that is no clear refusal.
        size_bytes: of the file.
        difference: the largest to Keras, as `metrics.largest_difference`.
        streams: whether it has a step.
        stream_difference: the largest between its stream and its answers, likewise.
        row_difference: the largest of its stream, after any row, to Keras, likewise; only of float32 with one answer.
        rounding_error: change of the model's answers by float32's rounding, as `sensitivity.rounding_error_of`.
    """

    target: Target
    reason: str = ""
    failure: bool = False
    size_bytes: int = 0
    difference: float = 0.0
    streams: bool = False
    stream_difference: float = 0.0
    row_difference: float = 0.0
    rounding_error: float = 0.0

    @property
    def made(self) -> bool:
        """Whether there is an artifact."""
        return not self.reason


@dataclass(frozen=True)
class MatrixResult:
    """What came of one architecture.

    Attributes:
        architecture: the model.
        outcomes: one a target; none if the model was refused.
        refused: why the whole model was.
    """

    architecture: Architecture
    outcomes: tuple[Outcome, ...]
    refused: str = ""


def look_at(number: int) -> MatrixResult:
    """What comes of the model of a number, as every artifact there is."""
    more = INTEGERS_IN_AND_OUT if number % _INTEGERS_EVERY == 0 else ()
    return look(draw(number), (*TARGETS, *more), refine=number % _REFINED_EVERY == 1)


def look_isolated(count: int) -> Iterator[MatrixResult]:
    """Look at the first `count` models in a child process, so that a converter that aborts costs one of them."""
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


def look(architecture: Architecture, targets: Sequence[Target] = TARGETS, refine: bool = False) -> MatrixResult:
    """Export a model as each target, in this process, and run each artifact beside Keras."""
    # Whether an untrained model decides rightly is none of the matrix's questions: bars for that are off.
    settings = Settings(refine=refine, max_drop=float("inf"), min_agreement=float("-inf"), keep_failed=True)
    with quiet_tensorflow():
        import keras

    keras.backend.clear_session()
    with tempfile.TemporaryDirectory() as folder:
        try:
            subject = Source(original(architecture, Path(folder)), settings)
        except ModelError as error:
            return MatrixResult(architecture, (), str(error).removeprefix(f"{folder}/small.keras: "))
        return MatrixResult(architecture, tuple(_outcome(subject, target) for target in targets))


def problems(seen: MatrixResult) -> Iterator[str]:
    """What is wrong: an artifact that is missing without a clear word, or that does not answer as it should."""
    if seen.refused:
        yield f"refused: {seen.refused}"
    for outcome in seen.outcomes:
        for problem in faults(seen.architecture, outcome):
            yield f"{outcome.target}: {problem}"


def faults(architecture: Architecture, outcome: Outcome) -> Iterator[str]:
    """Describe the faults of one target's result."""
    if not outcome.made:
        if outcome.failure:
            yield outcome.reason
        return
    limit = limit_of(architecture, outcome.target, outcome.rounding_error)
    tolerance = matrix_tolerance_of(outcome.target, outcome.rounding_error)
    # Each written so that a NaN is a problem.
    if not outcome.difference <= limit:
        yield f"differs from Keras by {outcome.difference:.3g}, at most {limit:g}"
    if not outcome.stream_difference <= tolerance.stream:
        yield f"its stream differs from its answers by {outcome.stream_difference:.3g}, at most {tolerance.stream:g}"
    if not outcome.row_difference <= limit:
        yield f"after some row its stream differs from Keras by {outcome.row_difference:.3g}, at most {limit:g}"
    if outcome.streams != architecture.causal:
        yield "streams, though Keras looks ahead" if outcome.streams else "does not stream, though Keras could"


def _outcome(subject: Source, target: Target) -> Outcome:
    try:
        data, proof, _reason = make_artifact(subject, target)
    except UnsupportedError as error:
        return Outcome(target, str(error))
    except ExportError as error:
        return Outcome(target, str(error), failure=True)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what the matrix looks for
        return Outcome(target, f"{type(error).__name__}: {first_line(error)}", failure=True)
    model = load_bytes(Path(target.file_name("small")), data)
    streams = _has_step(model)
    return Outcome(
        target=target,
        size_bytes=len(data),
        difference=proof.difference,
        streams=streams,
        stream_difference=proof.stream_difference,
        rounding_error=subject.rounding_error,
        row_difference=_row_difference(subject, model) if streams and target.quantization == "float32" else 0.0,
    )


def _has_step(model: Model) -> bool:
    try:
        model.stream()
    except NoStepError:
        return False
    return True


def _row_difference(subject: Source, model: Model) -> float:
    """Measure how far the stream differs from Keras after every row; 0 if the proof already compares every step."""
    if subject.test_answers.ndim == 3:
        return 0.0
    x = subject.samples.x_test[:_STREAMED]
    loaded = subject.load()
    keras = rebuilding.with_steps(loaded, None)
    rebuilding.check_rebuilt(loaded, keras, x)
    stream, answers = model.stream(), []
    for sample in x:
        stream.reset()
        answers.append([stream.push(row) for row in sample])
    expected = [np.asarray(keras(x[:, : row + 1], training=False)) for row in range(x.shape[1])]
    return largest_difference(np.array(answers, np.float32), np.stack(expected, axis=1))
