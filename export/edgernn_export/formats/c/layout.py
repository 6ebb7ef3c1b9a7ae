"""Layout: divides the operators of a program into C functions, and places its values.

    quantize   the row's quantization, and float32 operators before it (int8 only)
    step       operators that need only the row, and those that compute the next states
    answer     operators that compute the answer

A value is placed in the row, in the state, in a constant array, in the output, or in a scratch array of a function.
Values that are not needed at the same time share a scratch array.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from edgernn.errors import UnsupportedError
from edgernn.program.fusion import Fused, fuse
from edgernn.program.operators import (
    ELEMENT_BYTES,
    INT8,
    Binary,
    Dequantize,
    Function,
    Operator,
    Program,
    Quantize,
    Table,
    Value,
)
from edgernn.program.sections import reads, writes

Step = Operator | Fused
# Names of the parameters in the C functions.
ROW, STATE, OUT, INPUT = "row", "state", "out", "input"


@dataclass(frozen=True)
class Array:
    """A C array.

    Attributes:
        name: in C.
        type: "int8" or "float32".
        elements: number of elements.
    """

    name: str
    type: str
    elements: int

    @property
    def size_bytes(self) -> int:
        """Size of all elements."""
        return self.elements * ELEMENT_BYTES[self.type]


@dataclass(frozen=True)
class Body:
    """Operators of a C function, and its scratch arrays.

    Attributes:
        operators: in the order of their computation.
        places: C expression of the array that contains a base, by the base's number.
        scratch: scratch arrays.
    """

    operators: tuple[Step, ...]
    places: Mapping[int, str]
    scratch: tuple[Array, ...]


@dataclass(frozen=True)
class Layout:
    """A program divided into C functions.

    Attributes:
        program: the program.
        row, answer: values that the C function `step` takes and returns.
        fields: arrays of the struct of the state: the states, then values that `answer` reads.
        zeros: number that all elements of a field have before the first row.
        quantize, step, answer_of: the functions; `quantize` has no operators if rows are float32.
        kept: (field, value) of each copy into the state at the end of `step`.
    """

    program: Program
    row: int
    answer: int
    fields: tuple[Array, ...]
    zeros: tuple[int, ...]
    quantize: Body
    step: Body
    answer_of: Body
    kept: tuple[tuple[Array, int], ...]

    @property
    def is_int8(self) -> bool:
        """True if rows and answers are integers."""
        return self.program.values[self.row].type == INT8

    def elements(self, number: int) -> int:
        """Return the number of elements of a value."""
        return self.program.values[number].elements


def make_layout(program: Program) -> Layout:
    """Divide a program into C functions.

    A program of whole sequences has one step, whose row is the whole sequence.

    Raises:
        UnsupportedError: it has a step without states, or float32 operators between integer ones.
    """
    if not program.states:
        if program.rows or program.step:
            raise UnsupportedError("a step without states")
        program = _of_one_step(program)
    front, rows, row = _divide_front(program)
    final, answer = _divide_end(program)
    step = (*fuse(rows, program), *fuse(program.step, program))
    answer_operators = fuse(final, program)
    _check_types(program, (*step, *answer_operators), row)
    bases = _bases(program)
    states = _fields(program)
    kept = [(array, state.after) for array, state in zip(states, program.states, strict=True)]
    held = {
        bases[state.after]: f"{STATE}->{array.name}"
        for array, state in reversed(list(zip(states, program.states, strict=True)))
        if program.values[state.after].offset == 0 and program.values[bases[state.after]].elements == array.elements
    }
    # Values that `step` computes, that `answer` reads, and that are not states.
    before = {bases[state.before] for state in program.states}
    written = {bases[each] for operator in answer_operators for each in writes_of(operator)}
    needed = [bases[each] for operator in answer_operators for each in reads_of(operator)] + [bases[answer]]
    extra = [each for each in dict.fromkeys(needed) if each not in written | set(program.constants) | held.keys()]
    if before & set(extra):
        raise UnsupportedError("an answer computed from the states before the step; expected those after it")
    for number, base in enumerate(extra, start=1):
        array = Array(f"kept_{number}", program.values[base].type, program.values[base].elements)
        held[base] = f"{STATE}->{array.name}"
        kept.append((array, base))
    fixed = {bases[row]: ROW} | {
        state.before: f"{STATE}->{array.name}" for array, state in zip(states, program.states, strict=True)
    }
    end = {bases[each] for _, each in kept}
    out = {bases[answer]: OUT} if _fills_base(program, answer) and bases[answer] in written else {}
    return Layout(
        program=program,
        row=row,
        answer=answer,
        fields=tuple(array for array, _ in kept),
        zeros=(*(state.zero for state in program.states), *(0 for _ in extra)),
        quantize=_allocate(program, front, {bases[program.input]: INPUT, bases[row]: OUT}, set()),
        step=_allocate(program, step, fixed, end),
        answer_of=_allocate(program, answer_operators, held | out, {bases[answer]}),
        kept=tuple(kept),
    )


def _of_one_step(program: Program) -> Program:
    """Return a program of whole sequences as one of a single step: all operators but the last need only the row."""
    *rows, last = program.answer
    if not (isinstance(last, Dequantize) and last.out == program.output):
        rows = [*rows, last]
    return replace(program, rows=tuple(rows), answer=program.answer[len(rows) :], steps=1, answers_every_step=False)


def reads_of(operator: Step) -> tuple[int, ...]:
    """Return the values that an operator reads."""
    if isinstance(operator, Fused):
        return (operator.linear.x, *((operator.addend,) if operator.addend >= 0 else ()))
    return reads(operator)


def writes_of(operator: Step) -> tuple[int, ...]:
    """Return the values that an operator writes."""
    return (operator.out,) if isinstance(operator, Fused) else writes(operator)


def _bases(program: Program) -> list[int]:
    return [value.base for value in program.values]


def _fills_base(program: Program, number: int) -> bool:
    value = program.values[number]
    return value.offset == 0 and program.values[value.base].elements == value.elements


def _fields(program: Program) -> list[Array]:
    values = [program.values[state.before] for state in program.states]
    return [Array(f"state_{number}", value.type, value.elements) for number, value in enumerate(values, start=1)]


def _divide_front(program: Program) -> tuple[tuple[Operator, ...], tuple[Operator, ...], int]:
    """Return the operators up to the row's quantization, the others of the section `rows`, and the quantized row."""
    if not any(value.type == INT8 for value in program.values):
        return (), program.rows, program.input
    quantizers = [operator for operator in program.rows if isinstance(operator, Quantize)]
    if len(quantizers) != 1:
        raise UnsupportedError(f"rows that are quantized by {len(quantizers)} operators, expected 1")
    place = program.rows.index(quantizers[0])
    front = program.rows[: place + 1]
    others = tuple(operator for operator in program.rows if operator not in front)
    return front, others, quantizers[0].out


