"""Folding: replaces a chain of operators that depends on one int8 value, element by element, by one table.

Activations without an integer kernel are such chains: float32 operators between a DEQUANTIZE and a QUANTIZE, or a
selection between two results. For each of the 256 integers, every operator of the chain is computed as LiteRT does,
with its rounding to float32 or to integers.
"""

from array import array
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from edgernn.program.builder import ProgramMemory, float32s
from edgernn.program.integer_arithmetic import (
    INT8_INTEGERS,
    MAX_INTEGER,
    MIN_INTEGER,
    float32,
    product_multiplier,
    rescale_table,
    sum_factors,
)
from edgernn.program.operators import (
    INT8,
    Binary,
    Copy,
    Dequantize,
    Function,
    Operator,
    Quantize,
    Rescale,
    Select,
    Table,
)
from edgernn.program.sections import needed_memory, writes
from edgernn.program.tables import FUNCTIONS

_MAX_DEPTH = 100  # operators of a chain

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

# The int8 value at the start of a chain, and the 256 results at its end; -1 and a single result for a constant.
_Results = tuple[int, Sequence[float]]


class _NotFoldedError(Exception):
    """The elements of a value do not depend on the elements of one int8 value alone."""


def fold(operators: Sequence[Operator], memory: ProgramMemory, results: Sequence[int]) -> list[Operator]:
    """Replace chains of operators by tables, and leave out operators that are no longer needed.

    Args:
        operators: in the order of their computation.
        memory: the values of the program.
        results: values that are read after these operators.
    """
    folder = _Folder(operators, memory)
    found = [folder.folded(each) if isinstance(each, Quantize | Select) else each for each in operators]
    if not folder.has_folded:
        return list(operators)
    needed = needed_memory(found, memory.values, results)
    return [each for each in found if any(memory.values[out].base in needed for out in writes(each))]


class _Folder:
    """Finds the chain that ends at a value, and computes its results."""

    def __init__(self, operators: Sequence[Operator], memory: ProgramMemory) -> None:
        self._memory = memory
        self.has_folded = False
        self._writers: dict[int, Operator | None] = {}
        for operator in operators:
            for value in writes(operator):
                base = memory.values[value].base
                self._writers[base] = None if base in self._writers else operator
        self._known: dict[int, _Results | None] = {}
        self._depth = 0

    def folded(self, operator: Quantize | Select) -> Operator:
        """Return the table that replaces the chain ending with this operator; the operator itself if there is none."""
        out = self._memory.values[operator.out]
        if out.type != INT8:
            return operator
        try:
            source, results = self._computed(out.base)
        except (_NotFoldedError, ArithmeticError, ValueError):
            return operator
        if source < 0 or self._elements(source) != self._elements(operator.out):
            return operator
        self.has_folded = True
        return Table(source, operator.out, array("b", map(int, results)).tobytes())

    def _elements(self, value: int) -> int:
        return self._memory.values[value].elements

    def _function(self, value: int) -> _Results:
        """Return the results of the chain that ends at a value.

        An int8 value at which no chain ends is the start of one: its results are the 256 integers.
        """
        described = self._memory.values[value]
        base = described.base
        if self._elements(base) != self._elements(value):
            if described.type != INT8:
                raise _NotFoldedError
            return value, INT8_INTEGERS
        if base not in self._known:
            self._known[base] = (base, INT8_INTEGERS) if described.type == INT8 else None
            self._depth += 1
            if self._depth <= _MAX_DEPTH:
                with suppress(_NotFoldedError):
                    self._known[base] = self._computed(base)
            self._depth -= 1
        known = self._known[base]
        if known is None:
            raise _NotFoldedError
        return known

    def _computed(self, value: int) -> _Results:
        """Return the results of the chain that ends at a value, from those at the operands of its last operator."""
        values, operator = self._memory.values, self._writers.get(value)
        constant = self._memory.constants.get(value)
        if constant is not None:
            numbers = array("b" if values[value].type == INT8 else "f", constant)
            if len(set(numbers)) != 1:
                raise _NotFoldedError
            return -1, numbers[:1]
        match operator:
            case Dequantize():
                x = values[operator.x]
                source, integers = self._function(operator.x)
                return source, float32s([(q - x.zero_point) * x.scale for q in integers])
            case Quantize():
                out = values[operator.out]
                source, reals = self._function(operator.x)
                inverse = float32(1 / out.scale)
                return source, _clamped(
                    [round(each) + out.zero_point for each in float32s([x * inverse for x in reals])]
                )
            case Table() | Rescale():
                table = operator.table if isinstance(operator, Table) else self._rescaled(operator)
                source, integers = self._function(operator.x)
                results = array("b", table)
                return source, [results[int(q) - MIN_INTEGER] for q in integers]
            case Function() if operator.name in FUNCTIONS:
                source, reals = self._function(operator.x)
                return source, float32s([FUNCTIONS[operator.name](each, *operator.parameters) for each in reals])
            case Binary():
                source, (a, b) = self._operands(operator.a, operator.b)
                return source, self._binary(operator, a, b)
            case Select():
                source, (condition, a, b) = self._operands(operator.condition, operator.a, operator.b)
                return source, [one if true else other for true, one, other in zip(condition, a, b, strict=True)]
            case Copy() if self._elements(operator.x) == 1:
                return self._function(operator.x)
            case _:
                raise _NotFoldedError

    def _rescaled(self, operator: Rescale) -> bytes:
        return rescale_table(self._memory.values[operator.x], self._memory.values[operator.out])

    def _binary(self, o: Binary, a: Sequence[float], b: Sequence[float]) -> list[float]:
        """Return the results of an operator of two operands, from theirs."""
        first, second, out = (self._memory.values[each] for each in (o.a, o.b, o.out))
        if first.type != INT8:
            pairs = zip(b, a, strict=True) if o.swapped else zip(a, b, strict=True)
            found: Sequence[float] = float32s([_BINARIES[o.kind](one, other) for one, other in pairs])
        elif o.kind in ("add", "subtract"):
            one, other, summand, shift = sum_factors(
                first, second, out, subtract=o.kind == "subtract", swapped=o.swapped, limits=(o.low, o.high)
            )
            sums = [int(x) * one + int(y) * other + summand >> shift for x, y in zip(a, b, strict=True)]
            found = [each + out.zero_point for each in sums]
        elif o.kind == "multiply":
            multiplier = product_multiplier(first, second, out)
            products = [(x - first.zero_point) * (y - second.zero_point) for x, y in zip(a, b, strict=True)]
            found = [round(each) + out.zero_point for each in float32s([each * multiplier for each in products])]
        else:
            raise _NotFoldedError
        return [min(max(each, o.low), o.high) for each in found]

    def _operands(self, *operands: int) -> tuple[int, list[Sequence[float]]]:
        """Return the common start of the operands' chains, and the results of each, repeated to the same length."""
        functions = [self._function(each) for each in operands]
        sources = {source for source, _ in functions if source >= 0}
        # A table works element by element, so element i of all operands must depend on element i of the start.
        sizes = {self._elements(each) for each, (source, _) in zip(operands, functions, strict=True) if source >= 0}
        if len(sources) > 1 or len(sizes) > 1:
            raise _NotFoldedError
        count = len(INT8_INTEGERS) if sources else 1
        return max(sources, default=-1), [
            results if len(results) == count else [results[0]] * count for _, results in functions
        ]


def _clamped(integers: Sequence[int]) -> list[float]:
    return [min(max(each, MIN_INTEGER), MAX_INTEGER) for each in integers]
