"""Further files of TensorFlow's own converters: other number formats, and files run by tflite-micro."""

from collections.abc import Callable
from functools import partial
from typing import Any

from common.bare_subjects import Answer, BareSubject, from_onnx, from_tflite
from edgernn.arrays import Float32
from edgernn_benchmarks import conversions
from peers import graphs, stock
from peers.registry import ROUNDED, SAME, Peer, by_name

# Memory for tensors; a microcontroller has less, but nothing is gained by less here.
_ARENA_BYTES = 8 << 20


def _convert(
    model: Any, _x_calibration: Float32, *, subject: Callable[[bytes], BareSubject], unroll: bool, dynamic: bool
) -> BareSubject:
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(conversions.rebuild(model, unroll))
    if dynamic:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    return subject(converter.convert())


def _tf2onnx_unrolled(model: Any, _x_calibration: Float32) -> BareSubject:
    return from_onnx(graphs.unrolled(model))


def _micro_int8(model: Any, x_calibration: Float32) -> BareSubject:
    return _from_tflite_micro(stock.unrolled_int8(model, x_calibration))


def _from_tflite_micro(data: bytes) -> BareSubject:
    return BareSubject(partial(_load_tflite_micro, data), len(data))


def _load_tflite_micro(data: bytes) -> Answer:
    from tflite_micro import runtime

    interpreter = runtime.Interpreter.from_bytes(data, arena_size=_ARENA_BYTES)
    set_input, invoke, get_output = interpreter.set_input, interpreter.invoke, interpreter.get_output

    def answer(x: Float32) -> Float32:
        set_input(x, 0)
        invoke()
        probabilities: Float32 = get_output(0)
        return probabilities

    return answer


_QUANTIZATION = "https://ai.google.dev/edge/litert/conversion/tensorflow/quantization/post_training_quant"
_UNROLLING = "https://keras.io/api/layers/recurrent_layers/simple_rnn/"
_MICRO_PAGE = "https://github.com/tensorflow/tflite-micro/tree/main/python/tflite_micro"
_lite, _micro = (partial(_convert, subject=subject) for subject in (from_tflite, _from_tflite_micro))
_micro_peer = partial(Peer, tool="tflite-micro", page=_MICRO_PAGE)
_dynamic_peer = partial(Peer, agreement=ROUNDED, page=_QUANTIZATION)
_same_peer = partial(Peer, agreement=SAME)
_LOOP, _UNROLLED = ({"unroll": unroll, "dynamic": False} for unroll in (False, True))
_LOOP_DYNAMIC, _UNROLLED_DYNAMIC = ({"unroll": unroll, "dynamic": True} for unroll in (False, True))
# Full integers of TFLiteConverter crash on a loop.
PEERS = by_name(
    _dynamic_peer("stock TFLite dynamic", tool=stock.STOCK_TFLITE, make=partial(_lite, **_LOOP_DYNAMIC)),
    _same_peer("Keras unroll=True float32", tool=stock.UNROLLED, make=partial(_lite, **_UNROLLED), page=_UNROLLING),
    _dynamic_peer("Keras unroll=True dynamic", tool=stock.UNROLLED, make=partial(_lite, **_UNROLLED_DYNAMIC)),
    _same_peer("tf2onnx float32, Keras unroll=True", tool="tf2onnx", make=_tf2onnx_unrolled, page=stock.TF2ONNX_PAGE),
    _micro_peer("tflite-micro float32, loop", agreement=SAME, make=partial(_micro, **_LOOP)),
    _micro_peer("tflite-micro float32, Keras unroll=True", agreement=SAME, make=partial(_micro, **_UNROLLED)),
    _micro_peer("tflite-micro int8, Keras unroll=True", agreement=ROUNDED, make=_micro_int8),
)
