"""Tensor matching: find the tensors of two signatures with the same values, whatever their shape.

TensorFlow's converter writes the step differently from the sequence: for one row it may add a RESHAPE or exchange the
operands of a sum. Two tensors match if they are computed in the same way, whatever the order of their values in memory.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgernn_export.formats.tflite.graph import Operator, TensorType

# Operators that move or select values and compute nothing. In integers their output has the scale of their input.
MOVING = (
    *(Operator.RESHAPE, Operator.SQUEEZE, Operator.EXPAND_DIMS, Operator.TRANSPOSE, Operator.BROADCAST_TO),
    *(Operator.SLICE, Operator.STRIDED_SLICE, Operator.GATHER, Operator.SPLIT, Operator.UNPACK, Operator.REVERSE_V2),
)
# Operators that join values.
JOINING = (Operator.CONCATENATION, Operator.PACK)
_COMMUTING = (Operator.ADD, Operator.MUL, Operator.MAXIMUM, Operator.MINIMUM)


def fingerprints(model: schema.ModelT, subgraph: schema.SubGraphT, names: Sequence[str]) -> dict[int, str]:
    """Compute a fingerprint for each tensor from the operators that make it; matching tensors have the same one.

    Args:
        model: a float32 .tflite file's object tree.
        subgraph: one of its subgraphs.
        names: names of the placeholders, with which the names of their outputs begin; their weights mean nothing.
    """
    found = {index: _constant(model, tensor) for index, tensor in enumerate(subgraph.tensors)}
    found |= {int(index): f"input {number}" for number, index in enumerate(subgraph.inputs)}
    for operator in subgraph.operators:
        code = int(model.operatorCodes[operator.opcodeIndex].builtinCode)
        inputs = [found[int(index)] for index in operator.inputs if index >= 0]
        placeholder = (subgraph.tensors[int(operator.outputs[0])].name or b"").decode().partition("@")[0]
        for number, output in enumerate(operator.outputs):
            if placeholder in names:
                found[int(output)] = _joined(placeholder, inputs[:1])
            elif code in MOVING:
                # The second input of SPLIT is the data; the first is the axis.
                found[int(output)] = inputs[1 if code == Operator.SPLIT else 0]
            elif code in JOINING and len(set(inputs)) == 1:
                found[int(output)] = inputs[0]
            else:
                parts = sorted(inputs) if code in _COMMUTING else inputs
                fused = getattr(operator.builtinOptions, "fusedActivationFunction", 0)
                found[int(output)] = _joined(f"{code} {fused} {number}", parts)
    return found


def computed_from(model: schema.ModelT, subgraph: schema.SubGraphT, start: int, codes: Sequence[int]) -> list[int]:
    """List the tensors that only operators of these codes compute from an input and constants, in order.

    Args:
        model, subgraph: as for `fingerprints`.
        start: index of the input's tensor.
        codes: the operators.
    """
    computed = {start}
    order: list[int] = []
    for operator in subgraph.operators:
        changing = [int(index) for index in operator.inputs if index >= 0 and not is_constant(model, subgraph, index)]
        if (
            model.operatorCodes[operator.opcodeIndex].builtinCode in codes
            and changing
            and computed.issuperset(changing)
        ):
            computed.update(map(int, operator.outputs))
            order += map(int, operator.outputs)
    return order


def match_ranges(
    model: schema.ModelT, names: Sequence[str], ranges: Mapping[str, tuple[float, float]]
) -> tuple[dict[str, tuple[float, float]], list[str]]:
    """Extend the ranges of the first signature's tensors to the matching tensors of all signatures.

    Args:
        model, names: as for `fingerprints`.
        ranges: by the names of tensors.

    Returns:
        The ranges, and the names of tensors in later signatures that match none of the first.
    """
    graphs = [model.subgraphs[signature.subgraphIndex] for signature in model.signatureDefs]
    prints = [fingerprints(model, graph, names) for graph in graphs]
    shared: dict[str, tuple[float, float]] = {}
    for index, tensor in enumerate(graphs[0].tensors):
        if (name := (tensor.name or b"").decode()) in ranges:
            low, high = ranges[name]
            known = shared.get(prints[0][index], (low, high))
            shared[prints[0][index]] = min(low, known[0]), max(high, known[1])
    result, unlike = dict(ranges), []
    for number, graph in enumerate(graphs):
        for index, tensor in enumerate(graph.tensors):
            name = (tensor.name or b"").decode()
            if prints[number][index] in shared:
                result[name] = shared[prints[number][index]]
            elif number and tensor.type == TensorType.FLOAT32 and not is_constant(model, graph, index):
                unlike.append(name)
    return result, unlike


def is_constant(model: schema.ModelT, subgraph: schema.SubGraphT, index: int) -> bool:
    """Return True if a tensor's values are stored in the file."""
    data = model.buffers[subgraph.tensors[int(index)].buffer].data
    return data is not None and len(data) > 0


def _constant(model: schema.ModelT, tensor: Any) -> str:
    """Return the fingerprint of a constant: a hash of its values, without repetitions along axes."""
    data = model.buffers[tensor.buffer].data
    if data is None or not len(data):
        return ""
    values = bytes(data)
    if tensor.type == TensorType.FLOAT32:
        width = int(tensor.shape[-1]) if tensor.shape is not None and len(tensor.shape) else 1
        rows = np.frombuffer(values, np.float32).reshape(-1, width)
        rows = rows[:1] if (rows == rows[0]).all() else rows
        values = (rows[:, :1] if (rows == rows[0, 0]).all() else rows).tobytes()
    return hashlib.sha256(values).hexdigest()


def _joined(what: str, parts: Sequence[str]) -> str:
    return hashlib.sha256("|".join([what, *parts]).encode()).hexdigest()
