"""The Keras model: read safely, looked through, asked for its answers."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgernn.datasets import Samples
from edgernn.errors import DataError, ModelError, first_line
from edgernn_export import keras_file
from edgernn_export.cells import KINDS, Cell, cell_of

Float32 = npt.NDArray[np.float32]


def load(path: Path, steps: int | None = None, *, free_steps: int | None = None) -> Any:
    """Load a Keras file and check that it is a model edgernn can export.

    Args:
        path: a .keras or .h5 file, as `keras_file.read` reads it.
        steps: in place of the number of time steps that the model says, if it says one.
        free_steps: for a model that takes any number of them, unless `steps` says it.

    Raises:
        ModelError: it is no Keras file, cannot be read safely, has no recurrent layer, or holds
            something that is not supported.
    """
    model = keras_file.read(path)
    try:
        said = model.inputs[0].shape[1] if len(model.inputs[0].shape) == 3 else None
        wanted = steps or said or free_steps
        if wanted is not None and wanted != said:
            model = with_steps(model, wanted)
        _check_supported(model)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error
    return model


def recurrent_layers(model: Any) -> list[Any]:
    """Every recurrent layer, nested ones included, in the order of the model."""
    import keras

    return [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.RNN)]


def cells(model: Any) -> list[Cell]:
    """The cell of each recurrent layer.

    Raises:
        ModelError: one is not supported.
    """
    return [cell_of(layer) for layer in recurrent_layers(model)]


def with_steps(model: Any, steps: int | None) -> Any:
    """The same model, with the same weights, for another number of time steps.

    Args:
        model: functional or Sequential, as `load` gives it; it stays as it is.
        steps: the number; None leaves it free.

    Raises:
        ModelError: a layer needs the number of steps that the model was made with.
    """
    import tensorflow as tf

    config = _config_with_steps(model.get_config(), model.inputs[0].shape[1], steps)
    try:
        rebuilt = type(model).from_config(config)
        rebuilt.set_weights(model.get_weights())
    except (ValueError, TypeError, tf.errors.OpError) as error:
        raise ModelError(f"cannot run with {steps or 'any number of'} steps: {first_line(error)}") from error
    return rebuilt


def predict(model: Any, x: Float32) -> Float32:
    """The model's answers: [samples, steps, features] to float32 [samples, outputs] or [samples, steps, outputs]."""
    answers: Float32 = np.asarray(model.predict(x, batch_size=500, verbose=0), np.float32)
    return answers


def compiled(model: Any) -> Callable[[Float32], Float32]:
    """The model as a compiled function, Keras's quickest way to answer one sample."""
    import tensorflow as tf

    function = tf.function(lambda x: model(x, training=False))
    return lambda x: np.asarray(function(x), np.float32)


def check_samples(model: Any, samples: Samples) -> None:
    """Check that a model takes samples of this shape.

    Raises:
        DataError: it does not.
    """
    expected = tuple(model.inputs[0].shape[1:])
    for name in ("x_calibration", "x_test"):
        shape = getattr(samples, name).shape[1:]
        if shape != expected:
            where = samples.origin(name).name
            raise DataError(f"{where}: samples of shape {shape} do not fit the model, which takes {expected}")


def _check_supported(model: Any) -> None:
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ModelError(f"{len(model.inputs)} inputs and {len(model.outputs)} outputs, expected one of each")
    shape = tuple(model.inputs[0].shape)
    if len(shape) != 3 or not all(shape[1:]):
        raise ModelError(
            f"takes inputs of shape {shape}, expected (None, steps, features) with both fixed; "
            "a free number of steps is fixed by --steps"
        )
    answer = tuple(model.outputs[0].shape)
    if len(answer) not in (2, 3) or not all(answer[1:]):
        raise ModelError(f"answers with shape {answer}, expected (None, outputs) or (None, steps, outputs)")
    layers = list(_layers(model))
    if not recurrent_layers(model):
        names = ", ".join(type(layer).__name__ for layer in layers)
        raise ModelError(f"no recurrent layer among {names}; supported: {', '.join(KINDS)}")
    for number, layer in enumerate(layers, start=1):
        try:
            for part in layer._flatten_layers():
                _check_layer(part)
        except ModelError as error:
            raise ModelError(f"layer {number} of {len(layers)}: {error}") from error
    for weight in model.weights:
        if not np.isfinite(np.asarray(weight)).all():
            raise ModelError(f"weight {weight.path!r} holds NaN or infinity; train the model again")


def _layers(model: Any) -> Iterator[Any]:
    """The layers as a person counts them: those of nested models in their place, no inputs, wrappers as one."""
    import keras

    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _layers(layer)
        elif not isinstance(layer, keras.layers.InputLayer):
            yield layer


def _check_layer(layer: Any) -> None:
    import keras

    if type(layer).__name__ == "Masking" or getattr(layer, "mask_zero", False):
        raise ModelError(
            f"{layer.name!r} masks time steps, which is not supported; train without a mask, on sequences of one length"
        )
    if layer.compute_dtype != "float32":
        raise ModelError(
            f"{layer.name!r} computes in {layer.compute_dtype}, expected float32; build the model under "
            "keras.config.set_dtype_policy('float32'), set its weights from this one, and save that"
        )
    if not isinstance(layer, keras.layers.RNN):
        return
    cell_of(layer)
    if any(node.arguments.kwargs.get("initial_state") is not None for node in layer._inbound_nodes):
        raise ModelError(f"{layer.name!r} is given initial states, which is not supported; supported are zeros")
    for option in ("stateful", "return_state"):
        if getattr(layer, option):
            raise ModelError(f"{layer.name!r} has {option}=True, which is not supported; a stream keeps the states")


def _config_with_steps(config: Any, old: int, new: int | None) -> Any:
    """A Keras configuration in which every [batch, old, features] input has `new` steps."""
    if isinstance(config, list | tuple):
        return [_config_with_steps(value, old, new) for value in config]
    if not isinstance(config, dict):
        return config
    # Shapes noted when the layers were built; without them they are built when they are called.
    noted = ("build_config", "build_input_shape")
    changed = {key: _config_with_steps(value, old, new) for key, value in config.items() if key not in noted}
    shape = changed.get("batch_shape")
    if shape and len(shape) == 3 and shape[1] == old:
        changed["batch_shape"] = (shape[0], new, shape[2])
    if changed.get("unroll"):
        changed["unroll"] = False  # Keras unrolls fixed steps only; the answers are the same
    return changed
