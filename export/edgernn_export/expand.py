"""Expansion: each carrier in a converted TFLite graph becomes the operators of its cell.

A carrier stands where a recurrent layer was. TensorFlow's converter leaves it as a custom operator; for the
quantizer, which must be able to prepare the graph, it is dressed up as a matrix product with weights of no meaning.
It is known by the name of its output.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgernn.errors import UnsupportedError
from edgernn_export.graph import Graph, Operator, read, write
from edgernn_export.layouts import fuse, loop, unroll
from edgernn_export.lowering import Carrier
from edgernn_export.tflite_ops import ZERO, Float32Ops, Value

SEQUENCE, STEP = "sequence", "step"
STATE = "state_{}"

MakeCellOps = Callable[[Graph, str], Float32Ops]


def dress(data: bytes, carriers: Mapping[str, Carrier]) -> bytes:
    """Turn the custom operators of a converted file into matrix products, and name their outputs."""
    model = read(data)
    for number, subgraph in enumerate(model.subgraphs):
        graph = Graph(model, subgraph)
        operators = []
        for operator in subgraph.operators:
            name = _custom_name(model, operator)
            if name in carriers:
                _dress(graph, operator, carriers[name], f"{name}@{number}")
            else:
                graph.operators.append(operator)
            operators += graph.operators
            graph.operators = []
        subgraph.operators = operators
    return write(model)


def _dress(graph: Graph, carrier: schema.OperatorT, kind: Carrier, name: str) -> None:
    source, target = int(carrier.inputs[0]), int(carrier.outputs[0])
    graph.subgraph.tensors[target].name = name.encode()
    _, steps, features = graph.shape(source)
    width = features if kind.return_sequences else steps * features
    weights = np.ones((kind.cell.units, width), np.float32)
    options = schema.FullyConnectedOptionsT(keepNumDims=kind.return_sequences)
    graph.operator(
        Operator.FULLY_CONNECTED, (source, graph.constant(weights, name=f"{name}/w"), -1), (target,), options
    )


def expand(data: bytes, carriers: Mapping[str, Carrier], layout: str, make_ops: MakeCellOps) -> bytes:
    """Put the operators of each cell in the place of its carrier.

    Args:
        data: a dressed file, quantized or not.
        carriers: by the name of their output.
        layout: of signature `sequence`; signature `step` is one step.
        make_ops: the number format's arithmetic in a graph, for the carrier of a name.

    Raises:
        UnsupportedError: a layer cannot be laid out like that.
    """
    model = read(data)
    for signature in model.signatureDefs:
        subgraph = model.subgraphs[signature.subgraphIndex]
        streaming = signature.signatureKey == STEP.encode()
        states: list[tuple[int, int]] = []
        operators = []
        for operator in subgraph.operators:
            kind = carriers.get(_output_name(subgraph, operator))
            if kind is None or _code(model, operator) != Operator.FULLY_CONNECTED:
                operators.append(operator)
                continue
            graph = Graph(model, subgraph)
            ops = make_ops(graph, kind.name)
            states += _expand_one(ops, make_ops, kind, operator, layout, streaming)
            operators += graph.operators
        subgraph.operators = operators
        _expose(model, signature, states)
        _drop_unused(subgraph, model)
    return write(model)


def _expand_one(
    ops: Float32Ops, make_ops: MakeCellOps, kind: Carrier, carrier: schema.OperatorT, layout: str, streaming: bool
) -> list[tuple[int, int]]:
    """Lay out one cell; for a stream the tensors of its first and last states."""
    if layout != "unrolled" and (kind.return_sequences or kind.backwards):
        option = "return_sequences" if kind.return_sequences else "go_backwards"
        raise UnsupportedError(f"layer {kind.layer!r} has {option}=True, which layout {layout} cannot give")
    source, target = int(carrier.inputs[0]), int(carrier.outputs[0])
    cell = kind.cell
    outputs: list[Value]
    first: tuple[Value, ...] = (ZERO,) * len(cell.state_sizes)
    if streaming:
        first = tuple(
            ops.state(size, activation)
            for size, activation in zip(cell.state_sizes, cell.state_activations, strict=True)
        )
    if layout == "fused":
        outputs, last = fuse(ops, cell, source, first)
    elif layout == "loop" and not streaming:
        last = loop(ops, lambda graph: make_ops(graph, kind.name), cell, source)
        outputs = [last[0]]
    else:
        outputs, last = unroll(ops, cell, source, first, kind.backwards)
    joined = _join(ops.graph, [o for o in (outputs if kind.return_sequences else outputs[-1:]) if isinstance(o, int)])
    renamed = _lead_into(ops.graph, joined, target)
    if not streaming:
        return []
    ends = [renamed if end == joined else end for end in last]
    return [(a, b) for a, b in zip(first, ends, strict=True) if isinstance(a, int) and isinstance(b, int)]


def _join(graph: Graph, rows: list[int]) -> int:
    """The outputs of several steps, each [1, units], as one tensor [steps, units]."""
    if len(rows) == 1:
        return rows[0]
    shape = (len(rows), graph.shape(rows[0])[1])
    joined = graph.tensor(shape, graph.type(rows[0]), graph.scale_or_none(rows[0]))
    graph.operator(Operator.CONCATENATION, rows, (joined,), schema.ConcatenationOptionsT())
    return joined


def _lead_into(graph: Graph, source: int, target: int) -> int:
    """Lead a result into the tensor that the carrier gave; where the result now is."""
    if graph.shape(source) != graph.shape(target):
        shape = graph.constant(np.array(graph.shape(target), np.int32))
        graph.operator(Operator.RESHAPE, (source, shape), (target,), schema.ReshapeOptionsT())
        return source
    for operator in graph.operators:
        operator.inputs = [target if index == source else index for index in operator.inputs]
        operator.outputs = [target if index == source else index for index in operator.outputs]
    return target


def _expose(model: schema.ModelT, signature: schema.SignatureDefT, states: list[tuple[int, int]]) -> None:
    """Make the states inputs and outputs of the signature's subgraph."""
    subgraph = model.subgraphs[signature.subgraphIndex]
    for number, (first, last) in enumerate(states):
        name = STATE.format(number).encode()
        subgraph.tensors[first].name = name
        subgraph.inputs = [*subgraph.inputs, first]
        subgraph.outputs = [*subgraph.outputs, last]
        signature.inputs.append(schema.TensorMapT(name=name, tensorIndex=first))
        signature.outputs.append(schema.TensorMapT(name=name, tensorIndex=last))


