"""The digest of a Keras model, on made-up archives."""

import json
import zipfile
from pathlib import Path

import pytest

from edgernn.data.model_digest import model_digest
from edgernn.errors import DataError
from edgernn.system.files import sha256_of


def archive(path: Path, *, address: int = 1, units: int = 4, date: str = "2026-01-01", weights: bytes = b"w") -> Path:
    layer = {"class_name": "LSTM", "config": {"units": units}, "shared_object_id": address}
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("metadata.json", json.dumps({"keras_version": "3.0.0", "date_saved": date}))
        file.writestr("config.json", json.dumps({"layers": [layer]}))
        file.writestr("model.weights.h5", weights)
    return path


def test_dates_and_addresses_do_not_count_and_structure_and_weights_do(tmp_path: Path) -> None:
    first = archive(tmp_path / "first.keras")
    saved_again = archive(tmp_path / "again.keras", address=2, date="2026-02-02")
    assert first.read_bytes() != saved_again.read_bytes()
    assert model_digest(first) == model_digest(saved_again)
    others = [archive(tmp_path / "units.keras", units=5), archive(tmp_path / "weights.keras", weights=b"v")]
    assert len({model_digest(path) for path in (first, *others)}) == 3


@pytest.mark.parametrize("content", [b"", b"\x89HDF\r\n\x1a\n", b"PK\x03\x04 damaged", b"[" * 100])
def test_other_files_have_the_digest_of_their_bytes(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.h5"
    path.write_bytes(content)
    assert model_digest(path) == sha256_of(path)


def test_archives_that_are_no_models_have_the_digest_of_their_bytes(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as file:
        file.writestr("config.json", "[" * 100_000)
    assert model_digest(tmp_path / "other.zip") == sha256_of(tmp_path / "other.zip")
    with pytest.raises(DataError, match="cannot be read"):
        model_digest(tmp_path / "missing.keras")
