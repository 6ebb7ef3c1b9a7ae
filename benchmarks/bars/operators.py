"""Count operators that a light runtime lacks, or that hide time steps in a loop."""

from collections.abc import Iterator
from typing import Any

from edgernn_export.formats.tflite.graph import Operator, read

_CONTROL_FLOW = ("Loop", "Scan", "If")


def count_custom(data: bytes) -> int:
    """Count the custom operators in a .tflite file, TensorFlow's own (Flex) included."""
    model = read(data)
    used = [operator.opcodeIndex for subgraph in model.subgraphs for operator in subgraph.operators]
    return sum(int(model.operatorCodes[index].builtinCode) == Operator.CUSTOM for index in used)


def count_control_flow(data: bytes) -> int:
    """Count the operators Loop, Scan and If in an .onnx file."""
    import onnx

    model = onnx.load_model_from_string(data)
    nodes = [*model.graph.node, *(node for function in model.functions for node in function.node)]
    return sum(node.op_type in _CONTROL_FLOW for node in _with_inner(nodes))


def _with_inner(nodes: Any) -> Iterator[Any]:
    """Yield the nodes, and those of the graphs inside them."""
    for node in nodes:
        yield node
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                yield from _with_inner(graph.node)
