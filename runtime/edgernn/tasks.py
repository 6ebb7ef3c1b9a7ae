"""Tasks: what a model's answers are, what they decide, and the measures that fit them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from edgernn import metrics
from edgernn.arrays import Float32, Int64
from edgernn.metrics import Truth

CLASSIFICATION, BINARY, MULTILABEL, REGRESSION = KINDS = ("classification", "binary", "multilabel", "regression")
# Standard deviation of a regression's output, as a share of its largest value, below which the agreement does not ask
# how it varies. Float32 answers of two right implementations differ by 1e-6 of the value, a hundredth of it. Values far
# from zero vary by little, air pressure by 0.5 %, and a file that answers their mean does not agree.
MIN_SPREAD = 1e-4
# What people call the measures, and the one that an artifact of each kind must keep.
MEASURES = {"accuracy": "accuracy", "f1": "F1", "r2": "R²", "mae": "MAE"}
_HEADLINES = {CLASSIFICATION: "accuracy", BINARY: "f1", MULTILABEL: "f1", REGRESSION: "r2"}


@dataclass(frozen=True)
class Task:
    """What a model's answers [..., outputs] are, for a whole sequence or for each of its steps.

    Attributes:
        kind: classification: one of as many classes as outputs; binary: yes or no from one output; multilabel: yes
            or no from each output; regression: values.
        logits: whether the numbers stand before their softmax or sigmoid; never of a regression.
    """

    kind: str
    logits: bool = False

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"task {self.kind!r}; known are {', '.join(KINDS)}")

    @property
    def headline(self) -> str:
        """The measure that an artifact must keep, one of `MEASURES`."""
        return _HEADLINES[self.kind]

    @property
    def measures(self) -> tuple[str, ...]:
        """The names of what `measure` gives."""
        return ("r2", "mae") if self.kind == REGRESSION else ("accuracy", "f1")

    @property
    def numbers(self) -> str:
        """What the answers' numbers are."""
        if self.kind == REGRESSION:
            return "values"
        return "logits" if self.logits else "probabilities"

    @property
    def differing(self) -> str:
        """What a `metrics.largest_difference` is one of, to put behind its figure."""
        return {
            "values": "of the largest value",
            "logits": "of the largest logit",
            "probabilities": "in a probability",
        }[self.numbers]

    def decide(self, answers: Float32) -> Int64:
        """What answers decide for; not of a regression.

        Returns:
            The class [...] of a classification, 0 or 1 of a binary task [...] and of each label [..., outputs]; -1
            where a NaN decides nothing.
        """
        if self.kind == CLASSIFICATION:
            return np.where(np.isnan(answers).any(axis=-1), -1, answers.argmax(axis=-1))
        yes = np.where(np.isnan(answers), -1, answers > (0 if self.logits else 0.5))
        return yes[..., 0] if self.kind == BINARY else yes

    def probabilities(self, answers: Float32) -> Float32:
        """Answers [..., outputs] as probabilities, float32; not of a regression."""
        if not self.logits:
            return answers
        if self.kind == CLASSIFICATION:
            powers = np.exp(answers - answers.max(axis=-1, keepdims=True))
            shares: Float32 = powers / powers.sum(axis=-1, keepdims=True)
            return shares
        # 1 / (1 + e^-x), without an overflow.
        sigmoid: Float32 = np.exp(-np.logaddexp(np.float32(0), -answers))
        return sigmoid

    def measure(self, answers: Float32, truth: Truth | None) -> Mapping[str, float]:
        """Measure the accuracy of answers against the truth.

        Args:
            answers: [samples, outputs] or [samples, steps, outputs].
            truth: the right decisions or values; an axis of one output may be left out. None when it is not known.

        Returns:
            By name, see `MEASURES`: accuracy and f1, which is the mean over classes or labels where there are
            several; r2 and mae of a regression. Empty where the truth is not known.
        """
        if truth is None:
            return {}
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
        """The `headline` of what `measure` gives."""
        return self.measure(answers, truth)[self.headline]

    def agreement(self, answers: Float32, reference: Float32) -> float:
        """Share of decisions that two models have in common; of a regression the R² against the reference.

        A NaN agrees with nothing; in a regression it makes NaN of it all.
        """
        if self.kind == REGRESSION:
            return metrics.r2(answers, reference, min_spread=MIN_SPREAD)
        decisions = self.decide(answers)
        return float(np.mean((decisions == self.decide(reference)) & (decisions >= 0)))

    def show_agreement(self, agreement: float) -> str:
        """An agreement as people read it: 99.80%, or R² 0.9980."""
        return f"R² {show('r2', agreement)}" if self.kind == REGRESSION else show("accuracy", agreement)


def show_measures(measures: Mapping[str, float]) -> str:
    """Write measures in a phrase: accuracy 93.40%, F1 93.31%."""
    return ", ".join(f"{MEASURES[name]} {show(name, value)}" for name, value in measures.items())


def show(measure: str, value: float | None) -> str:
    """Write a measure for people: shares as 93.40%, R² as 0.9340, distances as 0.0123; – where it is not known."""
    if value is None:
        return "–"
    if measure == "mae":
        return f"{value:.3g}"
    return f"{value:.4f}" if measure == "r2" else f"{value:.2%}"
