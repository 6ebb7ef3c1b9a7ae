"""Refinement: tune a Keras model's weights so that they answer like the original after rounding to int8.

Every quantization to int8 weights rounds a kernel in the same way: symmetric, one scale a channel. Here the weights are
trained with that rounding (the straight-through estimator: Bengio, Léonard and Courville, arXiv:1308.3432). The teacher
is the original model with its answers to the calibration set. The resulting kernels are on the int8 grid already: the
largest weight of a channel is 127 scales, so a quantizer finds the same scales again and changes nothing.

Only the rounding of the weights is simulated. Simulating that of the states, too, made int8 files no closer to Keras.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgernn.arrays import Float32
from edgernn.rounding import MAX_INTEGER, MIN_SCALE, round_channels
from edgernn.system.tensorflow_setup import quiet_tensorflow
from edgernn.tasks import CLASSIFICATION, REGRESSION, Task
from edgernn_export import keras_model
from edgernn_export.rules import check_refinable

# From the answers of the original and of the refined model, tensors [samples, ..., outputs], to a scalar tensor.
Loss = Callable[[Any, Any], Any]

# Chosen on held-out calibration samples of six SimpleRNN(64) models (robust and seed recipe, seeds 0 to 2), among 10 to
# 80 epochs, batches of 64 to 500 and rates from 1/32 to 1/3: the loss falls to 0.14 of that of rounding alone, with
# smaller batches to 0.2. With a constant rate it rises, because weights never stop jumping between two grid points.
# The rate is a share of the grid's step, so that it fits weights of any size; for those models it is 1e-4.
# The loss alone chooses the epoch. A second rule, to refuse epochs whose decisions on held-out samples agree less than
# those of rounding alone, changed nothing in 26 refinements of barely trained models, on 20 to 4,000 samples: on 10,000
# other samples, all refined models agreed more.
EPOCHS = 40
BATCH_SIZE = 256
RATE_IN_GRID_STEPS = 1 / 32
HELD_OUT_SHARE = 0.2
# Time of one step of one recurrent layer in a batch, and the time that each sample adds for each weight; forward and
# back, on 2 cores of x86-64 with AVX-512. Correct within a factor of 2 from SimpleRNN(8) to LSTM(128) and from 16 to
# 512 steps. Keras's loop is kept: unrolled, a batch takes 0.6 to 1.1 times as long, but tracing takes longer with every
# step.
_SECONDS_A_STEP = 100e-6
_SECONDS_A_WEIGHT = 0.1e-9

_SEED = 0
_EPSILON = 1e-7  # Keras's own, against the logarithm of zero


@dataclass(frozen=True)
class Refinement:
    """Result of a refinement.

    Attributes:
        weights: in the order of Keras's `get_weights()`, kernels on their int8 grid, the others free.
        epoch: the epoch after which the weights were best; 0 if refining improved nothing, so they are only rounded.
        loss_rounded, loss: of the rounded original and of `weights`, on the held-out calibration samples.
    """

    weights: list[Float32]
    epoch: int
    loss_rounded: float
    loss: float


def loss_of(task: Task, reference: Float32) -> Loss:
    """Return the loss function of a task: the distance of answers from the original's, mean over samples and steps.

    For values it is the squared error as a share of each output's variance, mean over the outputs: 1 - R². For
    probabilities it is the Kullback-Leibler divergence from the original's, in nats; for labels, the sum of it over
    the labels.

    Args:
        task: the model's.
        reference: the original's answers to the calibration set, float32 [samples, ..., outputs].
    """
    import tensorflow as tf

    if task.kind == REGRESSION:
        variance = np.var(reference, axis=tuple(range(reference.ndim - 1)))
        variance[variance == 0] = 1  # an output that is always the same
        return lambda original, answers: tf.reduce_mean(tf.square(answers - original) / variance)

    def probabilities(answers: Any) -> list[tuple[Any, Any]]:
        """Return probabilities with their logarithms; for labels, one pair for yes and one for no."""
        if task.logits and task.kind == CLASSIFICATION:
            return [(tf.nn.softmax(answers), tf.nn.log_softmax(answers))]
        if task.logits:
            return [(tf.sigmoid(each), tf.math.log_sigmoid(each)) for each in (answers, -answers)]
        both = [answers] if task.kind == CLASSIFICATION else [answers, 1 - answers]
        return [(each, tf.math.log(each + _EPSILON)) for each in both]

    def divergence(original: Any, answers: Any) -> Any:
        pairs = zip(probabilities(original), probabilities(answers), strict=True)
        terms = [share * (ours - theirs) for (share, ours), (_, theirs) in pairs]
        return tf.reduce_mean(tf.reduce_sum(tf.add_n(terms), axis=-1))

    return divergence


def estimate_seconds(model: Any, samples: int, *, epochs: int = EPOCHS) -> float:
    """Estimate how long `refine` takes on 2 cores of a workstation.

    Computed from the sizes, not timed: whether a Keras model is refined must not depend on the load of the machine.

    Args:
        model: a Keras model, as `keras_model.load` returns it.
        samples: number of calibration samples.
        epochs: as for `refine`.
    """
    steps = model.inputs[0].shape[1]
    products = sum(
        int(np.prod(weight.shape)) * max(steps, _count_places(layer))
        for layer in model._flatten_layers()
        for weight in layer._trainable_variables
        if _is_kernel(weight)
    )
    batches = epochs * samples * (1 - HELD_OUT_SHARE) / BATCH_SIZE
    layers = len(keras_model.recurrent_layers(model))
    return float(batches * (layers * steps * _SECONDS_A_STEP + BATCH_SIZE * products * _SECONDS_A_WEIGHT))


def _count_places(layer: Any) -> int:
    """Count the places of a sample at which a layer is applied, such as the pixels of a convolution's answer."""
    nodes = layer._inbound_nodes
    shape = nodes[0].output_tensors[0].shape if nodes else ()
    return int(np.prod([size or 1 for size in shape[1:-1]], dtype=np.int64))


