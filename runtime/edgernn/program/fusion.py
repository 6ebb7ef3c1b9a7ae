"""Fusion: a product, the saturating sum behind it and the table behind that become one operator.

In a recurrent cell that is a whole step: the state's product, plus the row's, through the activation.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

from edgernn.program.integer_arithmetic import PLAIN_SUM, sum_factors
from edgernn.program.operators import INT8, Binary, Linear, Operator, Program, Repeat, Table
from edgernn.program.sections import reads
from edgernn.records import record

_NONE = -1


@record(frozen=True)
class Fused:
    """A product with what follows it, at the place of the last one.

    Attributes:
        linear: the product.
        addend: value that is added with saturation; -1 for none.
        table: int8 [256] that the result goes through; empty for none.
        out: value of the result.
    """

    linear: Linear
    addend: int
    table: bytes
    out: int


def fuse(operators: Sequence[Operator], program: Program) -> tuple[Operator | Fused, ...]:
    """Fuse the operators of a section.

    Args:
        operators: a section of the program, or the body of a loop in it.
        program: the program; a value that it reads in another place stays.
    """
    reads_of = _count_reads(program)
    found: list[Operator | Fused | None] = []
    places: dict[int, int] = {}  # of the product that computes a value, in `found`
    for operator in operators:
        joined: Operator | Fused = operator
        if isinstance(operator, Linear) and program.values[operator.out].type == INT8:
            joined = Fused(operator, _NONE, b"", operator.out)
        for value in _operands(operator):
            product = found[places[value]] if value in places and reads_of[value] == 1 else None
            extended = _extend(product, value, operator, program) if isinstance(product, Fused) else None
            if extended:
                found[places[value]] = None
                joined = extended
                break
        if isinstance(joined, Fused):
            places[joined.out] = len(found)
        found.append(joined)
    return tuple(each for each in found if each is not None)


def _operands(operator: Operator) -> tuple[int, ...]:
    """Return the operands of a sum or a table, which may be a product's result."""
    return reads(operator) if isinstance(operator, Binary | Table) else ()


def _extend(product: Fused, value: int, operator: Operator, program: Program) -> Fused | None:
    """Return a product, whose result is `value`, with the operator that reads it; None if they cannot be joined."""
    if product.table:
        return None
    if isinstance(operator, Table):
        return Fused(product.linear, product.addend, operator.table, operator.out)
    if not isinstance(operator, Binary) or product.addend != _NONE or not _is_saturating_sum(operator, program):
        return None
    addend = operator.b if operator.a == value else operator.a
    return None if addend == value else Fused(product.linear, addend, b"", operator.out)


def _is_saturating_sum(operator: Binary, program: Program) -> bool:
    """Return True for a sum of integers with equal scales and zero points of 0, element by element."""
    a, b, out = (program.values[each] for each in (operator.a, operator.b, operator.out))
    if operator.kind != "add" or out.type != INT8 or (operator.low, operator.high) != (-128, 127):
        return False
    if len({math.prod(each.shape) for each in (a, b, out)}) > 1:
        return False
    return sum_factors(a, b, out, subtract=False, swapped=False) == PLAIN_SUM


def _count_reads(program: Program) -> Mapping[int, int]:
    """Count how often each value is read; parts of a value count for the whole."""
    counts = dict.fromkeys(range(len(program.values)), 0)

    def count(numbers: Iterable[int]) -> None:
        for number in numbers:
            counts[program.values[number].base] += 1

    for operator in (*program.rows, *program.step, *program.answer):
        count(reads(operator))
        if isinstance(operator, Repeat):
            count(last for _, last in operator.carried)
            count([operator.answer] if operator.answer >= 0 else [])
    count([program.output, *(state.after for state in program.states)])
    return counts
