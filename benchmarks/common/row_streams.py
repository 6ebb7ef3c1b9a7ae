"""Answers of a stream."""

import numpy as np

from edgernn import Model
from edgernn.arrays import Float32


def answers_by_row(model: Model, x: Float32) -> Float32:
    """Return a stream's answers: float32 [samples, steps, features] to [samples, steps, *answer].

    Raises:
        NoStepError: the model cannot stream.
    """
    stream, answers = model.stream(), []
    for sample in x:
        stream.reset()
        answers.append([stream.push(row) for row in sample])
    return np.array(answers)
