"""Insert cells: replace each placeholder in a converted TFLite graph by the operators of its cell.

A placeholder stands where a recurrent layer was. TensorFlow's converter leaves it as a custom operator. The quantizer
must be able to prepare the graph, so the placeholder is disguised as a matrix product with weights of no meaning. It
is recognized by the name of its output.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgernn.errors import ExportError
from edgernn_export.formats.tflite.arithmetic import Float32Ops, Value
from edgernn_export.formats.tflite.graph import Graph, Operator, read, write
from edgernn_export.formats.tflite.layouts import Layer, fuse, loop, unroll
from edgernn_export.formats.tflite.real_rows import over_real_rows
from edgernn_export.formats.tflite.row_buffers import add_row_buffer, is_causal_padding
from edgernn_export.lowering import RecurrentPlaceholder

SEQUENCE, STEP = "sequence", "step"
STATE = "state_{}"
# The name of a mask within that of a placeholder's weights; the quantizer may append to it.
_MASK, _MASK_END = "/mask(", ")"


# From a graph and the name of a placeholder to the arithmetic of a number format.
MakeCellOps = Callable[[Graph, str], Float32Ops]


def disguise(data: bytes, placeholders: Mapping[str, RecurrentPlaceholder]) -> bytes:
    """Turn the custom operators of a converted file into matrix products, and name their outputs."""
    model = read(data)
    for number, subgraph in enumerate(model.subgraphs):
        graph = Graph(model, subgraph)
        for call, operator in enumerate(subgraph.operators):
            name = _custom_name(model, operator)
            if name in placeholders:
                # A layer may be called more than once, and the quantizer needs unique names.
                _disguise(graph, operator, placeholders[name], f"{name}@{number}.{call}")
            else:
                graph.operators.append(operator)
        subgraph.operators = graph.operators
    return write(model)


def _disguise(graph: Graph, operator: schema.OperatorT, placeholder: RecurrentPlaceholder, name: str) -> None:
    source, target = int(operator.inputs[0]), int(operator.outputs[0])
    graph.subgraph.tensors[target].name = name.encode()
    _, steps, features = graph.shape(source)
    width = features if placeholder.return_sequences else steps * features
    ones = np.ones((placeholder.cell.units, width), np.float32)
    # A product cannot have the mask as an operand, so the name of its weights refers to it.
    masks = [(graph.subgraph.tensors[int(index)].name or b"").decode() for index in operator.inputs[1:]]
    weights = graph.constant(ones, name="".join([f"{name}/w", *(f"{_MASK}{mask}{_MASK_END}" for mask in masks)]))
    options = schema.FullyConnectedOptionsT(keepNumDims=placeholder.return_sequences)
    graph.operator(Operator.FULLY_CONNECTED, (source, weights, -1), (target,), options)


def has_mask(data: bytes) -> bool:
    """Return True if a placeholder in a disguised file has a mask."""
    return _MASK.encode() in data


def insert_cells(
    data: bytes, placeholders: Mapping[str, RecurrentPlaceholder], layout: str, make_ops: MakeCellOps
) -> bytes:
    """Replace each placeholder by the operators of its cell.

    Args:
        data: a disguised file, quantized or not.
        placeholders: by the names of their outputs.
        layout: of signature `sequence`; signature `step` is one step.
        make_ops: from a graph and a placeholder's name to the number format's arithmetic.

    Raises:
        UnsupportedError: a layer cannot have this layout.
    """
    model = read(data)
    for signature in model.signatureDefs:
        subgraph = model.subgraphs[signature.subgraphIndex]
        streaming = signature.signatureKey == STEP.encode()
        places = {
            number: placeholders[name]
            for number, operator in enumerate(subgraph.operators)
            if (name := _output_name(subgraph, operator)) in placeholders
            and _code(model, operator) == Operator.FULLY_CONNECTED
        }
        # A chain's operators replace its last placeholder, because all their inputs are computed before it.
        chains = {chain[-1]: chain for chain in _chains(subgraph, places, layout)}
        states: list[tuple[int, int]] = []
        operators = []
        for number, operator in enumerate(subgraph.operators):
            graph = Graph(model, subgraph)
            if streaming and is_causal_padding(graph, operator):
                states.append(add_row_buffer(graph, operator))
                operators += graph.operators
            elif number not in places:
                operators.append(operator)
            elif number in chains:
                source = int(subgraph.operators[chains[number][0]].inputs[0])
                layers = [
                    _layer(places[each], make_ops, _mask_of(subgraph, subgraph.operators[each]))
                    for each in chains[number]
                ]
                states += _build(graph, layers, source, int(operator.outputs[0]), layout, streaming)
                operators += graph.operators
        subgraph.operators = operators
        _expose(model, signature, states)
        _drop_unused(subgraph, model)
    return write(model)


def _chains(subgraph: schema.SubGraphT, places: Mapping[int, RecurrentPlaceholder], layout: str) -> list[list[int]]:
    """Group the numbers of the placeholders' operators into chains of layers that directly follow each other."""
    chains: list[list[int]] = []
    for number, placeholder in places.items():
        source = int(subgraph.operators[number].inputs[0])
        before = [
            chain
            for chain in chains
            if int(subgraph.operators[chain[-1]].outputs[0]) == source
            # All layers in a loop go through the steps forward, except the first.
            and not (layout == "loop" and placeholder.backwards)
            and (layout == "unrolled" or _run_together(subgraph, chain[-1], number, places, layout))
        ]
        users = [each for each in subgraph.operators if source in map(int, each.inputs)]
        if before and len(users) == 1 and source not in map(int, subgraph.outputs):
            before[0].append(number)
        else:
            chains.append([number])
    return chains


