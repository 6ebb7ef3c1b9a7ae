"""Layouts: the arrangements of a recurrent layer's time steps in a TFLite graph.

    unrolled   the operators of all steps, one step after the other
    loop       a WHILE over blocks of steps: small, and any number of steps costs the same bytes
    fused      one operator for all steps, where TFLite has it

Each takes the input [1, steps, features] and returns the output of every step, [steps, units], or of the last one,
[1, units].
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgernn.errors import UnsupportedError
from edgernn_export.cells import Cell
from edgernn_export.formats.tflite.arithmetic import Float32Ops, Value, Zero
from edgernn_export.formats.tflite.graph import Graph, Operator, TensorType

States = tuple[Value, ...]


@dataclass(frozen=True)
class Layer:
    """A recurrent layer to build in a layout.

    Attributes:
        name: the Keras layer's name.
        cell: the computation at each step.
        return_sequences: whether it returns the output of every step, or only the last one.
        backwards: whether it goes through the steps from the last to the first; its outputs are in that order.
        make_ops: its arithmetic in a graph.
        mask: tensor of its mask, bool [1, steps], in the graph of its input; None without one.
        zero_output: whether its output at a masked step is zero, or that of the step before.
    """

    name: str
    cell: Cell
    return_sequences: bool
    backwards: bool
    make_ops: Callable[[Graph], Float32Ops]
    mask: int | None = None
    zero_output: bool = False

    @property
    def zero_states(self) -> tuple[Zero, ...]:
        """The states before the first step."""
        return tuple(Zero(role) for role in self.cell.states)


# Target size of a round of the loop: OPERATORS in a short sequence, for a small file; MIN_BLOCK to MAX_BLOCK steps in a
# long one, for speed. Measured for int8: SimpleRNN(64), 28 steps, rounds of 1, 2, 4 and 7: 18.8, 16.2,
# 13.7 and 15.1 µs; 512 steps, rounds of 4 and 8: 149 and 137 µs. LSTM(64), 28 steps, rounds of 1, 2 and 4: 38, 37.5 and
# 34 µs; 128 steps, rounds of 2, 4, 8 and 16: 146, 122, 130 and 142 µs; GRU and two layers likewise.
OPERATORS = 24
MIN_BLOCK, MAX_BLOCK = 4, 8
LONG_STEPS = 64


# The loop is preferred from this number of steps on: it takes at most 1.05 times as long as unrolled and a fraction of
# the bytes. Ratios of the loop's time to unrolled, int8, in one run with hot caches: SimpleRNN(64) 2.0 at 28 steps,
# 1.2 at 128 and 256, 1.04 to 1.08 at 512, 0.97 at 1024, 0.35 at 2048. Cells with gates (LSTM(32), GRU(32), LSTM(64)):
# 1.6 to 1.9 at 28 steps, 0.8 to 1.6 at 48, 0.5 to 1.05 at 64, 0.4 to 0.64 at 100, 0.16 to 0.85 at 512.
# With cold caches SimpleRNN(64): 0.8, 0.36, 0.25 at 28, 128, 512.
LOOP_FROM_STEPS = 768
LOOP_FROM_STEPS_LARGE = 80
LARGE_OPERATORS = 6  # operators a step from which LOOP_FROM_STEPS_LARGE applies


def unroll(ops: Float32Ops, layer: Layer, x: int, states: States) -> tuple[int, States]:
    """Add the operators of every step, one step after the other, behind one input product for all steps.

    Returns:
        The output, and the last states.
    """
    cell, outputs = layer.cell, []
    rows = list(zip(*(ops.rows(values) for values in cell.project(ops, x)), strict=True))
    masks = [None] * len(rows) if layer.mask is None else ops.masks(layer.mask)
    steps = list(zip(rows, masks, strict=True))
    for row, mask in reversed(steps) if layer.backwards else steps:
        states = cell.step(ops, row, states) if mask is None else cell.masked_step(ops, row, states, mask)
        output = _computed(states[0])
        if mask is not None and layer.zero_output:
            output = ops.select(mask, output, Zero(cell.states[0]), cell.states[0])
        outputs.append(output)
    return _join(ops.graph, outputs if layer.return_sequences else outputs[-1:]), states


def loop(graph: Graph, layers: Sequence[Layer], x: int) -> int:
    """Add a WHILE over blocks of steps, from zero states; each layer takes the output of the one before.

    Its variables are the number of the block, the input in blocks, the states of every layer, and the output in blocks
    if it is of every step. All layers except the last return every step; all except the first go forward.

    Returns:
        The output.
    """
    _, steps, features = graph.shape(x)
    block = block_size(steps, sum(layer.cell.operators for layer in layers))
    rounds, last = steps // block, layers[-1]
    blocks = graph.reshape(x, (rounds, block, features))
    counter = graph.constant(np.array([0], np.int32))
    variables = [counter, blocks]
    for layer in layers:
        ops = layer.make_ops(graph)
        variables += [ops.zeros(layer.cell.units, role) for role in layer.cell.states]
    if last.return_sequences:
        variables.append(_room(graph, variables[-len(last.cell.states)], (rounds, block, last.cell.units)))
    results = [_like(graph, graph, variable) for variable in variables]
    options = schema.WhileOptionsT(
        condSubgraphIndex=_condition(graph, variables, rounds),
        bodySubgraphIndex=_body(graph, layers, variables, rounds),
    )
    graph.operator(Operator.WHILE, variables, results, options)
    if last.return_sequences:
        return graph.reshape(results[-1], (steps, last.cell.units))
    return results[-len(last.cell.states)]


def preferred_layout(steps: int, operators: int) -> str:
    """Choose the layout to ship: unrolled is fastest, until the loop is nearly as fast and much smaller.

    Args:
        steps: time steps of a sequence.
        operators: number of operators a step, of all recurrent layers.
    """
    from_steps = LOOP_FROM_STEPS_LARGE if operators >= LARGE_OPERATORS else LOOP_FROM_STEPS
    # A prime number of steps makes rounds of one step, which are slow.
    return "loop" if steps >= from_steps and block_size(steps, operators) > 1 else "unrolled"


def block_size(steps: int, operators: int) -> int:
    """Return the number of steps in a round of the loop, a divisor of all steps; `operators` is per step."""
    fitting = OPERATORS // operators
    most = min(max(fitting, MIN_BLOCK), MAX_BLOCK) if steps >= LONG_STEPS else min(max(fitting, 1), MIN_BLOCK)
    divisors = [size for size in range(1, MAX_BLOCK + 1) if steps % size == 0]
    fitting_divisors = [size for size in divisors if size <= most]
    # Rounds of one step are slow: prefer 7 to 1 for 49 steps.
    return divisors[-1] if most > 1 and fitting_divisors[-1] == 1 else fitting_divisors[-1]


def fuse(ops: Float32Ops, layer: Layer, x: int, states: States) -> tuple[int, States]:
    """Add one operator for all steps.

    The operator keeps its states in variable tensors. In a sequence they are set to zero before it at every
    call; in a stream they are inputs and outputs.

    Returns:
        The output, [1, …], and the last states.
    """
    graph, cell = ops.graph, layer.cell
    try:
        operator = cell.fused_operator()
    except UnsupportedError as error:
        raise UnsupportedError(f"layer {layer.name!r}: {error}") from error
    _, steps, _ = graph.shape(x)
    # Its integer kernels support one scale a tensor. With several they read the first and answer wrongly.
    weights = [
        -1 if array is None else graph.constant(array) if array.ndim == 1 else ops.weights(array, one_scale=True)
        for array in operator.weights
    ]
    bias = next(weight for weight in reversed(weights) if weight != -1)
    variables = [_zero_variable(graph, bias) if isinstance(state, Zero) else state for state in states]
    for variable in variables:
        graph.make_variable(variable)
    if layer.backwards:
        x = graph.reverse(x, axis=1)
    outputs = graph.tensor((1, steps, cell.units), ops.type)
    activation = getattr(schema.ActivationFunctionType, operator.activation)
    options = getattr(schema, f"{operator.options}T")(fusedActivationFunction=activation)
    inputs = (x, *weights, *variables, *(-1,) * operator.left_out)
    graph.operator(getattr(Operator, operator.kind), inputs, (outputs,), options)
    if layer.return_sequences:
        return outputs, tuple(variables)
    last = graph.tensor((1, 1, cell.units), ops.type)
    place = graph.constant(np.array([steps - 1], np.int32))
    graph.operator(Operator.GATHER, (outputs, place), (last,), schema.GatherOptionsT(axis=1))
    return last, tuple(variables)


def _zero_variable(graph: Graph, bias: int) -> int:
    """Add a tensor [1, units] that is set to zero at every call; its shape and type come from a bias [units]."""
    zeros = graph.tensor(graph.shape(bias), graph.type(bias))
    graph.operator(Operator.ZEROS_LIKE, (bias,), (zeros,), schema.ZerosLikeOptionsT())
    # Not a constant: it is copied only once, when the graph is prepared. Not RESHAPE: LiteRT without XNNPACK does it in
    # place, and then the variable has no memory.
    variable = graph.tensor((1, *graph.shape(bias)), graph.type(bias))
    shape = graph.constant(np.array(graph.shape(variable), np.int32))
    graph.operator(Operator.BROADCAST_TO, (zeros, shape), (variable,), schema.BroadcastToOptionsT(), version=2)
    return variable


def _condition(outer: Graph, variables: Sequence[int], rounds: int) -> int:
    """Make the subgraph that decides whether another round follows; return its index."""
    graph, index = Graph.new(outer.model)
    inputs = [_like(graph, outer, variable) for variable in variables]
    more = graph.tensor((1,), TensorType.BOOL)
    limit = graph.constant(np.array([rounds], np.int32))
    graph.operator(Operator.LESS, (inputs[0], limit), (more,), schema.LessOptionsT())
    graph.finish(inputs, [more])
    return index


def _body(outer: Graph, layers: Sequence[Layer], variables: Sequence[int], rounds: int) -> int:
    """Make the subgraph of one round, a block of steps through all layers; return its index."""
    graph, index = Graph.new(outer.model)
    inputs = [_like(graph, outer, variable) for variable in variables]
    counter, blocks, *rest = inputs
    _, block, features = graph.shape(blocks)
    values = graph.tensor((1, block, features), graph.type(blocks), graph.scale_or_none(blocks))
    place = _counted_down(graph, counter, rounds) if layers[0].backwards else counter
    graph.operator(Operator.GATHER, (blocks, place), (values,), schema.GatherOptionsT())
    ends: list[int] = []
    for layer in layers:
        states = tuple(rest[len(ends) : len(ends) + len(layer.cell.states)])
        values, last = unroll(layer.make_ops(graph), layer, values, states)
        ends += [_computed(state) for state in last]
    if layers[-1].return_sequences:
        ends.append(_put(graph, rest[-1], values, counter))
    one = graph.constant(np.array([1], np.int32))
    next_counter = graph.tensor((1,), TensorType.INT32)
    graph.operator(Operator.ADD, (counter, one), (next_counter,), schema.AddOptionsT())
    graph.finish(inputs, [next_counter, blocks, *ends])
    return index


def _counted_down(graph: Graph, counter: int, rounds: int) -> int:
    """Add the number of the block, counted from the last to the first."""
    place = graph.tensor((1,), TensorType.INT32)
    last = graph.constant(np.array([rounds - 1], np.int32))
    graph.operator(Operator.SUB, (last, counter), (place,), schema.SubOptionsT())
    return place


def _put(graph: Graph, blocks: int, values: int, counter: int) -> int:
    """Write one block, [block, units], into blocks [rounds, block, units]."""
    _, block, units = graph.shape(blocks)
    start = graph.tensor((3,), TensorType.INT32)
    zeros = graph.constant(np.array([0, 0], np.int32))
    graph.operator(Operator.CONCATENATION, (counter, zeros), (start,), schema.ConcatenationOptionsT())
    update = graph.reshape(values, (1, block, units))
    changed = _like(graph, graph, blocks)
    options = schema.DynamicUpdateSliceOptionsT()
    graph.operator(Operator.DYNAMIC_UPDATE_SLICE, (blocks, update, start), (changed,), options)
    return changed


def _room(graph: Graph, state: int, shape: Sequence[int]) -> int:
    """Add a tensor for outputs of a state's type and scale; its first content is never read."""
    scale = graph.scale_or_none(state)
    value = graph.constant(np.zeros((), graph.dtype(state)), scale)
    room = graph.tensor(shape, graph.type(state), scale)
    sizes = graph.constant(np.array(shape, np.int32))
    graph.operator(Operator.FILL, (sizes, value), (room,), schema.FillOptionsT())
    return room


def _join(graph: Graph, rows: Sequence[int]) -> int:
    """Join rows, each [1, units], to one tensor [steps, units]."""
    if len(rows) == 1:
        return rows[0]
    shape = (len(rows), graph.shape(rows[0])[1])
    joined = graph.tensor(shape, graph.type(rows[0]), graph.scale_or_none(rows[0]))
    graph.operator(Operator.CONCATENATION, rows, (joined,), schema.ConcatenationOptionsT())
    return joined


def _like(graph: Graph, other: Graph, index: int) -> int:
    """Add a tensor to `graph` with the shape, type and scale of one in another graph."""
    return graph.tensor(other.shape(index), other.type(index), other.scale_or_none(index))


def _computed(value: Value) -> int:
    if isinstance(value, Zero):
        raise TypeError(f"{value.role!r} is zero after a step")
    return value