def refine(model: Any, x: Float32, reference: Float32, loss: Loss, *, epochs: int = EPOCHS) -> Refinement:
    """Tune the weights of a Keras model for int8 kernels.

    The same arguments yield the same weights, bit for bit, on one machine. There is no time limit, because the result
    would depend on the machine's load. `estimate_seconds` estimates the time.

    Args:
        model: as `keras_model.load` returns it; it is changed, so pass a copy.
        x: the calibration set, float32 [samples, steps, features]; a fifth is held out to choose the epoch.
        reference: the original's answers to the calibration set, float32 [samples, ..., outputs].
        loss: the loss to minimize; see `loss_of`.
        epochs: number of passes over the samples that are not held out.

    Raises:
        DataError: there are too few samples.
    """
    check_refinable(len(x))
    # Kernels of layers that were frozen in training are rounded like all others. Each layer is set separately, because
    # a model that is trainable already does not pass it on: TensorFlow skips setting an attribute to its present value.
    for layer in model._flatten_layers():
        layer.trainable = True
    generator = np.random.default_rng(_SEED)
    held_out, learned = np.split(generator.permutation(len(x)), [int(len(x) * HELD_OUT_SHARE)])
    batch_size = min(BATCH_SIZE, len(learned))
    batches = len(learned) // batch_size
    step, measure = _functions(model, loss, epochs * batches)
    best = loss_rounded = float(measure(x[held_out], reference[held_out]))
    weights, best_epoch = rounded_weights(model), 0
    for epoch in range(1, epochs + 1):
        for batch in np.split(generator.permutation(learned)[: batches * batch_size], batches):
            step(x[batch], reference[batch])
        held_out_loss = float(measure(x[held_out], reference[held_out]))
        if held_out_loss < best:  # so that a NaN is never chosen
            best, best_epoch, weights = held_out_loss, epoch, rounded_weights(model)
    return Refinement(weights, epoch=best_epoch, loss_rounded=loss_rounded, loss=best)


def rounded_weights(model: Any) -> list[Float32]:
    """Return a model's weights in the order of `get_weights()`, the kernels rounded to their int8 grid."""
    pairs = zip(model.weights, model.get_weights(), strict=True)
    return [_rounded(values) if _is_kernel(variable) else values for variable, values in pairs]


def _functions(model: Any, loss: Loss, steps: int) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Make functions for one training step and for the loss of the rounded model.

    Both take samples and the original's answers to them.
    """
    with quiet_tensorflow():
        import keras
        import tensorflow as tf

    variables = model.trainable_variables
    rate = RATE_IN_GRID_STEPS * _grid_step(variables)
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(rate, steps))
    optimizer.build(variables)

    def measure(x: Any, reference: Any) -> Any:
        fake = [_straight_through(variable) if _is_kernel(variable) else variable.value for variable in variables]
        states = [variable.value for variable in model.non_trainable_variables]
        answers, _ = model.stateless_call(fake, states, x, training=False)
        return loss(reference, answers)

    def step(x: Any, reference: Any) -> None:
        with tf.GradientTape() as tape:
            value = measure(x, reference)
        sources = [variable.value for variable in variables]
        # A weight without influence on the answers stays as it is; Keras would warn of it.
        gradients = tape.gradient(value, sources, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        optimizer.apply(gradients, variables)

    return tf.function(step, autograph=False), tf.function(measure, autograph=False)


def _is_kernel(variable: Any) -> bool:
    """Return True if a layer multiplies its input or state by it; Keras calls all such weights kernels."""
    return len(variable.shape) >= 2 and variable.name.endswith("kernel")


def _rounded(kernel: Float32) -> Float32:
    """Round a kernel [..., channels] to its grid."""
    integers, scales = round_channels(kernel, axis=-1)
    return integers * scales


def _straight_through(kernel: Any) -> Any:
    """Round a kernel to its grid, as `round_channels` does; the gradient is that of the kernel before rounding."""
    import tensorflow as tf

    values = tf.convert_to_tensor(kernel.value)
    scales = tf.reduce_max(tf.abs(values), axis=list(range(len(values.shape) - 1)), keepdims=True) / MAX_INTEGER
    scales = tf.where(scales >= MIN_SCALE, scales, 1.0)
    on_grid = tf.round(values / scales) * scales
    return values + tf.stop_gradient(on_grid - values)


def _grid_step(variables: Sequence[Any]) -> float:
    """Return the median over all channels of the distance between two grid points."""
    largest = [np.abs(np.asarray(v)).reshape(-1, v.shape[-1]).max(axis=0) for v in variables if _is_kernel(v)]
    return float(np.median(np.concatenate(largest))) / MAX_INTEGER
