"""Measures of answers: how far decisions and values are from the truth and from each other."""

import numpy as np

from edgernn.arrays import AnyArray, Bools, Floats, Int64

# Classes, labels or values: int64 or float32.
Truth = AnyArray

# Values that are all the same have no variance to be explained: they are met, within so much, or not.
_MET = 0.01


def accuracy(decisions: Int64, truth: Truth) -> float:
    """Share of decisions that are right; two arrays of one shape."""
    return float(np.mean(decisions == truth))


def f1(found: Bools, true: Bools) -> float:
    """The harmonic mean of precision and recall: 2 TP / (2 TP + FP + FN); two arrays of one shape.

    It is the F measure of van Rijsbergen, "Information Retrieval", 2nd edition, 1979, with both weighted alike.
    1 where there is nothing to find and nothing is found.
    """
    named = int(found.sum()) + int(true.sum())
    return 2 * int((found & true).sum()) / named if named else 1.0


def macro_f1_of_classes(decisions: Int64, truth: Truth) -> float:
    """The mean F1 of all classes that are true or decided for somewhere; a decision of -1 is for none of them."""
    classes = np.union1d(decisions[decisions >= 0], truth)
    return float(np.mean([f1(decisions == each, truth == each) for each in classes]))


def macro_f1_of_labels(decisions: Int64, truth: Truth) -> float:
    """The mean F1 of all labels, each decided by itself: two arrays of 0 and 1, [..., labels]."""
    labels = range(truth.shape[-1])
    return float(np.mean([f1(decisions[..., label] == 1, truth[..., label] == 1) for label in labels]))


def mean_absolute_error(values: Floats, truth: Truth) -> float:
    """The mean distance of two arrays of one shape."""
    return float(np.abs(values.astype(np.float64) - truth).mean())


def r2(values: Floats, truth: Truth, min_spread: float = 0.0) -> float:
    """The coefficient of determination: 1 - SSE / SST of each output, its mean over the outputs.

    SSE is the sum of the squared errors, SST that of the true values' squared distances from their mean. An output
    whose true values are all the same counts 1 where it is met, to a hundredth of the largest true value, and 0 where
    it is not. NaN when a value is NaN.

    Args:
        values: [..., outputs].
        truth: of the same shape.
        min_spread: an output whose true values have a smaller standard deviation counts as if it were this share of
            the largest of them: rounding must not explain the variance of what hardly varies.
    """
    answered, true = (np.asarray(array, np.float64).reshape(-1, truth.shape[-1]) for array in (values, truth))
    errors = ((answered - true) ** 2).sum(axis=0)
    total = ((true - true.mean(axis=0)) ** 2).sum(axis=0)
    total = np.maximum(total, len(true) * (min_spread * np.abs(true).max(axis=0)) ** 2)
    constant = np.ptp(true, axis=0) == 0
    met = np.where(np.isnan(errors), np.nan, (np.abs(answered - true) <= _MET * scale_of(true)).all(axis=0))
    return float(np.where(constant, met, 1 - errors / np.where(constant, 1, total)).mean())


def scale_of(answers: Floats) -> float:
    """What differences are divided by: the largest of these answers, or 1, which no probability exceeds."""
    return max(1.0, float(np.abs(answers).max()))


def largest_difference(answers: Floats, reference: Floats) -> float:
    """The largest difference in any number of two arrays of one shape; NaN when a number is NaN.

    Divided by the reference's `scale_of`: that of logits and values is relative to their size.
    """
    return float(np.abs(answers - reference).max()) / scale_of(reference)
