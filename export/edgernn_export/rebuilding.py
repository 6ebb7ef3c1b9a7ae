"""Rebuilding: make the same Keras model for another number of steps or samples, or in another number type.

A model is saved, its configuration in the archive is changed, and it is loaded again. Every layer then saves and loads
its whole state by its own methods, with its assets and what it derives from its weights (an adapted Normalization).
"""

import json
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgernn.arrays import AnyArray, Floats
from edgernn.errors import ModelError
from edgernn.system.tensorflow_setup import quiet_tensorflow
from edgernn_export.converter_errors import reason_of
from edgernn_export.masking import keep_masked

Change = Callable[[Any], Any]
# Name of the layer in front of a model that takes rows, which returns samples of the model's own shape.
TO_OWN_SHAPE = "edgernn_to_own_shape"

# A rebuilt model adds in another order if Keras unrolled its steps. Ill-conditioned models amplify rounding. Scale
# the inputs by _PERTURBED and allow ten times the change that this causes.
_TOLERANCE = 1e-5
_PERTURBED = 1 + 1e-6
MAX_COMPARED = 32
# A model of fewer digits than float32 rounds weights, inputs and every intermediate value. Change weights and inputs of
# the rebuilt model by at most one unit in the last place of these numbers, and allow five times the change that this
# causes, and two units of the answers, which are rounded as well. Of 47 models (as in `sensitivity`, in float16 and
# bfloat16) the differences beyond two units were up to 1.3 times that change, and 2.9 times with chaotic states.
_DRAWS, _CHANGES, _ROUNDED = 3, 5, 2
_OTHER_POLICIES = ("float16", "bfloat16", "float64", "mixed_float16", "mixed_bfloat16")


def with_steps(model: Any, steps: int | None) -> Any:
    """Rebuild a model for another number of time steps.

    Args:
        model: functional or Sequential, as `keras_model.load` returns it; it is not changed.
        steps: the new number; None leaves it free.

    Raises:
        ModelError: a layer needs the number of steps that the model was built with.
    """
    old, rest = model.inputs[0].shape[1], _rest_of_own_shape(model)
    try:
        return _rebuild(model, lambda config: _with_steps(config, old, steps, rest=rest))
    except ModelError as error:
        raise ModelError(f"cannot run with {steps or 'any number of'} steps: {error}") from error


def in_float64(model: Any) -> Any:
    """Rebuild a model for any number of time steps, computing in float64.

    Raises:
        ModelError: a layer needs float32, or the number of steps that the model was built with.
    """
    old, rest = model.inputs[0].shape[1], _rest_of_own_shape(model)
    return _rebuild(model, lambda config: _with_float64(_with_steps(config, old, None, rest=rest)))


def in_float32(model: Any) -> Any:
    """Rebuild a model for any batch size, computing in float32, with recurrent layers that are not stateful.

    Raises:
        ModelError: a layer needs another number type, or the batch size that the model was built with.
    """
    return _rebuild(model, _with_float32)


def for_one_sample(model: Any, unroll: bool) -> Any:
    """Rebuild a model for a batch of one, with recurrent layers unrolled by Keras or not.

    Raises:
        ModelError: a layer cannot be rebuilt with a batch of one.
    """
    shape = list(model.inputs[0].shape[1:])
    return _rebuild(model, lambda config: _for_one_sample(config, shape, unroll))


def copy(model: Any) -> Any:
    """Copy a model by saving and loading it."""
    return _rebuild(model, lambda config: config)


def set_weights(model: Any, weights: Sequence[AnyArray]) -> None:
    """Set the weights of a model, and update what its layers derive from them.

    Args:
        model: a Keras model.
        weights: in the order of `get_weights()`.
    """
    model.set_weights(weights)
    model.predict_function = None  # it was traced with the old derived values
    for layer in model._flatten_layers():
        kept: dict[str, Any] = {}
        layer.save_own_variables(kept)
        if kept:
            layer.load_own_variables(kept)


def _rest_of_own_shape(model: Any) -> list[int] | None:
    """Return the axes behind the steps of the samples that a model inside takes; None if it takes rows."""
    layer = next((layer for layer in model.layers if layer.name == TO_OWN_SHAPE), None)
    return None if layer is None else list(layer.target_shape[1:])


