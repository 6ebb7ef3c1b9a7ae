"""Mutants: artifacts with one damage each, which depends only on the artifact's name and a number."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np

from edgernn.card import seal
from edgernn.errors import ArtifactError
from mutants import cards
from mutants.structure import ByteRange, byte_ranges

# Attempts to find a damage that changes the file and leaves a card to seal.
_ATTEMPTS = 50
_BLOCKS = (4, 16, 64, 256, 1024)


@dataclass(frozen=True)
class IntactArtifact:
    """An undamaged artifact, and the others of its folder, whose cards it may get.

    Attributes:
        name: its file name.
        data: its content.
        others: contents of the others.
    """

    name: str
    data: bytes
    others: tuple[bytes, ...]

    @cached_property
    def byte_ranges(self) -> list[ByteRange]:
        """The numbers that define the file's structure."""
        return byte_ranges(self.data, Path(self.name).suffix)


@dataclass(frozen=True)
class Mutant:
    """A damaged artifact: the kind of damage, and its content."""

    kind: str
    data: bytes


def kind_of(number: int, resealed: bool) -> str:
    """Return the kind of damage of the mutant of a number."""
    kinds = list(RESEALED if resealed else KINDS)
    return kinds[number % len(kinds)]


def make(source: IntactArtifact, number: int, resealed: bool) -> Mutant:
    """Make the mutant of a number; `resealed` renews the digest after the damage."""
    kind = kind_of(number, resealed)
    rng = np.random.default_rng([crc32(source.name.encode()), number, resealed])
    for _attempt in range(_ATTEMPTS):
        data = KINDS[kind](source, rng)
        if data == source.data:
            continue
        if not resealed:
            return Mutant(kind, data)
        try:
            return Mutant(kind, seal(data))
        except ArtifactError:  # the damage hit the card; such mutants exist only with the digest as it was
            continue
    raise ValueError(f"{source.name} {number}: no mutant of the kind {kind!r} in {_ATTEMPTS} attempts")


def _flipped(source: IntactArtifact, rng: np.random.Generator) -> bytes:
    data = bytearray(source.data)
    for _ in range(int(rng.choice([1, 1, 1, 2, 8, 64]))):
        position = int(rng.integers(len(data)))
        data[position] ^= 1 << int(rng.integers(8)) if rng.random() < 0.5 else int(rng.integers(1, 256))
    return bytes(data)


def _cut(source: IntactArtifact, rng: np.random.Generator) -> bytes:
    data = source.data
    length = int(rng.integers(1, 9 if rng.random() < 0.3 else len(data)))
    where = rng.choice(["end", "front", "middle"])
    if where == "end":
        return data[:-length]
    if where == "front":
        return data[length:]
    start = int(rng.integers(len(data)))
    return data[:start] + data[start + length :]


def _extended(source: IntactArtifact, rng: np.random.Generator) -> bytes:
    data = source.data
    length = int(rng.choice([1, 4, 16, 4096]))
    start = int(rng.integers(len(data)))
    more = [bytes(length), rng.bytes(length), data[start : start + length]][int(rng.integers(3))]
    position = len(data) if rng.random() < 0.4 else int(rng.integers(len(data)))
    return data[:position] + more + data[position:]


def _structure(source: IntactArtifact, rng: np.random.Generator) -> bytes:
    """Change a number of the file's structure, most often one of the first, which are the header's."""
    found = source.byte_ranges
    place = found[int(rng.integers(min(len(found), 24 if rng.random() < 0.4 else len(found))))]
    return _renumbered(source.data, place, rng)


