"""Models that must be refused, because edgernn does not support a part of them, and their messages."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
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
        make: function of the module `keras` that makes the model.
        words: texts that the message must contain, with the layer's name if there is one.
    """

    make: Callable[[Any], Any]
    words: tuple[str, ...]


def refusal(name: str) -> str:
    """Return the message with which a model of `REFUSED` is refused; empty if it is not."""
    with quiet_tensorflow(), tempfile.TemporaryDirectory() as folder:
        import keras

        path = Path(folder) / "small.keras"
        REFUSED[name].make(keras).save(path)
        try:
            keras_model.load(path)
        except ModelError as error:
            return str(error).removeprefix(f"{path}: ")
    return ""


def _cell_state(keras: Any) -> Any:
    inputs = keras.Input((STEPS, FEATURES))
    *_, state = keras.layers.LSTM(4, return_state=True, name="the_lstm")(inputs)
    return keras.Model(inputs, keras.layers.Dense(2)(state))


def _states_of_both(keras: Any) -> Any:
    inputs = keras.Input((STEPS, FEATURES))
    _, *states = keras.layers.Bidirectional(keras.layers.GRU(4, return_state=True), name="the_two")(inputs)
    return keras.Model(inputs, keras.layers.Dense(2)(keras.layers.Concatenate()(states)))


def _two_inputs(keras: Any) -> Any:
    inputs = [keras.Input((STEPS, FEATURES)) for _ in range(2)]
    joined = keras.layers.Concatenate()(inputs)
    return keras.Model(inputs, keras.layers.Dense(2)(keras.layers.SimpleRNN(4)(joined)))


def _two_outputs(keras: Any) -> Any:
    inputs = keras.Input((STEPS, FEATURES))
    state = keras.layers.SimpleRNN(4)(inputs)
    return keras.Model(inputs, [keras.layers.Dense(2)(state), keras.layers.Dense(3)(state)])


def _layers(make: Callable[[Any], Sequence[Any]]) -> Callable[[Any], Any]:
    """Return a function that makes a model of one input and these layers; Dense and softmax follow them."""

    def build(keras: Any) -> Any:
        inputs = keras.Input((STEPS, FEATURES))
        return keras.Sequential([inputs, *make(keras.layers), keras.layers.Dense(2, activation="softmax")])

    return build


REFUSED: Mapping[str, Refused] = {
    "the state c of return_state": Refused(_cell_state, ("the_lstm", "state other than its output h")),
    "states of Bidirectional": Refused(_states_of_both, ("the_two", "passes on its states")),
    "ConvLSTM1D": Refused(
        _layers(
            lambda layers: [
                layers.Reshape((STEPS, FEATURES, 1)),
                layers.ConvLSTM1D(2, 2, name="the_conv"),
                layers.Flatten(),
            ]
        ),
        ("the_conv", "ConvLSTM1D"),
    ),
    "Bidirectional of RNN([cell, cell])": Refused(
        _layers(
            lambda layers: [layers.Bidirectional(layers.RNN([layers.LSTMCell(4), layers.LSTMCell(3)], name="the_rnn"))]
        ),
        ("the_rnn", "RNN of 2 cells in Bidirectional"),
    ),
    "two inputs": Refused(_two_inputs, ("2 inputs and 1 outputs",)),
    "two outputs": Refused(_two_outputs, ("1 inputs and 2 outputs",)),
}
