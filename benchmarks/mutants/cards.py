"""Damage of cards: reads the JSON of an artifact, and writes a changed one without moving the bytes behind it."""

import copy
import json
from collections.abc import Iterator
from typing import Any

import numpy as np

MAGIC = b'{"edgernn_card":'
_NO_DIGEST = "0" * 64
# Value that `with_fields` writes as nested lists, which json.dumps cannot write.
NESTED = "\0nested"

Fields = dict[str, Any]
Steps = tuple[str | int, ...]


def span(data: bytes) -> tuple[int, int]:
    """Return the start and end of an undamaged artifact's card."""
    start = data.index(MAGIC)
    _, length = json.JSONDecoder().raw_decode(data[start:].decode("ascii", errors="replace"))
    return start, start + length


def fields_of(data: bytes) -> Fields:
    """Return the fields of an undamaged artifact's card, with a digest of zeros."""
    start, end = span(data)
    fields: Fields = json.loads(data[start:end])
    return {**fields, "sha256": _NO_DIGEST}


def with_fields(data: bytes, fields: Fields, nesting: int = 0) -> bytes:
    """Return the artifact with another card.

    A shorter card is padded with spaces, so that nothing moves. A longer one first loses fields that `load` does not
    check; if it is still longer, it moves the bytes behind it.

    Args:
        data: the artifact.
        fields: fields of the new card.
        nesting: depth of lists of the value `NESTED`.
    """
    start, end = span(data)
    text = _encode(fields, nesting)
    if len(text) > end - start:
        text = _encode({**fields, "measured": {}, "calibration": {}}, nesting)
    before, comma, behind = text.partition(b",")
    return data[:start] + before + comma + b" " * (end - start - len(text)) + behind + data[end:]


def numbers(fields: Fields) -> list[Steps]:
    """Return the path to every number in a card."""
    return [steps for steps, value in _leaves(fields, ()) if isinstance(value, int | float)]


def changed(fields: Fields, steps: Steps, value: Any) -> Fields:
    """Return a card with another value at a path; `...` deletes the value."""
    result = copy.deepcopy(fields)
    inner = value_at(result, steps[:-1])
    if value is ...:
        del inner[steps[-1]]
    else:
        inner[steps[-1]] = value
    return result


def value_at(fields: Fields, steps: Steps) -> Any:
    """Return the value at a path."""
    value: Any = fields
    for step in steps:
        value = value[step]
    return value


def edited_golden(fields: Fields, rng: np.random.Generator) -> Fields:
    """Return a card whose golden samples are damaged."""
    golden = copy.deepcopy(fields["golden"])
    place_of: Steps = (("seeds",), ("outputs", 0), ("outputs", 0))[int(rng.integers(3))]
    text: str = value_at(golden, place_of)
    place = int(rng.integers(len(text)))
    edit = int(rng.integers(10))
    if edit == 7:
        golden["between"] = [[float(rng.choice([0, -1, 0.5])), float(rng.choice([1, 10, 1e30]))]]
    elif edit == 8:
        golden["digests"] = [str(rng.choice(["00000000", "0", "x" * 8]))]
    elif edit == 9:
        golden["tolerance"] *= float(rng.choice([0.01, 10, -1, 0, 1e300]))
    else:
        one_changed = text[:place] + str(rng.choice(list("A/z0+b"))) + text[place + 1 :]
        damages = (text[::-1], text[place:] + text[:place], text[:place], text + text[:place])
        # Most damages are of one character.
        golden = changed(golden, place_of, one_changed if edit <= 2 else damages[edit - 3])
    return {**fields, "golden": golden}


def _encode(fields: Fields, nesting: int) -> bytes:
    text = json.dumps(fields, separators=(",", ":"))
    return text.replace(json.dumps(NESTED), "[" * nesting + "]" * nesting).encode("ascii")


def _leaves(value: Any, steps: Steps) -> Iterator[tuple[Steps, Any]]:
    if not isinstance(value, dict | list):
        yield steps, value
        return
    for step, each in value.items() if isinstance(value, dict) else enumerate(value):
        yield from _leaves(each, (*steps, step))