def check_rebuilt(loaded: Any, rebuilt: Any, x: Floats, own: Sequence[int] = (), unit: float = 0.0) -> None:
    """Check that a rebuilt model answers like the loaded one.

    Args:
        loaded: the Keras model in the file.
        rebuilt: the model rebuilt from it, of any dtype.
        x: inputs that both take, [samples, steps, features]; at most `MAX_COMPARED` of them are compared.
        own: shape of the samples that the loaded model takes; empty if it takes those of `x`.
        unit: relative distance of neighbouring numbers of a loaded model with fewer digits than the rebuilt one; 0 for
            other models.

    Raises:
        ModelError: an answer differs by more than rounding explains.
    """
    chosen = x[np.linspace(0, len(x) - 1, min(len(x), MAX_COMPARED)).round().astype(int)]
    given = chosen.reshape(-1, *own) if own else chosen
    try:
        ask, again = _compiled(loaded, given), _compiled(rebuilt, chosen)
        expected, answers = ask(given), again(chosen)
        known = np.isfinite(expected)
        if unit:
            base, changed = answers, _answers_of_changed(rebuilt, again, chosen, unit)
            known &= np.isfinite(answers)
        else:
            base, changed = expected, [ask(keep_masked(loaded, given, given * _PERTURBED))]
    except Exception as error:  # a layer built for another number of steps may raise any error
        raise ModelError(f"the rebuilt model cannot answer: {reason_of(error)}") from error
    if expected.shape != answers.shape:
        raise ModelError(f"the rebuilt model answers with shape {answers.shape[1:]}, expected {expected.shape[1:]}")
    known &= np.isfinite(changed).all(axis=0)

    def flat(values: Floats) -> Floats:
        return np.where(known, values, 0).reshape(len(chosen), -1)

    largest = np.abs(flat(expected)).max(axis=1, initial=0)
    change = np.max([np.abs(flat(each) - flat(base)).max(axis=1, initial=0) for each in changed], axis=0)
    # Relative to the largest answer to the same sample, because samples may differ by a factor of a million.
    floor, factor = (_ROUNDED * unit, _CHANGES) if unit else (_TOLERANCE, 10)
    allowed = floor * np.maximum(largest, np.median(largest)) + factor * change
    off = np.abs(flat(answers) - flat(expected)).max(axis=1, initial=0)
    if not (off <= allowed).all():  # so that a NaN among the answers fails
        worst = int(np.argmax(np.nan_to_num(off - allowed, nan=np.inf)))
        raise ModelError(
            f"the rebuilt model's answers differ by {off[worst]:.2g} from the loaded model's, expected at most "
            f"{allowed[worst]:.2g}; a layer has a state that Keras does not save: use one of Keras's own layers instead"
        )


def in_own_batches(model: Any, run: Callable[[Floats], Any], size: int) -> Callable[[Floats], Iterator[AnyArray]]:
    """Return a function that answers inputs batch by batch, each from states of zero, as NumPy arrays.

    Args:
        model: a Keras model, which may have a fixed batch size and stateful layers.
        run: function from a batch of the model's inputs to its answers.
        size: samples in a batch of a model that takes any number.
    """
    import keras

    fixed = model.inputs[0].shape[0]
    stateful = [each for each in model._flatten_layers() if isinstance(each, keras.layers.RNN) and each.stateful]

    def answer(x: Floats) -> Iterator[AnyArray]:
        for first in range(0, len(x), fixed or size):
            batch = x[first : first + (fixed or size)]
            full = batch if fixed is None else np.resize(batch, (fixed, *batch.shape[1:]))
            for state in keras.tree.flatten([layer.states for layer in stateful]):
                state.assign(keras.ops.zeros_like(state))
            yield np.asarray(run(full))[: len(batch)]

    return answer


def perturbed(values: AnyArray, rng: np.random.Generator, unit: float) -> AnyArray:
    """Return numbers, each changed at random by at most `unit` of its size; other values are returned unchanged."""
    if values.dtype.kind != "f":  # the state of a random generator is no weight
        return values
    changed: AnyArray = (values * (1 + unit * rng.uniform(-1, 1, values.shape))).astype(values.dtype)
    return changed


def _answers_of_changed(model: Any, ask: Callable[[Floats], Floats], x: Floats, unit: float) -> list[Floats]:
    """Return the answers of a model to inputs when its weights and they are changed at random, once for each draw."""
    rng, weights = np.random.default_rng(0), model.get_weights()
    try:
        answers = []
        for _ in range(_DRAWS):
            set_weights(model, [perturbed(weight, rng, unit) for weight in weights])
            answers.append(ask(keep_masked(model, x, perturbed(x, rng, unit))))
    finally:
        set_weights(model, weights)
    return answers


