import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgernn import DataError
from edgernn.datasets import read_dataset, read_samples, scale_pixels
from edgernn.readers import read_array, read_idx


def idx_bytes(array: np.ndarray) -> bytes:
    codes = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}
    big_endian = array.astype(array.dtype.newbyteorder(">"))
    header = bytes([0, 0, codes[array.dtype.str[1:]], array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + big_endian.tobytes()


def write_mnist(folder: Path, *, compressed: bool = False, **replaced: np.ndarray) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    arrays = {
        "x_train": rng.integers(0, 256, (30, 28, 28), np.uint8),
        "y_train": rng.integers(0, 10, 30).astype(np.uint8),
        "x_test": rng.integers(0, 256, (10, 28, 28), np.uint8),
        "y_test": rng.integers(0, 10, 10).astype(np.uint8),
    } | replaced
    names = {
        "x_train": "train-images-idx3-ubyte",
        "y_train": "train-labels-idx1-ubyte",
        "x_test": "t10k-images-idx3-ubyte",
        "y_test": "t10k-labels-idx1-ubyte",
    }
    for key, name in names.items():
        data = idx_bytes(arrays[key])
        path = folder / (f"{name}.gz" if compressed else name)
        path.write_bytes(gzip.compress(data) if compressed else data)
    return arrays


@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "i4", "f4", "f8"])
@pytest.mark.parametrize("suffix", [".idx", ".idx.gz"])
def test_idx_reads_back_what_was_written(tmp_path: Path, dtype: str, suffix: str) -> None:
    array = np.arange(-12, 12).astype(dtype).reshape(2, 3, 4)
    path = tmp_path / f"array{suffix}"
    data = idx_bytes(array)
    path.write_bytes(gzip.compress(data) if suffix.endswith("gz") else data)
    read = read_array(path)
    assert read.dtype == array.dtype
    np.testing.assert_array_equal(read, array)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"\x00\x00\x08", "magic number 000008"),
        (b"PNG!\0\0\0\0", "magic number 504e4721"),
        (b"\x00\x00\x07\x01\0\0\0\x01a", "magic number 00000701"),
        (b"\x00\x00\x08\x03\0\0\0\x01", "cut short inside its header"),
        (b"\x00\x00\x08\x01\0\0\0\x05abc", "3 bytes of data where shape (5,) needs 5"),
        (b"\x00\x00\x08\x01\0\0\0\x02abc", "more than 2 bytes of data"),
        (b"\x00\x00\x08\x03\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "at most"),
    ],
)
def test_idx_that_is_none_says_why(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "bad.idx"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_idx(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("cut", [5, 30, -4])
def test_gzip_that_is_cut_short_is_refused(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "cut.idx.gz"
    path.write_bytes(gzip.compress(idx_bytes(np.arange(100, dtype="u1")))[:cut])
    with pytest.raises(DataError, match=r"cut\.idx\.gz"):
        read_idx(path)


def test_npz_takes_x_test_or_x_or_the_only_array(tmp_path: Path) -> None:
    x, other = np.ones((2, 3)), np.zeros(4)
    for arrays in ({"x_test": x, "x_train": other}, {"x": x, "y": other}, {"anything": x}):
        np.savez(tmp_path / "a.npz", **arrays)
        np.testing.assert_array_equal(read_array(tmp_path / "a.npz"), x)
    np.savez(tmp_path / "a.npz", first=x, second=other)
    with pytest.raises(DataError, match="holds first, second; expected one called x_test"):
        read_array(tmp_path / "a.npz")


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_pickles_are_refused(tmp_path: Path, name: str) -> None:
    objects = np.array([{"a": 1}], object)
    if name == "a.npy":
        np.save(tmp_path / name, objects, allow_pickle=True)
    else:
        np.savez(tmp_path / name, x=objects)
    with pytest.raises(DataError, match="allow_pickle=False"):
        read_array(tmp_path / name)


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.png", "a.idx"])
def test_files_of_noise_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(bytes(range(200)))
    with pytest.raises(DataError, match=name):
        read_array(tmp_path / name)


def test_missing_folder_and_unknown_suffix_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("1")
    (tmp_path / "folder.npy").mkdir()
    for name, message in {"b.npy": "no such file", "folder.npy": "not a file", "a.txt": "suffix '.txt'"}.items():
        with pytest.raises(DataError, match=message):
            read_array(tmp_path / name)


def test_pictures_are_read_as_grey(tmp_path: Path) -> None:
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    Image.fromarray(np.dstack([grey] * 3)).save(tmp_path / "colour.png")
    np.testing.assert_array_equal(read_array(tmp_path / "grey.png"), grey)
    np.testing.assert_array_equal(read_array(tmp_path / "colour.png"), grey)


@pytest.mark.parametrize("compressed", [False, True])
def test_folder_of_idx_files_is_a_dataset(tmp_path: Path, compressed: bool) -> None:
    arrays = write_mnist(tmp_path, compressed=compressed)
    dataset = read_dataset(tmp_path)
    assert dataset.labels == tuple("0123456789")
    for key, array in arrays.items():
        np.testing.assert_array_equal(getattr(dataset, key), array)


def test_npz_with_labels_is_a_dataset(tmp_path: Path) -> None:
    arrays = {
        "x_train": np.random.default_rng(0).random((6, 5, 2)),
        "y_train": np.array([0, 1, 2, 0, 1, 2]),
        "x_test": np.zeros((3, 5, 2)),
        "y_test": np.array([2, 1, 0]),
    }
    np.savez(tmp_path / "own.npz", **arrays)
    assert read_dataset(tmp_path / "own.npz").labels == ("0", "1", "2")
    np.savez(tmp_path / "own.npz", **arrays, labels=np.array(["up", "down", "still", "wave"]))
    dataset = read_dataset(tmp_path / "own.npz")
    assert dataset.labels == ("up", "down", "still", "wave")
    assert dataset.x_train.dtype == np.float32


@pytest.mark.parametrize(
    ("replaced", "message"),
    [
        ({"y_train": np.zeros(29, np.uint8)}, r"y_train has shape \(29,\), expected \(30,\)"),
        ({"y_test": np.full(10, 10, np.uint8)}, r"y_test\[0\] is 10, expected a class from 0 to 9"),
        ({"x_test": np.zeros((10, 27, 28), np.uint8)}, r"x_train has samples of shape \(28, 28\), x_test of"),
        ({"x_train": np.zeros((30, 784), np.uint8)}, r"shape \(30, 784\), expected \(samples, steps, features\)"),
        ({"x_train": np.full((30, 28, 28), np.nan, np.float32)}, "NaN or infinity, first in sample 0"),
    ],
)
def test_dataset_that_does_not_fit_together_says_why(
    tmp_path: Path, replaced: dict[str, np.ndarray], message: str
) -> None:
    arrays = write_mnist(tmp_path, **replaced)
    np.savez(tmp_path / "same.npz", **arrays)
    for path in (tmp_path, tmp_path / "same.npz"):
        if path.suffix and replaced.keys() == {"x_train"} and replaced["x_train"].dtype == np.float32:
            message = "NaN"  # an .npz of floats has no MNIST labels, but the NaN is named all the same
        with pytest.raises(DataError, match=message):
            read_dataset(path)


def test_missing_parts_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no train-images-idx3-ubyte"):
        read_dataset(tmp_path)
    np.savez(tmp_path / "half.npz", x_train=np.zeros((1, 2, 3)), y_train=np.zeros(1, int))
    with pytest.raises(DataError, match="x_test, y_test missing"):
        read_dataset(tmp_path / "half.npz")


def test_samples_of_a_dataset_are_scaled_pixels(tmp_path: Path) -> None:
    arrays = write_mnist(tmp_path)
    samples = read_samples(tmp_path)
    assert samples.x_test.dtype == np.float32
    np.testing.assert_allclose(samples.x_test, arrays["x_test"] / 255, atol=1e-7)
    np.testing.assert_array_equal(samples.y_calibration, arrays["y_train"])


@pytest.mark.parametrize(
    ("y", "dtype"),
    [
        (np.array([2, 0, 1, 1], np.uint8), np.int64),
        (np.zeros((4, 5), bool), np.int64),
        (np.linspace(0, 1, 4), np.float32),
        (np.ones((4, 5, 2)), np.float32),
    ],
)
@pytest.mark.parametrize("calibration", ["train", "calibration"])
def test_samples_hold_classes_labels_and_values(
    tmp_path: Path, y: np.ndarray, dtype: type[np.generic], calibration: str
) -> None:
    x = np.random.default_rng(0).random((4, 5, 2))
    arrays = {f"x_{calibration}": x, f"y_{calibration}": y, "x_test": x, "y_test": y}
    np.savez(tmp_path / "own.npz", **arrays, labels=np.array(["up", "down"]))
    samples = read_samples(tmp_path / "own.npz")
    assert samples.labels == ("up", "down")
    assert samples.input_meaning == ""
    for part in (samples.y_calibration, samples.y_test):
        assert part.dtype == dtype
        np.testing.assert_allclose(part, y)


@pytest.mark.parametrize(
    ("replaced", "message"),
    [
        ({"y_test": np.arange(3)}, r"own.npz: y_test has shape \(3,\), expected \(4, ...\): 4 samples in x_test"),
        ({"y_test": np.array(["a"] * 4)}, "y_test has type <U1, expected whole numbers for classes or floating-point"),
        ({"y_test": np.array(7)}, r"y_test has shape \(1,\)"),
        ({"y_test": np.ones((4, 2), int)}, r"int64 and shape \(\), y_test int64 and shape \(2,\); expected"),
        ({"y_test": np.ones(4)}, r"int64 and shape \(\), y_test float32 and shape \(\); expected"),
        ({"y_test": np.full(4, np.inf), "y_train": np.ones(4)}, "y_test holds NaN or infinity, first in sample 0"),
        ({"x_test": np.full((4, 5, 2), "a")}, "x_test has type <U1"),
        ({"labels": np.array(["a", "b", "a"])}, "two labels are 'a'; expected different ones"),
        ({"labels": np.array(["a", "b\n"])}, r"label 'b\\n'; expected one line of text"),
        ({"labels": np.array(["", "b"])}, "label ''; expected one line of text"),
    ],
)
def test_samples_that_do_not_fit_together_say_why(
    tmp_path: Path, replaced: dict[str, np.ndarray], message: str
) -> None:
    x = np.random.default_rng(0).random((4, 5, 2))
    np.savez(
        tmp_path / "own.npz",
        **({"x_train": x, "y_train": np.arange(4), "x_test": x, "y_test": np.arange(4)} | replaced),
    )
    with pytest.raises(DataError, match=message):
        read_samples(tmp_path / "own.npz")


@pytest.mark.parametrize("labels", [["a", "b", "b"], ["a", "b\rc", "d"]])
def test_labels_of_a_data_set_are_different_lines(tmp_path: Path, labels: list[str]) -> None:
    x, y = np.zeros((3, 5, 2)), np.arange(3)
    np.savez(tmp_path / "own.npz", x_train=x, y_train=y, x_test=x, y_test=y, labels=labels)
    with pytest.raises(DataError, match=r"expected (different ones|one line of text)"):
        read_dataset(tmp_path / "own.npz")


def test_pixels_become_what_the_model_takes() -> None:
    pixels = np.array([0, 1, 51, 255], np.uint8)
    np.testing.assert_allclose(scale_pixels(pixels), [0, 1 / 255, 0.2, 1], atol=1e-7)
    np.testing.assert_array_equal(scale_pixels(pixels, "pixel, at most 1"), [0, 1, 1, 1])
    with pytest.raises(DataError, match="what the model takes is 'm/s²'; give it floating-point numbers"):
        scale_pixels(pixels, "m/s²")
    np.testing.assert_array_equal(scale_pixels(np.array([300.0, -1]), "m/s²"), [300, -1])
