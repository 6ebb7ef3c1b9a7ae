"""Tasks: the kind of a model's answers, the decisions they stand for, and the measures for them.

NumPy is imported only to compute with answers, so a card, which names a task, is read without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from edgernn.records import record

if TYPE_CHECKING:
    from edgernn.arrays import Float32, Int64
    from edgernn.metrics import Truth

CLASSIFICATION, BINARY, MULTILABEL, REGRESSION = KINDS = ("classification", "binary", "multilabel", "regression")
# Lower limit of the standard deviation of a regression's output in the agreement, as a share of its largest value.
# Float32 answers of two right implementations differ by 1e-6 of the value, a hundredth of this limit. Values far from
# zero vary by little (air pressure by 0.5 %), and a file that answers their mean must still not agree.
MIN_SPREAD = 1e-4
# Names of the measures for people, and the measure that an artifact of each kind must keep.
MEASURES = {"accuracy": "accuracy", "f1": "F1", "r2": "R²", "mae": "MAE"}
_HEADLINES = {CLASSIFICATION: "accuracy", BINARY: "f1", MULTILABEL: "f1", REGRESSION: "r2"}


@record(frozen=True)
class Task:
    """Kind of a model's answers [..., outputs], for a whole sequence or for each of its steps.

    Attributes:
        kind: classification: one class per output; binary: yes or no from one output; multilabel: yes or no from each
            output; regression: values.
        logits: True if the softmax or sigmoid is not yet applied; never for a regression.
    """

    kind: str
    logits: bool = False

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"task {self.kind!r}; expected {', '.join(KINDS)}")

    @property
    def headline(self) -> str:
        """The measure that an artifact must keep, one of `MEASURES`."""
        return _HEADLINES[self.kind]

    @property
    def measures(self) -> tuple[str, ...]:
        """The names of the measures that `measure` returns."""
        return ("r2", "mae") if self.kind == REGRESSION else ("accuracy", "f1")

    @property
    def numbers(self) -> str:
        """The meaning of the answers' numbers: values, logits or probabilities."""
        if self.kind == REGRESSION:
            return "values"
        return "logits" if self.logits else "probabilities"

    @property
    def differing(self) -> str:
        """A phrase that follows a `metrics.largest_difference` and says what it is relative to."""
        return {
            "values": "of the largest value",
            "logits": "of the largest logit",
            "probabilities": "in a probability",
        }[self.numbers]

    def decide(self, answers: Float32) -> Int64:
        """Return the decisions that answers stand for; not for a regression.

        Returns:
            The class [...] for a classification, 0 or 1 for a binary task [...] and for each label [..., outputs]; -1
            where an answer is NaN.
        """
        import numpy as np

        if self.kind == CLASSIFICATION:
            return np.where(np.isnan(answers).any(axis=-1), -1, answers.argmax(axis=-1))
        yes = np.where(np.isnan(answers), -1, answers > (0 if self.logits else 0.5))
        return yes[..., 0] if self.kind == BINARY else yes

    def probabilities(self, answers: Float32) -> Float32:
        """Convert answers [..., outputs] to probabilities, float32; not for a regression."""
        if not self.logits:
            return answers
        import numpy as np

        if self.kind == CLASSIFICATION:
            powers = np.exp(answers - answers.max(axis=-1, keepdims=True))
            shares: Float32 = powers / powers.sum(axis=-1, keepdims=True)
            return shares
        # 1 / (1 + e^-x) without overflow.
        sigmoid: Float32 = np.exp(-np.logaddexp(np.float32(0), -answers))
        return sigmoid

    def confidence(self, answers: Float32) -> Float32:
        """Return the probability of each decision, float32 [...]; for a classification or a binary task."""
        import numpy as np

        shares = self.probabilities(answers)
        each = shares if self.kind == CLASSIFICATION else np.concatenate([shares, 1 - shares], axis=-1)
        highest: Float32 = each.max(axis=-1)
        return highest

    def find_confident_mistakes(self, answers: Float32, truth: Truth, limit: int) -> Int64:
        """Find the wrong decisions with the highest probabilities; for a classification or a binary task.

        Args:
            answers: [samples, outputs].
            truth: the right class of each sample, [samples].
            limit: of the number of mistakes.

        Returns:
            Indices of the samples, the most confident mistake first.
        """
        import numpy as np

        decisions, confidence = self.decide(answers), self.confidence(answers)
        wrong = np.flatnonzero((decisions != truth.reshape(decisions.shape)) & (decisions >= 0))
        return wrong[np.argsort(-confidence[wrong], kind="stable")[:limit]]

    def measure(self, answers: Float32, truth: Truth | None) -> Mapping[str, float]:
        """Measure the accuracy of answers against the truth.

        Args:
            answers: [samples, outputs] or [samples, steps, outputs].
            truth: the right decisions or values; an axis of one output may be omitted. None if it is not known.

        Returns:
            The measures by name, see `MEASURES`: accuracy and f1, which is the mean over classes or labels if there are
            several; r2 and mae for a regression. Empty if the truth is not known.
        """
        if truth is None:
            return {}
        from edgernn import metrics

        if self.kind == REGRESSION:
            values = truth.reshape(answers.shape)
            return {"r2": metrics.r2(answers, values), "mae": metrics.mean_absolute_error(answers, values)}
        decisions = self.decide(answers)
        right = truth.reshape(decisions.shape)
        if self.kind == BINARY:
            f1 = metrics.f1(decisions == 1, right == 1)
        elif self.kind == MULTILABEL:
            f1 = metrics.macro_f1_of_labels(decisions, right)
        else:
            f1 = metrics.macro_f1_of_classes(decisions, right)
        return {"accuracy": metrics.accuracy(decisions, right), "f1": f1}

    def score(self, answers: Float32, truth: Truth) -> float:
        """Return the `headline` measure of answers against the truth."""
        return self.measure(answers, truth)[self.headline]

    def agreement(self, answers: Float32, reference: Float32) -> float:
        """Return the share of equal decisions of two models; for a regression the R² against the reference.

        A NaN agrees with nothing; in a regression it makes the result NaN.
        """
        if self.kind == REGRESSION:
            from edgernn import metrics

            return metrics.r2(answers, reference, min_spread=MIN_SPREAD)
        decisions = self.decide(answers)
        return float(((decisions == self.decide(reference)) & (decisions >= 0)).mean())

    def show_agreement(self, agreement: float) -> str:
        """Write an agreement for people: 99.80%, or R² 0.9980."""
        return f"R² {show('r2', agreement)}" if self.kind == REGRESSION else show("accuracy", agreement)


def show_measures(measures: Mapping[str, float]) -> str:
    """Write measures as a phrase: accuracy 93.40%, F1 93.31%."""
    return ", ".join(f"{MEASURES[name]} {show(name, value)}" for name, value in measures.items())


def show(measure: str, value: float | None) -> str:
    """Write a measure for people: shares as 93.40%, R² as 0.9340, distances as 0.0123; – if it is not known."""
    if value is None:
        return "–"
    if measure == "mae":
        return f"{value:.3g}"
    return f"{value:.4f}" if measure == "r2" else f"{value:.2%}"
