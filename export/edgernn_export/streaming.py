"""Streaming: whether a model answers one time step after the other as it answers a whole sequence."""

from collections.abc import Callable
from typing import Any

import numpy as np

from edgernn.errors import ModelError
from edgernn.tensorflow_setup import quiet_tensorflow
from edgernn_export.cells import cell_of
from edgernn_export.cells.ops import NumpyOps
from edgernn_export.keras_model import recurrent_layers, with_steps

# Enough rows that a layer which sees more than the newest one, backwards or by an average, tells on some row.
_SAMPLES, _STEPS = 4, 5
_TOLERANCE = 1e-4


def streams(model: Any) -> bool:
    """Whether the states of the recurrent layers are all that the model must keep between time steps.

    It is tried out, in Keras, on random rows: the answers to every beginning of a sequence must be those that
    the same rows give one by one. So nobody has to know of each kind of layer what it does along the steps
    (go_backwards, pooling, convolutions, attention, flattening, a layer that is used twice).

    Args:
        model: as `keras_model.load` gives it; it stays as it is.

    Raises:
        ModelError: a recurrent layer is masked.
    """
    with quiet_tensorflow():
        import tensorflow as tf

    rng = np.random.default_rng(0)
    x = tf.constant(rng.normal(size=(_SAMPLES, _STEPS, model.inputs[0].shape[2])), tf.float32)
    try:
        free = with_steps(model, None)
    except ModelError:
        return False
    try:
        whole = [free(x[:, : row + 1], training=False) for row in range(_STEPS)]
        for layer in recurrent_layers(free):
            layer.call = _keeping_states(layer)
        stepped = [free(x[:, row : row + 1], training=False) for row in range(_STEPS)]
    except (ValueError, tf.errors.InvalidArgumentError):  # what Keras raises for too few steps
        return False
    return all(np.allclose(a, b, atol=_TOLERANCE) for a, b in zip(whole, stepped, strict=True))


def _keeping_states(layer: Any) -> Callable[..., Any]:
    """A call of the layer that goes on from the states in which the call before it ended."""
    import tensorflow as tf

    ops, cell = NumpyOps(), cell_of(layer)
    states: tuple[Any, ...] = tuple(np.zeros((_SAMPLES, size), np.float32) for size in cell.state_sizes)

    def call(x: Any, mask: Any = None, **_options: Any) -> Any:
        nonlocal states
        if mask is not None:
            raise ModelError(f"layer {layer.name!r} is masked, which is not supported")
        outputs = []
        for row in np.moveaxis(np.asarray(x), 1, 0):
            output, states = cell.step(ops, cell.project(ops, row), states)
            outputs.append(output)
        return tf.constant(np.stack(outputs, axis=1) if layer.return_sequences else outputs[-1])

    return call
