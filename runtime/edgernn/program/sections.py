"""Sections of a program: operators that need only the row, those that compute the next states, those of the answer."""

from collections.abc import Iterable, Sequence

from edgernn.program.operators import Binary, Fill, Operator, Repeat, Select, Value
from edgernn.records import record


@record(frozen=True)
class Sections:
    """Operators of a program in three sections; see `operators`."""

    rows: tuple[Operator, ...]
    step: tuple[Operator, ...]
    answer: tuple[Operator, ...]


def find_sections(
    operators: Sequence[Operator], values: Sequence[Value], before: Iterable[int], after: Iterable[int], answer: int
) -> Sections:
    """Divide operators into sections, without those that neither the states nor the answer need.

    Args:
        operators: in the order of their computation.
        values: values of the program.
        before, after: values of the states.
        answer: value of the answer.
    """
    depends = {values[each].base for each in before}
    # By base, not by value: copies that write parts of one base then belong to one section.
    for operator in operators:
        if any(values[each].base in depends for each in reads(operator)):
            depends.update(values[each].base for each in writes(operator))
    for_states = needed_memory(operators, values, after)
    needed = for_states | needed_memory(operators, values, [answer])
    kept = [(operator, {values[each].base for each in writes(operator)}) for operator in operators]
    return Sections(
        rows=tuple(operator for operator, out in kept if out & needed and not out & depends),
        step=tuple(operator for operator, out in kept if out & depends and out & for_states),
        answer=tuple(operator for operator, out in kept if out & depends and out & needed and not out & for_states),
    )


def needed_memory(operators: Sequence[Operator], values: Sequence[Value], results: Iterable[int]) -> set[int]:
    """Return the bases that are read or written on the way to results."""
    needed = {values[each].base for each in results}
    for operator in reversed(operators):
        if any(values[each].base in needed for each in writes(operator)):
            needed.update(values[each].base for each in reads(operator))
    return needed


def reads(operator: Operator) -> tuple[int, ...]:
    """Return the values that an operator reads."""
    if isinstance(operator, Binary):
        return operator.a, operator.b
    if isinstance(operator, Select):
        return operator.condition, operator.a, operator.b
    if isinstance(operator, Fill):
        return ()
    if isinstance(operator, Repeat):
        inner = [each for inside in operator.body for each in reads(inside)]
        return (operator.blocks, *(first for first, _ in operator.carried), *inner)
    return (operator.x,)


def writes(operator: Operator) -> tuple[int, ...]:
    """Return the values that an operator writes."""
    if isinstance(operator, Repeat):
        inner = [each for inside in operator.body for each in writes(inside)]
        answers = () if operator.answers < 0 else (operator.answers,)
        return (*answers, *(first for first, _ in operator.carried), *inner)
    return (operator.out,)
