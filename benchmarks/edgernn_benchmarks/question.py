"""The question that the original and all artifacts answer, and how their answers are judged."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from edgernn import metrics
from edgernn.arrays import Float32
from edgernn.bench.result import Answers
from edgernn.metrics import Truth
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
        limits: for an artifact to be recommended: `max_drop_points` and `min_agreement`.
    """

    x: Float32
    truth: Truth | None
    task: Task
    reference: Float32
    labels: Sequence[str] = ()
    limits: Mapping[str, float] = field(default_factory=dict)

    def judge(self, answers: Float32) -> Answers:
        """Measure the correctness of answers of the same shape as the original's."""
        return Answers(
            measures=self.task.measure(answers, self.truth),
            agreement=self.task.agreement(answers, self.reference),
            largest_difference=metrics.largest_difference(answers, self.reference),
        )
