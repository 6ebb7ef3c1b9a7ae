"""Measures of answers: the difference of decisions and values from the truth and from each other."""

import numpy as np

from edgernn.arrays import AnyArray, Bools, Floats, Int64

# Classes, labels or values: int64 or float32.
Truth = AnyArray

# Constant values have no variance to explain. An answer is right if it is within this share of the largest value.
_CONSTANT_TOLERANCE = 0.01


def accuracy(decisions: Int64, truth: Truth) -> float:
    """Return the share of right decisions; both arrays have one shape."""
    return float(np.mean(decisions == truth))


def f1(found: Bools, true: Bools) -> float:
    """Return the harmonic mean of precision and recall: 2 TP / (2 TP + FP + FN); both arrays have one shape.

    This is the F measure of van Rijsbergen, "Information Retrieval", 2nd edition, 1979, with both weighted alike.
    1 if there is nothing to find and nothing is found.
    """
    named = int(found.sum()) + int(true.sum())
    return 2 * int((found & true).sum()) / named if named else 1.0


def macro_f1_of_classes(decisions: Int64, truth: Truth) -> float:
    """Return the mean F1 of all classes that occur in the truth or the decisions; a decision of -1 is no class."""
    classes = np.union1d(decisions[decisions >= 0], truth)
    return float(np.mean([f1(decisions == each, truth == each) for each in classes]))


def macro_f1_of_labels(decisions: Int64, truth: Truth) -> float:
    """Return the mean F1 of all labels, each decided separately: two arrays of 0 and 1, [..., labels]."""
    labels = range(truth.shape[-1])
    return float(np.mean([f1(decisions[..., label] == 1, truth[..., label] == 1) for label in labels]))


def mean_absolute_error(values: Floats, truth: Truth) -> float:
    """Return the mean distance of two arrays of one shape."""
    return float(np.abs(values.astype(np.float64) - truth).mean())


def r2(values: Floats, truth: Truth, min_spread: float = 0.0) -> float:
    """Return the coefficient of determination, 1 - SSE / SST, averaged over the outputs.

    SSE is the sum of the squared errors, SST that of the true values' squared distances from their mean. An output
    whose true values are all the same counts 1 if every answer is within a hundredth of the largest true value, and 0
    otherwise. NaN if a value is NaN.

    Args:
        values: [..., outputs].
        truth: [..., outputs], of the same shape.
        min_spread: lower limit of the true values' standard deviation, as a share of the largest of them: if they
            hardly vary, rounding errors must not count as unexplained variance.
    """
    answered, true = (np.asarray(array, np.float64).reshape(-1, truth.shape[-1]) for array in (values, truth))
    errors = ((answered - true) ** 2).sum(axis=0)
    total = ((true - true.mean(axis=0)) ** 2).sum(axis=0)
    total = np.maximum(total, len(true) * (min_spread * np.abs(true).max(axis=0)) ** 2)
    constant = np.ptp(true, axis=0) == 0
    met = np.where(
        np.isnan(errors), np.nan, (np.abs(answered - true) <= _CONSTANT_TOLERANCE * scale_of(true)).all(axis=0)
    )
    return float(np.where(constant, met, 1 - errors / np.where(constant, 1, total)).mean())


def scale_of(answers: Floats) -> float:
    """Return the divisor for differences: the largest of these answers, at least 1, which no probability exceeds."""
    return max(1.0, float(np.abs(answers).max()))


def largest_difference(answers: Floats, reference: Floats) -> float:
    """Return the largest difference between two arrays of one shape; NaN if a number is NaN.

    It is divided by the reference's `scale_of`: differences of logits and values are relative to their size.
    """
    return float(np.abs(answers - reference).max()) / scale_of(reference)
