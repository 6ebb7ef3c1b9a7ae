"""The network: recurrent layers over the rows of an image, one Dense layer over the last state."""

from collections.abc import Mapping
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

    def __call__(self, steps: int, features: int, classes: int, *, seed: int = 0) -> Any:
        """Build the model, not yet compiled.

        Args:
            steps: time steps of a sequence.
            features: values of a time step.
            classes: number of classes.
            seed: seed of the initial weights.

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
                recurrent_initializer=keras.initializers.Orthogonal(seed=seeds[2 * index + 1]),
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
