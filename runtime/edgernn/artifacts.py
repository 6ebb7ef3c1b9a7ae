"""Artifacts on disk: reading their content, and finding those in a folder; this module needs no NumPy."""

from collections.abc import Iterator
from pathlib import Path

from edgernn.backends import SUFFIXES
from edgernn.card import Card, read_card
from edgernn.errors import ArtifactError
from edgernn.system.files import check_file, visible_files

MAX_BYTES = 1 << 30
# A larger file in a folder is not searched for a card, which takes memory and time.
MAX_FOUND_BYTES = 16 << 20


def read_artifact(path: Path) -> bytes:
    """Read the content of an artifact's file.

    Raises:
        ArtifactError: it is missing, empty, not a file, or larger than 1 GiB.
    """
    check_file(path, ArtifactError, MAX_BYTES)
    try:
        return path.read_bytes()
    except OSError as error:
        raise ArtifactError(f"{path}: cannot be read: {error.strerror or error}") from error


def find_artifacts(folder: Path) -> Iterator[tuple[Path, Card]]:
    """Find the undamaged artifacts in a folder, with their cards, sorted by name.

    Hidden files and files above 16 MiB are skipped.
    """
    try:
        paths = visible_files(folder, SUFFIXES)
    except OSError:  # a folder that only its owner may list
        return
    for path in paths:
        try:
            check_file(path, ArtifactError, MAX_FOUND_BYTES)
            card = read_card(read_artifact(path))
        except ArtifactError:  # damaged, or a file of another tool
            continue
        yield path, card


def remove_artifacts_of(folder: Path, source_sha256: str) -> None:
    """Remove the artifacts in a folder that were exported from the Keras model with this digest."""
    for path, card in find_artifacts(folder):
        if card.source_sha256 == source_sha256:
            path.unlink(missing_ok=True)


def outdated_note(folder: Path, name: str, source_sha256: str) -> str:
    """Write a note on artifacts in a folder from an earlier model of the same name; empty if there are none.

    Args:
        folder: a folder with artifacts, such as a run folder.
        name: the model's name.
        source_sha256: digest of the present Keras model, see `edgernn.data.model_digest`.
    """
    found = find_artifacts(folder)
    names = [path.name for path, card in found if card.name == name and card.source_sha256 != source_sha256]
    if not names:
        return ""
    verb = "was" if len(names) == 1 else "were"
    return f"note: {folder}: {', '.join(names)} {verb} exported from another model; export again, or delete"
