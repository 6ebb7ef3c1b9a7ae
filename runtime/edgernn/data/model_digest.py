"""The digest of a Keras model: of its structure and weights, without what changes each time it is saved.

A .keras file is a ZIP archive of a configuration, the weights, and the date of saving. The configuration contains
addresses of objects in memory (`shared_object_id`). So two equal trainings give different files, but the same digest.
"""

import json
import zipfile
from pathlib import Path
from typing import Any

from edgernn.data.run_commit import MAX_MODEL_BYTES
from edgernn.system.files import sha256_of

_CONFIG, _METADATA = "config.json", "metadata.json"
_ADDRESS = "shared_object_id"
# Larger archives are no models for a small device; their digest is that of the file.
MAX_CONFIG_BYTES, MAX_MEMBERS = 16 << 20, 10_000


def model_digest(path: Path) -> str:
    """Return the SHA-256 of a Keras model's structure and weights, in hexadecimal digits.

    Args:
        path: a .keras file of Keras 3. Of any other file, the digest is that of its bytes.

    Raises:
        DataError: it cannot be read.
    """
    try:
        return _digest_of_archive(path)
    except (zipfile.BadZipFile, OSError, ValueError, RecursionError, NotImplementedError, EOFError):
        return sha256_of(path)


def _digest_of_archive(path: Path) -> str:
    """Return the digest of the members' names and content.

    Raises:
        ValueError: it is not an archive of a plausible Keras model.
    """
    import hashlib  # late, see `edgernn.digests`

    with zipfile.ZipFile(path) as archive:
        members = sorted(archive.infolist(), key=lambda member: member.filename)
        sizes = {member.filename: member.file_size for member in members}
        if len(members) > MAX_MEMBERS or sum(sizes.values()) > MAX_MODEL_BYTES or len(sizes) < len(members):
            raise ValueError("too large, or a member twice")
        if not 0 < sizes.get(_CONFIG, 0) <= MAX_CONFIG_BYTES:
            raise ValueError("no configuration")
        digest = hashlib.sha256()
        for member in members:
            if member.filename == _METADATA:
                continue
            with archive.open(member) as file:
                if member.filename == _CONFIG:
                    structure = _without_addresses(json.loads(file.read(MAX_CONFIG_BYTES)))
                    content = hashlib.sha256(json.dumps(structure, sort_keys=True).encode()).digest()
                else:
                    content = hashlib.file_digest(file, "sha256").digest()  # type: ignore[arg-type]  # it has readinto
            digest.update(f"{len(member.filename)} {member.filename} ".encode() + content)
        return digest.hexdigest()


def _without_addresses(config: Any) -> Any:
    if isinstance(config, dict):
        return {name: _without_addresses(value) for name, value in config.items() if name != _ADDRESS}
    return [_without_addresses(value) for value in config] if isinstance(config, list) else config
