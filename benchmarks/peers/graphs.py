"""ONNX graphs of a Keras model for other tools: tf2onnx's graphs, and one with ONNX's own operator."""

from typing import Any

import numpy as np

from edgernn_benchmarks import conversions
from edgernn_export import rebuilding
from edgernn_export.formats.onnx import convert as our_onnx

_RECURRENT = ("RNN", "GRU", "LSTM")


def unrolled(model: Any) -> bytes:
    """Convert the model with tf2onnx and Keras's `unroll=True`: the steps one after the other."""
    return conversions.stock_onnx(conversions.rebuild(model, unroll=True))


def operator(model: Any) -> bytes:
    """Convert the model to ONNX's own RNN, GRU or LSTM: our graph without its states.

    No other converter makes these operators of Keras 3. Input and output have the fixed shapes that most importers
    need, of one sample: float32 [1, steps, features] and [1, classes].
    """
    import onnx

    proto = onnx.load_from_string(our_onnx.convert(rebuilding.copy(model)))
    graph = proto.graph
    for node in graph.node:
        if node.op_type in _RECURRENT:
            # The inputs after x, the two kernels and the bias are the first states; without them these are zeros.
            del node.input[4:]
    _drop_unread(graph)
    (source,), (target,) = graph.input, graph.output
    _set_shape(source, (1, *model.inputs[0].shape[1:]))
    _set_shape(target, (1, *model.outputs[0].shape[1:]))
    data: bytes = onnx.shape_inference.infer_shapes(proto).SerializeToString()
    return data


def sequence(model: Any) -> bytes:
    """Convert as `operator`, but read the answer from the states after all steps, as PyTorch writes it for pnnx."""
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
    """Remove every output of a graph except the first, and everything that is then unread."""
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
