"""Further files of TensorFlow's own converters: other number formats, and files run by tflite-micro."""

from functools import partial
from typing import Any

from common.bare_subjects import Answer, BareSubject
from edgernn.arrays import Float32
from edgernn_benchmarks import conversions
from peers import graphs, stock
from peers.registry import ROUNDED, SAME, Peer, as_converted, as_onnx, as_tflite, by_name

# Memory for tensors; a microcontroller has less, but nothing is gained by less here.
_ARENA_BYTES = 8 << 20


def _from_tflite_micro(data: bytes) -> BareSubject:
    return BareSubject(partial(_load_tflite_micro, data), len(data))


def _load_tflite_micro(data: bytes) -> Answer:
    from tflite_micro import runtime

    interpreter = runtime.Interpreter.from_bytes(data, arena_size=_ARENA_BYTES)
    set_input, invoke, get_output = interpreter.set_input, interpreter.invoke, interpreter.get_output

    def answer(x: Float32) -> Any:
        set_input(x, 0)
        invoke()
        return get_output(0)

    return answer


_QUANTIZATION = "https://ai.google.dev/edge/litert/conversion/tensorflow/quantization/post_training_quant"
_UNROLLING = "https://keras.io/api/layers/recurrent_layers/simple_rnn/"
_MICRO_PAGE = "https://github.com/tensorflow/tflite-micro/tree/main/python/tflite_micro"
_micro_peer = partial(Peer, tool="tflite-micro", page=_MICRO_PAGE)
_dynamic_peer = partial(Peer, agreement=ROUNDED, make=as_tflite, page=_QUANTIZATION)
_float_peer = partial(_micro_peer, agreement=SAME, make=partial(as_converted, subject=_from_tflite_micro))
_INT8 = partial(stock.unrolled_int8, subject=_from_tflite_micro)
_same_peer = partial(Peer, agreement=SAME)
_loop, _unrolled = conversions.stock_tflite, stock.unrolled_tflite
# Full integers of TFLiteConverter crash on a loop.
PEERS = by_name(
    _dynamic_peer("stock TFLite dynamic", tool=stock.STOCK_TFLITE, convert=partial(_loop, dynamic=True)),
    _same_peer("Keras unroll=True float32", tool=stock.UNROLLED, convert=_unrolled, make=as_tflite, page=_UNROLLING),
    _dynamic_peer("Keras unroll=True dynamic", tool=stock.UNROLLED, convert=partial(_unrolled, dynamic=True)),
    _same_peer(
        "tf2onnx float32, Keras unroll=True",
        tool="tf2onnx",
        convert=graphs.unrolled,
        make=as_onnx,
        page=stock.TF2ONNX_PAGE,
    ),
    _float_peer("tflite-micro float32, loop", convert=_loop),
    _float_peer("tflite-micro float32, Keras unroll=True", convert=_unrolled),
    _micro_peer("tflite-micro int8, Keras unroll=True", agreement=ROUNDED, make=_INT8),
)
