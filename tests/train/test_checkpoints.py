"""Trainings that are interrupted and go on. An exception ends them, which leaves the same files as a kill."""

import errno
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from edgernn.data.run_checkpoint import read_checkpoint, write_checkpoint
from edgernn.errors import DataError, OutputError, SettingError
from edgernn_train import Network, fit
from edgernn_train.checkpoints import Checkpoints

SMALL = Network(units=4)
EPOCHS = 3


class Killed(BaseException):
    """An end of the process that no code handles."""


def train(tiny, folder, resume=False, end_after=None, copy_after=None, copy=None, **settings):
    """Train for some epochs; after one of them, end by an exception, or copy the folder as a kill would leave it."""
    import keras

    def end(epoch, logs):  # noqa: ARG001 (Keras passes them by name)
        if epoch + 1 == copy_after:
            shutil.copytree(folder, copy)
        if epoch + 1 == end_after:
            raise Killed

    settings = {"recipe": "robust", "build": SMALL, "epochs": EPOCHS, "seed": 1} | settings
    callback = keras.callbacks.LambdaCallback(on_epoch_end=end)
    place = Checkpoints(folder, {"name": "tiny", "labels": list(tiny.labels)}, resume)
    return fit(tiny, callbacks=[callback], checkpoints=place, **settings)


@pytest.fixture(scope="module")
def tiny(tiny):
    """Return smaller images than those of other tests."""
    return replace(tiny, x_train=tiny.x_train[:, 3:13, :6], x_test=tiny.x_test[:, 3:13, :6])


@pytest.fixture(scope="module")
def interrupted(tiny, tmp_path_factory):
    """Return a run folder whose training was ended after epoch 2 of 3."""
    folder = tmp_path_factory.mktemp("interrupted") / "run"
    with pytest.raises(Killed):
        train(tiny, folder, end_after=2)
    return folder


@pytest.fixture
def copy(interrupted, tmp_path):
    return shutil.copytree(interrupted, tmp_path / "run")


def assert_equal(resumed, whole):
    assert resumed.history == whole.history
    assert resumed.results == whole.results
    assert resumed.engine == whole.engine
    for a, b in zip(resumed.model.get_weights(), whole.model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_training_that_goes_on_ends_with_the_weights_of_one_that_was_not_interrupted(tiny, copy):
    notes = []
    assert_equal(train(tiny, copy, resume=True, note=notes.append), fit(tiny, "robust", build=SMALL, epochs=3, seed=1))
    assert notes == ["going on after epoch 2 of 3"]


def test_the_engine_of_the_checkpoint_goes_on(tiny, tmp_path):
    whole = train(tiny, tmp_path / "whole", copy_after=1, copy=tmp_path / "half", engine="xla", epochs=2)
    assert_equal(train(tiny, tmp_path / "half", resume=True, epochs=2), whole)
    assert whole.engine == "xla"


def test_random_generators_of_the_model_go_on(tiny, tmp_path):
    import keras

    def build(steps, features, classes, *, seed):
        dense = keras.layers.Dense(classes, "softmax", kernel_initializer=keras.initializers.GlorotUniform(seed))
        layers = [keras.layers.Flatten(), keras.layers.Dropout(0.5, seed=seed), keras.layers.BatchNormalization()]
        return keras.Sequential([keras.Input((steps, features)), *layers, dense])

    whole = train(tiny, tmp_path / "whole", copy_after=1, copy=tmp_path / "half", build=build, epochs=2)
    assert_equal(train(tiny, tmp_path / "half", resume=True, build=build, epochs=2), whole)


def test_without_a_checkpoint_it_begins_at_the_first_epoch(tiny, tmp_path):
    assert len(train(tiny, tmp_path, resume=True, epochs=1).history["loss"]) == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"seed": 2}, "seed was 1, is 2"),
        ({"epochs": 4}, "epochs was 3, is 4"),
        ({"build": Network(units=5)}, "network.units was 4, is 5"),
        ({"recipe": "seed"}, "recipe.name was robust, is seed; .*; and [0-9]+ more; repeat its command"),
    ],
)
def test_another_training_does_not_go_on(tiny, copy, settings, message):
    with pytest.raises(SettingError, match=f"not the training that was interrupted there: {message}"):
        train(tiny, copy, resume=True, **settings)


def test_other_data_do_not_go_on(tiny, copy):
    x = tiny.x_train.copy()
    x[0, 0, 0] ^= 1
    with pytest.raises(SettingError, match="SHA-256 of the data was "):
        train(replace(tiny, x_train=x), copy, resume=True)
    assert tiny.sha256 != replace(tiny, labels=("a", *tiny.labels[1:])).sha256


@pytest.mark.parametrize(
    ("fact", "value"), [("threads", 64), ("tensorflow", "1.0"), ("order", 0), ("processor", "Z80")]
)
def test_another_machine_does_not_go_on(tiny, copy, fact, value):
    file = copy / "checkpoints" / "last.npz"
    checkpoint = read_checkpoint(file)
    write_checkpoint(file, replace(checkpoint, facts={**checkpoint.facts, fact: value}))
    with pytest.raises(SettingError, match=f"was {value}, is "):
        train(tiny, copy, resume=True)


def test_a_damaged_checkpoint_is_one_error(tiny, copy):
    file = copy / "checkpoints" / "last.npz"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"last\.npz"):
        train(tiny, copy, resume=True)
    np.savez(file, state=np.frombuffer(json.dumps({"format": 2}).encode(), np.uint8))
    with pytest.raises(
        DataError, match="format: found 2, expected a whole number from 1 to 1; begin the training again"
    ):
        train(tiny, copy, resume=True)


def test_the_best_epoch_is_that_of_the_highest_test_accuracy(interrupted):
    checkpoint = read_checkpoint(interrupted / "checkpoints" / "last.npz")
    accuracies = checkpoint.history["val_accuracy"]
    assert checkpoint.epochs == len(accuracies) == 2
    assert checkpoint.best_epoch == 1 + accuracies.index(max(accuracies))
    assert checkpoint.settings["input"] == "pixel / 255"


def test_a_full_disk_is_one_error_and_keeps_the_last_checkpoint(tiny, copy, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "savez", refuse)
    message = (
        "cannot write .*last.npz: No space left on device; free space there, then repeat the command with --resume"
    )
    with pytest.raises(OutputError, match=message):
        train(tiny, copy, resume=True)
    monkeypatch.undo()
    assert read_checkpoint(copy / "checkpoints" / "last.npz").epochs == 2
    assert sorted(path.name for path in (copy / "checkpoints").iterdir()) == ["last.npz", "model.keras", "samples.npz"]
