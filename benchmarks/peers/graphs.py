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


def operator(model: Any, samples: int = 1) -> bytes:
    """Convert the model to ONNX's own RNN, GRU or LSTM: our graph without its states.

    No other converter makes these operators of Keras 3. Input and output have the fixed shapes that most importers
    need: float32 [samples, steps, features] and [samples, classes].
    """
    import onnx
    from onnx.tools.update_model_dims import update_inputs_outputs_dims

    proto = onnx.load_from_string(our_onnx.convert(rebuilding.copy(model)))
    graph = proto.graph
    for node in graph.node:
        if node.op_type in _RECURRENT:
            # The inputs after x, the two kernels and the bias are the first states; without them these are zeros.
            del node.input[4:]
    source, target = graph.input[0].name, graph.output[0].name
    proto = onnx.utils.Extractor(proto).extract_model([source], [target])
    proto.graph.name = graph.name  # without the extractor's addition, which counts in a file's size
    del proto.graph.value_info[:]
    shapes = (
        {name: [samples, *ports[0].shape[1:]]} for name, ports in ((source, model.inputs), (target, model.outputs))
    )
    proto = update_inputs_outputs_dims(proto, *shapes)
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
