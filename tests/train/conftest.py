"""Tiny data sets made by the tests: digits-like pixels that a network can classify."""

import gzip
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgernn.data.datasets import Dataset
from edgernn_train import Trained, fit

LABELS = tuple(str(digit) for digit in range(10))


def striped_images(classes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Make images uint8 [samples, 28, 28]: class c has bright rows around row 2c + 4, of random brightness."""
    images = np.zeros((len(classes), 28, 28), np.uint8)
    for image, label in zip(images, classes, strict=True):
        image[2 * label + 3 : 2 * label + 6, 4:24] = rng.integers(128, 256, (3, 20))
    return images


@pytest.fixture(scope="session")
def tiny() -> Dataset:
    """Make 200 training and 60 test images."""
    rng = np.random.default_rng(7)
    y_train, y_test = rng.permutation(np.arange(200) % 10), rng.permutation(np.arange(60) % 10)
    return Dataset(striped_images(y_train, rng), y_train, striped_images(y_test, rng), y_test, LABELS)


def idx_bytes(array: np.ndarray) -> bytes:
    """Encode an array of uint8 as an IDX file."""
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


@pytest.fixture(scope="session")
def write_idx() -> Callable[..., Path]:
    """Return a writer of the four IDX files of a data set into a new folder, plain or gzip-compressed."""

    def write(folder: Path, dataset: Dataset, compressed: bool = False) -> Path:
        folder.mkdir()
        for stem, array in {
            "train-images-idx3-ubyte": dataset.x_train,
            "train-labels-idx1-ubyte": dataset.y_train,
            "t10k-images-idx3-ubyte": dataset.x_test,
            "t10k-labels-idx1-ubyte": dataset.y_test,
        }.items():
            data = idx_bytes(array)
            if compressed:
                (folder / f"{stem}.gz").write_bytes(gzip.compress(data))
            else:
                (folder / stem).write_bytes(data)
        return folder

    return write


@pytest.fixture(scope="session")
def write_npz() -> Callable[..., Path]:
    """Return a writer of data sets in the layout of Keras's mnist.npz; `changes` replaces or adds arrays."""

    def write(file: Path, dataset: Dataset, **changes: object) -> Path:
        arrays = {name: getattr(dataset, name) for name in ("x_train", "y_train", "x_test", "y_test")}
        np.savez(file, **(arrays | changes))
        return file

    return write


@pytest.fixture(scope="session")
def trained(tiny: Dataset) -> Trained:
    """Train once by `robust`, shortly, for several tests."""
    return fit(tiny, "robust", epochs=6, seed=3)


@pytest.fixture
def without_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `edgernn train` draw no pictures; test_plots.py and other tests of the command look at them."""
    monkeypatch.setattr("edgernn_train.command.write_pictures", lambda *_: [])


@pytest.fixture
def tiny_npz(tiny: Dataset, write_npz: Callable[..., Path], tmp_path: Path) -> Path:
    return write_npz(tmp_path / "tiny.npz", tiny)


@pytest.fixture
def tiny_idx(tiny: Dataset, write_idx: Callable[..., Path], tmp_path: Path) -> Path:
    return write_idx(tmp_path / "idx", tiny)
