"""OpenVINO: its CPU plugin with the latency hint and one thread; NNCF, its quantization."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from common.bare_subjects import Answer, BareSubject
from edgernn.arrays import Float32
from peers import graphs
from peers.registry import ROUNDED, SAME, Peer, by_name, temporary_file


def _quantize(model: Any, x_calibration: Float32) -> Any:
    import nncf

    samples = nncf.Dataset([sample[np.newaxis] for sample in x_calibration])
    return nncf.quantize(model, samples, subset_size=len(x_calibration))


def _compress(model: Any, _x_calibration: Float32) -> Any:
    import nncf

    return nncf.compress_weights(model, mode=nncf.CompressWeightsMode.INT8_SYM)


def _convert(
    data: bytes, _model: Any, x_calibration: Float32, *, quantize: Callable[[Any, Float32], Any] | None = None
) -> BareSubject:
    """Convert an ONNX graph to OpenVINO's two files, and quantize it if asked."""
    import openvino

    with temporary_file("source.onnx", data) as source:
        target = source.with_name("target.xml")
        converted = openvino.convert_model(source)
        if quantize:
            converted = quantize(converted, x_calibration)
        openvino.save_model(converted, target, compress_to_fp16=False)
        graph, weights = target.read_bytes(), target.with_suffix(".bin").read_bytes()
    return BareSubject(partial(_load, graph, weights), len(graph) + len(weights))


def _load(graph: bytes, weights: bytes) -> Answer:
    """Load an InferRequest whose input tensor shares our memory and whose output is read in place.

    https://docs.openvino.ai/2026/openvino-workflow/running-inference/inference-request/python-api-advanced-inference.html
    https://docs.openvino.ai/2026/openvino-workflow/running-inference/optimize-inference/high-level-performance-hints.html
    """
    import openvino
    from openvino import properties
    from openvino.properties import hint

    core = openvino.Core()
    settings = {hint.performance_mode: hint.PerformanceMode.LATENCY, properties.inference_num_threads: 1}
    request = core.compile_model(core.read_model(graph, weights), "CPU", settings).create_infer_request()
    given = np.zeros(tuple(request.get_input_tensor().shape), np.float32)
    request.set_input_tensor(openvino.Tensor(given, shared_memory=True))
    infer, probabilities = request.infer, request.get_output_tensor().data

    def answer(x: Float32) -> Any:
        given[:] = x
        infer()
        return probabilities

    return answer


_GUIDE = "https://docs.openvino.ai/2026/openvino-workflow"
_CONVERSION = f"{_GUIDE}/model-preparation/convert-model-onnx.html"
_INTEGERS = f"{_GUIDE}/model-optimization-guide/quantizing-models-post-training.html"
_COMPRESSION = f"{_GUIDE}/model-optimization-guide/weight-compression.html"
_INT8, _WEIGHTS = partial(_convert, quantize=_quantize), partial(_convert, quantize=_compress)
_operator = partial(Peer, tool="OpenVINO", convert=graphs.operator)
_unrolled = partial(Peer, tool="OpenVINO", convert=graphs.unrolled)
PEERS = by_name(
    _operator("OpenVINO float32, ONNX's operator", agreement=SAME, make=_convert, page=_CONVERSION),
    _unrolled("OpenVINO float32, Keras unroll=True", agreement=SAME, make=_convert, page=_CONVERSION),
    _operator("OpenVINO int8, ONNX's operator", agreement=ROUNDED, make=_INT8, page=_INTEGERS),
    _unrolled("OpenVINO int8, Keras unroll=True", agreement=ROUNDED, make=_INT8, page=_INTEGERS),
    _operator("OpenVINO int8 weights, ONNX's operator", agreement=ROUNDED, make=_WEIGHTS, page=_COMPRESSION),
)
