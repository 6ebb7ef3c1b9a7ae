"""Row buffers: in a step, the rows that a causal convolution looks back on, as states in place of its zero padding.

TensorFlow's converter writes causal padding as a PAD of zeros in front of the steps. The graph of a step has the same
PAD in front of its only row. The rows of earlier steps replace these zeros: the first state and the new row are joined,
and the newest of these rows are the last state. Before the first step the state is zeros, as the padding of a sequence.
A state has the scale of the padded rows, so a stream has the bits of a sequence.
"""

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgernn_export.formats.tflite.graph import Graph, Operator


def is_causal_padding(graph: Graph, operator: schema.OperatorT) -> bool:
    """Return True if an operator pads a single row [1, 1, features] with rows in front of it and nothing else."""
    if graph.model.operatorCodes[operator.opcodeIndex].builtinCode != Operator.PAD:
        return False
    shape = graph.shape(int(operator.inputs[0]))
    if len(shape) != 3 or shape[:2] != (1, 1):
        return False
    paddings = graph.values(int(operator.inputs[1])).copy()
    before = int(paddings[1, 0])
    paddings[1, 0] = 0
    return before > 0 and not paddings.any()


def add_row_buffer(graph: Graph, padding: schema.OperatorT) -> tuple[int, int]:
    """Add the operators in place of a causal padding; return the tensors of the first and the last state.

    A state is [1, rows × features], the oldest row first.

    Args:
        graph: to which the operators are added.
        padding: a PAD for which `is_causal_padding` is True.
    """
    row, padded = int(padding.inputs[0]), int(padding.outputs[0])
    _, rows, features = graph.shape(padded)
    size = (rows - 1) * features

    def tensor(*shape: int) -> int:
        return graph.tensor(shape, graph.type(padded), graph.scale_or_none(padded))

    first, last = tensor(1, size), tensor(1, size)
    joined, flat = tensor(1, size + features), tensor(1, features)
    graph.reshape_into(row, flat)
    graph.operator(Operator.CONCATENATION, (first, flat), (joined,), schema.ConcatenationOptionsT(axis=1))
    begin, sizes = (graph.constant(np.array(each, np.int32)) for each in ((0, features), (1, size)))
    graph.operator(Operator.SLICE, (joined, begin, sizes), (last,), schema.SliceOptionsT())
    graph.reshape_into(joined, padded)
    return first, last
