"""Loops: a WHILE over blocks of time steps becomes a `Repeat`.

The body of the WHILE takes a counter, the blocks [rounds, …], the states and, for a layer that answers each step, the
answers so far [rounds, …]. In each round it gathers one block and writes one block of answers. Their indices count up
or down: they are integers constant + factor × counter, which this module computes from the graph of the body.
"""

from collections.abc import Callable

from edgernn.errors import ArtifactError, UnsupportedError
from edgernn.program.builder import Builder, copy, strides, tensor_number
from edgernn.program.file_graph import GraphFile, GraphOperator, Subgraph, read_integers
from edgernn.program.folding import fold
from edgernn.program.operators import Repeat
from edgernn.program.shapes import check_same
from edgernn.records import record

MAX_ROUNDS = 1 << 20

Append = Callable[[Builder, GraphOperator], None]


@record(frozen=True)
class _Number:
    """An integer of the body: constant + factor × counter."""

    constant: int
    factor: int


@record(frozen=True)
class _Answers:
    """Answers of a loop.

    Attributes:
        place: index of the answers among the tensors that the WHILE carries.
        block: value of one block of answers.
        written: index of the block that a round writes.
    """

    place: int
    block: int
    written: _Number


def append_loop(builder: Builder, operator: GraphOperator, file: GraphFile, append: Append) -> None:
    """Append a WHILE.

    Args:
        builder: builder of the graph that contains the WHILE.
        operator: the WHILE.
        file: the file, with the graphs of the condition and of the body.
        append: function that appends an operator of the body.
    """
    condition, graph = (file.graph(operator.options.integer(field)) for field in (0, 1))
    carried = len(operator.inputs)
    if not carried == len(operator.outputs) == len(graph.inputs) == len(graph.outputs) == len(condition.inputs):
        raise ArtifactError(
            f"damaged: WHILE of {carried} tensors with {len(operator.outputs)} outputs, {len(graph.inputs)} inputs and "
            f"{len(graph.outputs)} outputs of its body, and {len(condition.inputs)} inputs of its condition"
        )
    counter, rounds = _count_rounds(condition)
    if read_integers(builder.tensor(tensor_number(operator, counter))) != (0,):
        raise UnsupportedError("WHILE with a counter that does not start at 0")
    body = _Body(builder, Builder(graph, builder.memory), rounds, counter)
    states = body.bind_inputs(operator)
    for each in graph.operators:
        body.append(each, append)
    if body.number(graph.outputs[counter]) != (_Number(1, 1),):
        raise UnsupportedError("WHILE with a counter that is not increased by 1")
    body.finish(operator, states)


def _count_rounds(condition: Subgraph) -> tuple[int, int]:
    """Return the index of the counter among a condition's inputs, and the number of rounds."""
    operators = condition.operators
    if len(operators) == 1 and operators[0].name == "LESS" and operators[0].outputs == condition.outputs:
        counter, limit = tensor_number(operators[0], 0), tensor_number(operators[0], 1)
        rounds = read_integers(condition.tensors[limit])
        if counter in condition.inputs and rounds is not None and len(rounds) == 1 and 1 <= rounds[0] <= MAX_ROUNDS:
            return condition.inputs.index(counter), rounds[0]
    raise UnsupportedError("WHILE with a condition other than a counter below a constant")


