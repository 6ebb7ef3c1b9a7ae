"""Pruning: removes the values and constants that no operator uses."""

from collections.abc import Iterator, Mapping
from dataclasses import fields, replace

from edgernn.program.operators import Operator, Program, ProgramState, Repeat
from edgernn.program.sections import reads, writes

# Fields of operators that contain the number of a value.
_NUMBERS = frozenset(("x", "a", "b", "condition", "out", "blocks", "block", "answers", "answer"))


def pruned(program: Program) -> Program:
    """Return a program without unused values; the others keep their order."""
    used = {program.input, program.output}
    for state in program.states:
        used |= {state.before, state.after}
    for operator in (*program.rows, *program.step, *program.answer):
        used.update(_used(operator))
    used |= {program.values[number].base for number in used}
    if len(used) == len(program.values):
        return program
    renumbered = {number: place for place, number in enumerate(sorted(used))}
    return replace(
        program,
        values=tuple(
            replace(program.values[number], base=renumbered[program.values[number].base]) for number in renumbered
        ),
        constants={renumbered[number]: each for number, each in program.constants.items() if number in used},
        rows=tuple(_renumbered(each, renumbered) for each in program.rows),
        step=tuple(_renumbered(each, renumbered) for each in program.step),
        answer=tuple(_renumbered(each, renumbered) for each in program.answer),
        states=tuple(
            ProgramState(renumbered[each.before], renumbered[each.after], each.zero) for each in program.states
        ),
        input=renumbered[program.input],
        output=renumbered[program.output],
    )


def _used(operator: Operator) -> Iterator[int]:
    yield from reads(operator)
    yield from writes(operator)
    if isinstance(operator, Repeat):
        yield operator.block
        if operator.answers >= 0:
            yield operator.answer
        for pair in operator.carried:
            yield from pair


def _renumbered(operator: Operator, numbers: Mapping[int, int]) -> Operator:
    changes: dict[str, object] = {
        each.name: numbers.get(getattr(operator, each.name), -1) for each in fields(operator) if each.name in _NUMBERS
    }
    if isinstance(operator, Repeat):
        changes["body"] = tuple(_renumbered(each, numbers) for each in operator.body)
        changes["carried"] = tuple((numbers[first], numbers[second]) for first, second in operator.carried)
    return replace(operator, **changes)  # type: ignore[arg-type]  # the names are those of the fields