def _drop_unused(subgraph: schema.SubGraphT, model: schema.ModelT) -> None:
    """Leave out operators whose results nobody reads, and tensors that nobody touches."""
    used = {int(index) for index in subgraph.outputs}
    kept = []
    for operator in reversed(subgraph.operators):
        if used.intersection(map(int, operator.outputs)):
            kept.append(operator)
            used.update(int(index) for index in operator.inputs)
    subgraph.operators = kept[::-1]
    touched = used.union(*(map(int, operator.outputs) for operator in kept), map(int, subgraph.inputs)) - {-1}
    places = {old: new for new, old in enumerate(sorted(touched))}
    places[-1] = -1
    subgraph.tensors = [subgraph.tensors[index] for index in sorted(touched)]
    subgraph.inputs = [places[int(index)] for index in subgraph.inputs]
    subgraph.outputs = [places[int(index)] for index in subgraph.outputs]
    for operator in subgraph.operators:
        operator.inputs = [places[int(index)] for index in operator.inputs]
        operator.outputs = [places[int(index)] for index in operator.outputs]
    for signature in model.signatureDefs:
        if model.subgraphs[signature.subgraphIndex] is subgraph:
            for entry in (*signature.inputs, *signature.outputs):
                entry.tensorIndex = places[int(entry.tensorIndex)]


def _custom_name(model: schema.ModelT, operator: schema.OperatorT) -> str:
    custom = model.operatorCodes[operator.opcodeIndex].customCode
    return custom.decode() if custom else ""


def _output_name(subgraph: schema.SubGraphT, operator: schema.OperatorT) -> str:
    name = subgraph.tensors[int(operator.outputs[0])].name
    return name.decode().partition("@")[0] if name else ""


def _code(model: schema.ModelT, operator: Any) -> int:
    return int(model.operatorCodes[operator.opcodeIndex].builtinCode)
