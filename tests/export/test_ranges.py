import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edgernn_export import keras_model
from edgernn_export.cells.ops import MeasuredRange, PostActivation
from edgernn_export.formats.tflite import convert as tflite
from edgernn_export.formats.tflite.arithmetic import Float32Ops
from edgernn_export.formats.tflite.insert_cells import insert_cells
from edgernn_export.formats.tflite.ranges import measure, role_scales, span


def test_ranges_are_the_extremes_over_all_samples_and_steps(save_model: Callable[..., Path]) -> None:
    from keras import layers

    path = save_model([layers.SimpleRNN(5, name="rnn"), layers.Dense(4, activation="softmax")])
    x = np.random.default_rng(0).random((30, 6, 3), np.float32)
    model = keras_model.load(path)
    kernel, recurrent, bias, *_ = model.get_weights()
    converted = tflite.convert(model)
    floats = insert_cells(
        converted.data, converted.placeholders, "unrolled", lambda graph, name: Float32Ops(graph, name)
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
    expected = min(0, *(s.min() for s in states)), max(0, *(s.max() for s in states))
    assert ranges["edgernn_cell_0/state"] == pytest.approx(expected, abs=1e-5)
    (inputs,) = [value for name, value in ranges.items() if name.endswith("input:0")]
    assert inputs == (0, pytest.approx(x.max()))


@example(-1.0, 1.0, 16)
@given(st.floats(-1e6, -1e-6), st.floats(1e-6, 1e6), st.sampled_from([8, 16]))
def test_a_scale_is_what_the_quantizer_computes_from_its_span(low: float, high: float, bits: int) -> None:
    roles = {"sum": MeasuredRange(), "state": PostActivation("gelu", "sum")}
    for scale in role_scales(roles, dict.fromkeys(roles, (low, high)), bits).values():
        ends = np.array(span(scale, bits), np.float32)
        computed = np.float32(ends[1] - ends[0]) / np.float32(255 if bits == 8 else 65534)
        assert computed == np.float32(scale.scales[0])
        assert bits == 8 or math.frexp(scale.scales[0])[0] != 0.5, "a power of two"
        assert max(-low, high) <= max(abs(ends)) * (1 + 2**-7)  # int8's highest integer is one less
