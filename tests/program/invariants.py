"""Properties of a program that native code trusts: every number of every operator fits its values."""

import math
from collections.abc import Iterator

from edgernn.program.operators import (
    FLOAT32,
    INT8,
    Binary,
    Convolution,
    Copy,
    Dequantize,
    Fill,
    Function,
    Linear,
    Operator,
    Pool,
    Program,
    Quantize,
    Reduce,
    Repeat,
    Rescale,
    Select,
    Softmax,
    Table,
)

_BYTES = {INT8: 1, FLOAT32: 4}


def faults(program: Program) -> Iterator[str]:
    """Yield the faults of a program."""
    for number, value in enumerate(program.values):
        base = program.values[value.base]
        if base.base != value.base or base.offset or value.type != base.type:
            yield f"value {number} has no memory"
        if value.offset < 0 or value.offset + math.prod(value.shape) > math.prod(base.shape):
            yield f"value {number} is larger than its memory"
        if value.type == INT8 and not (0 < value.scale < math.inf and -128 <= value.zero_point <= 127):
            yield f"value {number} has scale {value.scale} and zero point {value.zero_point}"
    used = {program.values[each].base for each in _all_numbers(program)}
    yield from (f"value {number} is not used" for number, value in enumerate(program.values) if value.base not in used)
    for number, content in program.constants.items():
        if len(content) != _size(program, number) * _BYTES[program.values[number].type]:
            yield f"constant {number} has {len(content)} bytes"
    written = {program.input, *(state.before for state in program.states)} | set(program.constants)
    for section in (program.rows, program.step, program.answer):
        yield from _section_faults(program, section, written)
    for number in (program.output, *(state.after for state in program.states)):
        if program.values[number].base not in {program.values[each].base for each in written}:
            yield f"value {number} is never computed"
    for state in program.states:
        before, after = program.values[state.before], program.values[state.after]
        if (before.shape, before.type, before.scale, before.zero_point) != (
            after.shape,
            after.type,
            after.scale,
            after.zero_point,
        ):
            yield f"state {state.before} differs from {state.after}"


def _all_numbers(program: Program) -> Iterator[int]:
    yield from (program.input, program.output)
    for state in program.states:
        yield from (state.before, state.after)
    operators = [*program.rows, *program.step, *program.answer]
    while operators:
        operator = operators.pop()
        yield from _sources(operator)
        if isinstance(operator, Repeat):
            operators += operator.body
            yield from (operator.block, *(second for _, second in operator.carried))
            yield from (operator.answers, operator.answer) if operator.answers >= 0 else ()
        else:
            yield operator.out


def _section_faults(program: Program, operators: tuple[Operator, ...], written: set[int]) -> Iterator[str]:
    for operator in operators:
        bases = {program.values[each].base for each in written}
        for number in _sources(operator):
            if program.values[number].base not in bases:
                yield f"{type(operator).__name__} reads value {number} before it is computed"
        if isinstance(operator, Repeat):
            yield from _repeat_faults(program, operator, written)
            continue
        if program.values[operator.out].base in program.constants:
            yield f"{type(operator).__name__} writes the constant {operator.out}"
        if any(program.values[each].base == program.values[operator.out].base for each in _sources(operator)):
            yield f"{type(operator).__name__} writes what it reads"
        if not _fits(program, operator):
            yield f"{type(operator).__name__} does not fit its values: {operator}"[:300]
        written.add(operator.out)


def _repeat_faults(program: Program, operator: Repeat, written: set[int]) -> Iterator[str]:
    written |= {operator.block}
    if _size(program, operator.blocks) != operator.rounds * _size(program, operator.block):
        yield "a loop's blocks have another size"
    yield from _section_faults(program, operator.body, written)
    if operator.answers >= 0:
        written.add(operator.answers)
        if _size(program, operator.answers) != operator.rounds * _size(program, operator.answer):
            yield "a loop's answers have another size"
        if program.values[operator.answers].base == program.values[operator.answer].base:
            yield "a loop's answers share memory with an answer"
    firsts = {program.values[first].base for first, _ in operator.carried}
    for first, second in operator.carried:
        if _size(program, first) != _size(program, second) or program.values[second].base in firsts:
            yield "a loop's states differ in size or share memory"


