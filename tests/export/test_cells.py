from typing import Any

import numpy as np
import pytest

from edgernn.errors import ModelError
from edgernn_export.cells import cell_of
from edgernn_export.cells.ops import NumpyOps

ACTIVATIONS = ("tanh", "sigmoid", "relu", "linear")


def run(layer: Any, x: np.ndarray) -> np.ndarray:
    """The oracle: one sequence [steps, features] through a cell, [steps, units]."""
    ops, cell = NumpyOps(), cell_of(layer)
    projected = cell.project(ops, x)
    states = tuple(np.zeros((1, size), np.float32) for size in cell.state_sizes)
    outputs = []
    for step in range(len(x)):
        output, states = cell.step(ops, projected[step : step + 1], states)
        outputs.append(np.asarray(output))
    return np.concatenate(outputs)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("use_bias", [True, False])
def test_simple_rnn_answers_as_keras(activation: str, use_bias: bool) -> None:
    import keras

    keras.utils.set_random_seed(1)
    layer = keras.layers.SimpleRNN(
        5, activation=activation, use_bias=use_bias, bias_initializer="random_normal", return_sequences=True
    )
    x = np.random.default_rng(0).normal(size=(1, 6, 3)).astype(np.float32)
    expected = np.asarray(layer(x))[0]
    np.testing.assert_allclose(run(layer, x[0]), expected, atol=2e-6)


def test_numpy_sigmoid_does_not_overflow() -> None:
    with np.errstate(all="raise"):
        low, high = NumpyOps().activation("sigmoid", np.array([-1e4, 1e4], np.float32))
    assert (low, high) == (0, 1)


def test_other_activations_and_layers_are_refused() -> None:
    import keras

    layer = keras.layers.SimpleRNN(2, activation="gelu", name="odd")
    layer.build((1, 3, 4))
    with pytest.raises(ModelError, match=r"layer 'odd' \(SimpleRNN\) has activation 'gelu'; supported: tanh"):
        cell_of(layer)
    with pytest.raises(ModelError, match="layer 'gru' is a GRU; supported recurrent layers: SimpleRNN"):
        cell_of(keras.layers.GRU(2, name="gru"))
