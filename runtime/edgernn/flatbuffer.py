"""Flatbuffers: tables, fields, vectors and texts, each offset checked against the end of the file.

Numbers are little-endian. A table begins with the distance back to its vtable, which holds a field's distance from the
table's beginning, or 0 where the field is absent. All functions take the file's content and a place in it, an offset in
bytes; they raise `DAMAGE` if the content ends there or is invalid.
"""

import struct
from collections.abc import Iterator

DAMAGE = (struct.error, IndexError, UnicodeDecodeError)
MAX_TEXT_BYTES = 1 << 20  # per name


def describe(damage: Exception) -> str:
    """Describe an exception of `DAMAGE` for a user, because Python's own messages are about buffers and codecs."""
    if isinstance(damage, UnicodeDecodeError):
        return "a name in it is no UTF-8 text"
    if isinstance(damage, struct.error) or "index out of range" in str(damage):
        return "an offset in it points beyond its end"
    return str(damage)


def unsigned(data: bytes, place: int) -> int:
    """Read the unsigned 32-bit number at a place."""
    value: int = struct.unpack_from("<I", data, place)[0]
    return value


def follow(data: bytes, place: int) -> int:
    """Follow an offset to the place that it points to."""
    return place + unsigned(data, place)


def field(data: bytes, table: int, number: int) -> int | None:
    """Return the place of a table's field; None if it is absent."""
    vtable = table - struct.unpack_from("<i", data, table)[0]
    slot = 4 + 2 * number
    if vtable < 0 or slot + 2 > struct.unpack_from("<H", data, vtable)[0]:
        return None
    distance = struct.unpack_from("<H", data, vtable + slot)[0]
    return table + distance if distance else None


def places(data: bytes, field: int) -> range:
    """Return the places of the elements of a vector of 32-bit numbers or offsets."""
    vector = follow(data, field)
    count = unsigned(data, vector)
    if count > (len(data) - vector) // 4:
        raise IndexError(f"a list of {count:,} elements reaches beyond the end of the file")
    return range(vector + 4, vector + 4 + 4 * count, 4)


def table_places(data: bytes, table: int, field_number: int) -> range:
    """Return the places of the elements of a table's vector; none if it is absent."""
    found = field(data, table, field_number)
    return range(0) if found is None else places(data, found)


def tables(data: bytes, field: int) -> Iterator[int]:
    """Iterate over the places of the tables in a vector of tables."""
    return (follow(data, place) for place in places(data, field))


def text(data: bytes, field: int, max_bytes: int = MAX_TEXT_BYTES) -> str:
    """Read a text, at most `max_bytes` of it."""
    start = follow(data, field)
    size = unsigned(data, start)
    if size > len(data) - start - 4:
        raise IndexError(f"a text of {size:,} bytes reaches beyond the end of the file")
    return data[start + 4 : start + 4 + min(size, max_bytes)].decode(errors="strict" if size <= max_bytes else "ignore")


def number(data: bytes, table: int, field_number: int, letters: str, default: float = 0) -> float:
    """Read a table's field that is a number in `struct`'s format, as "<i"; the default if it is absent."""
    place = field(data, table, field_number)
    if place is None:
        return default
    value: float = struct.unpack_from(letters, data, place)[0]
    return value


def integer(data: bytes, table: int, field_number: int, default: int = 0) -> int:
    """Read a table's field that is a signed 32-bit number; the default if it is absent."""
    return int(number(data, table, field_number, "<i", default))


def numbers(data: bytes, table: int, field_number: int, letters: str) -> tuple[float, ...]:
    """Read a table's vector of numbers in one letter of `struct`'s format; empty if it is absent."""
    place = field(data, table, field_number)
    if place is None:
        return ()
    vector = follow(data, place)
    count = unsigned(data, vector)
    if count > (len(data) - vector - 4) // struct.calcsize(letters):
        raise IndexError(f"a list of {count:,} elements reaches beyond the end of the file")
    return struct.unpack_from(f"<{count}{letters}", data, vector + 4)


def content(data: bytes, table: int, field_number: int) -> memoryview:
    """Return a table's vector of bytes, without a copy; empty if it is absent."""
    place = field(data, table, field_number)
    if place is None:
        return memoryview(b"")
    start = follow(data, place)
    size = unsigned(data, start)
    if size > len(data) - start - 4:
        raise IndexError(f"{size:,} bytes reach beyond the end of the file")
    return memoryview(data)[start + 4 : start + 4 + size]
