import gzip
import json
import os
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edgernn import DataError
from edgernn.console.sources import find_files
from edgernn.data.datasets import read_dataset, read_samples
from edgernn.data.readers import parse_sample, read_array, read_csv, read_idx, read_json_lines
from edgernn.data.readers import text as text_module
from edgernn.inputs import scale_pixels


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
        (b"\x00\x00\x08\x01\0\0\0\x05abc", "3 bytes of data, expected 5 for shape (5,)"),
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
    for held in ({"x_test": x, "x_train": other}, {"x": x, "y": other}, {"anything": x}):
        np.savez(tmp_path / "a.npz", **held)
        np.testing.assert_array_equal(read_array(tmp_path / "a.npz"), x)
    np.savez(tmp_path / "a.npz", first=x, second=other)
    with pytest.raises(DataError, match=r"a\.npz: contains first, second; expected x, or x_train and x_test"):
        read_array(tmp_path / "a.npz")


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_pickles_are_refused(tmp_path: Path, name: str) -> None:
    objects = np.array([{"a": 1}], object)
    if name == "a.npy":
        np.save(tmp_path / name, objects, allow_pickle=True)
    else:
        np.savez(tmp_path / name, x=objects)
    with pytest.raises(DataError, match="it contains pickled Python objects, expected numbers"):
        read_array(tmp_path / name)


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.idx", "a.idx.gz"])
def test_files_of_noise_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(bytes(range(200)))
    with pytest.raises(DataError, match=name):
        read_array(tmp_path / name)


def test_missing_folder_and_unknown_suffix_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("1")
    (tmp_path / "folder.npy").mkdir()
    for name, message in {
        "b.npy": "no such file",
        "folder.npy": "is a folder, expected a file",
        "a.txt": "unsupported file type '.txt'",
    }.items():
        with pytest.raises(DataError, match=message):
            read_array(tmp_path / name)


def test_a_large_npy_stays_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgernn.data.readers.binary.MAPPED_BYTES", 10)
    x = np.arange(24.0).reshape(2, 3, 4)
    np.save(tmp_path / "a.npy", x)
    read = read_array(tmp_path / "a.npy")
    np.testing.assert_array_equal(read, x)
    assert isinstance(read, np.memmap)
    np.save(tmp_path / "objects.npy", x.astype(object), allow_pickle=True)
    (tmp_path / "cut.npy").write_bytes((tmp_path / "a.npy").read_bytes()[:-1])
    for name, message in {
        "objects.npy": "it contains pickled Python objects",
        "cut.npy": "cannot be read as .npy",
    }.items():
        with pytest.raises(DataError, match=message):
            read_array(tmp_path / name)


def test_an_npz_that_has_both_gives_x_test(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.zeros((2, 3)), x_test=np.ones((2, 3)))
    assert read_array(tmp_path / "a.npz").all()


