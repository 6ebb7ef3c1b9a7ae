"""The fit: trains a model on a data set by a recipe, tests it, and draws samples."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgernn.arrays import Float32
from edgernn.data.datasets import MAX_CALIBRATION_SAMPLES, MAX_TEST_SAMPLES, Dataset
from edgernn.data.samples import Samples
from edgernn.errors import SettingError
from edgernn.system.tensorflow_setup import quiet_tensorflow
from edgernn_train.architecture import build_model
from edgernn_train.batches import batches_per_epoch, endless_batches
from edgernn_train.prepared_inputs import Inputs, draw_samples, one_hot, prepare_inputs
from edgernn_train.recipes import LOSS, METRIC, Condition, Recipe, find_recipe

MAX_SEED = 2**32 - 1


@dataclass(frozen=True)
class Trained:
    """A trained model and the facts that a run folder records about it.

    Attributes:
        model: the `keras.Model`, compiled.
        recipe: recipe of the training.
        seed: seed of all random numbers.
        epochs: number of epochs.
        scaled: whether pixels were divided by 255.
        input_meaning: meaning of an input value, for instance "pixel / 255".
        labels: the name of each class.
        history: loss and accuracy of every epoch, as Keras records them.
        results: `loss` and `accuracy` on all test images, by condition; clean images are always among the
            conditions, as the last one if the recipe does not train on them.
        first_probabilities: float32 [classes], the answer to the first test image in the first of the recipe's
            conditions.
        first_class: the right class of that image.
        samples: calibration and test samples as the network receives them.
        duration_s: duration of the training, in seconds.
    """

    model: Any
    recipe: Recipe
    seed: int
    epochs: int
    scaled: bool
    input_meaning: str
    labels: tuple[str, ...]
    history: dict[str, list[float]]
    results: dict[str, dict[str, float]]
    first_probabilities: Float32
    first_class: int
    samples: Samples
    duration_s: float


def fit(
    dataset: Dataset,
    recipe: str | Recipe = "robust",
    *,
    build: Callable[..., Any] = build_model,
    epochs: int | None = None,
    seed: int = 0,
    scale: bool = True,
    callbacks: Sequence[Any] = (),
) -> Trained:
    """Train a model on a data set.

    The same arguments on the same machine give the same numbers: the global generators of Python, NumPy and
    TensorFlow are seeded.

    Args:
        dataset: uint8 pixels, or float32 in [0, 1].
        recipe: `seed`, `robust`, or another `Recipe`.
        build: makes the untrained model; called like `build_model`, with steps, features, classes and seed.
        epochs: number of epochs; by default the recipe's.
        seed: 0 to 2^32 - 1.
        scale: False leaves pixels 0 to 255, as the original of recipe `seed` does.
        callbacks: Keras callbacks, for instance `edgernn_train.epoch_progress.epoch_lines`.

    Raises:
        DataError: the recipe cannot add noise to the values.
        SettingError: an unknown recipe, less than one epoch, a seed out of range.
    """
    chosen = find_recipe(recipe) if isinstance(recipe, str) else recipe
    epochs = chosen.epochs if epochs is None else epochs
    _check_settings(epochs, seed)
    inputs = prepare_inputs(dataset, chosen, seed, scale)
    with quiet_tensorflow():
        import keras

    started = time.monotonic()
    keras.utils.set_random_seed(seed)
    classes = len(dataset.labels)
    steps, features = inputs.x_train.shape[1:]
    model = build(steps, features, classes, seed=seed)
    history = _train(model, inputs, chosen, epochs, seed, callbacks)
    first = next(iter(inputs.test.values()))[:1]
    return Trained(
        model=model,
        recipe=chosen,
        seed=seed,
        epochs=epochs,
        scaled=scale,
        input_meaning=inputs.meaning,
        labels=dataset.labels,
        history=history,
        results=_evaluate(model, inputs, classes),
        first_probabilities=np.asarray(model(first))[0],
        first_class=int(inputs.y_test[0]),
        samples=draw_samples(inputs, MAX_CALIBRATION_SAMPLES, MAX_TEST_SAMPLES, seed),
        duration_s=time.monotonic() - started,
    )


def _check_settings(epochs: int, seed: int) -> None:
    if epochs < 1:
        raise SettingError(f"{epochs} epochs; expected at least 1")
    if not 0 <= seed <= MAX_SEED:
        raise SettingError(f"seed {seed}; expected 0 to {MAX_SEED}")


def _train(
    model: Any, inputs: Inputs, recipe: Recipe, epochs: int, seed: int, callbacks: Sequence[Any]
) -> dict[str, list[float]]:
    """Compile and train `model`; each epoch ends with a validation on the test images of all conditions."""
    steps, classes = batches_per_epoch(inputs, recipe), model.output_shape[-1]
    # Compiling with XLA, Keras's default where possible, takes 3 s here and gains nothing on a small model.
    model.compile(recipe.optimizer(epochs * steps), LOSS, metrics=[METRIC], jit_compile=False)
    x_test = np.concatenate(list(inputs.test.values()))
    y_test = np.tile(one_hot(inputs.y_test, classes), (len(inputs.test), 1))
    history = model.fit(
        endless_batches(inputs, recipe, classes, np.random.default_rng([seed, 3])),
        steps_per_epoch=steps,
        epochs=epochs,
        validation_data=(x_test, y_test),
        # The batches have a new order every epoch anyway; with shuffle on, Keras only warns.
        shuffle=False,
        callbacks=list(callbacks),
        verbose=0,
    )
    return {name: [float(value) for value in values] for name, values in history.history.items()}


def _evaluate(model: Any, inputs: Inputs, classes: int) -> dict[str, dict[str, float]]:
    """Return loss and accuracy on all test images, by condition; clean images are always among the conditions."""
    y_test = one_hot(inputs.y_test, classes)
    results = {}
    # A user's own pictures have no noise.
    others: dict[Condition, Float32] = {} if "clean" in inputs.test else {"clean": inputs.clean_test}
    for condition, x_test in {**inputs.test, **others}.items():
        # Keras computes in float32: digits after the sixth have no meaning.
        values = model.evaluate(x_test, y_test, verbose=0, return_dict=True)
        results[str(condition)] = {name: round(float(value), 6) for name, value in values.items()}
    return results
