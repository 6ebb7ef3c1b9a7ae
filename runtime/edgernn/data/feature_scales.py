"""Scales of features: mean and standard deviation, or minimum and maximum, from an .npz file."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from edgernn.arrays import Array, Float64
from edgernn.data.readers import Archive
from edgernn.errors import DataError, SettingError, list_names
from edgernn.inputs import SCALES
from edgernn.specs import MAX_DESCRIBED_FEATURES, MAX_NUMBER, MIN_FACTOR, MIN_MAX, STANDARDIZED, FeatureScale
from edgernn.suggestions import did_you_mean

# A scale of `edgernn.inputs.SCALES` by its name, or one of features.
Scale: TypeAlias = str | FeatureScale

MAX_BYTES = 1 << 20
# The arrays of a file, in order, and the meaning of a scaled value.
_KINDS: Mapping[tuple[str, str], str] = {
    ("mean", "std"): STANDARDIZED,
    ("mean", "scale"): STANDARDIZED,
    ("min", "max"): MIN_MAX,
}
_EXPECTED = "mean and std, or min and max, a number for each feature or one for all"
_PICKLES = (".joblib", ".pkl", ".pickle")
# Largest step of float32 at the offset, in scaled units. Beyond it, rounding the raw numbers changes answers.
_MAX_STEP = 0.02


def find_scale(scale: Scale | Path) -> Scale:
    """Return a scale by its name, or read it from a file.

    Args:
        scale: one of `edgernn.inputs.SCALES`, or the path of a file for `read_feature_scale`.

    Raises:
        SettingError: it is neither.
        DataError: as for `read_feature_scale`.
    """
    if isinstance(scale, FeatureScale) or scale in SCALES:
        return scale  # type: ignore[return-value]  # a name
    path = Path(scale)
    if path.suffix.lower() in _PICKLES:
        raise SettingError(
            f"scale {str(scale)!r} is a pickle, which can contain code; save its numbers instead: "
            'numpy.savez("scaler.npz", mean=scaler.mean_, std=scaler.scale_)'
        )
    if path.suffix.lower() != ".npz":
        hint = did_you_mean(str(scale), SCALES)
        raise SettingError(
            f"scale {str(scale)!r}; expected {', '.join(SCALES)}, or an .npz file with {_EXPECTED}{hint}"
        )
    return read_feature_scale(path)


def read_feature_scale(path: Path) -> FeatureScale:
    """Read a scale of features from an .npz with the arrays `mean` and `std` (or `scale`), or `min` and `max`.

    The names of the arrays may be in lower or upper case.

    A feature that is constant, with a standard deviation of 0 or equal ends, is not divided, as in scikit-learn.

    Raises:
        DataError: the file cannot be read, has other arrays, or a number cannot be used.
    """
    archive = Archive(path, MAX_BYTES, min_axes=1)
    written = {name.lower(): name for name in archive}
    names = next((names for names in _KINDS if set(names) == set(written) and len(written) == len(archive)), None)
    if names is None:
        raise DataError(f"{path}: found the arrays {list_names(sorted(archive)) or '(none)'}, expected {_EXPECTED}")
    first, second = _aligned(
        [_numbers(archive[written[name]], f"{path}: {written[name]}") for name in names], path, names
    )
    meaning = _KINDS[names]
    with np.errstate(over="ignore"):  # infinity is refused below
        divisor = second - first if meaning == MIN_MAX else second
    wrong = np.flatnonzero(divisor < 0)
    if len(wrong):
        place = int(wrong[0])
        expected = "at least min" if meaning == MIN_MAX else "at least 0"
        raise DataError(f"{path}: {names[1]} of feature {place} is {second[place]:g}, expected {expected}")
    factor = 1 / np.where(divisor == 0, 1.0, divisor)
    _check_range(first, factor, path, names)
    return FeatureScale(_shortest(first), _shortest(factor), meaning)


def name_scale(scale: Scale) -> str:
    """Return the name of a scale, or the meaning of one of features, for messages."""
    return scale if isinstance(scale, str) else scale.meaning


def check_features(scale: FeatureScale, features: int, samples: str) -> None:
    """Check that a scale fits samples with this number of features.

    Raises:
        DataError: it has another number of features.
    """
    if len(scale.factor) not in (1, features):
        raise DataError(
            f"the scale has {len(scale.factor)} features, and {samples} has {features}; both must have those of the "
            "model"
        )


def _numbers(array: Array, name: str) -> Float64:
    """Return an array's numbers, [features]."""
    if array.dtype.kind not in "fiu":
        raise DataError(f"{name} has type {array.dtype}, expected numbers")
    if array.shape[-1] != array.size or not 1 <= array.size <= MAX_DESCRIBED_FEATURES:
        raise DataError(
            f"{name} has shape {array.shape}, expected (features,), at most {MAX_DESCRIBED_FEATURES}, or one number"
        )
    numbers = array.reshape(-1).astype(np.float64)
    if not np.isfinite(numbers).all():
        raise DataError(f"{name} contains NaN or infinity, expected finite numbers")
    return numbers


def _aligned(arrays: Sequence[Float64], path: Path, names: Sequence[str]) -> Sequence[Any]:
    """Repeat a single number for all features of the other array."""
    first, second = (len(array) for array in arrays)
    if first != second and 1 not in (first, second):
        raise DataError(f"{path}: {names[0]} has {first} numbers, {names[1]} {second}; expected as many of both")
    return np.broadcast_arrays(*arrays)


def _check_range(offset: Float64, factor: Float64, path: Path, names: Sequence[str]) -> None:
    """Check that float32 can represent a scale, and raw numbers around its offset."""
    outside = (np.abs(offset) > MAX_NUMBER) | (factor < MIN_FACTOR) | (factor > MAX_NUMBER)
    if outside.any():
        place = int(outside.argmax())
        raise DataError(
            f"{path}: feature {place} is scaled by (x - {offset[place]:g}) * {factor[place]:g}, which float32 cannot "
            f"represent; expected {names[0]} up to {MAX_NUMBER:g} and factors from {MIN_FACTOR:g} to {MAX_NUMBER:g}"
        )
    steps = np.spacing(np.abs(offset).astype(np.float32))
    coarse = steps * factor > _MAX_STEP
    if coarse.any():
        place = int(coarse.argmax())
        raise DataError(
            f"{path}: feature {place} has {names[0]} {offset[place]:g}, where float32 has steps of {steps[place]:g}, "
            f"too coarse for a spread of {1 / factor[place]:g}; subtract a constant from this feature on the device, "
            f"in the samples and in {names[0]}, or omit the feature if it is a time stamp"
        )


def _shortest(numbers: Float64) -> tuple[float, ...]:
    """Round to float32; return the shortest decimal fractions of these values, which take few bytes in a card."""
    return tuple(float(str(number)) for number in numbers.astype(np.float32))
