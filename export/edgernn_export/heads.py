"""Heads: which task it is that a model's answers and the samples' truths tell of."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edgernn.datasets import Samples, check_classes, check_labels
from edgernn.errors import DataError, ModelError
from edgernn.metrics import Truth
from edgernn.tasks import BINARY, CLASSIFICATION, MULTILABEL, REGRESSION, Task

Float32 = npt.NDArray[np.float32]

# Sums of float32 probabilities are exact to far less.
_SUM_TOLERANCE = 1e-3


def find_task(answers: Float32, samples: Samples, labels: Sequence[str]) -> Task:
    """The task of a model.

    The truths say what is asked for: floating-point numbers values; whole numbers the class of each answer, where
    they have one axis less, or zeros and ones for each output; other whole numbers are values, too. Whether the
    answers are probabilities or logits, the answers say.

    Args:
        answers: the model's answers to the samples, float32 [samples, outputs] or [samples, steps, outputs].
        samples: with the truths.
        labels: the names of the classes or outputs; empty when nobody said them.

    Raises:
        ModelError: an answer is NaN or infinite.
        DataError: truths, answers and labels do not fit together.
    """
    if not np.isfinite(answers).all():
        raise ModelError("answers the samples with NaN or infinity; train the model again")
    kind = _find_kind(answers, samples)
    _check_names(labels, 2 if kind == BINARY else answers.shape[-1], kind)
    if kind == CLASSIFICATION:
        return Task(kind, logits=not _within_zero_and_one(answers))
    return Task(kind, logits=kind != REGRESSION and not _within_zero_and_one(answers))


def _find_kind(answers: Float32, samples: Samples) -> str:
    one, truths = answers.shape[-1] == 1, (samples.y_calibration, samples.y_test)
    truth = samples.y_test
    shape, whole = truth.shape[1:], truth.dtype.kind == "i"
    a_class_each = shape == answers.shape[1:-1]
    if not (shape == answers.shape[1:] or (a_class_each and (whole or one))):
        raise DataError(
            f"y_test has shape {truth.shape}, but the model answers with shape {answers.shape}; expected a class for "
            f"each answer, whole numbers of shape {answers.shape[:-1]}, or labels or values of the answers' shape"
        )
    if a_class_each and not one:
        for name, y in zip(("y_calibration", "y_test"), truths, strict=True):
            check_classes(y, answers.shape[-1], name)
        return CLASSIFICATION
    if not one and _add_up_to_one(answers) and all(_is_one_hot(y) for y in truths):
        raise DataError("y_test is one-hot; give each answer's class as a whole number, y.argmax(axis=-1)")
    if not whole and _within_zero_and_one(answers) and all(np.isin(y, (0, 1)).all() for y in truths):
        raise DataError("y_test holds only 0 and 1, as floating-point numbers; for yes or no give whole numbers")
    if not whole or not all(_within_zero_and_one(y) for y in truths):
        return REGRESSION
    return BINARY if one else MULTILABEL


def _check_names(labels: Sequence[str], expected: int, kind: str) -> None:
    check_labels(labels)
    if labels and len(labels) != expected:
        raise DataError(f"{len(labels)} labels ({', '.join(labels)}) for {kind}; expected {expected} or none")


def _add_up_to_one(answers: Float32) -> bool:
    return bool(answers.min() >= 0 and np.abs(answers.sum(axis=-1) - 1).max() <= _SUM_TOLERANCE)


def _within_zero_and_one(values: Truth) -> bool:
    return bool(np.all((values >= 0) & (values <= 1)))


def _is_one_hot(y: Truth) -> bool:
    return bool(np.isin(y, (0, 1)).all() and (y.sum(axis=-1) == 1).all())
