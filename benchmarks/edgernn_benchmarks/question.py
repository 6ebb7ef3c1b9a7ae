"""The question that the original and all artifacts answer, and how their answers are judged."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from edgernn import metrics
from edgernn.arrays import Float32
from edgernn.bench.result import Answers
from edgernn.metrics import Truth
from edgernn.model import Model
from edgernn.tasks import Task


@dataclass(frozen=True)
class Question:
    """Test samples, the original's answers to them, and the limits for other answers.

    Attributes:
        x: the test samples, float32 [samples, steps, features].
        truth: the right answers; None if they are not known.
        task: the model's task.
        reference: Keras's answers, float32 [samples, outputs] or [samples, steps, outputs].
        labels: names of the classes or outputs; empty if not known.
        limits: for an artifact to be recommended: `max_drop_points`, in percentage points of accuracy or F1 or in
            hundredths of R², and `min_agreement`, a share of decisions or an R². Empty if no recommendation is asked
            for; `judge` does not use them.
        raw: `x` before the scale of its features; None if it has none.
    """

    x: Float32
    truth: Truth | None
    task: Task
    reference: Float32
    labels: Sequence[str] = ()
    limits: Mapping[str, float] = field(default_factory=dict)
    raw: Float32 | None = None

    def inputs_for(self, model: Model) -> Float32:
        """Return the test samples as a model takes them: raw if its card has a scale for features."""
        scaled = model.card is None or not model.card.inputs[0].factor
        return self.x if scaled or self.raw is None else self.raw

    def judge(self, answers: Float32) -> Answers:
        """Measure the correctness of answers.

        Args:
            answers: to `x`, float32 of the same shape as `reference`.

        Returns:
            The measures, which are empty if the truth is not known, the agreement with the original, and the largest
            difference from it. An answer with NaN is a wrong decision, and makes the largest difference NaN.
        """
        return Answers(
            measures=self.task.measure(answers, self.truth),
            agreement=self.task.agreement(answers, self.reference),
            largest_difference=metrics.largest_difference(answers, self.reference),
        )
