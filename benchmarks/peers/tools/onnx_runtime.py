"""ONNX Runtime's own quantization, of the graphs that tf2onnx makes and of ONNX's own operators."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from edgernn.arrays import Float32
from peers import graphs
from peers.bare_subjects import BareSubject, from_onnx
from peers.registry import ROUNDED, Peer, enter

PEERS: dict[str, Peer] = {}
TOOL = "ONNX Runtime's quantization"
peer = partial(enter, PEERS, agreement=ROUNDED, tool=TOOL)


@peer("ONNX Runtime dynamic, tf2onnx")
def dynamic_loop(model: Any, _x_calibration: Float32) -> BareSubject:
    """Apply `quantize_dynamic` to tf2onnx's file.

    https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html#dynamic-quantization
    """
    return _dynamic(graphs.loop(model))


@peer("ONNX Runtime dynamic, tf2onnx of Keras unroll=True")
def dynamic_unrolled(model: Any, _x_calibration: Float32) -> BareSubject:
    """Apply `quantize_dynamic` to the unrolled graph.

    https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html#dynamic-quantization
    """
    return _dynamic(graphs.unrolled(model))


@peer("ONNX Runtime dynamic, ONNX's operator")
def dynamic_operator(model: Any, _x_calibration: Float32) -> BareSubject:
    """Apply `quantize_dynamic` to ONNX's own operator; it supports LSTM only.

    https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html#dynamic-quantization
    """
    return _dynamic(graphs.operator(model))


@peer("ONNX Runtime static, tf2onnx")
def static_loop(model: Any, x_calibration: Float32) -> BareSubject:
    """Apply `quantize_static` with QDQ to tf2onnx's file.

    https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html#static-quantization
    """
    return _static(graphs.loop(model), x_calibration)


@peer("ONNX Runtime static, tf2onnx of Keras unroll=True")
def static_unrolled(model: Any, x_calibration: Float32) -> BareSubject:
    """Apply `quantize_static` with QDQ to the unrolled graph.

    https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html#static-quantization
    """
    return _static(graphs.unrolled(model), x_calibration)


def _dynamic(data: bytes) -> BareSubject:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    def quantize(source: Path, target: Path) -> None:
        quantize_dynamic(source, target, weight_type=QuantType.QInt8)

    return _quantized(data, quantize)


def _static(data: bytes, x_calibration: Float32) -> BareSubject:
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

    with _folder() as folder:
        source, prepared, target = (folder / name for name in ("source.onnx", "prepared.onnx", "target.onnx"))
        source.write_bytes(data)
        # Its symbolic shape inference does not support Loop; ONNX's own is enough for graphs of fixed shapes.
        quant_pre_process(source, prepared, skip_symbolic_shape=True)
        quantize(prepared, target)
        return from_onnx(target.read_bytes())


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)
