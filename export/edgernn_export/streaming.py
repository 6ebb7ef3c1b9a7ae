"""Streaming: whether a model answers one time step after the other as it answers a whole sequence."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from edgernn.errors import ModelError
from edgernn.tensorflow_setup import quiet_tensorflow
from edgernn_export.cells import cell_of
from edgernn_export.cells.ops import NumpyOps
from edgernn_export.keras_model import recurrent_layers, with_steps
from edgernn_export.lowering import rebind

Float32 = npt.NDArray[np.float32]

# A layer which sees more than the newest row, backwards or by an average, tells on one of the first rows; one that
# looks far back, as a dilated convolution does, on the last.
_SAMPLES, _STEPS = 4, 32
_COMPARED = (*range(5), _STEPS - 1)
_TOLERANCE = 1e-5
# A model that makes much of little, as gates that may be negative do, is not exact on the last row: what it makes of
# rows that are so little larger is allowed ten times over.
_SHAKEN = 1 + 1e-6


def streams(model: Any) -> bool:
    """Whether the states of the recurrent layers are all that the model must keep between time steps.

    It is tried out, in Keras, on random rows: the answers to every beginning of a sequence must be those that
    the same rows give one by one. So nobody has to know of each kind of layer what it does along the steps
    (pooling, convolutions, attention, flattening, a layer that is used twice). Only of going backwards it is known,
    as Bidirectional does: an untrained model may make so little of it that it does not tell.

    Args:
        model: as `keras_model.load` gives it; it stays as it is.

    Raises:
        ModelError: a recurrent layer is given a mask or initial states.
    """
    with quiet_tensorflow():
        import tensorflow as tf

    if any(layer.go_backwards for layer in recurrent_layers(model)):
        return False
    rng = np.random.default_rng(0)
    x = tf.constant(rng.normal(size=(_SAMPLES, _STEPS, model.inputs[0].shape[2])), tf.float32)
    try:
        free = with_steps(model, None)
    except ModelError:
        return False
    try:
        whole, shaken = (
            [np.asarray(free(rows[:, : row + 1], training=False)) for row in _COMPARED] for rows in (x, x * _SHAKEN)
        )
        for layer in recurrent_layers(free):
            rebind(layer, _keeping_states(layer))
        stepped = [free(x[:, row : row + 1], training=False) for row in range(_STEPS)]
    except (ValueError, tf.errors.OpError):  # what Keras and TensorFlow's kernels raise for too few steps
        return False
    rows = zip(whole, shaken, (np.asarray(stepped[row]) for row in _COMPARED), strict=True)
    return all(_same(*answers) for answers in rows)


def _same(whole: Float32, shaken: Float32, newest: Float32) -> bool:
    """Whether the newest step's answer is the last one of a sequence, or the only one."""
    if whole.ndim == 3 and newest.shape[1] == 1:
        whole, shaken = whole[:, -1:], shaken[:, -1:]
    # Relative to the largest one: an answer may be in metres or in micrometres.
    allowed = _TOLERANCE * np.abs(whole).max(initial=0) + 10 * np.abs(shaken - whole).max(initial=0)
    return whole.shape == newest.shape and np.allclose(whole, newest, atol=allowed)


def _keeping_states(layer: Any) -> Callable[..., Any]:
    """A call of the layer that goes on from the states in which the call before it ended."""
    import tensorflow as tf

    ops, cell = NumpyOps(), cell_of(layer)
    states: tuple[Any, ...] = tuple(np.zeros((_SAMPLES, cell.units), np.float32) for _ in cell.states)

    def call(x: Any) -> Any:
        nonlocal states
        outputs = []
        for row in np.moveaxis(np.asarray(x), 1, 0):
            states = cell.step(ops, cell.project(ops, row), states)
            outputs.append(states[0])
        return tf.constant(np.stack(outputs, axis=1) if layer.return_sequences else outputs[-1])

    return call
