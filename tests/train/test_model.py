import numpy as np
import pytest

from edgernn.errors import SettingError
from edgernn_train import Network, build_model
from edgernn_train.architecture import SimpleRnnSettings, penalized


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


def test_a_network_has_layers_of_one_kind():
    model = Network("gru", units=8, layers=2)(6, 3, 4, seed=1)
    assert [type(layer).__name__ for layer in model.layers] == ["GRU", "GRU", "Dense"]
    assert [layer.units for layer in model.layers] == [8, 8, 4]
    assert model.output_shape == (None, 4)
    kernels = [layer.cell.kernel.numpy() for layer in model.layers[:2]]
    assert kernels[0].shape == (3, 24)
    assert str(Network("lstm", 32, 3)) == "3 × LSTM(32)"


def test_the_seed_of_the_dense_layer_does_not_depend_on_the_number_of_layers():
    one, two = (Network(units=5, layers=layers)(6, 3, 4, seed=2).get_weights() for layers in (1, 2))
    np.testing.assert_array_equal(one[-2], two[-2])
    np.testing.assert_array_equal(one[0], two[0])
    assert not np.array_equal(two[1], two[4])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"cell": "gur"}, "unknown cell 'gur'; expected one of simple_rnn, gru, lstm. Did you mean 'gru'"),
        ({"units": 0}, "1 layers of 0 units; expected at least 1 of each"),
    ],
)
def test_a_network_that_cannot_be_is_refused(values, message):
    with pytest.raises(SettingError, match=message):
        Network(**values)


def test_settings_of_simple_rnn_layers_are_for_no_other_kind():
    settings = SimpleRnnSettings(recurrent_scale=0.9, state_penalty=3.0)
    usual = Network(units=6, layers=2)(5, 4, 3, seed=1).get_weights()
    model = Network(units=6, layers=2)(5, 4, 3, seed=1, simple_rnn=settings)
    for index, (ours, keras_s) in enumerate(zip(model.get_weights(), usual, strict=True)):
        recurrent = index in (1, 4)
        np.testing.assert_array_equal(ours, np.float32(0.9) * np.eye(6, dtype=np.float32) if recurrent else keras_s)
    gated = Network("gru", units=6)
    for a, b in zip(gated(5, 4, 3).get_weights(), gated(5, 4, 3, simple_rnn=settings).get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_penalty_is_the_mean_square_of_the_last_state_within_the_block():
    settings = SimpleRnnSettings(recurrent_scale=0.9, state_penalty=3.0)
    model = Network(units=6, layers=2)(5, 4, 3, simple_rnn=settings)
    config = model.get_config()
    x = np.random.default_rng(0).random((7, 5, 4), np.float32)
    with penalized(model, settings):
        model(x)
        penalty = float(sum(model.losses))
    last = model.layers[1](model.layers[0](x))
    assert penalty == pytest.approx(3 * np.mean(np.square(last)), rel=1e-5)
    assert model.get_config() == config
    model(x)
    assert sum(model.losses) == 0


def test_other_kinds_have_no_penalty():
    model = Network("gru", units=6)(5, 4, 3)
    with penalized(model, SimpleRnnSettings(recurrent_scale=0.9, state_penalty=3.0)):
        model(np.ones((2, 5, 4), np.float32))
        assert model.losses == []
