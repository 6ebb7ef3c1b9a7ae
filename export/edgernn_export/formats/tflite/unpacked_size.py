"""Unpacked size: check the bytes of a .tflite file's objects before the file is unpacked.

Many parents in a flatbuffer may refer to one child, so nested lists multiply: 3 KB can refer to a million tensors. The
object tree contains a child once for each parent. `check_unpacked_size` computes the tree's size and reads each table
once.
"""

from functools import cache
from typing import Any

from ai_edge_litert import schema_py_generated as schema

from edgernn.errors import ArtifactError

# Compacted files need at most 1.5 bytes in the tree for each byte of the file.
MAX_UNPACKED_RATIO = 32
MIN_UNPACKED_BYTES = 256 << 10  # allowed for the smallest file
_TABLE_BYTES = 32
_ENTRY_BYTES = 4  # of a list; numbers take up to 8, but lists of numbers are rarely shared


def check_unpacked_size(data: bytes) -> None:
    """Check that a file's object tree is not much larger than the file.

    Raises:
        ArtifactError: it is, because nested lists refer to the same tables many times.
    """
    _Sum(len(data)).add(schema.Model.GetRootAs(data))


def limit_for(size_bytes: int) -> int:
    """Return the largest allowed unpacked size for a file of this size, in bytes."""
    return MAX_UNPACKED_RATIO * size_bytes + MIN_UNPACKED_BYTES


def refusal(size_bytes: int) -> ArtifactError:
    """Make the error for a file of this size whose unpacked size is too large."""
    return ArtifactError(
        f"its {size_bytes:,} bytes repeat parts until they unpack to more than {limit_for(size_bytes):,} bytes, which "
        "no converter writes; convert the model again"
    )


class File(bytes):
    """The bytes of a file, with the end of the flatbuffer in it and the number of bytes copied as text."""

    end = 0
    copied = 0

    def reach(self, end: int) -> None:
        """Record that a part ends at `end`; raise IndexError if the file is shorter."""
        if end > len(self):
            raise IndexError(f"a part ends at byte {end}, the file at {len(self)}")
        self.end = max(self.end, end)

    def __getitem__(self, key: Any) -> Any:
        """Return bytes; check slices, because flatbuffers reads texts beyond the end of the file without an error."""
        if isinstance(key, slice):
            self.reach(key.stop)
            self.copied += key.stop - key.start
            if self.copied > limit_for(len(self)):  # many parents refer to one text
                raise refusal(len(self))
        return super().__getitem__(key)


class _Sum:
    def __init__(self, file_bytes: int) -> None:
        self._file_bytes, self._most = file_bytes, limit_for(file_bytes)
        self._known: dict[tuple[str, int], int] = {}  # size of a table and all below it

    def add(self, table: Any) -> int:
        """Add up the bytes that a table and all below it take in the tree."""
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
                        self._check(size)  # for each entry, because a list itself may be shared
                self._check(size)
            self._known[key] = size
        return self._known[key]

    def _child(self, child: Any) -> int:
        if isinstance(child, bytes):
            return len(child)
        if hasattr(child, "Pos"):  # an option table of unknown type; none of them has lists of tables
            return _TABLE_BYTES
        return self.add(child) if hasattr(child, "_tab") else 0

    def _check(self, size: int) -> None:
        if size > self._most:
            raise refusal(self._file_bytes)


@cache
def _fields(kind: str) -> list[tuple[str, str | None, bool]]:
    """List the fields of a table with content: name, name of the method for the length, whether it has numbers."""
    table = getattr(schema, kind)
    found = []
    for attribute in vars(getattr(schema, f"{kind}T")()):
        name = attribute[0].upper() + attribute[1:]
        length = f"{name}Length" if hasattr(table, f"{name}Length") else None
        is_data = (kind, name) == ("Buffer", "Data")  # weights: not copied
        if not is_data:
            found.append((name, length, hasattr(table, f"{name}AsNumpy")))
    return found