def _divide_end(program: Program) -> tuple[tuple[Operator, ...], int]:
    """Return the operators of the answer without its dequantization, and the value of the answer."""
    found = [operator for operator in program.answer if writes(operator) == (program.output,)]
    if found and isinstance(found[0], Dequantize):
        return tuple(operator for operator in program.answer if operator is not found[0]), found[0].x
    if program.states and program.values[program.output].type != program.values[program.states[0].before].type:
        before = program.values[program.states[0].before].type
        raise UnsupportedError(f"an answer of {program.values[program.output].type} from states of {before}")
    return program.answer, program.output


def _check_types(program: Program, operators: Iterable[Step], row: int) -> None:
    expected = program.values[row].type
    for operator in operators:
        for each in (*reads_of(operator), *writes_of(operator)):
            if program.values[each].type != expected:
                raise UnsupportedError(
                    f"{type(operator).__name__} of {program.values[each].type} in a program of {expected}"
                )


@dataclass
class _Scratch:
    """A scratch array under construction.

    Attributes:
        type, elements: as in `Array`.
        free_from: index of the operator from which on it is free.
        users: bases that it contains, one after the other.
    """

    type: str
    elements: int
    free_from: int = 0
    users: list[int] = field(default_factory=list)


def _allocate(program: Program, operators: Sequence[Step], fixed: Mapping[int, str], end: set[int]) -> Body:
    """Place the values of a function.

    Args:
        program: the program.
        operators: operators of the function.
        fixed: C expressions of the bases that are not in scratch arrays.
        end: bases that are read after the last operator.
    """
    bases = _bases(program)
    last: dict[int, int] = dict.fromkeys(end, len(operators))
    for place, operator in enumerate(operators):
        for each in (*reads_of(operator), *writes_of(operator)):
            last[bases[each]] = max(last.get(bases[each], 0), place)
    places = dict(fixed) | {number: f"constant_{number}" for number in program.constants}
    scratch: list[_Scratch] = []
    for place, operator in enumerate(operators):
        for written in writes_of(operator):
            base = bases[written]
            if base in places:
                continue
            in_place = {bases[each] for each in _in_place(program, operator) if last[bases[each]] == place}
            chosen = _choose(scratch, program.values[base], place, in_place)
            chosen.free_from = last[base] + 1
            chosen.users.append(base)
            places[base] = f"scratch_{scratch.index(chosen) + 1}"
    arrays = tuple(Array(f"scratch_{number}", each.type, each.elements) for number, each in enumerate(scratch, start=1))
    return Body(tuple(operators), places, arrays)


def _choose(scratch: list[_Scratch], value: Value, place: int, in_place: set[int]) -> _Scratch:
    """Return a scratch array for the result of an operator: a free one, one that it may overwrite, or a new one.

    Args:
        scratch: the scratch arrays of the function; a new one is appended.
        value: the result.
        place: index of the operator.
        in_place: bases that the result may overwrite.
    """
    elements = value.elements
    free = [
        each
        for each in scratch
        if each.type == value.type and (each.free_from <= place or (each.users[-1] in in_place))
    ]
    fitting = [each for each in free if each.elements >= elements]
    if fitting:
        return min(fitting, key=lambda each: each.elements)
    if free:
        chosen = max(free, key=lambda each: each.elements)
        chosen.elements = elements
        return chosen
    scratch.append(_Scratch(value.type, elements))
    return scratch[-1]


def _in_place(program: Program, operator: Step) -> tuple[int, ...]:
    """Return the operands that the result may overwrite: none of their elements is read after it is overwritten."""
    bases = _bases(program)
    if isinstance(operator, Table | Function):
        return (operator.x,)
    if isinstance(operator, Fused):
        if operator.addend < 0 or bases[operator.addend] == bases[operator.linear.x]:
            return ()
        return (operator.addend,)
    if isinstance(operator, Binary):
        if program.values[operator.b].elements == program.values[operator.out].elements and operator.b_run == 1:
            return (operator.a, operator.b)
        return (operator.a,) if bases[operator.a] != bases[operator.b] else ()
    return ()
