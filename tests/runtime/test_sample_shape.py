"""Samples in the shape of the original Keras model, or flattened, become (steps, features) in one place."""

from pathlib import Path

import numpy as np
import pytest

from edgernn.data.datasets import read_samples
from edgernn.errors import DataError
from edgernn.sample_shape import SampleShape

IMAGE = SampleShape((4, 6), (4, 3, 2))
VECTOR = SampleShape((1, 5), (5,))
SERIES = SampleShape((5, 1), (5,))
FREE = SampleShape((None, 6), (None, 3, 2))


@pytest.mark.parametrize(
    ("shape", "given", "folded"),
    [
        (IMAGE, (4, 3, 2), (4, 6)),
        (IMAGE, (7, 4, 3, 2), (7, 4, 6)),
        (IMAGE, (7, 24), (7, 4, 6)),
        (IMAGE, (7, 4, 6), (7, 4, 6)),
        (IMAGE, (4, 6), (4, 6)),
        (IMAGE, (7, 3, 4, 2), (7, 3, 4, 2)),
        (IMAGE, (0, 24), (0, 24)),
        (VECTOR, (5,), (1, 5)),
        (VECTOR, (7, 5), (7, 1, 5)),
        (VECTOR, (7, 1, 5), (7, 1, 5)),
        (VECTOR, (1, 7, 5), (7, 1, 5)),
        (SERIES, (5,), (5, 1)),
        (SERIES, (7, 5), (7, 5, 1)),
        (SERIES, (7, 5, 1), (7, 5, 1)),
        (SERIES, (1, 7, 5), (7, 5, 1)),
        (FREE, (9, 3, 2), (9, 6)),
        (FREE, (7, 9, 3, 2), (7, 9, 6)),
        (FREE, (7, 54), (7, 54)),
        (SampleShape((4, 6)), (7, 24), (7, 24)),
    ],
)
def test_samples_are_folded_and_other_arrays_are_unchanged(
    shape: SampleShape, given: tuple[int, ...], folded: tuple[int, ...]
) -> None:
    x = np.arange(np.prod(given)).reshape(given)
    assert shape.fold(x).shape == folded
    np.testing.assert_array_equal(shape.fold(x).ravel(), x.ravel())


def test_another_number_of_steps_changes_the_axis_of_the_steps_alone() -> None:
    assert FREE.own_with(9) == (9, 3, 2)
    assert SERIES.own_with(9) == (9,)
    assert VECTOR.own_with(1) == (5,)
    assert SampleShape((4, 6)).own_with(9) == ()


def test_both_forms_are_described() -> None:
    assert SampleShape((4, 6)).describe() == "(4, 6) or (samples, 4, 6)"
    assert VECTOR.describe() == "(5,) or (samples, 5), or (1, 5) or (samples, 1, 5)"
    assert FREE.describe() == "(any, 3, 2) or (samples, any, 3, 2), or (any, 6) or (samples, any, 6)"


def test_files_of_samples_may_have_either_form(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(8, 4, 3, 2)).astype(np.float32)
    for name, array in {"own": x, "rows": x.reshape(8, 4, 6), "flat": x.reshape(8, 24)}.items():
        np.save(tmp_path / f"{name}.npy", array)
        samples = read_samples(tmp_path / f"{name}.npy", shape=IMAGE)
        np.testing.assert_array_equal(samples.x_test, x.reshape(8, 4, 6))
    for number, sample in enumerate(x):
        (tmp_path / "folder").mkdir(exist_ok=True)
        np.save(tmp_path / "folder" / f"{number}.npy", sample)
    np.testing.assert_array_equal(read_samples(tmp_path / "folder", shape=IMAGE).x_test, x.reshape(8, 4, 6))
    (tmp_path / "vectors.csv").write_text("a,b,c,d,e\n1,2,3,4,5\n5,4,3,2,1\n")
    np.testing.assert_array_equal(
        read_samples(tmp_path / "vectors.csv", shape=VECTOR).x_test, [[[1, 2, 3, 4, 5]], [[5, 4, 3, 2, 1]]]
    )
    (tmp_path / "vectors.jsonl").write_text("[1, 2, 3, 4, 5]\n[5, 4, 3, 2, 1]\n")
    np.testing.assert_array_equal(
        read_samples(tmp_path / "vectors.jsonl", shape=SERIES).x_test[1], [[5], [4], [3], [2], [1]]
    )


def test_samples_of_a_third_shape_are_refused_with_both_forms(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.ones((8, 3, 4, 2)))
    with pytest.raises(DataError, match=r"has shape \(8, 3, 4, 2\), expected \(4, 3, 2\) or \(samples, 4, 3, 2\), or"):
        read_samples(tmp_path / "x.npy", shape=IMAGE)
