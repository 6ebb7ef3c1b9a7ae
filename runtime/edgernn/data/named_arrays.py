"""Named arrays: the arrays in a file or a folder of samples, by name."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from edgernn.arrays import Array
from edgernn.data.readers import SUPPORTED, is_readable, read_array, read_idx, read_npz
from edgernn.data.readers.binary import MAX_BYTES
from edgernn.errors import DataError
from edgernn.labels import read_labels
from edgernn.sample_shape import SampleShape

IDX_NAMES = {
    "x_train": "train-images-idx3-ubyte",
    "y_train": "train-labels-idx1-ubyte",
    "x_test": "t10k-images-idx3-ubyte",
    "y_test": "t10k-labels-idx1-ubyte",
}
LABELS_FILE = "labels.txt"


def read_arrays(path: Path, features: Sequence[str] = (), shape: SampleShape | None = None) -> Mapping[str, Array]:
    """Read the arrays of a file or a folder, by name.

    Args:
        path: an .npz; a folder with some or all of MNIST's four IDX files; any other file that
            `edgernn.data.readers.read_array` reads; or a folder of such files. The files of a folder are read in the
            order of their names; each contains one sample [steps, features] or several. An array without a name gets
            the name of its file or folder.
        features: names that the columns of CSV files must have, see `read_array`.
        shape: of the model's samples, whose own shape the files of a folder may have; None if it is not known.

    Raises:
        DataError: it cannot be read, or the files of a folder do not fit together.
    """
    if path.is_dir():
        arrays = read_idx_folder(path) or {path.name: _read_folder(path, features, shape)}
    elif path.suffix.lower() == ".npz":
        return read_npz(path)
    else:
        arrays = {path.name: read_array(path, features)}
    return {name: np.atleast_1d(array) for name, array in arrays.items()}


def read_idx_folder(folder: Path) -> dict[str, Array]:
    """Read the MNIST files, plain or .gz, that a folder has; there are up to four.

    If a file `labels.txt` is beside them, it contains the names of the classes, one in each line.

    Raises:
        DataError: one cannot be read.
    """
    found = {name: read_idx(file) for name in IDX_NAMES if (file := find_idx_file(folder, name))}
    if found and (folder / LABELS_FILE).exists():
        found["labels"] = np.array(read_labels(folder / LABELS_FILE))
    return found


def find_idx_file(folder: Path, name: str) -> Path | None:
    """Find the MNIST file, plain or .gz, of an array in a folder; None if there is none.

    Args:
        folder: the folder.
        name: name of the array, a key of `IDX_NAMES`.

    Raises:
        DataError: the folder cannot be read.
    """
    stem = IDX_NAMES[name]
    try:
        return next((path for path in (folder / stem, folder / f"{stem}.gz") if path.exists()), None)
    except OSError as error:
        raise DataError(f"{folder}: cannot be read: {error.strerror or error}") from error


def _read_folder(folder: Path, features: Sequence[str], shape: SampleShape | None) -> Array:
    try:
        files = sorted(path for path in folder.iterdir() if not path.name.startswith(".") and is_readable(path))
    except OSError as error:
        raise DataError(f"{folder}: cannot be read: {error.strerror or error}") from error
    if not files:
        raise DataError(
            f"{folder}: no arrays in this folder; expected files named as MNIST's, or of a supported type: {SUPPORTED}"
        )
    read: list[Array] = []
    size = 0
    for file in files:
        array = read_array(file, features)
        array = shape.fold(array) if shape else array
        samples = array[np.newaxis] if array.ndim == 2 else array
        if samples.ndim != 3 or 0 in samples.shape:
            raise DataError(
                f"{file}: has shape {array.shape}, expected (steps, features) or (samples, steps, features)"
            )
        if samples.shape[1:] != (read or [samples])[0].shape[1:]:
            raise DataError(
                f"{file}: has samples of shape {samples.shape[1:]}, {files[0].name} of {read[0].shape[1:]}; expected "
                "the same in all files"
            )
        if samples.dtype.kind == "f" and not np.isfinite(samples).all():
            raise DataError(f"{file}: contains NaN or infinity")
        read.append(samples)
        size += samples.nbytes
        if size > MAX_BYTES:
            raise DataError(f"{folder}: more than {MAX_BYTES:,} bytes of arrays; use fewer files")
    return np.concatenate(read)
