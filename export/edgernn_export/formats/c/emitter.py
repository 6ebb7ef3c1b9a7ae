"""The emitter: names of arrays and constants while operators are written as C, and which helpers they call."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from edgernn.program.operators import FLOAT32, INT8, Copy, Program
from edgernn_export.formats.c.layout import Body

C_TYPES = {INT8: "int8_t", FLOAT32: "float"}
_AXES = "ijklm"


@dataclass(frozen=True)
class Constant:
    """A constant array.

    Attributes:
        name, type: in C.
        numbers: its elements, as C writes them.
        columns: length of the last of its two axes; 0 for one axis.
        size_bytes: of its elements.
    """

    name: str
    type: str
    numbers: tuple[str, ...]
    columns: int
    size_bytes: int


@dataclass
class Emitter:
    """Writes the operators of one function after the other.

    Attributes:
        program: the program.
        constants: arrays that the operators written so far read; equal ones are kept once.
        helpers: names of the helper functions that they call.
    """

    program: Program
    constants: list[Constant] = field(default_factory=list)
    helpers: set[str] = field(default_factory=set)

    def constant(self, kind: str, c_type: str, numbers: Sequence[str], size_bytes: int, columns: int = 0) -> str:
        """Add a constant array, unless there is an equal one; return its name.

        Args:
            kind: what it is, the first part of its name.
            c_type: type of an element.
            numbers: the elements.
            size_bytes: of one element.
            columns: length of the last of its two axes; 0 for one axis.
        """
        content = tuple(numbers)
        for each in self.constants:
            if (each.type, each.numbers, each.columns) == (c_type, content, columns):
                return each.name
        count = sum(each.name.rpartition("_")[0] == kind for each in self.constants)
        self.constants.append(Constant(f"{kind}_{count + 1}", c_type, content, columns, size_bytes * len(content)))
        return self.constants[-1].name

    def pointer(self, body: Body, number: int, index: str = "") -> str:
        """Return the address of a value's first element, or of that at an index."""
        value = self.program.values[number]
        terms = [body.places[value.base], str(value.offset) if value.offset else "", index]
        return " + ".join(term for term in terms if term)

    def element(self, body: Body, number: int, index: str) -> str:
        """Return an element of a value."""
        value = self.program.values[number]
        place = index if not value.offset else str(value.offset) if index == "0" else f"{value.offset} + {index}"
        return f"{body.places[value.base]}[{place}]"

    def count(self, number: int) -> int:
        """Return the number of elements of a value."""
        return math.prod(self.program.values[number].shape)

    def operand(self, body: Body, number: int, run: int, elements: int) -> str:
        """Return element i of the second operand of a `Binary`, which may repeat."""
        size = self.count(number)
        if size == 1:
            return self.element(body, number, "0")
        index = "i" if run == 1 else f"i / {run}"
        return self.element(body, number, index if size * run >= elements else f"({index}) % {size}")


def loop(elements: int, *statements: str) -> list[str]:
    """Return a loop over i around statements."""
    inside = [f"    {each}" for each in statements]
    return [f"for (int i = 0; i < {elements}; i++) {{", *inside, "}"]


def loop_each(emitter: Emitter, body: Body, out: int, right: str) -> list[str]:
    """Return a loop that sets each element i of a value."""
    return loop(emitter.count(out), f"{emitter.element(body, out, 'i')} = {right};")


def copy(emitter: Emitter, body: Body, operator: Copy) -> list[str]:
    """Return the statements of a `Copy`: memcpy where elements are neighbours, else a loop for each axis."""
    if operator.x_strides == operator.out_strides == (1,):
        target = emitter.pointer(body, operator.out, str(operator.out_offset or ""))
        source = emitter.pointer(body, operator.x, str(operator.x_offset or ""))
        c_type = C_TYPES[emitter.program.values[operator.out].type]
        return [f"memcpy({target}, {source}, {operator.sizes[0]} * sizeof({c_type}));"]
    axes = list(zip(_AXES, operator.sizes, operator.x_strides, operator.out_strides, strict=False))
    from_index = _index(operator.x_offset, [(axis, stride) for axis, _, stride, _ in axes])
    to_index = _index(operator.out_offset, [(axis, stride) for axis, _, _, stride in axes])
    lines = [
        f"{'    ' * depth}for (int {axis} = 0; {axis} < {size}; {axis}++) {{"
        for depth, (axis, size, _, _) in enumerate(axes)
    ]
    indent = "    " * len(axes)
    moved = f"{emitter.element(body, operator.out, to_index)} = {emitter.element(body, operator.x, from_index)};"
    return [*lines, f"{indent}{moved}", *(f"{'    ' * depth}}}" for depth in reversed(range(len(axes))))]


def _index(offset: int, axes: Sequence[tuple[str, int]]) -> str:
    terms = [str(offset)] if offset else []
    terms += [axis if stride == 1 else f"{axis} * {stride}" for axis, stride in axes if stride]
    return " + ".join(terms) or "0"


def float_text(number: float) -> str:
    """Return a float32 as a C literal that gives the same bits."""
    if math.isinf(number):
        return "INFINITY" if number > 0 else "-INFINITY"
    text = f"{number:.9g}"
    return f"{text}f" if "." in text or "e" in text else f"{text}.0f"
