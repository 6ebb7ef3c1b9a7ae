"""OpenVINO: its CPU plugin with the latency hint and one thread; NNCF, its quantization."""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from edgernn.arrays import Float32
from peers import graphs
from peers.bare_subjects import Answer, BareSubject
from peers.registry import ROUNDED, SAME, Peer, enter

PEERS: dict[str, Peer] = {}
TOOL = "OpenVINO"
peer = partial(enter, PEERS, tool=TOOL)


@peer("OpenVINO float32, ONNX's operator", SAME)
def operator_float32(model: Any, _x_calibration: Float32) -> BareSubject:
    """Convert ONNX's own operator, which becomes OpenVINO's.

    https://docs.openvino.ai/2026/openvino-workflow/model-preparation/convert-model-onnx.html
    """
    return _convert(graphs.operator(model))


@peer("OpenVINO float32, Keras unroll=True", SAME)
def unrolled_float32(model: Any, _x_calibration: Float32) -> BareSubject:
    """Convert the unrolled graph.

    https://docs.openvino.ai/2026/openvino-workflow/model-preparation/convert-model-onnx.html
    """
    return _convert(graphs.unrolled(model))


@peer("OpenVINO int8, ONNX's operator", ROUNDED)
def operator_int8(model: Any, x_calibration: Float32) -> BareSubject:
    """Quantize ONNX's own operator to NNCF's full integers.

    https://docs.openvino.ai/2026/openvino-workflow/model-optimization-guide/quantizing-models-post-training.html
    """
    return _convert(graphs.operator(model), partial(_quantize, x_calibration=x_calibration))


@peer("OpenVINO int8, Keras unroll=True", ROUNDED)
def unrolled_int8(model: Any, x_calibration: Float32) -> BareSubject:
    """Quantize the unrolled graph to NNCF's full integers.

    https://docs.openvino.ai/2026/openvino-workflow/model-optimization-guide/quantizing-models-post-training.html
    """
    return _convert(graphs.unrolled(model), partial(_quantize, x_calibration=x_calibration))


@peer("OpenVINO int8 weights, ONNX's operator", ROUNDED)
def operator_weights(model: Any, _x_calibration: Float32) -> BareSubject:
    """Convert with NNCF's int8 weights.

    https://docs.openvino.ai/2026/openvino-workflow/model-optimization-guide/weight-compression.html
    """
    return _convert(graphs.operator(model), _compress)


def _quantize(model: Any, x_calibration: Float32) -> Any:
    import nncf

    samples = nncf.Dataset([sample[np.newaxis] for sample in x_calibration])
    return nncf.quantize(model, samples, subset_size=len(x_calibration))


def _compress(model: Any) -> Any:
    import nncf

    return nncf.compress_weights(model, mode=nncf.CompressWeightsMode.INT8_SYM)


def _convert(data: bytes, quantize: Callable[[Any], Any] | None = None) -> BareSubject:
    """Convert an ONNX graph to OpenVINO's two files, and quantize it if asked."""
    import openvino

    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "source.onnx", Path(folder) / "target.xml"
        source.write_bytes(data)
        converted = openvino.convert_model(source)
        openvino.save_model(quantize(converted) if quantize else converted, target, compress_to_fp16=False)
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

    def answer(x: Float32) -> Float32:
        given[:] = x
        infer()
        return probabilities  # type: ignore[no-any-return]

    return answer