def _mask_of(subgraph: schema.SubGraphT, operator: schema.OperatorT) -> int | None:
    """Return the tensor of a placeholder's mask; None if it has none."""
    weights = subgraph.tensors[int(operator.inputs[1])].name.decode()
    _, found, mask = weights.partition(_MASK)
    if not found:
        return None
    names = [(tensor.name or b"").decode() for tensor in subgraph.tensors]
    return names.index(mask.rpartition(_MASK_END)[0])


def _run_together(
    subgraph: schema.SubGraphT, before: int, number: int, places: Mapping[int, RecurrentPlaceholder], layout: str
) -> bool:
    """Return True if a layer may run over the rows of the layer before it: both without a mask, or with the same."""
    masks = [_mask_of(subgraph, subgraph.operators[each]) for each in (before, number)]
    if masks == [None, None]:
        return True
    return layout == "loop" and masks[0] == masks[1] and not places[before].backwards


def _layer(placeholder: RecurrentPlaceholder, make_ops: MakeCellOps, mask: int | None) -> Layer:
    return Layer(
        name=placeholder.layer,
        cell=placeholder.cell,
        return_sequences=placeholder.return_sequences,
        backwards=placeholder.backwards,
        make_ops=lambda graph: make_ops(graph, placeholder.name),
        mask=mask,
        zero_output=placeholder.zero_output,
    )


def _build(
    graph: Graph, layers: Sequence[Layer], source: int, target: int, layout: str, streaming: bool
) -> list[tuple[int, int]]:
    """Build the layers of a chain; for a stream, return the tensors of their first and last states."""
    masked = layers[0].mask is not None
    if layout == "loop" and not streaming:
        looped = partial(loop, graph)
        _connect(graph, over_real_rows(graph, layers, source, looped) if masked else looped(layers, source), target)
        return []
    if layout == "fused" and masked:
        if streaming:
            raise ExportError(
                f"layer {layers[0].name!r}: TFLite's fused operator changes its states at every row, also a masked one"
            )
        _connect(graph, over_real_rows(graph, layers, source, partial(_fuse_alone, graph)), target)
        return []
    build_layer = fuse if layout == "fused" else unroll
    values, pairs = source, list[tuple[Value, Value]]()
    for layer in layers:
        ops = layer.make_ops(graph)
        zeros = layer.zero_states
        first = tuple(ops.state(layer.cell.units, zero.role) for zero in zeros) if streaming else zeros
        values, last = build_layer(ops, layer, values, first)
        pairs += zip(first, last, strict=True)
    output = _connect(graph, values, target)
    return [(a, output if b == values else b) for a, b in pairs if isinstance(a, int) and isinstance(b, int)]


def _fuse_alone(graph: Graph, layers: Sequence[Layer], x: int) -> int:
    """Add the fused operator of one layer, from zero states."""
    (layer,) = layers
    output, _ = fuse(layer.make_ops(graph), layer, x, layer.zero_states)
    return output


def _connect(graph: Graph, source: int, target: int) -> int:
    """Connect a result to the placeholder's output tensor; return the tensor that now contains the result."""
    ours, theirs = graph.scale_or_none(source), graph.scale_or_none(target)
    if ours and theirs and not ours.is_close(theirs):
        # The operators behind the placeholder need another scale.
        rescaled = graph.tensor(graph.shape(source), graph.type(source), theirs)
        graph.operator(Operator.QUANTIZE, (source,), (rescaled,), schema.QuantizeOptionsT())
        _connect(graph, rescaled, target)
        return source
    # The quantizer computed the same scale from a range, except for the last digits of float32. The role's name stays,
    # because ranges are measured by name.
    ours_tensor, theirs_tensor = graph.subgraph.tensors[source], graph.subgraph.tensors[target]
    theirs_tensor.quantization, theirs_tensor.name = ours_tensor.quantization, ours_tensor.name or theirs_tensor.name
    if graph.shape(source) != graph.shape(target):
        graph.reshape_into(source, target)
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
    """Remove operators whose results are not used, and tensors that no operator uses."""
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
