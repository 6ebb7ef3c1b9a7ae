"""Program of `bench_training`: one training in a new process, timed; prints JSON.

    python -m training.timed_training '{"way": "edgernn", "data": "sample", "recipe": "seed", "epochs": 5, "seed": 0}'

The time of importing TensorFlow, which is the same for both ways, is not counted; that of compiling is.
"""

import json
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np

from edgernn.data.datasets import Dataset
from edgernn.system.tensorflow_setup import quiet_tensorflow
from edgernn_train import find_recipe, fit, load_dataset
from edgernn_train.checkpoints import Checkpoints
from edgernn_train.prepared_inputs import one_hot, prepare_inputs

# Ways to train: by edgernn with the engine that it chooses, by edgernn with one of its engines, and by Keras as a user
# calls it, with its defaults or without its own use of XLA.
EDGERNN, XLA, FIT, PLAIN, PLAIN_WITHOUT_XLA = "edgernn", "xla", "fit", "plain", "plain-without-xla"


def make_data(images: int, steps: int) -> Dataset:
    """Make sequences of random pixels; their content does not change the cost."""
    rng = np.random.default_rng(0)

    def draw(count: int) -> tuple[Any, Any]:
        return rng.integers(0, 256, (count, steps, 28), np.uint8), np.arange(count) % 10

    (x_train, y_train), (x_test, y_test) = draw(images), draw(100)
    return Dataset(x_train, y_train, x_test, y_test, tuple(map(str, range(10))))


class Moment(NamedTuple):
    """Time of the clock, and processor time of this process, in seconds."""

    time_s: float
    cpu_s: float


def now() -> Moment:
    """Return this moment."""
    return Moment(time.perf_counter(), time.process_time())


def train_timed(request: Mapping[str, Any]) -> dict[str, Any]:
    """Train once as requested.

    Returns:
        total_s and total_cpu_s, epoch_s and epoch_cpu_s (lists, without what is compiled before the first epoch),
        accuracy (on the first test condition, after the last epoch).
    """
    with quiet_tensorflow():
        import keras

    data = request["data"]
    dataset = load_dataset(data) if isinstance(data, str) else make_data(**data)
    ends: list[Moment] = []
    timer = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: ends.append(now()) if not epoch and not logs else None,
        on_epoch_end=lambda epoch, logs: ends.append(now()) if logs and epoch >= 0 else None,
    )
    epochs, seed = request["epochs"], request["seed"]
    if request["way"] in (PLAIN, PLAIN_WITHOUT_XLA):
        started, accuracy = _train_plainly(dataset, request["way"], epochs, seed, timer)
    else:
        engine = request["way"] if request["way"] in (XLA, FIT) else None
        with tempfile.TemporaryDirectory() as folder:
            checkpoints = Checkpoints(Path(folder), {"name": "timed", "labels": list(dataset.labels)})
            started = now()
            trained = fit(
                dataset,
                request["recipe"],
                epochs=epochs,
                seed=seed,
                engine=engine,
                callbacks=[timer],
                checkpoints=checkpoints,
            )
        accuracy = next(iter(trained.results.values()))["accuracy"]
    return {
        "total_s": ends[-1].time_s - started.time_s,
        "total_cpu_s": ends[-1].cpu_s - started.cpu_s,
        "epoch_s": np.diff([end.time_s for end in ends]).tolist(),
        "epoch_cpu_s": np.diff([end.cpu_s for end in ends]).tolist(),
        "accuracy": accuracy,
    }


def _train_plainly(dataset: Dataset, way: str, epochs: int, seed: int, timer: Any) -> tuple[Moment, float]:
    """Train by recipe `seed` with Keras alone; return the time at the begin, and the last accuracy."""
    import keras

    from edgernn_train import build_model

    inputs = prepare_inputs(dataset, find_recipe("seed"), seed)
    classes = len(dataset.labels)
    started = now()
    keras.utils.set_random_seed(seed)
    steps, features = inputs.x_train.shape[1:]
    model = build_model(steps, features, classes, seed=seed)
    options = {"jit_compile": False} if way == PLAIN_WITHOUT_XLA else {}
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"], **options)
    history = model.fit(
        inputs.train["noisy"],
        one_hot(inputs.y_train, classes),
        epochs=epochs,
        validation_data=(inputs.test["noisy"], one_hot(inputs.y_test, classes)),
        callbacks=[timer],
        verbose=0,
    )
    return started, float(history.history["val_accuracy"][-1])


if __name__ == "__main__":
    click.echo(json.dumps(train_timed(json.loads(sys.argv[1]))))
