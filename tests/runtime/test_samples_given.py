"""Users' samples: in any file, with or without truths, classes as numbers or names."""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from edgernn.data.datasets import read_dataset, read_samples
from edgernn.data.run_folder import read_original, write_samples
from edgernn.data.samples import Samples
from edgernn.errors import DataError

STEPS, FEATURES = 5, 2
X = np.random.default_rng(0).normal(size=(240, STEPS, FEATURES)).astype(np.float32)
Y = np.arange(240) % 3
NAMES = np.array(["walk", "run", "sit"])[Y]


def save_csv(path: Path, samples: np.ndarray) -> None:
    path.write_text("\n".join("\n".join(",".join(map(repr, row.tolist())) for row in each) + "\n" for each in samples))


def save_folder(path: Path, write: Callable[[Path, np.ndarray], None], suffix: str) -> None:
    path.mkdir()
    for index, sample in enumerate(X):
        write(path / f"{index:03}{suffix}", sample)
    (path / "notes.txt").write_text("not a sample")
    (path / ".hidden.npy").write_bytes(b"")


FORMS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "npz": ("own.npz", lambda path: np.savez(path, x=X)),
    "npz with one array": ("own.npz", lambda path: np.savez(path, windows=X)),
    "npz of x_train": ("own.npz", lambda path: np.savez(path, x_train=X)),
    "npz of X_test": ("own.npz", lambda path: np.savez(path, X_test=X)),
    "npy": ("own.npy", lambda path: np.save(path, X)),
    "csv": ("own.csv", lambda path: save_csv(path, X)),
    "json lines": ("own.jsonl", lambda path: path.write_text("\n".join(str(each.tolist()) for each in X))),
    "folder of npy": ("own", lambda path: save_folder(path, np.save, ".npy")),
    "folder of csv": ("own", lambda path: save_folder(path, lambda file, each: save_csv(file, [each]), ".csv")),
}


@pytest.mark.parametrize("form", FORMS)
def test_inputs_alone_are_samples_without_truths(tmp_path: Path, form: str) -> None:
    name, save = FORMS[form]
    save(tmp_path / name)
    samples = read_samples(tmp_path / name)
    np.testing.assert_array_equal(samples.x_calibration, X[::2])
    np.testing.assert_array_equal(samples.x_test, X[1::2])
    assert (samples.y_calibration, samples.y_test, samples.truths) == (None, None, [])
    assert "as stored" in samples.fed
    assert samples.fed.endswith("120 samples calibrate, 120 others between them test")


def test_idx_images_need_no_labels(tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (120, 4, 3), np.uint8)
    file = tmp_path / "train-images-idx3-ubyte"
    file.write_bytes(b"\0\0\x08\x03" + np.array(pixels.shape, ">i4").tobytes() + pixels.tobytes())
    for path in (tmp_path, file):
        samples = read_samples(path)
        np.testing.assert_array_equal(samples.x_test, pixels[1::2])
        assert samples.input_meaning == "number from 0 to 255"


def test_few_samples_calibrate_and_test(tmp_path: Path) -> None:
    np.savez(tmp_path / "few.npz", x=X[:99], y=Y[:99])
    samples = read_samples(tmp_path / "few.npz")
    np.testing.assert_array_equal(samples.x_test, samples.x_calibration)
    np.testing.assert_array_equal(samples.y_test, Y[:99])
    assert samples.fed.startswith("x of few.npz, as stored, from ")
    assert samples.fed.endswith("the same 99 samples calibrate and test")
    assert samples.fed_test.startswith("x of few.npz, as stored, from ")
    assert "calibrate" not in samples.fed_test


