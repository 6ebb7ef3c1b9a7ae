"""Engines: what runs an epoch of a compiled Keras model.

`xla`  one function compiled by XLA, which runs the batches of a group in a loop
`fit`  Keras's own `model.fit`, for models that XLA cannot compile and for short trainings

Both do the same arithmetic on the same batches; their weights differ by rounding.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, Protocol

import numpy as np

from edgernn.arrays import Float32
from edgernn.errors import first_line
from edgernn.system.tensorflow_setup import quiet_tensorflow
from edgernn_train.architecture import penalized
from edgernn_train.batches import EpochImages, Group

EngineName = Literal["xla", "fit"]
Logs = dict[str, float]
# Called after each group with the number of finished batches of the epoch, and the epoch's logs so far.
Advance = Callable[[int, Logs], None]

# Batches of a whole training from which on XLA is quicker. Measured on two cores with SimpleRNN, GRU and LSTM of 64
# units: compiling costs 0.5 to 1.2 s of processor time more than the first batch of `model.fit`, and a batch of 28
# steps takes 4 to 7 ms less. Over 448 steps a batch takes 0.6 times as long; two layers of LSTM over 128 steps gain
# nothing, and lose nothing but the compilation.
MIN_XLA_BATCHES = 300
_EVALUATED_AT_ONCE = 1000


class TrainingEngine(Protocol):
    """Trains a compiled Keras model for one epoch."""

    @property
    def name(self) -> EngineName:
        """Name of the engine, as settings.json records it."""

    def train(self, images: EpochImages, epoch: int, advance: Advance) -> Logs:
        """Train the epoch of this number, counted from 0; return its mean loss and accuracy."""


def choose_engine(images: EpochImages, epochs: int) -> EngineName:
    """Return the engine that finishes a training sooner; the same training always has the same engine."""
    return "xla" if images.batches * epochs >= MIN_XLA_BATCHES else "fit"


def make_engine(name: EngineName, model: Any, images: EpochImages, note: Callable[[str], None]) -> TrainingEngine:
    """Make an engine for a compiled model; if XLA cannot compile it, note why and make the other one."""
    if name == "fit":
        return FitEngine(model)
    with quiet_tensorflow():
        import tensorflow as tf

    try:
        return XlaEngine(model, images)
    # TensorFlow raises what its own functions and the model's layers raise.
    except (tf.errors.OpError, ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as e:
        note(f"XLA cannot compile this model ({first_line(e)}); training with model.fit, which takes longer")
        return FitEngine(model)


class XlaEngine:
    """Trains groups of batches in one call each of a function that XLA has compiled.

    Compiling happens here, on a call of 0 batches, so that a failure leaves the model as it was.

    A thread compiles and runs the function, and the main thread waits for it. Each is one call of native code that
    takes seconds, and Python answers Ctrl-C only between two such calls of the main thread.
    """

    name: EngineName = "xla"

    def __init__(self, model: Any, images: EpochImages) -> None:
        self._batch, self._batches = images.recipe.batch_size, images.group_batches
        self._thread = ThreadPoolExecutor(1)
        shape = images.inputs.x_train.shape[1:]
        with penalized(model, images.recipe.simple_rnn):
            self._train = _traced(model, (self._batches, self._batch), shape, images.classes)
        self._run(Group(np.zeros((1, *shape), np.float32), np.eye(1, images.classes, dtype=np.float32)), 0)

    def train(self, images: EpochImages, epoch: int, advance: Advance) -> Logs:
        """Train one epoch."""
        seen, loss, hits, batches = 0, 0.0, 0.0, 0
        for group in images.groups(epoch):
            count = -(-len(group.x) // self._batch)
            group_loss, group_hits = self._run(group, count)
            seen, batches = seen + len(group.x), batches + count
            loss, hits = loss + group_loss, hits + group_hits
            advance(batches, {"loss": loss / seen, "accuracy": hits / seen})
        return {"loss": loss / seen, "accuracy": hits / seen}

    def _run(self, group: Group, count: int) -> tuple[float, float]:
        """Train `count` batches; return the sum of the images' losses, and the number that were classified rightly.

        The function has one shape. The images of a batch that is not full are repeated to fill it, with weight 0; the
        weights of the others grow as much, because Keras divides by the number of all. A recipe's penalty, which has no
        weights, is that of all of them.
        """
        import tensorflow as tf

        shape = (self._batches, self._batch)
        rows = self._batches * self._batch
        weights = np.zeros(rows, np.float32)
        weights[: len(group.x)] = 1
        if rest := len(group.x) % self._batch:
            weights[len(group.x) - rest : len(group.x)] = self._batch / rest
        x, y = (
            part if len(part) == rows else part[np.resize(np.arange(len(part)), rows)] for part in (group.x, group.y)
        )
        arguments = (x.reshape(*shape, *x.shape[1:]), y.reshape(*shape, -1), weights.reshape(shape), np.int32(count))
        losses, hits = self._thread.submit(self._train, *map(tf.constant, arguments)).result()
        # The loss of each batch is a mean over its images.
        images_of = np.full(count, self._batch)
        if rest and count:
            images_of[-1] = rest
        return float(np.dot(losses.numpy()[:count].astype(float), images_of)), float(hits)


def _traced(model: Any, rows: tuple[int, int], shape: Sequence[int], classes: int) -> Any:
    """Return a function that trains a model on the first `count` batches of a group; XLA compiles it when it is called.

    Its arguments are tensors: x [batches, batch, steps, features], y [batches, batch, classes], weights [batches,
    batch] and count. It returns the loss of each batch, and the number of images that were classified rightly.

    Args:
        model: a compiled Keras model.
        rows: batches of a group, images of a batch.
        shape: steps and features.
        classes: number of classes.
    """
    with quiet_tensorflow():
        import keras
        import tensorflow as tf

    variables = list(model.trainable_variables)

    def train_batch(x: Any, y: Any, weights: Any) -> tuple[Any, Any]:
        with tf.GradientTape() as tape:
            answers = model(x, training=True)
            loss = model.compute_loss(x=x, y=y, y_pred=answers, sample_weight=weights, training=True)
        model.optimizer.apply(tape.gradient(loss, [variable.value for variable in variables]), variables)
        right = keras.metrics.categorical_accuracy(y, answers)
        return loss, tf.reduce_sum(tf.where(weights > 0, right, tf.zeros_like(right)))

    def train_group(x: Any, y: Any, weights: Any, count: Any) -> tuple[Any, Any]:
        batch_losses = tf.zeros(x.shape[0])

        def body(index: Any, losses: Any, hits: Any) -> tuple[Any, Any, Any]:
            loss, right = train_batch(x[index], y[index], weights[index])
            return index + 1, tf.tensor_scatter_nd_update(losses, [[index]], [loss]), hits + right

        loop = (tf.constant(0), batch_losses, tf.constant(0.0))
        _, batch_losses, hits = tf.while_loop(lambda index, *_: index < count, body, loop)
        return batch_losses, hits

    # Without autograph: there is nothing to convert, and its messages name lines that are not the user's.
    function = tf.function(train_group, jit_compile=True, autograph=False)
    return function.get_concrete_function(
        tf.TensorSpec((*rows, *shape), tf.float32),
        tf.TensorSpec((*rows, classes), tf.float32),
        tf.TensorSpec(rows, tf.float32),
        tf.TensorSpec((), tf.int32),
    )


class FitEngine:
    """Trains by Keras's own `model.fit`, one call an epoch."""

    name: EngineName = "fit"

    def __init__(self, model: Any) -> None:
        self._model = model

    def train(self, images: EpochImages, epoch: int, advance: Advance) -> Logs:
        """Train one epoch."""
        with quiet_tensorflow():
            import keras

        # A function in place of a subclass: the class would need Keras when this module is imported.
        callback = keras.callbacks.LambdaCallback(
            on_train_batch_end=lambda batch, logs: advance(batch + 1, dict(logs or {}))
        )
        with penalized(self._model, images.recipe.simple_rnn):
            history = self._model.fit(
                _batches(images, epoch),
                steps_per_epoch=images.batches,
                # The batches have a new order every epoch anyway; with shuffle on, Keras only warns.
                shuffle=False,
                callbacks=[callback],
                verbose=0,
            )
        return {name: float(values[-1]) for name, values in history.history.items()}


