"""The proof: load an artifact by the runtime and compare it with the Keras model before it gets its name."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from edgernn import metrics
from edgernn.arrays import Float32
from edgernn.errors import ExportError
from edgernn.inputs import without_warnings
from edgernn.metrics import Truth
from edgernn.model import Model
from edgernn.tasks import MEASURES, Task
from edgernn_export.truth_check import find_doubt

# Time steps that a stream is checked on: 2,000 samples of 28 steps, fewer of longer ones.
STREAM_STEPS = 60_000


@dataclass(frozen=True)
class PrecisionGap:
    """Differences between a Keras model in float16 or bfloat16 and the same model in float32, on the test samples.

    An artifact is made of the model rebuilt in float32, but compared with the one in the file. So its tolerance is
    widened by the differences between these two models.

    Attributes:
        precision: number type of the model in the file.
        difference: largest difference between the answers of both models, as `metrics.largest_difference`.
        disagreement: 1 minus the agreement of the rebuilt model with the other.
        drop: loss of the task's headline measure by rebuilding, in points; 0 if there is none or it is not known.
    """

    precision: str = ""
    difference: float = 0.0
    disagreement: float = 0.0
    drop: float = 0.0


@dataclass(frozen=True)
class Tolerance:
    """Limits that an artifact must keep on the test samples.

    A difference is that of two answers in any number, as `metrics.largest_difference`: absolute for probabilities, and
    for logits and values divided by the largest absolute value of the reference's answers if that exceeds 1.

    Attributes:
        difference: largest difference from the Keras model.
        agreement: lowest agreement with the Keras model, as `Task.agreement`: a share of decisions, or an R².
        drop: largest loss of the task's headline measure (accuracy, F1 or R²), in points (hundredths).
        golden: largest difference between the answers to the golden samples in the card and those of another machine
            or backend.
        stream_difference: largest difference between a stream and the whole sequence.
        stream_agreement: lowest agreement of a stream with the whole sequence.
        weight_coarseness: rounding step of the weights, divided by that of float32: 1 for float32 weights, 2,048
            for float16 in TFLite; 0 for integer files, whose limits do not depend on the rounding of float32.
    """

    difference: float
    agreement: float
    drop: float
    golden: float
    stream_difference: float
    stream_agreement: float
    weight_coarseness: float = 0.0

    def for_model(self, rounding_error: float) -> "Tolerance":
        """Return the tolerance for one model: wider if rounding changes its answers much.

        A difference of up to ten times the model's rounding error counts as rounding. The limit grows to at most
        1e-3 for float32 weights and to 0.1 for float16 weights. The required agreement stays the same.

        Args:
            rounding_error: change of the model's answers by float32's rounding, as `sensitivity.rounding_error_of`.
        """
        if not self.weight_coarseness:
            return self
        allowed = min(ROUNDING_FACTOR * rounding_error, MAX_ROUNDING)
        of_weights = min(
            ROUNDING_FACTOR * rounding_error * self.weight_coarseness,
            MAX_ROUNDING * min(self.weight_coarseness, 100),
        )
        return replace(
            self,
            difference=max(self.difference, of_weights),
            golden=max(self.golden, allowed),
            stream_difference=max(self.stream_difference, allowed),
        )

    def widened_by(self, gap: PrecisionGap) -> "Tolerance":
        """Return the tolerance of artifacts of a model that was rebuilt in float32."""
        return replace(
            self,
            difference=self.difference + gap.difference,
            agreement=self.agreement - gap.disagreement,
            drop=self.drop + gap.drop,
        )


# Allowed difference of two correct implementations, as a multiple of the measured rounding error. Up to 1.3 times was
# measured; the rest is reserve, because a few random directions on a few samples do not show the worst case.
ROUNDING_FACTOR = 10.0
# Beyond this rounding error, a correct file cannot be distinguished from a wrong one.
MAX_ROUNDING = 1e-3


@dataclass(frozen=True)
class BrokenLimit:
    """A limit of the proof that an artifact exceeds.

    Attributes:
        reason: the figure and its limit, in words.
        option: option of `edgernn export` that sets the limit; empty if none does.
    """

    reason: str
    option: str = ""


@dataclass(frozen=True)
class Proof:
    """Results of the proof.

    Attributes:
        task: of the model.
        samples: number of test samples that both models answered.
        keras, artifact: measures of both, by the names of `edgernn.tasks.MEASURES`; empty if there are no truths.
        agreement: of the artifact with Keras, as `Task.agreement`.
        difference: largest difference from Keras in any number, as `metrics.largest_difference`.
        streamed: number of samples also given row by row; 0 for an artifact that cannot stream.
        stream_agreement, stream_difference: between the stream's answers and those to whole sequences.
        no_stream: why it cannot stream; empty if it can.
        rebuilt: how the exported model differs from the Keras model in the file, in words; empty if it is the same.
        doubt: why the samples or their truths may not belong to the Keras model; empty if they seem to.
    """

    task: Task
    samples: int
    keras: Mapping[str, float]
    artifact: Mapping[str, float]
    agreement: float
    difference: float
    streamed: int = 0
    stream_agreement: float = 1.0
    stream_difference: float = 0.0
    no_stream: str = ""
    rebuilt: str = ""
    doubt: str = ""

    @property
    def drop(self) -> float:
        """Loss of the headline measure in points (hundredths); 0 if there are no truths."""
        if not self.keras:
            return 0.0
        return 100 * (self.keras[self.task.headline] - self.artifact[self.task.headline])

    def check(self, tolerance: Tolerance, max_drop: float | None = None, min_agreement: float | None = None) -> None:
        """Check the results against a tolerance; `max_drop` and `min_agreement` replace its limits if given.

        Raises:
            ExportError: a limit is exceeded; the message has both figures.
        """
        broken = self.find_broken_limit(tolerance, max_drop, min_agreement)
        if broken:
            raise ExportError(broken.reason)
        self.check_stream(tolerance)

    def find_broken_limit(
        self, tolerance: Tolerance, max_drop: float | None = None, min_agreement: float | None = None
    ) -> BrokenLimit | None:
        """Return the first limit of the answers to whole sequences that is exceeded; None if all are kept."""
        max_drop = tolerance.drop if max_drop is None else max_drop
        min_agreement = tolerance.agreement if min_agreement is None else min_agreement
        task, show = self.task, self.task.show_agreement
        # Each condition is written so that a NaN fails.
        if not self.difference <= tolerance.difference:
            return BrokenLimit(
                f"differs from Keras by {self.difference:.3g} {task.differing}, "
                f"expected at most {tolerance.difference:.0e}"
            )
        if not self.agreement >= min_agreement:
            return BrokenLimit(
                f"agreement with Keras is {show(self.agreement)}, expected at least {show(min_agreement)}",
                "--min-agreement",
            )
        if not round(self.drop, 9) <= max_drop:  # 7 of 1,000 is a little more than 0.7 in binary fractions
            measure = MEASURES[task.headline]
            return BrokenLimit(
                f"loses {self.drop:.2f} points of {measure} against Keras, expected at most {max_drop:.2f}",
                "--max-drop",
            )
        return None

    def check_stream(self, tolerance: Tolerance) -> None:
        """Check that the stream answers as for whole sequences.

        Raises:
            ExportError: it does not; the message has the figures and their limits.
        """
        if not (
            self.stream_difference <= tolerance.stream_difference
            and self.stream_agreement >= tolerance.stream_agreement
        ):
            show = self.task.show_agreement
            raise ExportError(
                f"its stream differs from its predictions by {self.stream_difference:.2g} {self.task.differing}, "
                f"expected at most {tolerance.stream_difference:.2g}; their agreement is "
                f"{show(self.stream_agreement)}, expected at least {show(tolerance.stream_agreement)}"
            )


def precision_gap(
    task: Task, precision: str, reference: Float32, rebuilt: Float32, truth: Truth | None
) -> PrecisionGap:
    """Compare the answers of a Keras model with those of the same model in float32.

    Args:
        task: of the model.
        precision: number type of the model in the file.
        reference, rebuilt: the answers of the model in the file and of the rebuilt one to the test samples.
        truth: the right answers, as `Task.measure` takes them; None if unknown.
    """
    before, after = (task.measure(answers, truth) for answers in (reference, rebuilt))
    return PrecisionGap(
        precision=precision,
        difference=metrics.largest_difference(rebuilt, reference),
        disagreement=1 - task.agreement(rebuilt, reference),
        drop=max(0.0, 100 * (before[task.headline] - after[task.headline])) if before else 0.0,
    )


@without_warnings()
def prove(model: Model, x: Float32, truth: Truth | None, reference: Float32, streams: bool) -> Proof:
    """Compare an artifact's answers with the Keras model's, and its stream with its own answers.

    If the model answers every step, all answers are compared. No limit is checked here, see `Proof.check`. The stream
    runs on the first samples, up to 60,000 time steps in all, but at least one sample.

    Args:
        model: the artifact, loaded by the runtime.
        x: test samples as a device gets them, float32 [samples, steps, features].
        truth: the right answers, as `Task.measure` takes them; None if unknown.
        reference: the Keras model's answers, float32 [samples, outputs] or [samples, steps, outputs].
        streams: whether the artifact has a step.
    """
    task, answers = model.task, model.predict(x)
    proof = Proof(
        task=task,
        samples=len(x),
        keras=task.measure(reference, truth),
        artifact=task.measure(answers, truth),
        agreement=task.agreement(answers, reference),
        difference=metrics.largest_difference(answers, reference),
        doubt=find_doubt(task, reference, truth, model.card.labels if model.card else ()),
    )
    if not streams:
        return proof
    streamed = min(len(x), max(1, STREAM_STEPS // x.shape[1]))
    whole = answers[:streamed]
    stream = model.stream()
    pushed = np.stack([stream.answer(sample) for sample in x[:streamed]])
    return replace(
        proof,
        streamed=streamed,
        stream_agreement=task.agreement(pushed, whole),
        stream_difference=metrics.largest_difference(pushed, whole),
    )
