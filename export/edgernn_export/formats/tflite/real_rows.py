"""Real rows: the time steps that a mask keeps, moved to the front of a sequence, and their outputs moved back.

Layouts that cannot select states at each step run over this sequence without a mask. Its last rows are masked ones,
whose outputs are not used.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgernn_export.formats.tflite.arithmetic import Float32Ops
from edgernn_export.formats.tflite.graph import Graph, Operator, TensorType
from edgernn_export.formats.tflite.layouts import Layer


@dataclass(frozen=True)
class RealRows:
    """The real rows of a sequence, in a graph.

    Attributes:
        graph: the graph.
        x: the sequence with its real rows in front, [1, steps, features].
        is_real: int32 [steps], 1 for each step of the original sequence that is kept, otherwise 0.
    """

    graph: Graph
    x: int
    is_real: int

    @classmethod
    def of(cls, graph: Graph, x: int, mask: int, *, backwards: bool) -> "RealRows":
        """Move the real rows to the front.

        Args:
            graph: to add operators to.
            x: the sequence, [1, steps, features].
            mask: bool [1, steps].
            backwards: whether the last row comes first; this is the order of `is_real` and of outputs, too.
        """
        _, steps, _ = graph.shape(x)
        is_real = _append(graph, Operator.CAST, (graph.reshape(mask, (steps,)),), (steps,), schema.CastOptionsT())
        if backwards:
            x, is_real = graph.reverse(x, axis=1), graph.reverse(is_real, axis=0)
        # A real row's key is larger than that of any masked one, and than that of any later real one.
        keys = _append(
            graph, Operator.MUL, (is_real, graph.constant(np.array(steps, np.int32))), (steps,), schema.MulOptionsT()
        )
        numbers = graph.constant(np.arange(steps, dtype=np.int32))
        keys = _append(graph, Operator.SUB, (keys, numbers), (steps,), schema.SubOptionsT())
        largest, order = (graph.tensor((steps,), TensorType.INT32) for _ in range(2))
        count = graph.constant(np.array(steps, np.int32))
        graph.operator(Operator.TOPK_V2, (keys, count), (largest, order), schema.TopKV2OptionsT())
        return cls(graph, _gathered(graph, x, order, axis=1), is_real)

    def restore(self, ops: Float32Ops, outputs: int, layer: Layer) -> int:
        """Move the outputs back to the steps of their rows, and fill in those of masked steps.

        Args:
            ops: the layer's arithmetic in the graph.
            outputs: of all rows in `x`, [steps, units] or [1, steps, units].
            layer: the last layer.

        Returns:
            The layer's output, [steps, units] or [1, units].
        """
        graph, units = self.graph, layer.cell.units
        (steps,) = graph.shape(self.is_real)
        # Output 0 is that of zero states, before the first real row.
        first = ops.zeros(units, layer.cell.states[0])
        padded = graph.tensor((steps + 1, units), graph.type(outputs), graph.scale_or_none(outputs))
        rows = outputs if graph.shape(outputs) == (steps, units) else graph.reshape(outputs, (steps, units))
        graph.operator(Operator.CONCATENATION, (first, rows), (padded,), schema.ConcatenationOptionsT())
        axis = graph.constant(np.array(0, np.int32))
        places = _append(graph, Operator.CUMSUM, (self.is_real, axis), (steps,), schema.CumsumOptionsT())
        if layer.zero_output:
            places = _append(graph, Operator.MUL, (places, self.is_real), (steps,), schema.MulOptionsT())
        if not layer.return_sequences:
            last = graph.constant(np.array([steps - 1], np.int32))
            places = _gathered(graph, places, last, axis=0)
        return _gathered(graph, padded, places, axis=0)


def over_real_rows(graph: Graph, layers: Sequence[Layer], x: int, build: Callable[[Sequence[Layer], int], int]) -> int:
    """Add the operators of layers that share a mask.

    Args:
        graph: to add operators to.
        layers: each takes the output of the one before; only a single layer may go backwards.
        x: the input of the first layer, [1, steps, features].
        build: adds the operators of layers without a mask, and returns the output of every step.

    Returns:
        The output of the last layer, [steps, units] or [1, units].
    """
    first, last = layers[0], layers[-1]
    if first.mask is None:
        raise TypeError(f"layer {first.name!r} has no mask")
    rows = RealRows.of(graph, x, first.mask, backwards=first.backwards)
    bare = [replace(layer, mask=None, zero_output=False, backwards=False, return_sequences=True) for layer in layers]
    return rows.restore(last.make_ops(graph), build(bare, rows.x), last)


def _append(graph: Graph, code: int, inputs: tuple[int, ...], shape: tuple[int, ...], options: object) -> int:
    """Add an operator whose result is int32."""
    output = graph.tensor(shape, TensorType.INT32)
    graph.operator(code, inputs, (output,), options)
    return output


def _gathered(graph: Graph, x: int, places: int, axis: int) -> int:
    shape = list(graph.shape(x))
    (shape[axis],) = graph.shape(places)
    gathered = graph.tensor(shape, graph.type(x), graph.scale_or_none(x))
    graph.operator(Operator.GATHER, (x, places), (gathered,), schema.GatherOptionsT(axis=axis))
    return gathered