def _batches(images: EpochImages, epoch: int) -> Iterator[tuple[Float32, Float32]]:
    size = images.recipe.batch_size
    for group in images.groups(epoch):
        for start in range(0, len(group.x), size):
            yield group.x[start : start + size], group.y[start : start + size]


class Evaluator:
    """Loss and accuracy of a compiled model, by one function for all numbers of images."""

    def __init__(self, model: Any, shape: Sequence[int], classes: int) -> None:
        with quiet_tensorflow():
            import keras
            import tensorflow as tf

        def judge(x: Any, y: Any) -> tuple[Any, Any]:
            answers = model(x, training=False)
            loss = model.compute_loss(x=x, y=y, y_pred=answers, training=False)
            return loss, tf.reduce_mean(keras.metrics.categorical_accuracy(y, answers))

        signature = [tf.TensorSpec((None, *shape), tf.float32), tf.TensorSpec((None, classes), tf.float32)]
        self._judge = tf.function(judge, input_signature=signature, autograph=False)

    def __call__(self, x: Float32, y: Float32) -> Logs:
        """Return the mean loss and the accuracy on images."""
        sums = np.zeros(2)
        for start in range(0, len(x), _EVALUATED_AT_ONCE):
            part = slice(start, start + _EVALUATED_AT_ONCE)
            sums += len(x[part]) * np.array([float(value) for value in self._judge(x[part], y[part])])
        loss, accuracy = sums / len(x)
        return {"loss": float(loss), "accuracy": float(accuracy)}
