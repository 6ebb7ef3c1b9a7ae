"""The fit: trains a model on a data set by a recipe, tests it, and draws samples."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edgernn.arrays import Array, ArrayLike, Float32
from edgernn.data.datasets import MAX_CALIBRATION_SAMPLES, MAX_TEST_SAMPLES, Dataset, check_classes
from edgernn.data.samples import Origin, Samples
from edgernn.errors import DataError, SettingError
from edgernn.inputs import as_array, scale_pixels
from edgernn.system.tensorflow_setup import quiet_tensorflow
from edgernn_train.architecture import Network
from edgernn_train.batches import EpochImages
from edgernn_train.checkpoints import Checkpoints, Saver, describe_facts, engine_of, restore
from edgernn_train.engines import EngineName, Evaluator, TrainingEngine, choose_engine, make_engine
from edgernn_train.plots import draw_curves
from edgernn_train.prepared_inputs import Inputs, draw_samples, one_hot, prepare_inputs
from edgernn_train.recipes import LOSS, METRIC, Recipe, find_recipe

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_SEED = 2**32 - 1
# Keras's default, 32, takes twice as long on a small network.
_PREDICTED_AT_ONCE = 256
_DEFAULT_NETWORK = Network()


@dataclass(frozen=True)
class Trained:
    """A trained model and the facts that a run folder records about it.

    Attributes:
        model: the `keras.Model`, compiled.
        recipe: recipe of the training.
        seed: seed of all random numbers.
        epochs: number of epochs.
        engine: what ran the epochs, see `edgernn_train.engines`.
        scaled: whether pixels were divided by 255.
        input_meaning: meaning of an input value, for instance "pixel / 255".
        labels: the name of each class.
        history: loss and accuracy of every epoch, by Keras's names. `loss` is that of the changed training images,
            with the recipe's penalty; `val_loss` is that of the test images, without.
        results: `loss` and `accuracy` on all test images, by condition; clean images are always among the
            conditions, as the last one if the recipe does not train on them.
        first_probabilities: float32 [classes], the answer to the first test image in the first of the recipe's
            conditions.
        first_class: the right class of that image.
        samples: calibration and test samples as the network receives them.
        duration_s: duration of the training, in seconds.
        network: recurrent layers of the model; None for a model that the caller built.
    """

    model: Any
    recipe: Recipe
    seed: int
    epochs: int
    engine: EngineName
    scaled: bool
    input_meaning: str
    labels: tuple[str, ...]
    history: dict[str, list[float]]
    results: dict[str, dict[str, float]]
    first_probabilities: Float32
    first_class: int
    samples: Samples
    duration_s: float
    network: Network | None = None

    def predict(self, x: ArrayLike) -> Float32:
        """Return the model's probabilities.

        Args:
            x: [samples, steps, features], or one sample [steps, features]: uint8 pixels, which are scaled as in the
                training, or numbers as the network receives them.

        Returns:
            float32 [samples, classes], or [classes] for one sample.

        Raises:
            DataError: the inputs have another shape.
        """
        array = as_array(x)
        answers: Float32 = self.model.predict(self._inputs(array), batch_size=_PREDICTED_AT_ONCE, verbose=0)
        return answers if array.ndim == 3 else answers[0]

    def evaluate(self, x: ArrayLike, y: ArrayLike) -> dict[str, float]:
        """Return `loss` and `accuracy` on samples.

        Args:
            x: as for `predict`.
            y: the class of each sample, whole numbers [samples].

        Raises:
            DataError: the inputs or the classes have another shape, or there is no such class.
        """
        inputs, truth = self._inputs(as_array(x)), np.atleast_1d(as_array(y))
        if truth.shape != inputs.shape[:1] or truth.dtype.kind not in "iu":
            raise DataError(
                f"y has shape {truth.shape} and type {truth.dtype}, expected whole numbers ({len(inputs)},): one class "
                "for each sample"
            )
        classes = truth.astype(np.int64)
        check_classes(classes, len(self.labels), Origin("y"))
        evaluate = Evaluator(self.model, inputs.shape[1:], len(self.labels))
        return _measure(evaluate, inputs, one_hot(classes, len(self.labels)))

    def show_history(self) -> "Figure":
        """Draw the loss and the accuracy after each epoch, for training and validation.

        Raises:
            MissingExtraError: matplotlib is not installed.
        """
        return draw_curves(self.history)

    def _inputs(self, x: Array) -> Float32:
        expected = self.samples.x_test.shape[1:]
        if x.shape[-2:] != expected or x.ndim not in (2, 3) or not len(x):
            raise DataError(f"x has shape {x.shape}, expected (samples, {expected[0]}, {expected[1]}) or {expected}")
        return scale_pixels(x.reshape(-1, *expected), self.input_meaning)


def fit(
    dataset: Dataset,
    recipe: str | Recipe = "robust",
    *,
    build: Callable[..., Any] = _DEFAULT_NETWORK,
    epochs: int | None = None,
    seed: int = 0,
    scale: bool = True,
    engine: EngineName | None = None,
    callbacks: Sequence[Any] = (),
    checkpoints: Checkpoints | None = None,
    note: Callable[[str], None] = lambda _: None,
) -> Trained:
    """Train a model on a data set.

    The same arguments on the same machine give the same numbers: the global generators of Python, NumPy and
    TensorFlow are seeded.

    Args:
        dataset: uint8 pixels, or float32 in [0, 1].
        recipe: `seed`, `robust`, or another `Recipe`.
        build: makes the untrained model: a `Network`, or a function with the same arguments.
        epochs: number of epochs; by default the recipe's.
        seed: 0 to 2^32 - 1.
        scale: False leaves pixels 0 to 255, as the original of recipe `seed` does.
        engine: `xla` or `fit`; by default the one that is quicker for this number of batches.
        callbacks: Keras callbacks, for instance `edgernn_train.epoch_progress.epoch_lines`. With engine `xla`, the
            batches between two calls of on_train_batch_end are more than one.
        checkpoints: place of the state after each epoch, from which an interrupted training can go on; None: the
            training cannot go on.
        note: receives lines about the engine and about a training that goes on.

    Raises:
        DataError: the recipe cannot add noise to the values.
        OutputError: a checkpoint cannot be written.
        SettingError: an unknown recipe, less than one epoch, a seed out of range, or a checkpoint of another training.
    """
    chosen = find_recipe(recipe, dataset) if isinstance(recipe, str) else recipe
    epochs = chosen.epochs if epochs is None else epochs
    _check_settings(epochs, seed)
    inputs = prepare_inputs(dataset, chosen, seed, scale)
    with quiet_tensorflow():
        import keras

    started = time.monotonic()
    facts, resumed = {}, None
    if checkpoints:
        facts = describe_facts(dataset, recipe=chosen, network=build, seed=seed, epochs=epochs, scaled=scale)
        resumed = checkpoints.read(facts)
    keras.utils.set_random_seed(seed)
    classes = len(dataset.labels)
    steps, features = inputs.x_train.shape[1:]
    ours = {"simple_rnn": chosen.simple_rnn} if isinstance(build, Network) else {}
    model = build(steps, features, classes, seed=seed, **ours)
    images = EpochImages(inputs, chosen, classes, seed)
    # Keras's own use of XLA compiles each batch separately, which takes longer and gains little.
    model.compile(chosen.optimizer(epochs * images.batches), LOSS, metrics=[METRIC], jit_compile=False)
    called = keras.callbacks.CallbackList(list(callbacks), model=model, epochs=epochs, steps=images.batches)
    called.on_train_begin()  # before the compilation, which takes seconds
    model.optimizer.build(model.trainable_variables)
    samples = draw_samples(inputs, MAX_CALIBRATION_SAMPLES, MAX_TEST_SAMPLES, seed)
    if resumed:
        restore(model, resumed)
        started -= resumed.duration_s
        note(f"going on after epoch {resumed.epochs} of {epochs}")
    elif checkpoints:
        checkpoints.begin(model, samples)
    runner = make_engine(engine_of(resumed) or engine or choose_engine(images, epochs), model, images, note)
    evaluate = Evaluator(model, (steps, features), classes)
    saver = (
        Saver(checkpoints, inputs.meaning, facts | {"engine": runner.name}, started, resumed) if checkpoints else None
    )
    history = _train(model, runner, images, epochs, evaluate, called, saver)
    called.on_train_end()
    first = next(iter(inputs.test.values()))[:1]
    return Trained(
        model=model,
        recipe=chosen,
        seed=seed,
        epochs=epochs,
        engine=runner.name,
        scaled=scale,
        input_meaning=inputs.meaning,
        labels=dataset.labels,
        history=history,
        results=_evaluate(evaluate, inputs, classes),
        first_probabilities=np.asarray(model(first))[0],
        first_class=int(inputs.y_test[0]),
        samples=samples,
        duration_s=time.monotonic() - started,
        network=build if isinstance(build, Network) else None,
    )


def _check_settings(epochs: int, seed: int) -> None:
    if epochs < 1:
        raise SettingError(f"{epochs} epochs; expected at least 1")
    if not 0 <= seed <= MAX_SEED:
        raise SettingError(f"seed {seed}; expected 0 to {MAX_SEED}")


def _train(
    model: Any,
    engine: TrainingEngine,
    images: EpochImages,
    epochs: int,
    evaluate: Evaluator,
    called: Any,
    saver: Saver | None,
) -> dict[str, list[float]]:
    """Train a compiled model; each epoch ends with a validation on the test images of all conditions.

    `called` is Keras's list of callbacks.
    """
    inputs = images.inputs
    x_test = np.concatenate(list(inputs.test.values()))
    y_test = np.tile(one_hot(inputs.y_test, images.classes), (len(inputs.test), 1))
    earlier = saver.checkpoint.history if saver and saver.checkpoint else {}
    history = {name: list(values) for name, values in earlier.items()}
    model.stop_training = False
    for epoch in range(len(history.get("loss", ())), epochs):
        called.on_epoch_begin(epoch)
        logs = engine.train(images, epoch, lambda batches, logs: called.on_train_batch_end(batches - 1, logs))
        logs |= {f"val_{name}": value for name, value in evaluate(x_test, y_test).items()}
        for name, value in logs.items():
            history.setdefault(name, []).append(value)
        if saver:
            saver(model, history)
        called.on_epoch_end(epoch, logs)
        if model.stop_training:
            break
    return history


def _evaluate(evaluate: Evaluator, inputs: Inputs, classes: int) -> dict[str, dict[str, float]]:
    """Return loss and accuracy on all test images, by condition; clean images are always among the conditions."""
    y_test = one_hot(inputs.y_test, classes)
    # A user's own pictures have no noise.
    conditions = inputs.test if "clean" in inputs.test else {**inputs.test, "clean": inputs.clean_test}
    return {str(condition): _measure(evaluate, x_test, y_test) for condition, x_test in conditions.items()}


def _measure(evaluate: Evaluator, x: Float32, y: Float32) -> dict[str, float]:
    # The network computes in float32: digits after the sixth have no meaning.
    return {name: round(value, 6) for name, value in evaluate(x, y).items()}
