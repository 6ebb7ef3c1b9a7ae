"""Limits: the lowest and highest value that the integers of a finished .tflite graph represent.

They are read from the graph itself, so the card agrees with the file however the ranges were chosen.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from edgernn.specs import Range
from edgernn_export.formats.tflite.graph import Graph, Operator, Scale, TensorType, read
from edgernn_export.formats.tflite.ranges import FIXED, span

_BITS = {TensorType.INT8: 8, TensorType.INT16: 16}
# Operators that keep values; they may stand between an answer and the operator that computed it.
_SAME_VALUES = (Operator.DEQUANTIZE, Operator.RESHAPE, Operator.QUANTIZE)
# Significant digits of the numbers in a card: enough for comparisons, in few bytes.
_DIGITS = 6


@dataclass(frozen=True)
class Limits:
    """Lowest and highest values that a file's integers represent; values beyond them are cut off.

    Attributes:
        inputs: lowest and highest; None where inputs are not rounded to integers of a fixed scale.
        outputs: likewise; None for answers in floating point, and for those of softmax, sigmoid and tanh, whose
            integers represent all results of these functions.
    """

    inputs: Range | None = None
    outputs: Range | None = None


def limits_of(data: bytes) -> Limits:
    """Find the limits of a .tflite file's signature `sequence`."""
    model = read(data)
    graph = Graph(model, model.subgraphs[0])
    return Limits(_inputs(graph), _outputs(graph))


def _inputs(graph: Graph) -> Range | None:
    source = int(graph.subgraph.inputs[0])
    if graph.type(source) in _BITS:
        return _span(graph, source)
    spans = [
        _span(graph, int(operator.outputs[0]))
        for operator, code in _operators(graph)
        if code == Operator.QUANTIZE and source in map(int, operator.inputs)
    ]
    if not spans:
        return None
    return max(low for low, _ in spans), min(high for _, high in spans)


def _outputs(graph: Graph) -> Range | None:
    makers = {int(output): (operator, code) for operator, code in _operators(graph) for output in operator.outputs}
    index = int(graph.subgraph.outputs[0])
    passed = [index]
    while index in makers and makers[index][1] in _SAME_VALUES:
        index = int(makers[index][0].inputs[0])
        passed.append(index)
    integers = [each for each in passed if graph.type(each) in _BITS]
    code = makers[index][1] if index in makers else None
    if not integers or (code, _BITS.get(graph.type(index))) in FIXED:
        return None
    return _span(graph, integers[0])


def _operators(graph: Graph) -> Iterator[tuple[Any, int]]:
    for operator in graph.subgraph.operators:
        yield operator, graph.model.operatorCodes[operator.opcodeIndex].builtinCode


def _span(graph: Graph, index: int) -> Range:
    scale: Scale = graph.scale(index)
    low, high = span(scale, _BITS[graph.type(index)])
    return float(f"{low:.{_DIGITS}g}"), float(f"{high:.{_DIGITS}g}")
