from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgernn_export import keras_model, tflite
from edgernn_export.expand import expand
from edgernn_export.ranges import measure
from edgernn_export.tflite_ops import Float32Ops


def test_ranges_are_the_extremes_over_all_samples_and_steps(save_model: Callable[..., Path]) -> None:
    from keras import layers

    path = save_model([layers.SimpleRNN(5, name="rnn"), layers.Dense(4, activation="softmax")])
    x = np.random.default_rng(0).random((30, 6, 3), np.float32)
    model = keras_model.load(path)
    kernel, recurrent, bias, *_ = model.get_weights()
    converted = tflite.convert(model)
    floats = expand(
        converted.data, converted.carriers, "unrolled", lambda graph, name: Float32Ops(graph, f"{name}/sum")
    )
    ranges = measure(floats, x)

    sums, state = [x @ kernel + bias], np.zeros((30, 5), np.float32)
    states = []
    for step in range(6):
        product = state @ recurrent
        sums += [product, x[:, step] @ kernel + bias + product]
        state = np.tanh(sums[-1])
        states.append(state)
    expected = min(0, *(s.min() for s in sums)), max(0, *(s.max() for s in sums))
    assert ranges["edgernn_cell_0/sum"] == pytest.approx(expected, abs=1e-5)
    assert ranges["edgernn_cell_0@0"] == pytest.approx((min(0, state.min()), max(0, state.max())), abs=1e-5)
    (inputs,) = [value for name, value in ranges.items() if name.endswith("input:0")]
    assert inputs == (0, pytest.approx(x.max()))
