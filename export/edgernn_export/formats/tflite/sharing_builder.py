"""A flatbuffers Builder that writes equal content once, for `compact`."""

# ruff: noqa: D102, N802  (methods of flatbuffers.Builder are overridden under their own names)

from collections.abc import Callable, Hashable
from typing import Any

import flatbuffers

# A field of a table: its type (None: an offset), its slot, its bytes (which distinguish 0.0 from -0.0) and its value.
_Field = tuple[Any, int, bytes, Any]


class SharingBuilder(flatbuffers.Builder):  # type: ignore[misc]  # flatbuffers is not typed
    """A flatbuffers Builder that writes every string, vector and table once per content.

    The generated `Pack` methods use it like any other. A child is always finished before its parent is begun, so
    equal children have equal offsets when their parents are compared.
    """

    def __init__(self, initial_size: int) -> None:
        super().__init__(initial_size)
        self._offsets: dict[Hashable, int] = {}  # content -> its offset
        self._vectors: dict[tuple[int, int, int], tuple[Any, int]] = {}  # address -> the array there, its offset
        self._fields: list[_Field] = []  # of the table being built
        self._slots = 0
        self._elements: list[int] | None = None  # of the vector being built, if they are offsets
        self._vector_start = 0

    def _once(self, content: Hashable, write: Callable[[], int]) -> int:
        if content not in self._offsets:
            self._offsets[content] = write()
        return self._offsets[content]

    def CreateString(self, s: str | bytes, *coding: str) -> int:
        create = super().CreateString
        return self._once(("string", s), lambda: create(s, *coding))

    def CreateNumpyVector(self, x: Any, alignment: int = 1) -> int:
        create = super().CreateNumpyVector

        def write() -> int:
            self.Prep(alignment, x.nbytes)
            return int(create(x))

        # The array is kept with its offset, so that its address is not used again.
        memory = (address_of(x), x.nbytes, x.itemsize)
        if memory not in self._vectors:
            self._vectors[memory] = (x, self._once((x.itemsize, x.tobytes()), write))
        return self._vectors[memory][1]

    def StartVector(self, *sizes: int) -> int:
        self._elements, self._vector_start = [], self.Offset()
        return int(super().StartVector(*sizes))

    def PrependUOffsetTRelative(self, off: int) -> None:
        if self._elements is not None:
            self._elements.append(off)
        super().PrependUOffsetTRelative(off)

    def EndVector(self) -> int:
        elements, self._elements = tuple(self._elements or ()), None
        offset = int(super().EndVector())
        if not elements:
            return offset
        first = self._once(("offsets", elements), lambda: offset)
        if first != offset:
            self.head = len(self.Bytes) - self._vector_start  # remove it again
        return first

    def StartObject(self, numfields: int) -> None:
        self._slots, self._fields = numfields, []

    def PrependSlot(self, flags: Any, o: int, x: Any, d: Any) -> None:
        if x != d:
            self._fields.append((flags, o, flags.packer_type.pack(x), x))

    def PrependUOffsetTRelativeSlot(self, o: int, x: int, d: int) -> None:
        if x != d:
            self._fields.append((None, o, x.to_bytes(4), x))

    def EndObject(self) -> int:
        builder: Any = super()
        # Sorted by width, fields need the least padding.
        fields = sorted(self._fields, key=lambda field: (-len(field[2]), field[1]))

        def write() -> int:
            builder.StartObject(self._slots)
            for flags, slot, _, value in fields:
                if flags is None:
                    builder.PrependUOffsetTRelativeSlot(slot, value, 0)
                else:
                    builder.PrependSlot(flags, slot, value, None)
            return int(builder.EndObject())

        return self._once(tuple((flags is None, slot, packed) for flags, slot, packed, _ in fields), write)


def address_of(array: Any) -> int:
    """Return the address of an array's first byte."""
    return int(array.__array_interface__["data"][0])
