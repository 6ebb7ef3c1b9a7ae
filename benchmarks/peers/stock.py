"""The peers that limits refer to: the same Keras model by TensorFlow's own tools, used as their pages say."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from common.bare_subjects import BareSubject, from_tflite
from edgernn.arrays import Float32
from edgernn_benchmarks import conversions
from edgernn_export.formats.tflite import graph
from peers.registry import ROUNDED, SAME, Peer, as_onnx, as_tflite, by_name

STOCK_FLOAT32 = "stock TFLite float32"
UNROLLED_INT8 = ("Keras unroll=True int8, TFLiteConverter", "Keras unroll=True int8, litert-quantizer")
TF2ONNX = "tf2onnx float32"
# Tools with more than one file.
STOCK_TFLITE, UNROLLED = "stock TFLite", "Keras unroll=True"


# Keras's own unrolling, by the same converter.
unrolled_tflite = partial(conversions.stock_tflite, unroll=True)


def unrolled_int8(model: Any, x_calibration: Float32, *, subject: Callable[[bytes], BareSubject]) -> BareSubject:
    """Convert Keras's own unrolling to full integers by TFLiteConverter, float32 in and out (its default).

    Args:
        model: the Keras model.
        x_calibration: calibration set, float32 [samples, steps, features].
        subject: function that makes the subject from the .tflite file.
    """
    return subject(unrolled_tflite(model, integers=x_calibration))


def unrolled_int8_by_quantizer(floats: bytes, _model: Any, x_calibration: Float32) -> BareSubject:
    """Convert Keras's own unrolling to full integers by litert-quantizer, which the converter's pages name.

    Its recipe makes integer inputs and outputs; this is disabled, so that both int8 peers take float32. In Keras's GRU
    and LSTM, no operator reads one output of the first step's SPLIT. LiteRT allocates no memory for it, so that the
    calibration ends in a ValueError; and the quantizer would leave it float32, which LiteRT refuses. So it is an output
    of the graph during calibration and quantization.
    """
    from ai_edge_litert.interpreter import Interpreter
    from litert_quantizer import quantizer, recipe
    from litert_quantizer.algorithm_manager import AlgorithmName
    from litert_quantizer.qtyping import TFLOperationName

    work = quantizer.Quantizer(_add_unread_outputs(floats), recipe.static_wi8_ai8())
    for side in (TFLOperationName.INPUT, TFLOperationName.OUTPUT):
        work.update_quantization_recipe(".*", side, algorithm_key=AlgorithmName.NO_QUANTIZE)
    ((key, signature),) = Interpreter(model_content=floats).get_signature_list().items()
    (input_name,) = signature["inputs"]
    measured = work.calibrate({key: [{input_name: x[np.newaxis]} for x in x_calibration]})
    return from_tflite(_keep_first_output(bytes(work.quantize(measured).quantized_model)))


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
    return {int(index) for operator in subgraph.operators for index in operator.inputs}


_CONVERTER = "https://ai.google.dev/edge/litert/conversion/tensorflow/convert_tf"
_INTEGERS = "https://ai.google.dev/edge/litert/conversion/tensorflow/quantization/post_training_integer_quant"
_QUANTIZER = "https://github.com/google-ai-edge/ai-edge-quantizer"
TF2ONNX_PAGE = "https://github.com/onnx/tensorflow-onnx#python-api-reference"
_same, _rounded = partial(Peer, agreement=SAME), partial(Peer, agreement=ROUNDED, tool=UNROLLED)
PEERS = by_name(
    # Those of `edgernn compare --peers` are the first and the last.
    _same(STOCK_FLOAT32, tool=STOCK_TFLITE, convert=conversions.stock_tflite, make=as_tflite, page=_CONVERTER),
    _rounded(UNROLLED_INT8[0], make=partial(unrolled_int8, subject=from_tflite), page=_INTEGERS),
    _rounded(UNROLLED_INT8[1], convert=unrolled_tflite, make=unrolled_int8_by_quantizer, page=_QUANTIZER),
    _same(TF2ONNX, tool="tf2onnx", convert=conversions.stock_onnx, make=as_onnx, page=TF2ONNX_PAGE),
)
