"""Unpacked size: the bytes that a .tflite file's objects take, checked before the file is unpacked.

Parents in a flatbuffer may hold the offset of one child, so lists in lists multiply: 3 KB can name a million tensors.
An object tree has each child once a parent. `check_unpacked_size` adds its size up, looking at each table once.
"""

from functools import cache
from typing import Any

from ai_edge_litert import schema_py_generated as schema

from edgernn.errors import ArtifactError

# Files that were compacted have at most 1.5 bytes in the tree for each of theirs.
MAX_UNPACKED_RATIO = 32
MIN_UNPACKED_BYTES = 256 << 10  # that are allowed in the smallest file
_TABLE_BYTES = 32
_ENTRY_BYTES = 4  # of a list; scalars have up to 8, but lists of those are seldom shared


def check_unpacked_size(data: bytes) -> None:
    """Check that a file's object tree is not much larger than the file.

    Raises:
        ArtifactError: it is, because lists in lists name the same tables again and again.
    """
    _Sum(len(data)).add(schema.Model.GetRootAs(data))


def limit_for(size_bytes: int) -> int:
    """How many bytes may come out of a file of this size."""
    return MAX_UNPACKED_RATIO * size_bytes + MIN_UNPACKED_BYTES


def refusal(size_bytes: int) -> ArtifactError:
    """The error for a file of this size that has more."""
    return ArtifactError(
        f"its {size_bytes:,} bytes name the same parts so often that more than {limit_for(size_bytes):,} come out; "
        "converters write no such file"
    )


class File(bytes):
    """The bytes of a file, how far into it the flatbuffer reaches, and how much of it was copied as text."""

    end = 0
    copied = 0

    def reach(self, end: int) -> None:
        """Note that a part ends there, or raise IndexError if the file ends before."""
        if end > len(self):
            raise IndexError(f"a part of it ends at {end}, the file at {len(self)}")
        self.end = max(self.end, end)

    def __getitem__(self, key: Any) -> Any:
        """What flatbuffers slices are strings, and it does so without a look at where the file ends."""
        if isinstance(key, slice):
            self.reach(key.stop)
            self.copied += key.stop - key.start
            if self.copied > limit_for(len(self)):  # one text, named by many
                raise refusal(len(self))
        return super().__getitem__(key)


class _Sum:
    def __init__(self, file_bytes: int) -> None:
        self._file_bytes, self._most = file_bytes, limit_for(file_bytes)
        self._known: dict[tuple[str, int], int] = {}  # what a table and all below it have

    def add(self, table: Any) -> int:
        """What a table and all below it have in the tree, in bytes."""
        key = (type(table).__name__, table._tab.Pos)
        if key not in self._known:
            size = _TABLE_BYTES
            for name, length, is_numbers in _fields(key[0]):
                if length is None:
                    size += self._child(getattr(table, name)())
                elif is_numbers:
                    size += _ENTRY_BYTES * getattr(table, length)()
                else:
                    for index in range(getattr(table, length)()):
                        size += _ENTRY_BYTES + self._child(getattr(table, name)(index))
                        self._check(size)  # at each, for a list itself may be shared
                self._check(size)
            self._known[key] = size
        return self._known[key]

    def _child(self, child: Any) -> int:
        if isinstance(child, bytes):
            return len(child)
        if hasattr(child, "Pos"):  # an option table, of no known type; those have no lists of tables
            return _TABLE_BYTES
        return self.add(child) if hasattr(child, "_tab") else 0

    def _check(self, size: int) -> None:
        if size > self._most:
            raise refusal(self._file_bytes)


@cache
def _fields(kind: str) -> list[tuple[str, str | None, bool]]:
    """The fields of a table that may be tables, lists or texts: name, name of what gives its length, of numbers."""
    table = getattr(schema, kind)
    found = []
    for attribute in vars(getattr(schema, f"{kind}T")()):
        name = attribute[0].upper() + attribute[1:]
        length = f"{name}Length" if hasattr(table, f"{name}Length") else None
        is_data = (kind, name) == ("Buffer", "Data")  # weights: not copied
        if not is_data:
            found.append((name, length, hasattr(table, f"{name}AsNumpy")))
    return found
