"""The network: recurrent layers over the rows of an image, one Dense layer over the last state."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from edgernn.errors import SettingError
from edgernn.suggestions import did_you_mean
from edgernn.system.tensorflow_setup import quiet_tensorflow

CELLS: Mapping[str, str] = MappingProxyType({"simple_rnn": "SimpleRNN", "gru": "GRU", "lstm": "LSTM"})
"""Keras's names of the recurrent layers, by the values of `--cell`."""


@dataclass(frozen=True)
class SimpleRnnSettings:
    """Initial recurrent kernel and penalty of SimpleRNN layers; GRU and LSTM need neither.

    At first each unit keeps most of its state: gradients reach the first steps (Q. Le, N. Jaitly, G. Hinton, "A Simple
    Way to Initialize Recurrent Networks of Rectified Linear Units", 2015). Sums over many steps soon reach the limits
    of tanh, where gradients vanish; the penalty keeps the states away from them.

    Attributes:
        recurrent_scale: factor of the identity matrix that is the initial recurrent kernel.
        state_penalty: factor of the mean square of the last state, which is added to the loss.
    """

    recurrent_scale: float
    state_penalty: float


@dataclass(frozen=True)
class Network:
    """Recurrent layers of one kind and size, then Dense and softmax; a call builds the untrained model.

    Attributes:
        cell: kind of the recurrent layers, one of `CELLS`.
        units: values of a recurrent layer's state.
        layers: number of recurrent layers.

    Raises:
        SettingError: an unknown kind, or less than one unit or layer.
    """

    cell: str = "simple_rnn"
    units: int = 64
    layers: int = 1

    def __post_init__(self) -> None:
        if self.cell not in CELLS:
            raise SettingError(
                f"unknown cell {self.cell!r}; expected one of {', '.join(CELLS)}{did_you_mean(self.cell, CELLS)}"
            )
        if self.units < 1 or self.layers < 1:
            raise SettingError(f"{self.layers} layers of {self.units} units; expected at least 1 of each")

    def __str__(self) -> str:
        """Name the recurrent layers as Keras does, for instance "2 × GRU(32)"."""
        layer = f"{CELLS[self.cell]}({self.units})"
        return layer if self.layers == 1 else f"{self.layers} × {layer}"

    def __call__(
        self, steps: int, features: int, classes: int, *, seed: int = 0, simple_rnn: SimpleRnnSettings | None = None
    ) -> Any:
        """Build the model, not yet compiled.

        Args:
            steps: time steps of a sequence.
            features: values of a time step.
            classes: number of classes.
            seed: seed of the initial weights.
            simple_rnn: settings of SimpleRNN layers; None: Keras's initial weights.

        Returns:
            A `keras.Model` from float32 [batch, steps, features] to probabilities float32 [batch, classes].
        """
        with quiet_tensorflow():
            import keras

        # One seed a kernel: with one seed for all, the kernels would start from the same random numbers. The third is
        # that of the Dense layer, whatever the number of recurrent layers.
        seeds = [int(number) for number in np.random.SeedSequence(seed).generate_state(2 * self.layers + 1)]
        dense = seeds.pop(2)
        recurrent = [
            getattr(keras.layers, CELLS[self.cell])(
                self.units,
                activation="tanh",
                kernel_initializer=keras.initializers.GlorotUniform(seeds[2 * index]),
                recurrent_initializer=(
                    keras.initializers.Identity(simple_rnn.recurrent_scale)
                    if simple_rnn and self.cell == "simple_rnn"
                    else keras.initializers.Orthogonal(seed=seeds[2 * index + 1])
                ),
                return_sequences=index + 1 < self.layers,
                name="rnn" if self.layers == 1 else f"rnn_{index + 1}",
            )
            for index in range(self.layers)
        ]
        answer = keras.layers.Dense(
            classes,
            activation="softmax",
            kernel_initializer=keras.initializers.GlorotUniform(dense),
            name="probabilities",
        )
        return keras.Sequential([keras.Input((steps, features), name="sequence"), *recurrent, answer], name="row_rnn")


@contextmanager
def penalized(model: Any, settings: SimpleRnnSettings | None) -> Iterator[None]:
    """Add the penalty of the settings to the losses of a model that are computed or traced within the block.

    The last recurrent layer of the model is penalized if it is a SimpleRNN. Outside of the block the model has no
    penalty, so that it is saved and evaluated as it will be used.
    """
    with quiet_tensorflow():
        from keras import layers, regularizers

    recurrent = [layer for layer in model.layers if isinstance(layer, layers.RNN)]
    if not settings or not recurrent or not isinstance(recurrent[-1], layers.SimpleRNN):
        yield
        return
    last = recurrent[-1]
    before = last.activity_regularizer
    # Keras adds the sum over the units, divided by the samples of the batch.
    last.activity_regularizer = regularizers.L2(settings.state_penalty / last.units)
    try:
        yield
    finally:
        last.activity_regularizer = before


def build_model(steps: int, features: int, classes: int, units: int = 64, seed: int = 0) -> Any:
    """Build `Input → SimpleRNN(tanh) → Dense(softmax)`, not yet compiled.

    With steps 28, features 28, classes 10 and units 64 it has 6,602 parameters: 5,952 = (28 + 64 + 1)·64 in
    the SimpleRNN and 650 = (64 + 1)·10 in the Dense layer.

    Args:
        steps: time steps of a sequence.
        features: values of a time step.
        classes: number of classes.
        units: values of the recurrent state.
        seed: seed of the initial weights.

    Returns:
        A `keras.Model` from float32 [batch, steps, features] to probabilities float32 [batch, classes].
    """
    return Network(units=units)(steps, features, classes, seed=seed)
