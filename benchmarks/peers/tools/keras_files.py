"""Further files of TensorFlow's own converters: other number formats, and files run by tflite-micro."""

from functools import partial
from typing import Any

from edgernn.arrays import Float32
from edgernn_benchmarks import conversions
from peers import graphs, stock
from peers.bare_subjects import Answer, BareSubject, from_onnx, from_tflite
from peers.registry import ROUNDED, SAME, Peer, enter

PEERS: dict[str, Peer] = {}
peer = partial(enter, PEERS)

MICRO = "tflite-micro"
# Memory for tensors; a microcontroller has less, but nothing is gained by less here.
_ARENA_BYTES = 8 << 20


@peer("stock TFLite dynamic", ROUNDED, tool=stock.STOCK_TFLITE)
def stock_dynamic(model: Any, _x_calibration: Float32) -> BareSubject:
    """Convert with int8 weights, rounded by TFLiteConverter; its full integers crash on a loop.

    https://ai.google.dev/edge/litert/conversion/tensorflow/quantization/post_training_quant
    """
    return from_tflite(_convert(model, unroll=False, dynamic=True))


@peer("Keras unroll=True float32", SAME, tool=stock.UNROLLED)
def keras_unrolled(model: Any, _x_calibration: Float32) -> BareSubject:
    """Convert Keras's own unrolling by TFLiteConverter.

    https://keras.io/api/layers/recurrent_layers/simple_rnn/
    """
    return from_tflite(_convert(model, unroll=True, dynamic=False))


@peer("Keras unroll=True dynamic", ROUNDED, tool=stock.UNROLLED)
def keras_unrolled_dynamic(model: Any, _x_calibration: Float32) -> BareSubject:
    """Convert Keras's own unrolling with int8 weights.

    https://ai.google.dev/edge/litert/conversion/tensorflow/quantization/post_training_quant
    """
    return from_tflite(_convert(model, unroll=True, dynamic=True))


@peer("tf2onnx float32, Keras unroll=True", SAME, tool="tf2onnx")
def tf2onnx_unrolled(model: Any, _x_calibration: Float32) -> BareSubject:
    """Convert Keras's own unrolling by tf2onnx.

    https://github.com/onnx/tensorflow-onnx#python-api-reference
    """
    return from_onnx(graphs.unrolled(model))


@peer("tflite-micro float32, loop", SAME, tool=MICRO)
def micro_float32(model: Any, _x_calibration: Float32) -> BareSubject:
    """Convert to the file of stock TFLite, for tflite-micro.

    https://github.com/tensorflow/tflite-micro/tree/main/python/tflite_micro
    """
    return _from_tflite_micro(_convert(model, unroll=False, dynamic=False))


@peer("tflite-micro float32, Keras unroll=True", SAME, tool=MICRO)
def micro_unrolled(model: Any, _x_calibration: Float32) -> BareSubject:
    """Convert Keras's own unrolling, for tflite-micro.

    https://github.com/tensorflow/tflite-micro/tree/main/python/tflite_micro
    """
    return _from_tflite_micro(_convert(model, unroll=True, dynamic=False))


@peer("tflite-micro int8, Keras unroll=True", ROUNDED, tool=MICRO)
def micro_int8(model: Any, x_calibration: Float32) -> BareSubject:
    """Convert Keras's own unrolling to full integers by TFLiteConverter, for tflite-micro.

    https://github.com/tensorflow/tflite-micro/tree/main/python/tflite_micro
    """
    return _from_tflite_micro(stock.unrolled_int8(model, x_calibration))


def _convert(model: Any, *, unroll: bool, dynamic: bool) -> bytes:
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(conversions.rebuild(model, unroll))
    if dynamic:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    data: bytes = converter.convert()
    return data


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