class _Body:
    """The body of a loop under construction.

    Args:
        outside: builder of the graph that contains the WHILE.
        inside: builder of the body.
        rounds: number of rounds.
        counter: index of the counter among the tensors that the WHILE carries.
    """

    def __init__(self, outside: Builder, inside: Builder, rounds: int, counter: int) -> None:
        self._outside, self._inside, self._rounds, self._counter = outside, inside, rounds, counter
        self._numbers: dict[int, tuple[_Number, ...]] = {inside.graph.inputs[counter]: (_Number(0, 1),)}
        self._blocks: tuple[int, int] | None = None
        self._answers: _Answers | None = None

    def bind_inputs(self, operator: GraphOperator) -> dict[int, int]:
        """Bind the carried tensors; return the value of each state, by its index among them."""
        inside, graph = self._inside, self._inside.graph
        updates = [each for each in graph.operators if each.name == "DYNAMIC_UPDATE_SLICE"]
        updated = {tensor_number(each, 0): each.outputs for each in updates}
        states = {}
        for place, tensor in enumerate(graph.inputs):
            if place == self._counter:
                continue
            if graph.outputs[place] == tensor:  # the blocks, and other values that all rounds share
                value = self._outside.input(operator, place)
                self._check_shared(operator, value, tensor)
                inside.bind(tensor, value)
            elif updated.get(tensor) == (graph.outputs[place],):
                self._outside.input(operator, place)  # overwritten, so only checked
            else:
                states[place] = self._add_state(operator, place, tensor)
        return states

    def _check_shared(self, operator: GraphOperator, value: int, tensor: int) -> None:
        """Check that a value has the shape, type and scale of a tensor of the body."""
        values, described = self._outside.memory.values, self._inside.described(tensor)
        if values[value].shape != described.shape:
            raise ArtifactError(f"damaged: WHILE carries shape {values[value].shape} as {described.shape}")
        check_same(operator, values[value], described)

    def _add_state(self, operator: GraphOperator, place: int, tensor: int) -> int:
        first = self._outside.input(operator, place)
        self._check_shared(operator, first, tensor)
        shape = self._outside.memory.values[first].shape
        value = self._inside.add(tensor)
        self._outside.emit(copy(first, value, shape, strides(shape), strides(shape)))
        return value

    def number(self, tensor: int) -> tuple[_Number, ...]:
        """Return the elements of a tensor of integers."""
        found = self._numbers.get(tensor)
        if found is not None:
            return found
        constants = read_integers(self._inside.tensor(tensor))
        if constants is None:
            raise UnsupportedError("WHILE with integers that depend on more than its counter")
        return tuple(_Number(each, 0) for each in constants)

    def append(self, operator: GraphOperator, append: Append) -> None:
        """Append an operator of the body."""
        if operator.outputs and self._inside.tensor(operator.outputs[0]).type == "int32":
            self._numbers[operator.outputs[0]] = self._compute(operator)
        elif operator.name == "GATHER":
            self._gather(operator)
        elif operator.name == "DYNAMIC_UPDATE_SLICE":
            self._update(operator)
        else:
            append(self._inside, operator)

    def _compute(self, operator: GraphOperator) -> tuple[_Number, ...]:
        if operator.name == "CONCATENATION":
            return tuple(each for tensor in operator.inputs for each in self.number(tensor))
        if operator.name == "RESHAPE":
            return self.number(tensor_number(operator, 0))
        sign = {"ADD": 1, "SUB": -1}.get(operator.name)
        if sign is None:
            raise UnsupportedError(f"{operator.name} of integers in a WHILE")
        a, b = (self.number(tensor_number(operator, place)) for place in (0, 1))
        if len(a) != len(b):
            raise UnsupportedError(f"{operator.name} of {len(a)} and {len(b)} integers in a WHILE")
        return tuple(
            _Number(one.constant + sign * other.constant, one.factor + sign * other.factor)
            for one, other in zip(a, b, strict=True)
        )

    def _gather(self, operator: GraphOperator) -> None:
        source = self._inside.input(operator, 0)
        shape = self._inside.memory.values[source].shape
        index = self.number(tensor_number(operator, 1))
        if self._blocks is not None or operator.options.integer(0) or operator.options.integer(1) or len(index) != 1:
            raise UnsupportedError("WHILE with more than one GATHER, or along another axis than the first")
        if shape[0] != self._rounds or tensor_number(operator, 0) not in self._inside.graph.inputs:
            raise UnsupportedError(f"WHILE of {self._rounds} rounds over {shape[0]} blocks")
        block = self._inside.output(operator, shape[1:])
        check_same(operator, self._inside.memory.values[source], self._inside.memory.values[block])
        self._blocks = (source if self._is_forward(index[0]) else self._reversed(source), block)

    def _update(self, operator: GraphOperator) -> None:
        graph = self._inside.graph
        target, block = tensor_number(operator, 0), self._inside.input(operator, 1)
        index = self.number(tensor_number(operator, 2))
        shape, found = graph.tensors[target].shape, self._inside.memory.values[block].shape
        is_whole = bool(index) and all(each == _Number(0, 0) for each in index[1:])
        if self._answers is not None or target not in graph.inputs or not is_whole:
            raise UnsupportedError("WHILE with more than one DYNAMIC_UPDATE_SLICE, or not of whole blocks")
        if len(index) != len(shape) or shape != (self._rounds, *found[1:]) or found[0] != 1:
            raise ArtifactError(f"damaged: WHILE of {self._rounds} rounds writes {found} into {shape}")
        check_same(operator, self._inside.memory.values[block], self._inside.described(target))
        self._answers = _Answers(graph.inputs.index(target), block, index[0])

    def _is_forward(self, index: _Number) -> bool:
        if index == _Number(0, 1):
            return True
        if index == _Number(self._rounds - 1, -1):
            return False
        raise UnsupportedError(f"WHILE with block {index.constant} + {index.factor} × counter")

    def _reversed(self, value: int) -> int:
        """Append a copy of the blocks in reverse order, outside of the loop."""
        shape = self._outside.memory.values[value].shape
        steps = strides(shape)
        return self._outside.copied(value, shape, (-steps[0], *steps[1:]), (shape[0] - 1) * steps[0])

    def finish(self, operator: GraphOperator, states: dict[int, int]) -> None:
        """Append the loop, and bind its results."""
        outside, inside, graph = self._outside, self._inside, self._inside.graph
        if self._blocks is None:
            raise UnsupportedError("WHILE without a GATHER of its block")
        carried = []
        for place, first in states.items():
            second = inside.separate(graph.outputs[place], set(states.values()))
            self._check_shared(operator, second, graph.inputs[place])
            carried.append((first, second))
        answers, block = self._add_answers()
        results = [second for _, second in carried] + [block] * (block >= 0)
        body = tuple(fold(inside.operators, inside.memory, results))
        outside.emit(Repeat(self._rounds, body, *self._blocks, answers, block, tuple(carried)))
        for place, output in enumerate(operator.outputs):
            if place in states:
                outside.alias(output, states[place], 0)
            elif self._answers is not None and place == self._answers.place:
                outside.alias(
                    output, answers if self._is_forward(self._answers.written) else self._reversed(answers), 0
                )
            elif place != self._counter:
                outside.alias(output, outside.input(operator, place), 0)

    def _add_answers(self) -> tuple[int, int]:
        if self._answers is None:
            return -1, -1
        values = self._outside.memory.values
        block = self._answers.block
        shape = (self._rounds, *values[block].shape[1:])
        return self._outside.memory.add(shape, values[block]), block
