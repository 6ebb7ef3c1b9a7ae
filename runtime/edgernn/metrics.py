"""How far two models' answers are from the truth and from each other."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]
Int64 = npt.NDArray[np.int64]


def accuracy(probabilities: Floats, classes: Int64) -> float:
    """Share of samples whose most probable class is right: [samples, classes] against [samples]."""
    return float(np.mean(probabilities.argmax(axis=1) == classes))


def agreement(probabilities: Floats, reference: Floats) -> float:
    """Share of samples where both give the same top class; both [samples, classes]."""
    return float(np.mean(probabilities.argmax(axis=1) == reference.argmax(axis=1)))


def largest_difference(probabilities: Floats, reference: Floats) -> float:
    """The largest difference in any value; NaN when a value is NaN."""
    return float(np.abs(probabilities - reference).max())