def _compiled(model: Any, x: Floats) -> Callable[[Floats], Floats]:
    """Compile a model for inputs of x's shape, because many steps are slow otherwise.

    Its answers are float64; one number for a sample becomes an axis of one.
    """
    import tensorflow as tf

    def answer(x: Any) -> Any:
        return model(x, training=False)

    spec = tf.TensorSpec((model.inputs[0].shape[0] or len(x), *x.shape[1:]), model.compute_dtype)
    function = tf.function(answer, autograph=False).get_concrete_function(spec)
    answers = in_own_batches(model, lambda x: function(tf.constant(x, spec.dtype)), len(x))

    def ask(x: Floats) -> Floats:
        found = np.concatenate([np.asarray(each, np.float64) for each in answers(x)])
        return found[:, np.newaxis] if found.ndim == 1 else found

    return ask


def rows_of_length(x: Floats, steps: int) -> Floats:
    """Shorten or repeat samples [samples, any number of steps, features] to this number of steps."""
    return x[:, np.arange(steps) % x.shape[1]]


def _rebuild(model: Any, change: Change) -> Any:
    with quiet_tensorflow():
        import keras

    with tempfile.TemporaryDirectory() as folder:
        saved, changed = Path(folder) / "saved.keras", Path(folder) / "changed.keras"
        try:
            model.save(saved)
            _change_config(saved, changed, change)
            return keras.saving.load_model(changed, compile=False)
        except Exception as error:  # a layer built with another shape or dtype may raise any error
            raise ModelError(reason_of(error)) from error


def _change_config(source: Path, target: Path, change: Change) -> None:
    with zipfile.ZipFile(source) as saved, zipfile.ZipFile(target, "w") as changed:
        for entry in saved.infolist():
            content = saved.read(entry)
            if entry.filename == "config.json":
                content = json.dumps(change(json.loads(content))).encode()
            changed.writestr(entry, content)


def _walk(config: Any, change: Change) -> Any:
    """Apply a change to each dictionary in a Keras configuration, inner ones first."""
    if isinstance(config, list):
        return [_walk(value, change) for value in config]
    return change({key: _walk(value, change) for key, value in config.items()}) if isinstance(config, dict) else config


def _with_steps(config: Any, old: int | None, new: int | None, *, rest: Sequence[int] | None = None) -> Any:
    """Change every [batch, old, features] input of a Keras configuration to `new` steps.

    Args:
        config: the configuration.
        old: number of steps of the inputs to change.
        new: their new number; None leaves it free.
        rest: axes behind the steps of the samples that a model inside takes. Its inputs are changed, too, and where a
            layer returns `old` steps in another shape, it now returns as many as fit.
    """

    def change(part: dict[str, Any]) -> dict[str, Any]:
        shape = part.get("batch_shape")
        if shape and len(shape) > 1 and shape[1] == old and (len(shape) == 3 or shape[2:] == rest):
            part["batch_shape"] = [shape[0], new, *shape[2:]]
        target = part.get("target_shape")
        if rest is not None and target and target[0] == old and -1 not in target:
            part["target_shape"] = [-1, *target[1:]]
        # Keras can unroll only a fixed number of steps; the answers are the same without.
        return _unbuilt(part) | ({"unroll": False} if "unroll" in part else {})

    return _walk(config, change)


def _with_float64(config: Any) -> Any:
    """Change every float32 in a Keras configuration to float64: policies of layers, inputs, casts, constants."""

    def change(part: dict[str, Any]) -> dict[str, Any]:
        if part.get("class_name") == "DTypePolicy" and part["config"].get("name") == "float32":
            part["config"]["name"] = "float64"
        return part | ({"dtype": "float64"} if part.get("dtype") == "float32" else {})

    return _walk(config, change)


def _with_float32(config: Any) -> Any:
    """Change every number type of a Keras configuration to float32, every batch size to any, and stateful to False."""

    def change(part: dict[str, Any]) -> dict[str, Any]:
        if part.get("class_name") == "DTypePolicy" and part["config"].get("name") in _OTHER_POLICIES:
            part["config"]["name"] = "float32"
        if part.get("batch_shape"):
            part["batch_shape"] = [None, *part["batch_shape"][1:]]
        part |= {"dtype": "float32"} if part.get("dtype") in _OTHER_POLICIES else {}
        return _unbuilt(part) | ({"stateful": False} if "stateful" in part else {})

    return _walk(config, change)


def _for_one_sample(config: Any, shape: list[int], unroll: bool) -> Any:
    """Change every [None, *shape] input of a Keras configuration to a batch of one."""

    def change(part: dict[str, Any]) -> dict[str, Any]:
        if part.get("batch_shape") == [None, *shape]:
            part["batch_shape"] = [1, *shape]
        return _unbuilt(part) | ({"unroll": unroll} if "unroll" in part else {})

    return _walk(config, change)


def _unbuilt(part: dict[str, Any]) -> dict[str, Any]:
    """Remove the shapes that a layer was built with, so that Keras builds it again when it is called."""
    return {key: value for key, value in part.items() if key not in ("build_config", "build_input_shape")}
