"""ONNX Runtime's own quantization, of the graphs that tf2onnx makes and of ONNX's own operators."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from common.bare_subjects import BareSubject, from_onnx
from edgernn.arrays import Float32
from edgernn_benchmarks import conversions
from peers import graphs
from peers.registry import ROUNDED, Peer, by_name, temporary_file


def dynamic(data: bytes, _model: Any, _x_calibration: Float32) -> BareSubject:
    """Quantize the weights of an ONNX graph."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    def quantize(source: Path, target: Path) -> None:
        quantize_dynamic(source, target, weight_type=QuantType.QInt8)

    return _quantized(data, quantize)


def _static(data: bytes, _model: Any, x_calibration: Float32) -> BareSubject:
    """Quantize with one scale a channel and signed integers, as the page advises for x86-64."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._samples: Iterator[Float32] = iter(x_calibration)

        def get_next(self) -> dict[str, Float32] | None:
            sample = next(self._samples, None)
            return None if sample is None else {"input": sample[np.newaxis]}

    def quantize(source: Path, target: Path) -> None:
        types = {"activation_type": QuantType.QInt8, "weight_type": QuantType.QInt8}
        quantize_static(source, target, Reader(), quant_format=QuantFormat.QDQ, per_channel=True, **types)

    return _quantized(data, quantize)


def _quantized(data: bytes, quantize: Callable[[Path, Path], None]) -> BareSubject:
    """Pre-process the graph, as the page requires, and quantize it."""
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with temporary_file("source.onnx", data) as source:
        prepared, target = source.with_name("prepared.onnx"), source.with_name("target.onnx")
        # Its symbolic shape inference does not support Loop; ONNX's own is enough for graphs of fixed shapes.
        quant_pre_process(source, prepared, skip_symbolic_shape=True)
        quantize(prepared, target)
        return from_onnx(target.read_bytes())


_PAGE = "https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html"
_DYNAMIC, _STATIC = f"{_PAGE}#dynamic-quantization", f"{_PAGE}#static-quantization"
_GRAPHS = {
    "tf2onnx": conversions.stock_onnx,
    "tf2onnx of Keras unroll=True": graphs.unrolled,
    "ONNX's operator": graphs.operator,
}
_peer = partial(Peer, tool="ONNX Runtime's quantization", agreement=ROUNDED)
_dynamic_peer, _static_peer = (
    partial(_peer, make=dynamic, page=_DYNAMIC),
    partial(_peer, make=_static, page=_STATIC),
)
# Of ONNX's own operators, it quantizes only LSTM, and only dynamically.
PEERS = by_name(
    *(_dynamic_peer(f"ONNX Runtime dynamic, {name}", convert=graph) for name, graph in _GRAPHS.items()),
    *(_static_peer(f"ONNX Runtime static, {name}", convert=graph) for name, graph in list(_GRAPHS.items())[:2]),
)