def test_headers_that_are_wrong_or_ask_for_too_much_are_refused(tmp_path: Path) -> None:
    (tmp_path / "syntax.npy").write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", 20) + b"{" * 20)
    with (tmp_path / "petabytes.npy").open("wb") as file:
        header = {"descr": "<f8", "fortran_order": False, "shape": (10**12, 28, 28)}
        np.lib.format.write_array_header_1_0(file, header)
        file.write(b"123")
    for name, message in {"syntax.npy": "cannot be read as .npy", "petabytes.npy": "3 bytes, expected "}.items():
        with pytest.raises(DataError, match=message) as caught:
            read_array(tmp_path / name)
        assert len(str(caught.value).splitlines()) == 1


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez_compressed(tmp_path / "bomb.npz", x=np.zeros(1_000_000))
    monkeypatch.setattr("edgernn.data.readers.binary.MAX_BYTES", 1_000_000)
    with pytest.raises(DataError, match=r"8,000,\d{3} bytes unpacked; expected at most 1,000,000"):
        read_array(tmp_path / "bomb.npz")


@given(arrays(np.float64, st.tuples(*[st.integers(1, 4)] * 3), elements=st.floats(-1e300, 1e300)), st.booleans())
def test_text_reads_back_what_was_written(x: np.ndarray, header: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        csv, lines = Path(folder, "a.csv"), Path(folder, "a.jsonl")
        names = ",".join(f"sensor {index}" for index in range(x.shape[2])) + "\n" if header else ""
        samples = ("".join(",".join(map(repr, step.tolist())) + "\n" for step in sample) for sample in x)
        csv.write_text(names + "\n".join(samples))
        lines.write_text("\n".join(json.dumps(sample.tolist()) for sample in x))
        for read in (read_array(csv), read_array(lines)):
            np.testing.assert_array_equal(read, x)


@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
def test_text_of_other_systems_is_read(tmp_path: Path, end: str) -> None:
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbf" + f"1, 2\r\n3,4{end}".encode())
    np.testing.assert_array_equal(read_csv(tmp_path / "a.csv"), [[[1, 2], [3, 4]]])
    (tmp_path / "a.jsonl").write_bytes(b"\xef\xbb\xbf" + f"[[1, 2], [3, 4]]{end}".encode())
    np.testing.assert_array_equal(read_json_lines(tmp_path / "a.jsonl"), [[[1, 2], [3, 4]]])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1,2\n3\n", "line 2 has 1 numbers, expected 2"),
        ("1,2\n\n3,4\n5,6\n", r"sample 1 from line 3 on has shape \(2, 2\), those before \(1, 2\)"),
        ("nan,1\n", "line 1 contains 'nan', which is not a number"),
        ("a,b\n1,inf\n", "line 2 contains 'inf' in column 'b', which is not a number"),
        ("1,2\nx,4\n", "line 2 contains 'x', which is not a number"),
        ("1_0,2\n", "line 1 contains '1_0'"),
        ("1,,2\n", "line 1 contains '', which is not a number"),
        ("a,b\n", "no samples found; expected at least one"),
        ("\n\n", "no samples found; expected at least one"),
    ],
)
def test_wrong_csv_names_the_line(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "a.csv").write_text(content)
    with pytest.raises(DataError, match=message) as caught:
        read_csv(tmp_path / "a.csv")
    assert str(caught.value).startswith(str(tmp_path / "a.csv"))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("[[1], [NaN]]", "contains 'NaN', which is not a number"),
        ("[[Infinity]]", "contains 'Infinity'"),
        ("[[true]]", "contains 'true'"),
        ("[[null]]", "contains 'null'"),
        ('[["1"]]', "contains '\"1\"'"),
        ('{"x": 1}', "contains '{\"x\":'"),
        ("[[1,,2]]", "is not JSON"),
        ("[[1, 2], [3]]", r"a time step of 1 numbers \(step 1\) after one of 2"),
        ("[[1], 2]", "a value that is not a number, or too large"),
        (f"[[1{'0' * 400}]]", "a value that is not a number, or too large"),
        ("3", r"shape \(\), expected \(steps, features\)"),
        ("[[]]", r"shape \(1, 0\)"),
        ("[" * 100_000, "is not JSON"),
        (f"[[{' ' * text_module.MAX_LINE_BYTES}1]]", "longer than 4,194,304 bytes"),
    ],
)
def test_a_wrong_json_line_says_why(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        parse_sample(line.encode())
    (tmp_path / "a.jsonl").write_text(f"[[1]]\n\n{line}\n")
    with pytest.raises(DataError, match=r"a\.jsonl: line 3 "):
        read_json_lines(tmp_path / "a.jsonl")


@given(st.binary(max_size=60))
def test_no_line_of_bytes_makes_anything_but_numbers_or_an_error(line: bytes) -> None:
    try:
        sample = parse_sample(line)
    except DataError as error:
        assert len(str(error).splitlines()) == 1
    else:
        assert sample.dtype == np.float64
        assert sample.ndim == 2


def test_json_lines_of_different_lengths_are_refused_in_one_file(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("[[1]]\n[[1],[2]]\n")
    with pytest.raises(DataError, match=r"sample 1 from line 2 on has shape \(2, 1\), those before \(1, 1\)"):
        read_json_lines(tmp_path / "a.jsonl")


@pytest.fixture
def forbidding() -> Iterator[Path]:
    """Return a folder of files that this process cannot read, even as root."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "closed.npy").write_bytes(b"1")
        (folder / "closed.npy").chmod(0)
        (folder / "closed").mkdir(mode=0)
        root = os.geteuid() == 0
        if root:
            os.seteuid(65534)
        yield folder
        if root:
            os.seteuid(0)
        (folder / "closed").chmod(0o700)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="Windows has no such permissions")
def test_what_may_not_be_read_is_one_line(forbidding: Path) -> None:
    for name in ("closed.npy", "closed/inside.npy"):
        with pytest.raises(DataError, match=f"{name}: cannot be read.*Permission denied"):
            read_array(forbidding / name)
    with pytest.raises(DataError, match="closed: cannot be read: Permission denied"):
        find_files(forbidding / "closed")


@pytest.mark.parametrize("compressed", [False, True])
def test_folder_of_idx_files_is_a_dataset(tmp_path: Path, compressed: bool) -> None:
    arrays = write_mnist(tmp_path, compressed=compressed)
    dataset = read_dataset(tmp_path)
    assert dataset.labels == tuple("0123456789")
    for key, array in arrays.items():
        np.testing.assert_array_equal(getattr(dataset, key), array)


def test_the_names_of_classes_are_beside_idx_files(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    names = ["T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"]
    (tmp_path / "labels.txt").write_text("\n".join(names) + "\n", encoding="utf-8-sig")
    assert read_dataset(tmp_path).labels == tuple(names)
    assert read_samples(tmp_path).labels == tuple(names)
    (tmp_path / "labels.txt").write_text("bag\nbag\n")
    with pytest.raises(DataError, match=r"labels\.txt: two labels are 'bag'"):
        read_dataset(tmp_path)
    (tmp_path / "labels.txt").write_bytes(b"\xff\xfe\xfd")
    with pytest.raises(DataError, match=r"labels\.txt: cannot be read as UTF-8 text"):
        read_dataset(tmp_path)


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


@pytest.mark.parametrize(
    ("arguments", "divisor", "meaning"),
    [
        ((), 1, "number from 0 to 255"),
        (("pixel / 255",), 255, "pixel / 255"),
        (("", "pixels"), 255, "pixel / 255"),
    ],
)
def test_pixels_are_scaled_only_where_that_is_said(
    tmp_path: Path, arguments: tuple[str, ...], divisor: int, meaning: str
) -> None:
    arrays = write_mnist(tmp_path)
    samples = read_samples(tmp_path, *arguments)
    assert samples.x_test.dtype == np.float32
    assert samples.input_meaning == meaning
    np.testing.assert_allclose(samples.x_test, arrays["x_test"] / divisor, atol=1e-7)
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
        ({"y_test": np.array(["a"] * 4)}, "y_test: unknown label 'a', expected whole numbers from 0"),
        ({"y_test": np.array(7)}, r"y_test has shape \(1,\)"),
        (
            {"y_test": np.ones((4, 2), int)},
            r"y_train has int64 and shape \(\) for each sample, y_test int64 and shape \(2,\); expected",
        ),
        (
            {"y_test": np.ones(4)},
            r"y_train has int64 and shape \(\) for each sample, y_test float32 and shape \(\); expected",
        ),
        ({"y_test": np.full(4, np.inf), "y_train": np.ones(4)}, "y_test contains NaN or infinity, first in sample 0"),
        ({"x_test": np.full((4, 5, 2), "a")}, "x_test has type <U1"),
        ({"labels": np.array(["a", "b", "a"])}, "two labels are 'a'; expected different ones"),
        (
            {"labels": np.array(["a", "b\n"])},
            r"label 1 is 'b\\n', which contains \\n; expected one line of printable text",
        ),
        ({"labels": np.array(["", "b"])}, "label 0 is ''; expected one line of printable text"),
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
    with pytest.raises(DataError, match=r"expected (different ones|one line of printable text)"):
        read_dataset(tmp_path / "own.npz")


def test_pixels_become_what_the_model_takes() -> None:
    pixels = np.array([0, 1, 51, 255], np.uint8)
    np.testing.assert_allclose(scale_pixels(pixels), [0, 1 / 255, 0.2, 1], atol=1e-7)
    np.testing.assert_array_equal(scale_pixels(pixels, "pixel, at most 1"), [0, 1, 1, 1])
    with pytest.raises(DataError, match="meaning of this model's inputs is 'm/s²'; use floating-point numbers"):
        scale_pixels(pixels, "m/s²")
    np.testing.assert_array_equal(scale_pixels(np.array([300.0, -1]), "m/s²"), [300, -1])
