"""Fusion: joins a matrix product, the saturating sum that follows it, and the table that follows the sum.

In an int8 SimpleRNN this is the whole step: the product of the state, plus that of the row, through the activation.
"""

from collections.abc import Iterable, Mapping, Sequence

from edgernn.program.integer_arithmetic import INT8_LIMITS, PLAIN_SUM, sum_factors
from edgernn.program.operators import INT8, Binary, Linear, Operator, Program, Repeat, Table
from edgernn.program.sections import reads
from edgernn.records import record

_NONE = -1


@record(frozen=True)
class Fused:
    """A product with the sum and the table that follow it; it stands at the position of the last of them.

    Attributes:
        linear: the product.
        addend: value that is added with saturation; -1 without a sum.
        table: int8 [256], applied after the sum; empty without a table.
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
        program: the program. A product is not fused if another operator reads its result, too.
    """
    reads_of = _count_reads(program)
    found: list[Operator | Fused | None] = []
    places: dict[int, int] = {}  # index in `found` of the product that computes a value
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
    """Return the operands that may be a product's result: those of a sum or a table."""
    return reads(operator) if isinstance(operator, Binary | Table) else ()


def _extend(product: Fused, value: int, operator: Operator, program: Program) -> Fused | None:
    """Join a product, whose result is `value`, and the operator that reads it; None if that is not possible."""
    if product.table:
        return None
    if isinstance(operator, Table):
        return Fused(product.linear, product.addend, operator.table, operator.out)
    if not isinstance(operator, Binary) or product.addend != _NONE or not _is_saturating_sum(operator, program):
        return None
    addend = operator.b if operator.a == value else operator.a
    return None if addend == value else Fused(product.linear, addend, b"", operator.out)


def _is_saturating_sum(operator: Binary, program: Program) -> bool:
    """Return True for a sum of int8 values with equal scales, zero points of 0, and as many elements each."""
    a, b, out = (program.values[each] for each in (operator.a, operator.b, operator.out))
    if operator.kind != "add" or out.type != INT8 or (operator.low, operator.high) != INT8_LIMITS:
        return False
    if len({each.elements for each in (a, b, out)}) > 1:
        return False
    return sum_factors(a, b, out, subtract=False, swapped=False) == PLAIN_SUM


def _count_reads(program: Program) -> Mapping[int, int]:
    """Count the reads of each base; a read of a part counts for its base."""
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
