"""The peers that limits refer to: the same Keras model by TensorFlow's own tools, used as their pages say."""

from functools import partial
from typing import Any

import numpy as np

from common.bare_subjects import BareSubject, from_onnx, from_tflite
from edgernn.arrays import Float32
from edgernn_benchmarks import conversions
from edgernn_export.formats.tflite import graph
from peers.registry import ROUNDED, SAME, Peer, by_name

STOCK_FLOAT32 = "stock TFLite float32"
UNROLLED_INT8 = ("Keras unroll=True int8, TFLiteConverter", "Keras unroll=True int8, litert-quantizer")
TF2ONNX = "tf2onnx float32"
# Tools with more than one file.
STOCK_TFLITE, UNROLLED = "stock TFLite", "Keras unroll=True"


def stock_tflite(model: Any, _x_calibration: Float32) -> BareSubject:
    """Convert by `TFLiteConverter.from_keras_model`, as `edgernn compare --peers` does."""
    return from_tflite(conversions.stock_tflite(model))


def keras_unrolled_int8(model: Any, x_calibration: Float32) -> BareSubject:
    """Return the subject of `unrolled_int8`."""
    return from_tflite(unrolled_int8(model, x_calibration))


def unrolled_int8(model: Any, x_calibration: Float32) -> bytes:
    """Convert Keras's own unrolling to full integers by TFLiteConverter, float32 in and out (its default)."""
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(conversions.rebuild(model, unroll=True))
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([x[np.newaxis]] for x in x_calibration)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    data: bytes = converter.convert()
    return data


def keras_unrolled_int8_by_quantizer(model: Any, x_calibration: Float32) -> BareSubject:
    """Convert Keras's own unrolling to full integers by litert-quantizer, which the converter's pages name.

    Its recipe makes integer inputs and outputs; this is disabled, so that both int8 peers take float32. In Keras's GRU
    and LSTM, no operator reads one output of the first step's SPLIT. LiteRT allocates no memory for it, so that the
    calibration ends in a ValueError; and the quantizer would leave it float32, which LiteRT refuses. So it is an output
    of the graph during calibration and quantization.
    """
    import tensorflow as tf
    from ai_edge_litert.interpreter import Interpreter
    from litert_quantizer import quantizer, recipe
    from litert_quantizer.algorithm_manager import AlgorithmName
    from litert_quantizer.qtyping import TFLOperationName

    floats = tf.lite.TFLiteConverter.from_keras_model(conversions.rebuild(model, unroll=True)).convert()
    work = quantizer.Quantizer(_add_unread_outputs(floats), recipe.static_wi8_ai8())
    for side in (TFLOperationName.INPUT, TFLOperationName.OUTPUT):
        work.update_quantization_recipe(".*", side, algorithm_key=AlgorithmName.NO_QUANTIZE)
    ((key, signature),) = Interpreter(model_content=floats).get_signature_list().items()
    (input_name,) = signature["inputs"]
    measured = work.calibrate({key: [{input_name: x[np.newaxis]} for x in x_calibration]})
    return from_tflite(_keep_first_output(bytes(work.quantize(measured).quantized_model)))


def tf2onnx_own(model: Any, _x_calibration: Float32) -> BareSubject:
    """Convert by `tf2onnx.convert.from_function`, as `edgernn compare --peers` does."""
    return from_onnx(conversions.stock_onnx(model))


def _add_unread_outputs(data: bytes) -> bytes:
    """Add to a .tflite file of one subgraph and one output, behind that output, the tensors that no operator reads."""
    model = graph.read(data)
    (subgraph,) = model.subgraphs
    (answer,) = map(int, subgraph.outputs)
    read = {answer, *_tensors_read(subgraph)}
    unread = [int(index) for operator in subgraph.operators for index in operator.outputs if int(index) not in read]
    subgraph.outputs = [answer, *unread]
    # A peer's bytes stay unchanged where possible.
    return graph.write(model) if unread else data


def _keep_first_output(data: bytes) -> bytes:
    """Keep only the first output of the file, and remove the operators that convert the others to float32."""
    model = graph.read(data)
    (subgraph,) = model.subgraphs
    if len(subgraph.outputs) == 1:
        return data
    subgraph.outputs = [int(subgraph.outputs[0])]
    needed = {*_tensors_read(subgraph), *subgraph.outputs}
    subgraph.operators = [
        operator for operator in subgraph.operators if needed.intersection(map(int, operator.outputs))
    ]
    return graph.write(model)


def _tensors_read(subgraph: Any) -> set[int]:
    """Return the tensors that some operator reads."""
    return {int(index) for operator in subgraph.operators for index in operator.inputs}


_CONVERTER = "https://ai.google.dev/edge/litert/conversion/tensorflow/convert_tf"
_INTEGERS = "https://ai.google.dev/edge/litert/conversion/tensorflow/quantization/post_training_integer_quant"
_QUANTIZER = "https://github.com/google-ai-edge/ai-edge-quantizer"
TF2ONNX_PAGE = "https://github.com/onnx/tensorflow-onnx#python-api-reference"
_same, _rounded = partial(Peer, agreement=SAME), partial(Peer, agreement=ROUNDED, tool=UNROLLED)
PEERS = by_name(
    _same(STOCK_FLOAT32, tool=STOCK_TFLITE, make=stock_tflite, page=_CONVERTER),
    _rounded(UNROLLED_INT8[0], make=keras_unrolled_int8, page=_INTEGERS),
    _rounded(UNROLLED_INT8[1], make=keras_unrolled_int8_by_quantizer, page=_QUANTIZER),
    _same(TF2ONNX, tool="tf2onnx", make=tf2onnx_own, page=TF2ONNX_PAGE),
)
