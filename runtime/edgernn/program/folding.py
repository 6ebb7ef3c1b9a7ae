"""Folding: functions between a DEQUANTIZE and a QUANTIZE become one table of int8.

Such a chain is what the activations look like that have no integer kernel: a function of one int8 number, by way of
float32. Each operator is rounded to float32, as LiteRT does.
"""

import math
from array import array
from collections.abc import Callable, Mapping, Sequence

from edgernn.program.arithmetic import float32
from edgernn.program.builder import MAX_INTEGER, MIN_INTEGER, Memory, float32s
from edgernn.program.operators import (
    Binary,
    Copy,
    Dequantize,
    Function,
    Operator,
    Quantize,
    Select,
    Table,
)
from edgernn.program.sections import needed_memory, writes
from edgernn.program.tables import FUNCTIONS

_COUNT = MAX_INTEGER - MIN_INTEGER + 1
_BINARIES: Mapping[str, Callable[[float, float], float]] = {
    "add": lambda x, y: x + y,
    "subtract": lambda x, y: x - y,
    "multiply": lambda x, y: x * y,
    "divide": lambda x, y: x / y,
    "minimum": min,
    "maximum": max,
    "squared_difference": lambda x, y: float32(x - y) ** 2,
    "greater": lambda x, y: x > y,
    "greater_equal": lambda x, y: x >= y,
    "less": lambda x, y: x < y,
    "less_equal": lambda x, y: x <= y,
}


class _NotFoldedError(Exception):
    """A value is not a function of one int8 number."""


def fold(operators: Sequence[Operator], memory: Memory, results: Sequence[int]) -> list[Operator]:
    """Fold what can be folded; operators that are no longer needed are left out.

    Args:
        operators: in the order of their computation.
        memory: of their values.
        results: values that others read.
    """
    folder = _Folder(operators, memory)
    found = [folder.folded(each) if isinstance(each, Quantize) else each for each in operators]
    if not folder.has_folded:
        return list(operators)
    needed = needed_memory(found, memory.values, results)
    return [each for each in found if any(memory.values[out].base in needed for out in writes(each))]


class _Folder:
    """Values as functions of one int8 number: [256] results, or one number for a constant."""

    def __init__(self, operators: Sequence[Operator], memory: Memory) -> None:
        self._memory = memory
        self.has_folded = False
        self._writers: dict[int, Operator | None] = {}
        for operator in operators:
            for value in writes(operator):
                base = memory.values[value].base
                self._writers[base] = None if base in self._writers else operator
        self._known: dict[int, tuple[int, Sequence[float]]] = {}

    def folded(self, operator: Quantize) -> Operator:
        """Return the table that a chain is; the operator itself if it is none."""
        out = self._memory.values[operator.out]
        inverse = float32(1 / out.scale)
        try:
            source, reals = self._function(operator.x)
            if source < 0 or self._elements(source) != self._elements(operator.out):
                return operator
            integers = [round(each) + out.zero_point for each in float32s([real * inverse for real in reals])]
        except (_NotFoldedError, ArithmeticError, ValueError):
            return operator
        self.has_folded = True
        table = array("b", [min(max(each, MIN_INTEGER), MAX_INTEGER) for each in integers]).tobytes()
        return Table(source, operator.out, table)

    def _elements(self, value: int) -> int:
        return math.prod(self._memory.values[value].shape)

    def _function(self, value: int) -> tuple[int, Sequence[float]]:
        """Return the int8 value that a value depends on, and the results; -1 and one result for a constant."""
        described = self._memory.values[value]
        base = described.base
        if self._elements(base) != self._elements(value):
            raise _NotFoldedError
        if base not in self._known:
            self._known[base] = self._computed(base)
        return self._known[base]

    def _computed(self, value: int) -> tuple[int, Sequence[float]]:
        constant = self._memory.constants.get(value)
        if constant is not None:
            numbers = array("f", constant)
            if len(set(numbers)) != 1:
                raise _NotFoldedError
            return -1, numbers[:1]
        operator = self._writers.get(value)
        match operator:
            case Dequantize():
                x = self._memory.values[operator.x]
                reals = [(q - x.zero_point) * x.scale for q in range(MIN_INTEGER, MAX_INTEGER + 1)]
                return operator.x, float32s(reals)
            case Function():
                function = FUNCTIONS.get(operator.name)
                if function is None:
                    raise _NotFoldedError
                source, results = self._function(operator.x)
                return source, float32s([function(each, *operator.parameters) for each in results])
            case Binary():
                source, (a, b) = self._operands(operator.a, operator.b)
                first, second = (b, a) if operator.swapped else (a, b)
                results = float32s(
                    [_BINARIES[operator.kind](one, other) for one, other in zip(first, second, strict=True)]
                )
                return source, [min(max(each, operator.low), operator.high) for each in results]
            case Select():
                source, (condition, a, b) = self._operands(operator.condition, operator.a, operator.b)
                return source, [one if true else other for true, one, other in zip(condition, a, b, strict=True)]
            case Copy() if self._elements(operator.x) == 1:
                return self._function(operator.x)
            case _:
                raise _NotFoldedError

    def _operands(self, *operands: int) -> tuple[int, list[Sequence[float]]]:
        """Return the source of several values, and the results of each in the same number."""
        functions = [self._function(each) for each in operands]
        sources = {source for source, _ in functions if source >= 0}
        # Elements that belong together must stand at the same place.
        sizes = {self._elements(each) for each, (source, _) in zip(operands, functions, strict=True) if source >= 0}
        if len(sources) > 1 or len(sizes) > 1:
            raise _NotFoldedError
        count = _COUNT if sources else 1
        return max(sources, default=-1), [
            results if len(results) == count else [results[0]] * count for _, results in functions
        ]
