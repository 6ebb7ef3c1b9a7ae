"""Task inference: find a model's task from its answers and the samples' truths."""

from collections.abc import Sequence

import numpy as np

from edgernn.arrays import Float32
from edgernn.data.datasets import check_classes, naming
from edgernn.data.samples import Origin, Samples
from edgernn.data.truths import is_one_hot, whole_hint
from edgernn.errors import DataError, ModelError
from edgernn.labels import check_labels, describe_count
from edgernn.metrics import Truth
from edgernn.tasks import BINARY, CLASSIFICATION, MULTILABEL, REGRESSION, Task

# Sums of float32 probabilities have far smaller errors.
_SUM_TOLERANCE = 1e-3


def infer_task(answers: Float32, samples: Samples, labels: Sequence[str]) -> Task:
    """Find the task of a model.

    Truths of floating-point numbers are values. Truths of whole numbers are classes if they have one axis less than the
    answers, labels if they are zeros and ones for each output, and values otherwise. The answers show whether they are
    probabilities or logits. Without truths the answers alone decide, see `describe_guess`.

    Args:
        answers: the model's answers to the samples, float32 [samples, outputs] or [samples, steps, outputs].
        samples: with truths, if known.
        labels: the names of the classes or outputs; empty if unknown.

    Raises:
        ModelError: an answer is NaN or infinite.
        DataError: truths, answers and labels do not fit together.
    """
    if not np.isfinite(answers).all():
        raise ModelError("answers the samples with NaN or infinity; train the model again")
    with naming(samples.path):
        kind = _find_kind(answers, samples.truths) if samples.truths else _guess_kind(answers, labels)
    _check_names(labels, 2 if kind == BINARY else answers.shape[-1])
    if kind == CLASSIFICATION:
        return Task(kind, logits=not _within_zero_and_one(answers))
    return Task(kind, logits=kind != REGRESSION and not _within_zero_and_one(answers))


def check_truths(answers: Sequence[int | None], samples: Samples, labels: Sequence[str], *, softmax: bool) -> None:
    """Check truths and labels against the shape of a model's answers, before there are any.

    Args:
        answers: shape of the model's answers, with the batch.
        samples: with truths, if known.
        labels: the names of the classes or outputs; empty if unknown.
        softmax: whether the answers are those of a softmax, so that they are probabilities of classes.

    Raises:
        DataError: `infer_task` would refuse them for any answers of this shape.
    """
    outputs = int(answers[-1] or 0)
    with naming(samples.path):
        if samples.truths and not _are_classes(tuple(answers), samples.truths) and softmax and outputs != 1:
            _check_not_one_hot(samples.truths)
    if outputs:
        # One output may be yes or no, with two names, or a value.
        _check_names(labels, 2 if outputs == 1 and len(labels) != 1 else outputs)


def describe_guess(task: Task) -> str:
    """Describe which task was guessed from the answers, and why, for samples without truths."""
    reason = {
        CLASSIFICATION: "the numbers of each answer add up to 1",
        BINARY: "there is one number for yes or no" if task.logits else "each answer is one number from 0 to 1",
        MULTILABEL: "the answers are numbers from 0 to 1",
        REGRESSION: "the answers are no probabilities; if they are logits of classes, add y to the samples",
    }[task.kind]
    return f"assumed {task.kind}: {reason}"


def _are_classes(answers: tuple[int | None, ...], truths: Sequence[tuple[Origin, Truth]]) -> bool:
    """Decide from shapes and types whether truths are classes; False if they may be labels or values.

    Raises:
        DataError: they do not fit answers of this shape, [samples, …].
    """
    outputs, (origin, truth) = int(answers[-1] or 0), truths[-1]
    one, places = outputs == 1, ("samples", *map(str, answers[1:-1]))
    answer_shape = f"({', '.join((*places, str(outputs)))})"
    shape, whole = truth.shape[1:], truth.dtype.kind == "i"
    a_class_each = shape == answers[1:-1] or (not one and shape == (*answers[1:-1], 1))
    if a_class_each and not (whole or one):
        hint = whole_hint(truth, origin.name) or "; expected class numbers or names"
        raise DataError(f"{origin.name} contains floating-point numbers for answers of shape {answer_shape}{hint}")
    if not (shape == answers[1:] or a_class_each):
        raise DataError(
            f"{origin.name} has shape {truth.shape}, but the model answers with shape {answer_shape}; expected a "
            f"class for each answer, whole numbers of shape ({', '.join(places)}), or labels or values of the answers' "
            "shape"
        )
    if not a_class_each or one:
        return False
    for each, y in truths:
        check_classes(y, outputs, each)
    return True


def _check_not_one_hot(truths: Sequence[tuple[Origin, Truth]]) -> None:
    if all(is_one_hot(y) for _, y in truths):
        name = truths[-1][0].name
        raise DataError(f"{name} is one-hot; give each answer's class as a whole number, {name}.argmax(axis=-1)")


def _find_kind(answers: Float32, truths: Sequence[tuple[Origin, Truth]]) -> str:
    if _are_classes(answers.shape, truths):
        return CLASSIFICATION
    one, (origin, truth) = answers.shape[-1] == 1, truths[-1]
    whole = truth.dtype.kind == "i"
    # Sigmoids may be labels of which each sample has exactly one; a softmax or logits are classes.
    sigmoids = _within_zero_and_one(answers) and not _add_up_to_one(answers)
    if not (one or sigmoids):
        _check_not_one_hot(truths)
    if not whole and _within_zero_and_one(answers) and all(np.isin(y, (0, 1)).all() for _, y in truths):
        raise DataError(
            f"{origin.name} contains only 0 and 1, as floating-point numbers; for yes or no give whole numbers, "
            f"{origin.name}.astype(int)"
        )
    if not whole or not all(_within_zero_and_one(y) for _, y in truths):
        return REGRESSION
    return BINARY if one else MULTILABEL


def _guess_kind(answers: Float32, labels: Sequence[str]) -> str:
    """Guess the kind of task from the answers alone."""
    if answers.shape[-1] == 1:
        return BINARY if _within_zero_and_one(answers) or len(labels) == 2 else REGRESSION
    if _add_up_to_one(answers):
        return CLASSIFICATION
    return MULTILABEL if _within_zero_and_one(answers) else REGRESSION


def _check_names(labels: Sequence[str], expected: int) -> None:
    check_labels(labels)
    if labels and len(labels) != expected:
        raise DataError(
            f"{describe_count(labels, 'label')}; expected {expected} or none: --labels, or the array "
            "`labels` of the samples, names all classes or outputs of the model, in their order"
        )


def _add_up_to_one(answers: Float32) -> bool:
    return bool(answers.min() >= 0 and np.abs(answers.sum(axis=-1) - 1).max() <= _SUM_TOLERANCE)


def _within_zero_and_one(values: Truth) -> bool:
    return bool(np.all((values >= 0) & (values <= 1)))