def test_a_large_array_is_split_from_all_over(tmp_path: Path) -> None:
    x = np.arange(9000, dtype=np.float32).reshape(-1, 1, 1)  # in the order of its classes, as files often are
    np.savez(tmp_path / "large.npz", x=x, y=np.arange(9000) // 1000)
    samples = read_samples(tmp_path / "large.npz")
    assert (len(samples.x_calibration), len(samples.x_test)) == (2250, 1500)
    assert not np.intersect1d(samples.x_calibration, samples.x_test).size
    for x_part, y_part in ((samples.x_calibration, samples.y_calibration), (samples.x_test, samples.y_test)):
        assert set(y_part) == set(range(9))
        np.testing.assert_array_equal(y_part, x_part[:, 0, 0] // 1000)


@pytest.mark.parametrize(("count", "calibration", "test"), [(240, 120, 120), (9000, 2250, 1500)])
def test_classes_that_take_turns_are_in_both_halves(tmp_path: Path, count: int, calibration: int, test: int) -> None:
    x = np.arange(count, dtype=np.float32).reshape(-1, 1, 1)
    y = np.arange(count) % 4
    np.savez(tmp_path / "turns.npz", x=x, y=y)
    samples = read_samples(tmp_path / "turns.npz")
    assert not np.intersect1d(samples.x_calibration, samples.x_test).size
    for name, size in (("calibration", calibration), ("test", test)):
        x_part, y_part = getattr(samples, f"x_{name}"), getattr(samples, f"y_{name}")
        np.testing.assert_allclose(np.bincount(y_part), [size / 4] * 4, atol=1)
        np.testing.assert_array_equal(y_part, x_part[:, 0, 0] % 4)
        origin = samples.origin(f"y_{name}")
        assert [origin.sample(index) for index in range(size)] == x_part[:, 0, 0].tolist()
    assert samples.fed.endswith(f"{calibration:,} samples calibrate, {test:,} others between them of each class test")


def test_a_rare_class_does_not_change_the_split(tmp_path: Path) -> None:
    y = np.where(np.arange(240) % 40 == 0, 1, 0)  # six, all at even numbers
    np.savez(tmp_path / "rare.npz", x=X, y=y)
    np.testing.assert_array_equal(read_samples(tmp_path / "rare.npz").x_test, X[1::2])


def test_each_part_has_its_own_truth_or_none(tmp_path: Path) -> None:
    np.savez(tmp_path / "own.npz", x_train=X, y_train=Y, x_test=X[:7])
    samples = read_samples(tmp_path / "own.npz")
    assert [(origin.name, len(y)) for origin, y in samples.truths] == [("y_train", 240)]
    assert samples.y_test is None
    with pytest.raises(DataError, match="y_test is missing; add the right answers"):
        samples.require_truth()


@pytest.mark.parametrize("dtype", [str, np.bytes_])
@pytest.mark.parametrize(
    ("labels", "expected"),
    [(None, ("run", "sit", "walk")), (("walk", "run", "sit", "swim"), ("walk", "run", "sit", "swim"))],
)
def test_class_names_become_labels(
    tmp_path: Path, labels: tuple[str, ...] | None, expected: tuple[str, ...], dtype: type
) -> None:
    names = NAMES.astype(dtype)
    given = {} if labels is None else {"labels": np.array(labels).astype(dtype)}
    np.savez(tmp_path / "own.npz", x_train=X, y_train=names, x_test=X, y_test=names, **given)
    samples, dataset = read_samples(tmp_path / "own.npz"), read_dataset(tmp_path / "own.npz")
    for found in (samples, dataset):
        assert found.labels == expected
        assert [expected[index] for index in found.y_test] == NAMES.tolist()


def test_labels_give_the_order_of_named_classes(tmp_path: Path) -> None:
    np.savez(tmp_path / "own.npz", x_train=X, y_train=NAMES, x_test=X, y_test=NAMES, labels=np.unique(NAMES))
    labels = ("walk", "sit", "run")
    for found in (read_samples(tmp_path / "own.npz", labels=labels), read_dataset(tmp_path / "own.npz", labels)):
        assert found.labels == labels
        assert [labels[index] for index in found.y_test] == NAMES.tolist()
    for read in (partial(read_samples, labels=labels[1:]), partial(read_dataset, labels=labels[1:])):
        with pytest.raises(DataError, match="unknown label 'walk', expected sit, run"):
            read(tmp_path / "own.npz")


def test_there_is_a_label_for_each_class_number(tmp_path: Path) -> None:
    for first, labels, message in (
        (0, "ab", r"2 labels \(a, b\), expected 3: one for each class of y_train and y_test"),
        (0, "abcd", r"4 labels \(a, b, c, d\), expected 3"),
        (1, "abc", "expected a class from 0 to 2; subtract 1"),
    ):
        y = np.arange(240) % 3 + first
        np.savez(tmp_path / "own.npz", x_train=X, y_train=y, x_test=X, y_test=y)
        with pytest.raises(DataError, match=message):
            read_dataset(tmp_path / "own.npz", tuple(labels))


def test_numbers_as_text_are_numbers(tmp_path: Path) -> None:
    y = np.arange(240) // 20
    np.savez(tmp_path / "own.npz", x=X, y=y.astype(str))
    samples = read_samples(tmp_path / "own.npz")
    np.testing.assert_array_equal(samples.y_test, y[1::2])
    assert samples.labels == ()


def broken(where: tuple[int, ...], value: float) -> np.ndarray:
    x = X.copy()
    x[where] = value
    return x


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x_train": X, "y_train": Y, "x_test": X, "y_test": Y[:9]}, r"y_test has shape \(9,\), expected \(240, ...\)"),
        ({"x": X, "y": Y[:9]}, r"y has shape \(9,\), expected \(240, ...\): 240 samples in x"),
        ({"X_train": broken((6, 0, 0), np.nan)}, "X_train contains NaN or infinity, first in sample 6"),
        ({"x": broken((7, 0, 0), np.inf)}, "x contains NaN or infinity, first in sample 7"),
        ({"x": X, "y": np.where(np.arange(240) == 5, np.nan, 0.5)}, "y contains NaN or infinity, first in sample 5"),
        ({"x": X[..., 0]}, r"x has shape \(240, 5\), expected \(samples, steps, features\)"),
        ({"windows": X.astype(str)}, "windows has type <U"),
        ({"a": X, "b": X}, "contains a, b; expected x, or x_train and x_test, or a single array"),
        ({"x_train": X, "y_train": Y, "y_test": Y}, "x_test missing"),
        ({"y_train": Y}, "x_train missing"),
        ({"labels": np.array(["a"])}, "contains labels; expected x"),
        (
            {"x_train": X, "x_test": X.astype(np.uint8)},
            "x_train has type float32, x_test uint8; expected one type for both",
        ),
        (
            {"x_train": X, "y_train": NAMES, "x_test": X, "y_test": np.where(Y == 2, "jump", NAMES)},
            "y_test: unknown label 'jump', expected run, sit, walk",
        ),
        ({"x": X, "y": NAMES, "labels": np.array(["run", "sit"])}, "y: unknown label 'walk', expected run, sit"),
        ({"x": X, "y": np.array([b"\xff"] * 240)}, r"y contains bytes that are not UTF-8; .* y\.astype\(str\)"),
        ({"x": X, "y": Y.astype(complex)}, "y has type complex128, expected whole numbers or names for classes"),
        ({"x_train": X, "x_test": X[np.newaxis]}, r"x_test has shape \(1, 240, 5, 2\), expected"),
        ({"x": X, "y": Y.astype(object)}, "pickled Python objects"),
        ({"x": X, "y": NAMES.astype(object)}, r"pickled Python objects, expected numbers or text; .*\.astype\(str\)"),
        ({"x": X.astype(float) * 1e300}, r"x contains numbers up to \d.*e\+300; expected at most 3.4e\+38"),
        (
            {"x": X, "y": -X[:, 0, 0].astype(float) * 1e39},
            r"y contains numbers up to \d.*e\+39; expected at most 3.4e\+38",
        ),
    ],
)
def test_messages_name_the_arrays_of_the_user(tmp_path: Path, arrays: dict[str, np.ndarray], message: str) -> None:
    np.savez(tmp_path / "own.npz", **arrays)
    with pytest.raises(DataError, match=message) as raised:
        read_samples(tmp_path / "own.npz")
    assert str(raised.value).startswith(f"{tmp_path / 'own.npz'}: ")
    assert str(raised.value).count("own.npz") == 1
    assert "calibration" not in str(raised.value)


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (
            np.zeros((STEPS, FEATURES + 1)),
            r"b.npy: has samples of shape \(5, 3\), a.npy of \(5, 2\); expected the same",
        ),
        (np.full((STEPS, FEATURES), np.nan), "b.npy: contains NaN or infinity"),
        (np.zeros(STEPS), r"b.npy: has shape \(5,\), expected \(steps, features\)"),
    ],
)
def test_files_of_a_folder_that_do_not_fit_are_named(tmp_path: Path, second: np.ndarray, message: str) -> None:
    np.save(tmp_path / "a.npy", X[0])
    np.save(tmp_path / "b.npy", second)
    with pytest.raises(DataError, match=message):
        read_samples(tmp_path)


