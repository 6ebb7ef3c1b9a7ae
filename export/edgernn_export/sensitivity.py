"""Sensitivity: measure how far the rounding of float32 alone moves a Keras model's answers.

Two correct implementations differ, because they add in another order and compute tanh by another polynomial. The
difference depends on the number of steps, the size of the values, and on whether the states amplify small changes.
Therefore it is measured: every weight and every input is changed at random by at most one unit in the last place,
2**-23 of its value. This changes each product, sum and state of each step about as much as rounding does.

Of ten recurrent models (SimpleRNN, GRU and LSTM, 8 to 64 units, 28 to 300 steps, kernels of 0.8 to 3 times Keras's
initial size, tanh, relu and gates of tanh) TFLite's and ONNX Runtime's float32 answers differed from Keras's by 0.4 to
1.3 times the change that this causes.
"""

from typing import Any

import numpy as np

from edgernn import metrics
from edgernn.arrays import Float32
from edgernn_export.keras_model import predictor
from edgernn_export.masking import keep_masked
from edgernn_export.rebuilding import perturbed

# Relative distance of neighbouring float32 numbers.
UNIT = 2.0**-23
# Each random change shows only some directions.
_DRAWS = 3
_SAMPLES, _STEPS = 200, 20_000
_SEED = 0


def rounding_error_of(model: Any, x: Float32, answers: Float32) -> float:
    """Measure how far float32's rounding moves a model's answers, as `metrics.largest_difference`.

    Args:
        model: a Keras model; its weights are restored at the end.
        x: samples, float32 [samples, steps, features]; at most 200 of them, or 20,000 steps, are run.
        answers: the model's answers, float32 [samples, ...].

    Returns:
        The largest change of an answer; infinity if a changed answer is NaN.
    """
    count = min(len(x), _SAMPLES, max(1, _STEPS // x.shape[1]))
    rng = np.random.default_rng(_SEED)
    weights, predict = model.get_weights(), predictor(model)
    try:
        changes = []
        for _ in range(_DRAWS):
            model.set_weights([perturbed(weight, rng, UNIT) for weight in weights])
            changed = keep_masked(model, x[:count], perturbed(x[:count], rng, UNIT))
            changes.append(metrics.largest_difference(predict(changed), answers[:count]))
    finally:
        model.set_weights(weights)
    return float("inf") if np.isnan(changes).any() else max(changes)
