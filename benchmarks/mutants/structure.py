"""The numbers that define a container's structure: offsets and lengths, tags and counts."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from edgernn.flatbuffer import follow, unsigned

# Enough for model, graph, node and attribute. Bytes wrongly read as a message only become one more place to damage.
_DEPTH = 4
_MESSAGE = 2


@dataclass(frozen=True)
class ByteRange:
    """A number in a file: its start and its size in bytes."""

    start: int
    size: int


def byte_ranges(data: bytes, suffix: str) -> list[ByteRange]:
    """Return the numbers that define the structure of an undamaged .tflite or .onnx file."""
    found = flatbuffer_places(data) if suffix == ".tflite" else protobuf_places(data, 0, len(data), _DEPTH)
    return list(found)


def flatbuffer_places(data: bytes) -> Iterator[ByteRange]:
    """Yield root offset, identifier, and vtables, fields and lengths of the model and of its vectors' tables."""
    yield ByteRange(0, 4)
    yield ByteRange(4, 4)
    root = unsigned(data, 0)
    yield from _table(data, root)
    for field in _fields(data, root):
        vector = follow(data, field)
        if vector + 4 > len(data) or not 0 < unsigned(data, vector) <= (len(data) - vector - 4) // 4:
            continue
        yield ByteRange(vector, 4)
        for element in range(unsigned(data, vector)):
            place = vector + 4 + 4 * element
            yield ByteRange(place, 4)
            table = follow(data, place)
            if _is_table(data, table):
                yield from _table(data, table)


def protobuf_places(data: bytes, start: int, end: int, depth: int) -> Iterator[ByteRange]:
    """Yield tags and lengths of a message and of the messages in it."""
    for tag, tag_place, length_place, behind in _message_fields(data, start, end):
        yield tag_place
        if tag & 7 == _MESSAGE:
            yield length_place
            inside = length_place.start + length_place.size
            if depth and _is_message(data, inside, behind):
                yield from protobuf_places(data, inside, behind, depth - 1)


def _table(data: bytes, table: int) -> Iterator[ByteRange]:
    """Yield a table's distance to its vtable, its vtable's numbers and its fields."""
    yield ByteRange(table, 4)
    vtable = table - struct.unpack_from("<i", data, table)[0]
    yield from (ByteRange(vtable + slot, 2) for slot in range(0, struct.unpack_from("<H", data, vtable)[0], 2))
    yield from (ByteRange(field, 4) for field in _fields(data, table))


def _fields(data: bytes, table: int) -> Iterator[int]:
    vtable = table - struct.unpack_from("<i", data, table)[0]
    for slot in range(4, struct.unpack_from("<H", data, vtable)[0], 2):
        distance = struct.unpack_from("<H", data, vtable + slot)[0]
        if distance and table + distance + 4 <= len(data):
            yield table + distance


def _is_table(data: bytes, table: int) -> bool:
    if table + 4 > len(data):
        return False
    vtable = table - struct.unpack_from("<i", data, table)[0]
    if not 0 <= vtable <= len(data) - 4:
        return False
    size: int = struct.unpack_from("<H", data, vtable)[0]
    return 4 <= size <= 64 and size % 2 == 0 and vtable + size <= len(data)


def _is_message(data: bytes, start: int, end: int) -> bool:
    """Return True if all bytes can be read as a message."""
    position = start
    for tag, _, _, behind in _message_fields(data, start, end):
        if not tag >> 3 or tag & 7 not in (0, 1, _MESSAGE, 5):
            return False
        position = behind
    return start < position == end


def _message_fields(data: bytes, start: int, end: int) -> Iterator[tuple[int, ByteRange, ByteRange, int]]:
    """Yield the fields of a message: tag, places of the tag and of the number behind it, position behind the field."""
    position = start
    while position < end:
        tag, after = _varint(data, position)
        number, inside = _varint(data, after)
        tag_place, number_place = ByteRange(position, after - position), ByteRange(after, inside - after)
        if tag & 7 == _MESSAGE:
            position = inside + number
        else:
            position = inside if tag & 7 == 0 else after + (8 if tag & 7 == 1 else 4)
        yield tag, tag_place, number_place, position


def _varint(data: bytes, position: int) -> tuple[int, int]:
    """Read a number of seven bits a byte; return it and the position behind it. Bytes after the file are zeros."""
    value = shift = 0
    while position < len(data):
        value |= (data[position] & 127) << shift
        position, shift = position + 1, shift + 7
        if data[position - 1] < 128:
            break
    return value, position
