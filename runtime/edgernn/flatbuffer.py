"""The few things one has to know of a flatbuffer to walk through it, each checked against its end.

Numbers are little-endian. A table begins with the distance back to its vtable, which holds a field's distance from the
table's beginning, or 0 where the field is absent. All functions take the file's content and a place in it; they raise
`DAMAGE` where the content ends or makes no sense.
"""

import struct
from collections.abc import Iterator

DAMAGE = (struct.error, IndexError, UnicodeDecodeError)
MAX_TEXT_BYTES = 1 << 20  # of one name


def unsigned(data: bytes, place: int) -> int:
    """The 32-bit number at a place."""
    value: int = struct.unpack_from("<I", data, place)[0]
    return value


def follow(data: bytes, place: int) -> int:
    """Where an offset leads."""
    return place + unsigned(data, place)


def field(data: bytes, table: int, number: int) -> int | None:
    """Where a table's field lies; None where it is absent."""
    vtable = table - struct.unpack_from("<i", data, table)[0]
    slot = 4 + 2 * number
    if vtable < 0 or slot + 2 > struct.unpack_from("<H", data, vtable)[0]:
        return None
    distance = struct.unpack_from("<H", data, vtable + slot)[0]
    return table + distance if distance else None


def places(data: bytes, field: int) -> range:
    """The places of the elements of a vector of 32-bit numbers or offsets."""
    vector = follow(data, field)
    count = unsigned(data, vector)
    if count > (len(data) - vector) // 4:
        raise IndexError(f"a list of {count} where the file ends")
    return range(vector + 4, vector + 4 + 4 * count, 4)


def tables(data: bytes, field: int) -> Iterator[int]:
    """The places of the tables in a vector of them."""
    return (follow(data, place) for place in places(data, field))


def text(data: bytes, field: int, max_bytes: int = MAX_TEXT_BYTES) -> str:
    """A text, of which at most so many bytes are read."""
    start = follow(data, field)
    size = unsigned(data, start)
    if size > len(data) - start - 4:
        raise IndexError(f"a text of {size} bytes where the file ends")
    return data[start + 4 : start + 4 + min(size, max_bytes)].decode(errors="strict" if size <= max_bytes else "ignore")
