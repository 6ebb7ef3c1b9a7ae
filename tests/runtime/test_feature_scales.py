"""Scales of features, read from .npz files."""

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgernn.data.datasets import read_samples
from edgernn.data.feature_scales import find_scale
from edgernn.errors import DataError, SettingError
from edgernn.specs import MIN_MAX, STANDARDIZED, FeatureScale


@pytest.fixture
def file(tmp_path: Path) -> Callable[..., Path]:
    def save(**arrays: Any) -> Path:
        np.savez(tmp_path / "scaler.npz", **arrays)
        return tmp_path / "scaler.npz"

    return save


def test_mean_and_standard_deviation(file: Callable[..., Path]) -> None:
    expected = FeatureScale((0.1, -20.0), (2.0, 0.0125), STANDARDIZED)
    mean, std = np.array([0.1, -20]), np.array([0.5, 80])
    assert find_scale(file(mean=mean, std=std)) == expected
    assert find_scale(file(mean=mean.astype(np.float32), scale=std.astype(np.int16) + (std == 0.5))) == FeatureScale(
        (0.1, -20.0), (1.0, 0.0125), STANDARDIZED
    )
    # As `x.mean(axis=(0, 1), keepdims=True)` leaves it.
    assert find_scale(file(mean=mean[np.newaxis, np.newaxis], std=std)) == expected
    assert find_scale(file(mean=mean, std=np.array(2.0))) == FeatureScale((0.1, -20.0), (0.5, 0.5), STANDARDIZED)
    assert find_scale(file(mean=0.0, std=4.0)) == FeatureScale((0.0,), (0.25,), STANDARDIZED)


def test_minimum_and_maximum(file: Callable[..., Path]) -> None:
    assert find_scale(file(min=[-4.0, 0.0], max=[4.0, 1023.0])) == FeatureScale(
        (-4.0, 0.0), (0.125, 0.0009775171), MIN_MAX
    )


def test_the_names_of_the_arrays_may_be_in_upper_case(file: Callable[..., Path]) -> None:
    assert find_scale(file(Mean=[1.0], STD=[2.0])) == find_scale(file(mean=[1.0], std=[2.0]))
    with pytest.raises(DataError, match="STD contains NaN"):
        find_scale(file(Mean=[1.0], STD=[np.nan]))


def test_a_constant_feature_is_not_divided_as_in_scikit_learn(file: Callable[..., Path]) -> None:
    from sklearn.preprocessing import MinMaxScaler, StandardScaler

    x = np.array([[1.0, 7.0], [3.0, 7.0], [8.0, 7.0]])
    standard, minmax = StandardScaler().fit(x), MinMaxScaler().fit(x)
    for scale, expected in (
        (find_scale(file(mean=standard.mean_, std=standard.scale_)), standard.transform(x)),
        (find_scale(file(mean=x.mean(axis=0), std=x.std(axis=0))), standard.transform(x)),
        (find_scale(file(min=minmax.data_min_, max=minmax.data_max_)), minmax.transform(x)),
    ):
        assert isinstance(scale, FeatureScale)
        np.testing.assert_allclose((x - scale.offset) * scale.factor, expected, rtol=1e-6, atol=1e-6)


@given(st.lists(st.floats(1e-25, 1e25), min_size=1, max_size=20))
def test_numbers_are_those_of_float32(stds: list[float]) -> None:
    from edgernn.data.feature_scales import _shortest

    numbers = np.array(stds)
    np.testing.assert_array_equal(np.array(_shortest(numbers), np.float32), numbers.astype(np.float32))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"mean": [1.0]}, "found the arrays mean, expected mean and std, or min and max, a number for each feature"),
        ({"mean": [1.0], "std": [1.0], "min": [1.0]}, "found the arrays mean, min, std, expected mean and std, or"),
        ({"mean": [1.0, 2.0], "std": [1.0, 2.0, 3.0]}, "mean has 2 numbers, std 3; expected as many of both"),
        ({"mean": [[1.0, 2.0], [3.0, 4.0]], "std": [1.0, 2.0]}, r"mean has shape \(2, 2\), expected \(features,\)"),
        ({"mean": [], "std": [1.0]}, r"mean has shape \(0,\), expected \(features,\)"),
        ({"mean": np.zeros(513), "std": np.ones(513)}, r"mean has shape \(513,\), expected \(features,\), at most 512"),
        ({"Mean": [1.0], "mean": [1.0], "std": [1.0]}, "found the arrays Mean, mean, std, expected mean and std"),
        ({"mean": ["a"], "std": [1.0]}, "mean has type <U1, expected numbers"),
        ({"mean": [np.nan], "std": [1.0]}, "mean contains NaN or infinity, expected finite numbers"),
        ({"mean": [1.0, 1.0], "std": [1.0, -2.0]}, "std of feature 1 is -2, expected at least 0"),
        ({"min": [1.0], "max": [0.5]}, "max of feature 0 is 0.5, expected at least min"),
        ({"min": [-1e308], "max": [1e308]}, "which float32 cannot represent; expected min up to 1e\\+38"),
        ({"mean": [0.0], "std": [1e-40]}, "which float32 cannot represent"),
        ({"mean": [0.0], "std": [1e35]}, "which float32 cannot represent"),
        ({"mean": [0.0, 1.7e9], "std": [1.0, 600.0]}, "feature 1 has mean 1.7e\\+09, where float32 has steps of 128"),
        ({"mean": np.array([object()]), "std": [1.0]}, "pickled Python objects"),
    ],
)
def test_another_file_is_refused(file: Callable[..., Path], arrays: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=rf"scaler\.npz: .*{message}"):
        find_scale(file(**arrays))


def test_files_that_are_no_scale_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"'minmax'; expected pixels, or an \.npz file with mean and std"):
        find_scale("minmax")
    with pytest.raises(SettingError, match=r"scaler\.joblib' is a pickle, which can contain code; save its numbers"):
        find_scale("scaler.joblib")
    with pytest.raises(DataError, match=r"none\.npz: no such file"):
        find_scale(tmp_path / "none.npz")
    (tmp_path / "text.npz").write_text("mean,std")
    with pytest.raises(DataError, match=r"text\.npz: cannot be read as \.npz"):
        find_scale(tmp_path / "text.npz")
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("mean", "std"):
            with archive.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array(member, np.zeros(1 << 20))
    with pytest.raises(DataError, match="bytes unpacked; expected at most 1,048,576"):
        find_scale(tmp_path / "bomb.npz")


def test_samples_are_kept_raw_and_scaled(file: Callable[..., Path], tmp_path: Path) -> None:
    scale = find_scale(file(mean=[1.0, 2.0], std=[4.0, 0.0]))
    x = np.random.default_rng(0).integers(0, 200, (10, 3, 2), np.uint8)
    for kind in (np.uint8, np.float64):
        np.save(tmp_path / "raw.npy", x.astype(kind))
        samples = read_samples(tmp_path / "raw.npy", scale=scale)
        assert (samples.scale, samples.input_meaning) == (scale, STANDARDIZED)
        assert "raw.npy, standardized: (x - mean) / std, from " in samples.fed
        np.testing.assert_array_equal(samples.raw_inputs("x_test"), x)
        np.testing.assert_array_equal(samples.x_test, ((x - [1.0, 2.0]) * [0.25, 1.0]).astype(np.float32))
    np.save(tmp_path / "raw.npy", x[..., :1])
    with pytest.raises(DataError, match=r"the scale has 2 features, and raw\.npy has 1; both must have those of"):
        read_samples(tmp_path / "raw.npy", scale=scale)
