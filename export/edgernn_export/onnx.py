"""ONNX: the lowered model through tf2onnx, each recurrent layer as ONNX's own operator."""

import logging
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from edgernn.card import NAME as CARD_NAME
from edgernn.errors import ExportError
from edgernn_export import keras_model, lowering
from edgernn_export.cells import Cell

# The newest whose RNN every ONNX Runtime since 1.10 (2021) runs.
OPSET = 15
INPUT, OUTPUT = "input", "output"
_CARRIER = "CudnnRNNV3"
_DIRECTION_AXIS = np.array([1], np.int64)


def convert(path: Path) -> bytes:
    """Convert a .keras file to float32 ONNX with a free batch.

    Raises:
        ModelError: the model is not supported.
        ExportError: tf2onnx fails, or the graph needs more than ONNX's own operators.
    """
    import tensorflow as tf
    import tf2onnx

    # It warns about the shapes of the carrier's outputs that nobody reads.
    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    model = keras_model.load(path)
    cells = lowering.carry(model)
    spec = [tf.TensorSpec([None, *model.inputs[0].shape[1:]], tf.float32, name=INPUT)]
    try:
        proto, _ = tf2onnx.convert.from_function(
            tf.function(lambda x: {OUTPUT: model(x, training=False)}),
            input_signature=spec,
            opset=OPSET,
            custom_op_handlers={_CARRIER: (partial(_replace_carrier, cells), [])},
        )
    except Exception as error:  # tf2onnx raises whatever its stages raise
        raise ExportError(f"tf2onnx fails: {str(error).strip().splitlines()[0]}") from error
    _tidy(proto)
    _check(proto)
    data: bytes = proto.SerializeToString(deterministic=True)
    return data


def embed_card(data: bytes, card: bytes) -> bytes:
    """Put a card into a file's metadata, in place of the one that is there."""
    proto = onnx.load_from_string(data)
    onnx.helper.set_model_props(proto, {CARD_NAME: card.decode("ascii")})
    embedded: bytes = proto.SerializeToString(deterministic=True)
    return embedded


def _replace_carrier(cells: Mapping[str, Cell], graph: Any, node: Any, name: str, _arguments: Any) -> None:
    """tf2onnx calls this for each carrier: put ONNX's own operator in its place."""
    operator = cells[name.rpartition("/")[2]].onnx_operator()
    constants = [graph.make_const(f"{name}/{part}", getattr(operator, part)).output[0] for part in ("w", "r", "b")]
    sequence, state = node.output[:2]
    source = node.input[0]
    shapes = [graph.get_shape(sequence), graph.get_shape(state)]
    graph.remove_node(name)
    # ONNX keeps an axis for the direction behind the steps; the carrier has none.
    with_direction = f"{sequence}/direction"
    graph.make_node(
        operator.kind,
        [source, *constants],
        attr=dict(operator.attributes),
        outputs=[with_direction, state],
        shapes=[None, shapes[1]],
        dtypes=[onnx.TensorProto.FLOAT] * 2,
        name=name,
    )
    axes = graph.make_const(f"{name}/axes", _DIRECTION_AXIS).output[0]
    graph.make_node(
        "Squeeze",
        [with_direction, axes],
        outputs=[sequence],
        shapes=[shapes[0]],
        dtypes=[onnx.TensorProto.FLOAT],
        name=f"{name}/squeeze",
    )


def _tidy(proto: onnx.ModelProto) -> None:
    """Leave out what nothing reads, and give short names that are the same at every export."""
    used = {node.domain for node in proto.graph.node}
    kept = [opset for opset in proto.opset_import if opset.domain in used]
    del proto.opset_import[:]
    proto.opset_import.extend(kept)
    proto.graph.ClearField("doc_string")
    proto.graph.ClearField("value_info")
    _rename(proto.graph)
    for value in (*proto.graph.input, *proto.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"


def _rename(graph: onnx.GraphProto) -> None:
    """Name every value after what makes it; tf2onnx counts on through the whole process."""
    names = {value.name: value.name for value in (*graph.input, *graph.output)}
    for index, constant in enumerate(graph.initializer):
        constant.name = names.setdefault(constant.name, f"constant_{index}")
    for index, node in enumerate(graph.node):
        node.name = f"{node.op_type.lower()}_{index}"
        for position, output in enumerate(node.output):
            node.output[position] = output and names.setdefault(output, f"{node.name}_{position}")
    for node in graph.node:
        node.input[:] = [name and names[name] for name in node.input]
    graph.name = "edgernn"


def _check(proto: onnx.ModelProto) -> None:
    foreign = sorted({f"{node.domain}.{node.op_type}" for node in proto.graph.node if node.domain})
    carriers = [node.op_type for node in proto.graph.node if node.op_type in (_CARRIER, "Loop", "Scan")]
    if foreign or carriers:
        raise ExportError(f"needs operators that are not wanted in an ONNX file: {', '.join(foreign + carriers)}")
    try:
        onnx.checker.check_model(proto, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ExportError(f"the ONNX checker refuses the graph: {error}") from error