def _words(source: IntactArtifact, rng: np.random.Generator) -> bytes:
    """Change any four bytes that are aligned like a number of a flatbuffer."""
    return _renumbered(source.data, ByteRange(4 * int(rng.integers(len(source.data) // 4)), 4), rng)


def _blocks(source: IntactArtifact, rng: np.random.Generator) -> bytes:
    data = source.data
    length = int(rng.choice(_BLOCKS))
    first, second = (4 * int(each) for each in rng.integers((len(data) - length) // 4, size=2))
    block, other = data[first : first + length], data[second : second + length]
    change = rng.choice(["zeroed", "filled", "copied", "exchanged", "moved"])
    if change == "moved":
        rest = data[:first] + data[first + length :]
        return rest[:second] + block + rest[second:]
    result = bytearray(data)
    if change == "exchanged":
        result[first : first + length] = other
    result[second : second + length] = {"zeroed": bytes(length), "filled": b"\xff" * length}.get(change, block)
    return bytes(result[: len(data)])


def _swapped(source: IntactArtifact, rng: np.random.Generator) -> bytes:
    other = source.others[int(rng.integers(len(source.others)))]
    return cards.with_fields(source.data, cards.fields_of(other))


def _golden(source: IntactArtifact, rng: np.random.Generator) -> bytes:
    return cards.with_fields(source.data, cards.edited_golden(cards.fields_of(source.data), rng))


def _numbers(source: IntactArtifact, rng: np.random.Generator) -> bytes:
    """Replace a number in the card, sometimes a whole field."""
    fields = cards.fields_of(source.data)
    paths = cards.numbers(fields)
    steps = paths[int(rng.integers(len(paths)))]
    if rng.random() < 0.3:
        steps = (list(fields)[int(rng.integers(1, len(fields) - 1))],)
    old = cards.value_at(fields, steps)
    number = old if isinstance(old, int | float) else 1
    values: list[Any] = [
        *(0, -1, number + 1, -number, number * 10, 0.5, 1e-320, 1e308, 2**31, 2**63, 10**30, 10**400, 65537),
        *(float("nan"), float("inf"), -float("inf"), True, None, "1", "a\nb\x1b[2J", "\ud800", [], {}, [[]], ...),
        *[cards.NESTED] * 2,
    ]
    nesting = int(rng.choice([2, 60, 900, 20_000]))
    return cards.with_fields(source.data, cards.changed(fields, steps, values[int(rng.integers(len(values)))]), nesting)


def _magic(source: IntactArtifact, rng: np.random.Generator) -> bytes:
    """Damage the card's magic, or its name in the container."""
    name = cards.MAGIC if rng.random() < 0.5 else b"edgernn.card"
    data = bytearray(source.data)
    position = data.index(name) + int(rng.integers(len(name)))
    data[position] ^= int(rng.integers(1, 256))
    return bytes(data)


def _second(source: IntactArtifact, rng: np.random.Generator) -> bytes:
    """Add a second card, or only its magic."""
    data = source.data
    donor = data if rng.random() < 0.5 else source.others[int(rng.integers(len(source.others)))]
    start, end = cards.span(donor)
    card = donor[start:end] if rng.random() < 0.7 else cards.MAGIC
    position = int(rng.choice([0, len(data), int(rng.integers(len(data)))]))
    overwritten = int(rng.choice([0, len(card)]))
    return data[:position] + card + data[position + overwritten :]


def _renumbered(data: bytes, place: ByteRange, rng: np.random.Generator) -> bytes:
    bits = 8 * place.size
    old = int.from_bytes(data[place.start : place.start + place.size], "little")
    top = 1 << (bits - 1)
    values = [*(0, 1, old + 1, old - 1, old + 4, old - 4, old * 2), *(top, top - 1, 2 * top - 1)]
    value = int(rng.integers(1 << min(bits, 32))) if rng.random() < 0.2 else values[int(rng.integers(len(values)))]
    return data[: place.start] + (value % (1 << bits)).to_bytes(place.size, "little") + data[place.start + place.size :]


Damage = Callable[[IntactArtifact, np.random.Generator], bytes]

# Kinds after which the digest can be renewed.
RESEALED: Mapping[str, Damage] = {
    "bytes flipped": _flipped,
    "cut": _cut,
    "extended": _extended,
    "structure": _structure,
    "words": _words,
    "blocks": _blocks,
    "card swapped": _swapped,
    "golden edited": _golden,
    "card's numbers": _numbers,
}
KINDS: Mapping[str, Damage] = {**RESEALED, "magic or name": _magic, "second card": _second}