def _sources(operator: Operator) -> tuple[int, ...]:
    if isinstance(operator, Binary):
        return operator.a, operator.b
    if isinstance(operator, Select):
        return operator.condition, operator.a, operator.b
    if isinstance(operator, Repeat):
        return (operator.blocks, *(first for first, _ in operator.carried))
    return () if isinstance(operator, Fill) else (operator.x,)


def _size(program: Program, number: int) -> int:
    return math.prod(program.values[number].shape)


def _fits(program: Program, o: Operator) -> bool:
    types = tuple(program.values[each].type for each in (*_sources(o), *(() if isinstance(o, Repeat) else (o.out,))))
    sizes = tuple(_size(program, each) for each in (*_sources(o), *(() if isinstance(o, Repeat) else (o.out,))))
    same = len(set(types)) == 1
    match o:
        case Quantize():
            return types == (FLOAT32, INT8) and sizes[0] == sizes[1]
        case Dequantize():
            return types == (INT8, FLOAT32) and sizes[0] == sizes[1]
        case Rescale():
            return types == (INT8, INT8) and sizes[0] == sizes[1]
        case Table():
            return types == (INT8, INT8) and sizes[0] == sizes[1] and len(o.table) == 256
        case Function():
            return types == (FLOAT32, FLOAT32) and sizes[0] == sizes[1]
        case Softmax():
            return same and sizes[0] == sizes[1] and sizes[0] % o.columns == 0
        case Binary():
            return same and sizes[0] == sizes[2] and o.b_run >= 1 and sizes[2] % (o.b_run * sizes[1]) == 0
        case Select():
            return types[0] == FLOAT32 and len(set(types[1:])) == 1 and len(set(sizes)) == 1
        case Fill():
            return True
        case Linear():
            rows = sizes[0] // o.inputs
            return same and sizes == (rows * o.inputs, rows * o.outputs) and _weights_fit(o, types[0], o.inputs)
        case Convolution():
            last = (o.out_steps - 1) * o.stride - o.before
            depth = 1 if o.depthwise else o.channels
            return (
                same
                and sizes == (o.steps * o.channels, o.out_steps * o.outputs)
                and _weights_fit(o, types[0], o.kernel * depth)
                and min(o.kernel, o.stride, o.dilation) >= 1
                and 0 <= o.before < o.kernel * o.dilation
                and last < o.steps
                and (not o.depthwise or o.outputs % o.channels == 0)
            )
        case Pool():
            last = (o.out_steps - 1) * o.stride - o.before
            inside = sizes == (o.steps * o.channels, o.out_steps * o.channels)
            return same and inside and 0 <= o.before < o.kernel and last < o.steps and o.stride >= 1
        case Reduce():
            return same and sizes == (o.outer * o.count * o.inner, o.outer * o.inner)
        case Copy():
            return same and all(
                start + sum(min(0, (size - 1) * step) for size, step in zip(o.sizes, steps, strict=True)) >= 0
                and start + sum(max(0, (size - 1) * step) for size, step in zip(o.sizes, steps, strict=True)) < elements
                for steps, start, elements in (
                    (o.x_strides, o.x_offset, sizes[0]),
                    (o.out_strides, o.out_offset, sizes[1]),
                )
            )
        case _:
            return False


def _weights_fit(o: Linear | Convolution, type_name: str, inputs: int) -> bool:
    width = _BYTES[type_name]
    multipliers = o.outputs if type_name == INT8 else 0
    return (
        len(o.weights) == o.outputs * inputs * width
        and len(o.bias) in (0, o.outputs * 4)
        and len(o.multipliers) == multipliers
        and (type_name != INT8 or b"\x80" not in o.weights)
    )
