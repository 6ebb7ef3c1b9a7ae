"""Check of the truths: the Keras model must answer the samples better than a guess.

The proof compares an artifact with Keras, so it also passes if the samples are not scaled as in the training, or if
the classes have another order than the model's outputs. Then Keras itself is no better than a guess.
"""

from collections.abc import Sequence

import numpy as np

from edgernn import metrics
from edgernn.arrays import Float32, Int64
from edgernn.metrics import Truth
from edgernn.tasks import BINARY, CLASSIFICATION, REGRESSION, Task, show

# The guess is the most frequent class. Keras is reported if, of the share that this guess misses, it gains less than
# this part.
MIN_GAIN = 0.1
# Another order of the classes is reported if it makes this share more of the answers right.
MIN_GAIN_OF_ORDER = 0.3
_ADVICE = "Check that the samples are scaled as in the training (--scale)"


def find_doubt(task: Task, reference: Float32, truth: Truth | None, labels: Sequence[str]) -> str:
    """Find a reason why samples and truths may not belong to a Keras model, with advice; empty if there is none.

    Args:
        task: of the model.
        reference: the Keras model's answers, float32 [samples, outputs] or [samples, steps, outputs].
        truth: the right answers, as `Task.measure` takes them; None if unknown.
        labels: the names of the classes; empty if they have none.
    """
    if truth is None:
        return ""
    if task.kind == REGRESSION:
        r2 = task.measure(reference, truth)["r2"]
        found = f"Keras has R² {r2:,.2f} on these samples, no more than the constant answer mean(y), which has 0"
        return f"{found}. {_ADVICE}." if r2 <= 0 else ""
    if task.kind not in (CLASSIFICATION, BINARY):
        return ""
    decisions = task.decide(reference).ravel()
    right = truth.reshape(decisions.shape).astype(np.int64)
    if task.kind == CLASSIFICATION and (order := _find_order(decisions, right, reference.shape[-1])):
        return _describe_order(decisions, right, order, labels)
    counts = np.bincount(right)
    share = float(counts.max() / len(right))
    accuracy = metrics.accuracy(decisions, right)
    if len(counts[counts > 0]) < 2 or accuracy >= share + MIN_GAIN * (1 - share):
        return ""
    place = int(counts.argmax())
    name = labels[place] if place < len(labels) else str(place)
    return (
        f"Keras has accuracy {show('accuracy', accuracy)} on these samples, hardly more than the constant answer "
        f"{name!r}, which has {show('accuracy', share)}. {_ADVICE}, and the order of the classes (--labels)."
    )


def _find_order(decisions: Int64, right: Int64, classes: int) -> Sequence[int]:
    """Find another order of the classes with which many more answers of the model are right.

    Returns:
        The class of y for each output; empty if there is none, or if two outputs fit the same class.
    """
    table = np.zeros((classes, classes), np.int64)
    answered = decisions >= 0
    np.add.at(table, (decisions[answered], right[answered]), 1)
    order = table.argmax(axis=1)
    if sorted(order) != list(range(classes)):
        return ()
    gain = int(table[np.arange(classes), order].sum() - table.trace())
    return tuple(map(int, order)) if gain > MIN_GAIN_OF_ORDER * len(right) else ()


def _describe_order(decisions: Int64, right: Int64, order: Sequence[int], labels: Sequence[str]) -> str:
    # -1, an answer of NaN, stays -1.
    reordered = np.array([*order, -1])[decisions]
    given, better = (show("accuracy", metrics.accuracy(each, right)) for each in (decisions, reordered))
    names = ",".join(labels[place] if labels else str(place) for place in order)
    advice = "Number the classes of y in this order."
    if labels:
        advice = f"If y has names, pass --labels {names}; if it has numbers, number the classes in this order."
    return (
        f"The classes of y seem to have another order than the model's outputs: Keras has accuracy {given}, and with "
        f"the order {names} it would have {better}. {advice}"
    )
