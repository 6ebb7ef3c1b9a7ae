"""Keras files that are damaged, too large, or refer to other files are refused before they are unpacked."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import made_up_keras2 as keras2_files
import numpy as np
import pytest
from made_up_keras2 import draw, drawn, named, recurrent, sequential

from edgernn.errors import ModelError
from edgernn_export import hdf5, keras_file


def link(group: h5py.Group) -> None:
    del group["r"]
    group["r"] = h5py.ExternalLink("/etc/passwd", "/")


def soft(group: h5py.Group) -> None:
    group["again"] = h5py.SoftLink("/model_weights/r")


def virtual(group: h5py.Group) -> None:
    layout = h5py.VirtualLayout((3,), np.float32)
    layout[:] = h5py.VirtualSource("/etc/other.h5", "x", (3,))
    group.create_virtual_dataset("far", layout)


def external(group: h5py.Group) -> None:
    group.create_dataset("raw", (4,), np.float32, external=[("/etc/hostname", 0, 16)])


def large(group: h5py.Group) -> None:
    group.create_dataset("bomb", (1 << 20, 1 << 12), np.float32, chunks=(1 << 10, 1 << 10), compression="gzip")


def words(group: h5py.Group) -> None:
    group.create_dataset("text", (3,), h5py.string_dtype())


def deep(group: h5py.Group) -> None:
    for _ in range(hdf5.MAX_DEPTH + 2):
        group = group.create_group("g")


HOSTILE: dict[Callable[[h5py.Group], None], str] = {
    link: "'r' in '/model_weights' is a link, expected a group",
    soft: "'again' in '/model_weights' is a link, expected a group",
    virtual: "'/model_weights/far' refers to another file, expected its values",
    external: "'/model_weights/raw' refers to another file, expected its values",
    large: "bytes of weights unpacked, expected at most 2,147,483,648",
    words: "'/model_weights/text' contains object, expected numbers",
    deep: "groups are nested more than 64 levels deep; expected at most 64",
}


@pytest.mark.parametrize("version", ["2.15.0", "3.9.0"])
@pytest.mark.parametrize("harm", HOSTILE)
def test_hdf5_that_refers_to_other_files_or_is_too_large_is_refused(
    harm: Callable[[h5py.Group], None], version: str, tmp_path: Path
) -> None:
    weights = {"r": named("r", drawn("LSTM"))}
    path = keras2_files.write_h5(tmp_path / "m.h5", sequential(recurrent("LSTM", "r")), weights, version=version)
    with h5py.File(path, "r+") as file:
        harm(file["model_weights"])
    inner = path.read_bytes()
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": version}))
        archive.writestr("config.json", json.dumps(sequential(recurrent("LSTM", "r"))))
        archive.writestr("model.weights.h5", inner)
    for each in (path, tmp_path / "m.keras"):
        with pytest.raises(ModelError, match=HOSTILE[harm]):
            keras_file.read(each)


def test_sizes_are_limited_before_anything_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = keras2_files.write_keras(
        tmp_path / "m.keras", sequential(recurrent("LSTM", "r")), {"layers/lstm/cell/vars/0": draw(3, 16)}
    )
    for limit, message in {
        "MAX_CONFIG_BYTES": "config.json of .* bytes, expected at most 100",
        "MAX_MEMBERS": "3 files in the archive, expected at most 1",
    }.items():
        with monkeypatch.context() as patch:
            patch.setattr(keras_file, limit, {"MAX_CONFIG_BYTES": 100, "MAX_MEMBERS": 1}[limit])
            with pytest.raises(ModelError, match=message):
                keras_file.check(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", "[" * 100_000)
        archive.writestr("metadata.json", "{}")
    with pytest.raises(ModelError, match="the configuration is not JSON"):
        keras_file.read(path)
