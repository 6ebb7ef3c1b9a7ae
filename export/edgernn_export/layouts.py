"""Layouts: how the time steps of a cell lie in a TFLite graph.

    unrolled   one after the other
    loop       a WHILE over blocks of them: small, and any number of steps costs the same bytes
    fused      one operator for all of them, where TFLite has it

Each takes the input [1, steps, features] and the first states, and gives the outputs of the steps it was asked for,
each [1, units], and the last states.
"""

from collections.abc import Callable, Sequence

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgernn_export.cells import Cell
from edgernn_export.graph import Graph, Operator, TensorType
from edgernn_export.tflite_ops import Float32Ops, Value, Zero

States = tuple[Value, ...]
MakeOps = Callable[[Graph], Float32Ops]

# Steps a round of the loop. Measured for int8, 64 units: at 28 steps rounds of 1, 2, 4 and 7 took 18.8, 16.2, 13.7 and
# 15.1 µs; at 512 steps rounds of 4 and 8 took 149 and 137 µs. Rounds of 16 cost a kilobyte more.
SHORT_BLOCK, LONG_BLOCK = 4, 8
LONG_STEPS = 256


def unroll(ops: Float32Ops, cell: Cell, x: int, states: States, backwards: bool) -> tuple[list[Value], States]:
    """Every step's operators, one step after the other; the input product of all steps is one, in front."""
    steps = ops.graph.shape(x)[1]
    projected = cell.project(ops, x)
    rows = ops.split(projected, steps)
    outputs = []
    for row in reversed(rows) if backwards else rows:
        output, states = cell.step(ops, row, states)
        outputs.append(output)
    return outputs, states


def loop(ops: Float32Ops, make_ops: MakeOps, cell: Cell, x: int) -> States:
    """A WHILE over blocks of steps, from states that are zero; the last states.

    Its variables are the number of the block, the input in blocks, and the states.
    """
    graph = ops.graph
    _, steps, features = graph.shape(x)
    block = block_size(steps)
    blocks = graph.tensor((steps // block, block, features), ops.type, graph.scale_or_none(x))
    new_shape = graph.constant(np.array((steps // block, block, features), np.int32))
    graph.operator(Operator.RESHAPE, (x, new_shape), (blocks,), schema.ReshapeOptionsT())
    counter = graph.constant(np.array([0], np.int32))
    zeros = [ops.zero_state(*state) for state in zip(cell.state_sizes, cell.state_activations, strict=True)]
    variables = [counter, blocks, *zeros]
    results = [_like(graph, graph, variable) for variable in variables]
    options = schema.WhileOptionsT(
        condSubgraphIndex=_condition(graph, variables, steps // block),
        bodySubgraphIndex=_body(graph, make_ops, cell, variables),
    )
    graph.operator(Operator.WHILE, variables, results, options)
    return tuple(results[2:])


def block_size(steps: int) -> int:
    """How many steps a round of the loop takes: a divisor of all steps."""
    most = LONG_BLOCK if steps >= LONG_STEPS else SHORT_BLOCK
    return max(size for size in range(1, most + 1) if steps % size == 0)


def fuse(ops: Float32Ops, cell: Cell, x: int, states: States) -> tuple[list[Value], States]:
    """One operator for all steps; the output of the last one, and the last states.

    The operator keeps its state in a variable tensor. In a sequence that is set to zero in front of it, at every
    call; in a stream it is the state that goes in and comes out.
    """
    graph = ops.graph
    _, steps, _ = graph.shape(x)
    activation = getattr(schema.ActivationFunctionType, cell.fused_activation())
    # Its integer kernels know one scale a tensor; they read the first of several and answer wrongly.
    weights = [ops.weights(kernel, one_scale=True) for kernel in (cell.kernel, cell.recurrent_kernel)]
    bias = graph.constant(cell.bias)
    (state,) = (graph.tensor((1, cell.units), ops.type) if isinstance(value, Zero) else value for value in states)
    if isinstance(states[0], Zero):
        # Not a constant: those are copied once, when the graph is prepared.
        zeros = graph.tensor((cell.units,), ops.type)
        graph.operator(Operator.ZEROS_LIKE, (bias,), (zeros,), schema.ZerosLikeOptionsT())
        shape = graph.constant(np.array((1, cell.units), np.int32))
        graph.operator(Operator.RESHAPE, (zeros, shape), (state,), schema.ReshapeOptionsT())
    graph.make_variable(state)
    outputs = graph.tensor((1, steps, cell.units), ops.type)
    options = schema.SequenceRNNOptionsT(fusedActivationFunction=activation)
    graph.operator(Operator.UNIDIRECTIONAL_SEQUENCE_RNN, (x, *weights, bias, state), (outputs,), options)
    last = graph.tensor((1, 1, cell.units), ops.type)
    place = graph.constant(np.array([steps - 1], np.int32))
    graph.operator(Operator.GATHER, (outputs, place), (last,), schema.GatherOptionsT(axis=1))
    return [last], (state,)


def _condition(outer: Graph, variables: Sequence[int], rounds: int) -> int:
    """The subgraph that says whether there is another round; its index."""
    graph, index = Graph.new(outer.model)
    inputs = [_like(graph, outer, variable) for variable in variables]
    more = graph.tensor((1,), TensorType.BOOL)
    limit = graph.constant(np.array([rounds], np.int32))
    graph.operator(Operator.LESS, (inputs[0], limit), (more,), schema.LessOptionsT())
    graph.finish(inputs, [more])
    return index


def _body(outer: Graph, make_ops: MakeOps, cell: Cell, variables: Sequence[int]) -> int:
    """The subgraph of one round: a block of steps; its index."""
    graph, index = Graph.new(outer.model)
    ops = make_ops(graph)
    counter, blocks, *states = (_like(graph, outer, variable) for variable in variables)
    _, block, features = graph.shape(blocks)
    rows = graph.tensor((1, block, features), ops.type, graph.scale_or_none(blocks))
    graph.operator(Operator.GATHER, (blocks, counter), (rows,), schema.GatherOptionsT())
    _, last = unroll(ops, cell, rows, tuple(states), backwards=False)
    next_counter = graph.tensor((1,), TensorType.INT32)
    one = graph.constant(np.array([1], np.int32))
    graph.operator(Operator.ADD, (counter, one), (next_counter,), schema.AddOptionsT())
    ends = [end for end in last if isinstance(end, int)]
    graph.finish([counter, blocks, *states], [next_counter, blocks, *ends])
    return index


def _like(graph: Graph, other: Graph, index: int) -> int:
    """A new tensor in `graph`, shaped and scaled as one in another graph."""
    return graph.tensor(other.shape(index), other.type(index), other.scale_or_none(index))
