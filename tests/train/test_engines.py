import dataclasses
import threading

import numpy as np
import pytest

from edgernn_train import Network, batches, engines, find_recipe, fit
from edgernn_train.architecture import SimpleRnnSettings
from edgernn_train.batches import EpochImages
from edgernn_train.engines import MIN_XLA_BATCHES, choose_engine
from edgernn_train.prepared_inputs import prepare_inputs

SMALL = Network(units=4)


@pytest.fixture(scope="module")
def xla_threads():
    """Return a list of the threads in which XLA compiles and trains, filled by `by_engine`."""
    return []


@pytest.fixture(scope="module")
def by_engine(tiny, xla_threads):
    """Train the same with both engines: 200 images in batches of 32, so the last batch has 8."""
    traced = engines._traced

    def watched(*arguments):
        function = traced(*arguments)
        return lambda *values: (xla_threads.append(threading.current_thread()), function(*values))[1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engines, "_traced", watched)
        patch.setattr(batches, "_MAX_GROUP_BATCHES", 3)  # 7 batches: the last group has one
        return {name: fit(tiny, "seed", build=SMALL, epochs=2, engine=name) for name in ("xla", "fit")}


def test_both_engines_train_the_same_weights(by_engine):
    assert {name: trained.engine for name, trained in by_engine.items()} == {"xla": "xla", "fit": "fit"}
    for a, b in zip(*(trained.model.get_weights() for trained in by_engine.values()), strict=True):
        np.testing.assert_allclose(a, b, atol=2e-6)


@pytest.mark.usefixtures("by_engine")
def test_the_main_thread_can_answer_a_signal_while_xla_compiles_and_trains(xla_threads):
    assert len(xla_threads) == 1 + 2 * 3  # the compilation, and the groups of 2 epochs
    assert threading.current_thread() not in xla_threads


def test_both_engines_report_the_same_figures(by_engine):
    xla, fitted = (trained.history for trained in by_engine.values())
    assert set(xla) == set(fitted) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    for name, values in xla.items():
        assert values == pytest.approx(fitted[name], abs=1e-5)


def test_both_engines_add_the_penalty_of_the_recipe_and_leave_none(tiny):
    settings = SimpleRnnSettings(0.9, state_penalty=50.0)
    # Four whole batches: the penalty of a batch that is not full differs.
    recipe = dataclasses.replace(find_recipe("robust"), simple_rnn=settings, batch_size=50)
    by_name = {name: fit(tiny, recipe, build=SMALL, epochs=2, engine=name) for name in ("xla", "fit")}
    xla, fitted = by_name.values()
    for name, values in xla.history.items():
        assert values == pytest.approx(fitted.history[name], abs=1e-4)
    assert xla.history["loss"][0] > xla.history["val_loss"][0] + 1
    for trained in by_name.values():
        assert trained.model.layers[0].activity_regularizer is None


def test_long_trainings_use_xla_and_short_ones_do_not(tiny):
    recipe = find_recipe("seed")
    images = EpochImages(prepare_inputs(tiny, recipe, 0), recipe, 10, 0)
    assert choose_engine(images, MIN_XLA_BATCHES // images.batches) == "fit"
    assert choose_engine(images, MIN_XLA_BATCHES // images.batches + 1) == "xla"


def test_a_model_that_xla_cannot_compile_is_trained_by_fit(tiny):
    import keras

    def build(steps, features, classes, *, seed):
        # XLA has no operator for texts.
        class Named(keras.layers.Layer):
            def call(self, x):
                import tensorflow as tf

                return x + tf.strings.to_number(tf.strings.as_string(x)) * 0

        answer = keras.layers.Dense(classes, "softmax", kernel_initializer=keras.initializers.GlorotUniform(seed))
        return keras.Sequential([keras.Input((steps, features)), Named(), keras.layers.Flatten(), answer])

    notes = []
    trained = fit(tiny, "seed", build=build, epochs=1, engine="xla", note=notes.append)
    assert trained.engine == "fit"
    assert trained.history["loss"]
    [note] = notes
    assert note.startswith("XLA cannot compile this model (")
    assert note.endswith("); training with model.fit, which takes longer")
    assert "\n" not in note


def test_callbacks_can_end_a_training(tiny):
    import keras

    callback = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: setattr(callback.model, "stop_training", epoch == 0 and "loss" in logs)
    )
    assert len(fit(tiny, "seed", build=SMALL, epochs=3, callbacks=[callback]).history["loss"]) == 1
