"""ONNX graphs of a Keras model, which other tools read: as tf2onnx makes them, and with ONNX's own operator."""

from typing import Any

import numpy as np

from edgernn_benchmarks import conversions
from edgernn_export import onnx as our_onnx
from edgernn_export import rebuilding

_RECURRENT = ("RNN", "GRU", "LSTM")


def loop(model: Any) -> bytes:
    """What tf2onnx makes of the model: a Loop over the time steps."""
    return conversions.stock_onnx(model)


def unrolled(model: Any) -> bytes:
    """What tf2onnx makes of the model with Keras's `unroll=True`: the steps one after the other."""
    return conversions.stock_onnx(conversions.rebuild(model, unroll=True))


def operator(model: Any) -> bytes:
    """The model with ONNX's own RNN, GRU or LSTM, which no converter makes of Keras 3: ours, without its states.

    Input and output are of one sample, float32 [1, steps, features] and [1, classes]: most importers want to know.
    """
    import onnx

    proto = onnx.load_from_string(our_onnx.convert(rebuilding.copy(model)))
    graph = proto.graph
    for node in graph.node:
        if node.op_type in _RECURRENT:
            # Behind x, the two kernels and the bias come what makes the first states; zeros without it.
            del node.input[4:]
    _drop_unread(graph)
    (source,), (target,) = graph.input, graph.output
    _set_shape(source, (1, *model.inputs[0].shape[1:]))
    _set_shape(target, (1, *model.outputs[0].shape[1:]))
    data: bytes = onnx.shape_inference.infer_shapes(proto).SerializeToString()
    return data


def sequence(model: Any) -> bytes:
    """`operator` with its answer taken from the states after all steps, as PyTorch writes it and pnnx wants it."""
    import onnx

    proto = onnx.load_from_string(operator(model))
    graph = proto.graph
    recurrent = next(node for node in graph.node if node.op_type in _RECURRENT)
    every_state, last_state = recurrent.output[:2]
    del recurrent.output[1:]
    nodes = []
    for node in graph.node:
        if last_state not in node.input:
            nodes.append(node)
            continue
        nodes.append(onnx.helper.make_node("Squeeze", [every_state, "direction"], ["states"]))
        nodes.append(onnx.helper.make_node("Gather", ["states", "last"], list(node.output), axis=0))
    graph.initializer.append(onnx.numpy_helper.from_array(np.array([1], np.int64), "direction"))
    graph.initializer.append(onnx.numpy_helper.from_array(np.array(-1, np.int64), "last"))
    del graph.node[:]
    graph.node.extend(nodes)
    data: bytes = onnx.shape_inference.infer_shapes(proto).SerializeToString()
    return data


def _drop_unread(graph: Any) -> None:
    """Leave out of a graph every output but the first, and what then nothing reads."""
    answer = graph.output[0].name
    needed, kept = {answer}, []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            needed.update(node.input)
            kept.append(node)
    for field, values in (
        (graph.node, kept[::-1]),
        (graph.initializer, [value for value in graph.initializer if value.name in needed]),
        (graph.input, [value for value in graph.input if value.name in needed]),
        (graph.output, [value for value in graph.output if value.name == answer]),
        (graph.value_info, []),
    ):
        del field[:]
        field.extend(values)


def _set_shape(value: Any, shape: tuple[int, ...]) -> None:
    for dimension, size in zip(value.type.tensor_type.shape.dim, shape, strict=True):
        dimension.dim_value = size
