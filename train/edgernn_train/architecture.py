"""The network: one SimpleRNN over the rows of an image, one Dense layer over its last state."""

from typing import Any

import numpy as np

from edgernn.system.tensorflow_setup import quiet_tensorflow


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
    with quiet_tensorflow():
        import keras

    # One seed a kernel: with one seed for all, the kernels would start from the same random numbers.
    seeds = [int(number) for number in np.random.SeedSequence(seed).generate_state(3)]
    return keras.Sequential(
        [
            keras.Input((steps, features), name="sequence"),
            keras.layers.SimpleRNN(
                units,
                activation="tanh",
                kernel_initializer=keras.initializers.GlorotUniform(seeds[0]),
                recurrent_initializer=keras.initializers.Orthogonal(seed=seeds[1]),
                name="rnn",
            ),
            keras.layers.Dense(
                classes,
                activation="softmax",
                kernel_initializer=keras.initializers.GlorotUniform(seeds[2]),
                name="probabilities",
            ),
        ],
        name="row_rnn",
    )