def test_a_folder_without_arrays_says_what_is_read(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("none")
    with pytest.raises(DataError, match="no arrays in this folder; expected files named as MNIST's"):
        read_samples(tmp_path)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (
            Y.astype(float),
            "floating-point numbers, expected whole ones, .*; for class numbers save y_train.astype(int)",
        ),
        (Y + 0.5, "y_train contains floating-point numbers, expected whole ones, one class for each sample"),
        (np.eye(3)[Y], "y_train is one-hot; give each sample's class as a whole number, y_train.argmax(axis=-1)"),
        (np.eye(3, dtype=int)[Y], "y_train.argmax(axis=-1)"),
    ],
)
def test_classes_of_another_form_are_refused_with_the_way_out(tmp_path: Path, y: np.ndarray, message: str) -> None:
    np.savez(tmp_path / "own.npz", x_train=X, y_train=y, x_test=X, y_test=Y)
    with pytest.raises(DataError, match=re.escape(message).replace(r"\.\*", ".*")):
        read_dataset(tmp_path / "own.npz")


def test_a_column_of_classes_is_one_class_each(tmp_path: Path) -> None:
    np.savez(tmp_path / "own.npz", x_train=X, y_train=Y[:, np.newaxis], x_test=X, y_test=Y)
    np.testing.assert_array_equal(read_dataset(tmp_path / "own.npz").y_train, Y)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.uint8])
