import numpy as np
import pytest

from edgernn_train import build_model


@pytest.fixture(scope="module")
def model():
    return build_model(28, 28, 10)


def test_it_has_6602_parameters(model):
    assert model.count_params() == 6602
    assert {layer.name: layer.count_params() for layer in model.layers} == {"rnn": 5952, "probabilities": 650}


def test_layers_and_activations_are_those_of_the_seed_recipe(model):
    rnn, dense = model.layers
    assert [type(layer).__name__ for layer in model.layers] == ["SimpleRNN", "Dense"]
    assert (rnn.units, rnn.activation.__name__, rnn.unroll, rnn.return_sequences) == (64, "tanh", False, False)
    assert (dense.units, dense.activation.__name__) == (10, "softmax")
    assert model.input_shape == (None, 28, 28)
    assert model.output_shape == (None, 10)


def test_it_gives_probabilities(model):
    x = np.random.default_rng(0).random((3, 28, 28), np.float32)
    probabilities = np.asarray(model(x))
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, atol=1e-6)


def test_the_seed_decides_the_first_weights():
    first, again, other = (build_model(5, 4, 3, units=6, seed=seed).get_weights() for seed in (1, 1, 2))
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(first[0], other[0])


def test_the_recurrent_kernel_starts_orthogonal(model):
    recurrent = model.get_layer("rnn").get_weights()[1]
    np.testing.assert_allclose(recurrent @ recurrent.T, np.eye(64), atol=1e-5)
