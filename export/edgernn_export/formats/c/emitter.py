"""The emitter: writes references to arrays, and collects the constants and helpers that operators use."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from edgernn.program.operators import FLOAT32, INT8, Copy, Linear, Program, Reduce, Softmax
from edgernn_export.formats.c.layout import Body

C_TYPES = {INT8: "int8_t", FLOAT32: "float"}
_AXES = "ijklm"


@dataclass(frozen=True)
class Constant:
    """A constant array.

    Attributes:
        name: name in C.
        type: C type of an element.
        numbers: elements, as C literals.
        columns: length of the second axis; 0 for an array of one axis.
        size_bytes: size of all elements.
    """

    name: str
    type: str
    numbers: tuple[str, ...]
    columns: int
    size_bytes: int


@dataclass
class Emitter:
    """State of the writing of a program's operators.

    Attributes:
        program: the program.
        constants: constant arrays of the operators that are written already; equal arrays are stored once.
        helpers: names of the helper functions that these operators call.
    """

    program: Program
    constants: list[Constant] = field(default_factory=list)
    helpers: set[str] = field(default_factory=set)

    def constant(self, kind: str, c_type: str, numbers: Sequence[str], size_bytes: int, columns: int = 0) -> str:
        """Add a constant array, unless there is an equal one; return its name.

        Args:
            kind: first part of its name.
            c_type: C type of an element.
            numbers: elements, as C literals.
            size_bytes: size of one element.
            columns: length of the second axis; 0 for an array of one axis.
        """
        content = tuple(numbers)
        for each in self.constants:
            if (each.type, each.numbers, each.columns) == (c_type, content, columns):
                return each.name
        count = sum(each.name.rpartition("_")[0] == kind for each in self.constants)
        self.constants.append(Constant(f"{kind}_{count + 1}", c_type, content, columns, size_bytes * len(content)))
        return self.constants[-1].name

    def pointer(self, body: Body, number: int, index: str = "") -> str:
        """Return the address of a value's first element, or of its element at an index."""
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
        return self.program.values[number].elements

    def operand(self, body: Body, number: int, run: int, elements: int) -> str:
        """Return the element of a `Binary`'s second operand that belongs to element i of the result.

        Args:
            body: the function.
            number: the operand.
            run: `b_run` of the `Binary`.
            elements: number of elements of the result.
        """
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
    """Return a loop that assigns `right` to each element i of a value."""
    return loop(emitter.count(out), f"{emitter.element(body, out, 'i')} = {right};")


def copy(emitter: Emitter, body: Body, operator: Copy) -> list[str]:
    """Return the statements of a `Copy`: memcpy if both arrays are contiguous, otherwise a loop for each axis."""
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


def row_index(emitter: Emitter, o: Linear) -> str:
    """Return the index of the first input of the row that `loop_rows` is at; empty if there is one row."""
    return f"row_number * {o.inputs}" if emitter.count(o.x) > o.inputs else ""


def output_index(emitter: Emitter, o: Linear) -> str:
    """Return the index of output i of the row that `loop_rows` is at."""
    return f"row_number * {o.outputs} + i" if emitter.count(o.x) > o.inputs else "i"


def loop_rows(emitter: Emitter, o: Linear, *statements: str) -> list[str]:
    """Return a loop over the rows and the outputs of a product around statements."""
    rows, inside = emitter.count(o.x) // o.inputs, loop(o.outputs, *statements)
    if rows == 1:
        return inside
    header = f"for (int row_number = 0; row_number < {rows}; row_number++) {{"
    return [header, *(f"    {each}" for each in inside), "}"]


def reduction(emitter: Emitter, body: Body, o: Reduce, c_type: str, accumulate: str, result: str) -> list[str]:
    """Return the statements of a `Reduce`.

    Args:
        emitter, body: where the statements are written.
        o: the operator.
        c_type: C type of the variable `result`, which begins as the first element.
        accumulate: new value of `result`, with {x} in place of the next element.
        result: value that is assigned at the end.
    """
    x = emitter.element(body, o.x, f"(j * {o.count} + k) * {o.inner} + i")
    first = emitter.element(body, o.x, f"j * {o.count * o.inner} + i")
    return [
        f"/* {o.kind} of {o.count} */",
        f"for (int j = 0; j < {o.outer}; j++) {{",
        f"    for (int i = 0; i < {o.inner}; i++) {{",
        f"        {c_type} result = {first};",
        f"        for (int k = 1; k < {o.count}; k++) {{",
        f"            result = {accumulate.format(x=x)};",
        "        }",
        f"        {emitter.element(body, o.out, f'j * {o.inner} + i')} = {result};",
        "    }",
        "}",
    ]


def softmax(emitter: Emitter, body: Body, o: Softmax, parameter: str) -> list[str]:
    """Return the calls of the helper `softmax`, one for each row; `parameter` is its third argument."""
    rows = emitter.count(o.x) // o.columns
    index = f"i * {o.columns}" if rows > 1 else ""
    source, target = (emitter.pointer(body, each, index) for each in (o.x, o.out))
    call = f"softmax({source}, {o.columns}, {parameter}, {target});"
    return ["/* softmax */", *([call] if rows == 1 else loop(rows, call))]


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
