"""Models that must be refused, because edgernn does not support a part of them, and their messages."""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgernn.errors import ModelError
from edgernn.system.tensorflow_setup import quiet_tensorflow
from edgernn_export import keras_model

STEPS, FEATURES = 6, 3


@dataclass(frozen=True)
class Refused:
    """A model that is refused.

    Attributes:
        make: function that makes the model.
        words: texts that the message must contain, with the layer's name if there is one.
    """

    make: Callable[[], Any]
    words: tuple[str, ...]


def refusal(name: str) -> str:
    """Return the message with which a model of `REFUSED` is refused; empty if it is not."""
    with quiet_tensorflow(), tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "small.keras"
        REFUSED[name].make().save(path)
        try:
            keras_model.load(path)
        except ModelError as error:
            return str(error).removeprefix(f"{path}: ")
    return ""


def _sequential(*layers: Any, steps: int | None = STEPS, batch: int | None = None) -> Any:
    import keras

    inputs = keras.Input(batch_shape=(batch, steps, FEATURES))
    return keras.Sequential([inputs, *layers, keras.layers.Dense(2, activation="softmax")])


def _masking() -> Any:
    from keras import layers

    return _sequential(layers.Masking(name="the_mask"), layers.GRU(4))


def _stateful() -> Any:
    from keras import layers

    return _sequential(layers.LSTM(4, stateful=True, name="the_lstm"), batch=1)


def _return_state() -> Any:
    import keras

    inputs = keras.Input((STEPS, FEATURES))
    _, state = keras.layers.GRU(4, return_state=True, name="the_gru")(inputs)
    return keras.Model(inputs, keras.layers.Dense(2)(state))


def _conv_lstm() -> Any:
    from keras import layers

    reshape = layers.Reshape((STEPS, FEATURES, 1))
    return _sequential(reshape, layers.ConvLSTM1D(2, 2, name="the_conv"), layers.Flatten())


def _cell() -> Any:
    from keras import layers

    return _sequential(layers.RNN(layers.GRUCell(4), name="the_rnn"))


def _cells() -> Any:
    from keras import layers

    return _sequential(layers.RNN([layers.LSTMCell(4), layers.LSTMCell(3)], name="the_rnn"))


def _two_inputs() -> Any:
    import keras

    inputs = [keras.Input((STEPS, FEATURES)) for _ in range(2)]
    joined = keras.layers.Concatenate()(inputs)
    return keras.Model(inputs, keras.layers.Dense(2)(keras.layers.SimpleRNN(4)(joined)))


def _two_outputs() -> Any:
    import keras

    inputs = keras.Input((STEPS, FEATURES))
    state = keras.layers.SimpleRNN(4)(inputs)
    return keras.Model(inputs, [keras.layers.Dense(2)(state), keras.layers.Dense(3)(state)])


def _not_recurrent() -> Any:
    from keras import layers

    return _sequential(layers.Flatten())


REFUSED: Mapping[str, Refused] = {
    "Masking": Refused(_masking, ("the_mask", "masks time steps")),
    "stateful=True": Refused(_stateful, ("the_lstm", "stateful=True")),
    "return_state=True": Refused(_return_state, ("the_gru", "return_state=True")),
    "ConvLSTM1D": Refused(_conv_lstm, ("the_conv", "ConvLSTM1D")),
    "RNN(cell)": Refused(_cell, ("the_rnn", "RNN")),
    "RNN([cell, cell])": Refused(_cells, ("the_rnn", "RNN")),
    "two inputs": Refused(_two_inputs, ("2 inputs and 1 outputs",)),
    "two outputs": Refused(_two_outputs, ("1 inputs and 2 outputs",)),
    "no recurrent layer": Refused(_not_recurrent, ("no recurrent layer among", "SimpleRNN, GRU, LSTM")),
}