def test_the_scale_divides_whatever_the_type(tmp_path: Path, dtype: type[np.generic]) -> None:
    x = np.random.default_rng(2).integers(0, 256, X.shape).astype(dtype)
    np.savez(tmp_path / "own.npz", x=x)
    samples = read_samples(tmp_path / "own.npz", scale="pixels")
    np.testing.assert_array_equal(samples.x_test, x[1::2].astype(np.float32) / np.float32(255))
    assert samples.input_meaning == "pixel / 255"
    assert "divided by 255" in samples.fed


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.abs(X) / 10, "x goes from .* to 0.*, so it is scaled already; omit the scale"),
        (X, "x goes from -.* the scale 'pixels' expects 0 to 255"),
        (np.abs(X) + 255, "the scale 'pixels' expects 0 to 255"),
    ],
)
def test_what_is_no_pixel_is_not_divided(tmp_path: Path, x: np.ndarray, message: str) -> None:
    np.savez(tmp_path / "own.npz", x=x)
    with pytest.raises(DataError, match=message):
        read_samples(tmp_path / "own.npz", scale="pixels")


def test_samples_without_truths_are_written_and_read_again(tmp_path: Path) -> None:
    write_samples(tmp_path, Samples.unnamed(X, None, X[:9], None))
    samples = read_samples(tmp_path)
    np.testing.assert_array_equal(samples.x_calibration, X)
    assert samples.truths == []


def test_samples_of_several_inputs_and_outputs_have_names() -> None:
    first, second = {"image": X, "speed": X[..., :1]}, {"speed": X[:9, :, :1], "image": X[:9]}
    samples = Samples(first, {"kind": Y}, second, {"kind": Y[:9], "risk": Y[:9] / 2})
    assert samples.origin("x_test.image").name == "x_test.image"
    with pytest.raises(DataError, match="2 arrays, image, speed; expected one"):
        _ = samples.x_calibration
    with pytest.raises(DataError, match="have the inputs image, speed, the test samples image; expected the same"):
        Samples(first, {}, {"image": X[:9]}, {})
    with pytest.raises(DataError, match=r"x_calibration\.speed has shape .*: 240 samples in x_calibration\.image"):
        Samples(first | {"speed": X[:9]}, {}, second, {})
    with pytest.raises(DataError, match=r"y_test\.kind has shape \(240,\), expected \(9, ...\)"):
        Samples(first, {}, second, {"kind": Y})
    with pytest.raises(DataError, match=r"y_calibration\.kind has int64 .*, y_test\.kind float64"):
        Samples(first, {"kind": Y}, second, {"kind": Y[:9] / 2})
    with pytest.raises(DataError, match="have the truths kind, the test samples risk; expected the same, or fewer"):
        Samples(first, {"kind": Y}, second, {"risk": Y[:9]})


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (X.astype(str), Y, "x_calibration has type <U.*, expected numbers"),
        (X.astype(object), Y, "x_calibration has type object, expected numbers"),
        (X, NAMES, "y_calibration has type <U.*, expected numbers"),
        (
            X[..., :1],
            Y,
            r"x_calibration has shape \(240, 5, 1\), x_test \(240, 5, 2\); expected as many features in both",
        ),
    ],
)
def test_samples_that_are_no_numbers_or_have_other_features_are_refused(
    x: np.ndarray, y: np.ndarray, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        Samples.unnamed(x, y, X, Y)
    assert Samples.unnamed(X, Y, X[:, :2], Y).x_test.shape[1] == 2  # a model may accept any number of steps


def test_a_run_folder_says_its_scale_itself(run_folder: Path) -> None:
    from edgernn.errors import SettingError

    with pytest.raises(
        SettingError, match=r"settings of this run folder say how its inputs are scaled \(pixel / 255\)"
    ):
        read_original(run_folder, scale="pixels")
    with pytest.raises(SettingError, match="scale 'minmax'; expected pixels"):
        read_original(run_folder, scale="minmax")
