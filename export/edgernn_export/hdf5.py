"""HDF5 files of unknown origin, checked before anything is read from them."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from edgernn.arrays import AnyArray
from edgernn.errors import ModelError, first_line

# Far above any recurrent model for a small device.
MAX_DATA_BYTES = 2 << 30
MAX_OBJECTS = 100_000
MAX_DEPTH = 64
MAX_NAMES = 10_000


@contextmanager
def opened(data: bytes) -> Iterator[Any]:
    """Open an HDF5 file for reading, after checking its links, types and sizes.

    Links, and datasets with values in another file, are refused. So all that is read comes from `data`.

    Raises:
        ModelError: the file is damaged, refers to other files, or is too large after unpacking.
    """
    import h5py

    try:
        file = h5py.File(io.BytesIO(data), "r")
    except (OSError, RuntimeError, ValueError) as error:
        raise ModelError(f"not a readable HDF5 file: {first_line(error)}") from error
    with file:
        try:
            _check_tree(file)
        except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
            raise ModelError(f"a damaged HDF5 file: {first_line(error)}") from error
        yield file


def text(group: Any, name: str) -> str | None:
    """Read a text attribute; None if the group has no such attribute."""
    if name not in group.attrs:
        return None
    value = group.attrs[name]
    if not isinstance(value, str | bytes):
        raise ModelError(f"attribute {name!r} of {group.name!r} is a {type(value).__name__}, expected text")
    return _as_text(value)


def names(group: Any, name: str) -> list[str]:
    """Read a list of names from an attribute, or from its parts `name0`, `name1`, … if Keras split it."""
    parts = [name] if name in group.attrs else _numbered(group, name)
    listed: list[str] = []
    for part in parts:
        if np.prod(group.attrs.get_id(part).shape, dtype=float) > MAX_NAMES:
            raise ModelError(f"attribute {part!r} of {group.name!r} lists more than {MAX_NAMES:,} names")
        listed.extend(_as_text(value) for value in np.asarray(group.attrs[part]).ravel())
    return listed


def array(group: Any, name: str) -> AnyArray:
    """Read the values of a dataset.

    Raises:
        ModelError: there is no dataset of this name.
    """
    import h5py

    dataset = group.get(name)
    if not isinstance(dataset, h5py.Dataset):
        raise ModelError(f"weights {name!r} are missing from {group.name!r}; the file is damaged")
    return np.asarray(dataset[()])


def _as_text(value: Any) -> str:
    return value.decode("utf-8", errors="replace") if isinstance(value, bytes) else str(value)


def _numbered(group: Any, name: str) -> list[str]:
    parts: list[str] = []
    while f"{name}{len(parts)}" in group.attrs:
        parts.append(f"{name}{len(parts)}")
    return parts


def _check_tree(file: Any) -> None:
    import h5py

    waiting, objects, size_bytes = [(file, 0)], 0, 0
    while waiting:
        group, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise ModelError(f"groups are nested more than {MAX_DEPTH} levels deep; expected at most {MAX_DEPTH}")
        for name in group:
            objects += 1
            if objects > MAX_OBJECTS:
                raise ModelError(f"more than {MAX_OBJECTS:,} groups and datasets; expected at most {MAX_OBJECTS:,}")
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise ModelError(
                    f"{name!r} in {group.name!r} is a link, expected a group or a dataset; save the model again with "
                    'model.save("model.keras")'
                )
            child = group[name]
            if isinstance(child, h5py.Group):
                waiting.append((child, depth + 1))
            elif isinstance(child, h5py.Dataset):
                size_bytes += _size_of(child)
        if size_bytes > MAX_DATA_BYTES:
            raise ModelError(f"{size_bytes:,} bytes of weights unpacked, expected at most {MAX_DATA_BYTES:,}")


def _size_of(dataset: Any) -> int:
    if dataset.is_virtual or dataset.external:
        raise ModelError(
            f"dataset {dataset.name!r} refers to another file, expected its values here; save the model again with "
            'model.save("model.keras")'
        )
    if dataset.dtype.hasobject:
        raise ModelError(f"dataset {dataset.name!r} contains {dataset.dtype}, expected numbers")
    return int(dataset.size or 0) * int(dataset.dtype.itemsize)
