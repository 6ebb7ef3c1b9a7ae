"""The peers: the same Keras model by other tools, each in its own documented way, each checked before it is timed.

A peer is a function of the Keras model and the calibration set, float32 [samples, steps, features], that gives a
`Subject`; the decoration names it and says how much it must agree with Keras.
"""

import contextlib
import io
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from edgernn import metrics
from edgernn.errors import ModelError
from peers.subjects import Subject, answer_all, from_onnx, from_tflite

Float32 = npt.NDArray[np.float32]
Make = Callable[[Any, Float32], Subject]

# What the stock tools calibrate int8 with: TensorFlow's guide says 100 to 500 samples.
CALIBRATION_SAMPLES = 200
# A float file gives Keras's class but for ties; stock int8 loses some points; a misread graph is at 10 to 70 %.
SAME, ROUNDED = 0.999, 0.9

_PEERS: dict[str, tuple[Make, float]] = {}


def peer(name: str, agreement: float) -> Callable[[Make], Make]:
    """Enter a function among the peers.

    Args:
        name: what the table calls it.
        agreement: the least share of samples with Keras's class for it to be timed at all.
    """

    def enter(make: Make) -> Make:
        _PEERS[name] = (make, agreement)
        return make

    return enter


def make_peers(model: Any, x_calibration: Float32, x: Float32, reference: Float32) -> Mapping[str, Subject]:
    """Build every peer and check that it answers as Keras does.

    Args:
        model: the Keras model; it stays as it is.
        x_calibration: for those that calibrate, float32 [samples, steps, features].
        x: what they are checked on, shaped alike.
        reference: Keras's answers to `x`, float32 [samples, classes].

    Raises:
        ModelError: one answers otherwise; to time it would tell nothing.
    """
    peers = {}
    for name, (make, least) in _PEERS.items():
        with _quiet():
            peers[name] = make(model, x_calibration[:CALIBRATION_SAMPLES])
        agreement = metrics.agreement(answer_all(peers[name], x), reference)
        if agreement < least:
            raise ModelError(f"peer {name!r} agrees with Keras on {agreement:.1%} of the samples, at least {least:.1%}")
    return peers


STOCK_FLOAT32 = "stock TFLite float32"
UNROLLED_INT8 = ("Keras unroll=True int8, TFLiteConverter", "Keras unroll=True int8, litert-quantizer")
TF2ONNX = "tf2onnx float32"


@peer(STOCK_FLOAT32, SAME)
def stock_tflite(model: Any, _x_calibration: Float32) -> Subject:
    """`TFLiteConverter.from_keras_model`, for a batch of one; with a free batch it fails on TensorList.

    https://ai.google.dev/edge/litert/conversion/tensorflow/convert_tf
    """
    import tensorflow as tf

    return from_tflite(tf.lite.TFLiteConverter.from_keras_model(_rebuild(model, unroll=False)).convert())


@peer(UNROLLED_INT8[0], ROUNDED)
def keras_unrolled_int8(model: Any, x_calibration: Float32) -> Subject:
    """Keras's own unrolling, full integers by TFLiteConverter, float32 in and out (its default).

    https://ai.google.dev/edge/litert/conversion/tensorflow/quantization/post_training_integer_quant
    """
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(_rebuild(model, unroll=True))
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([x[np.newaxis]] for x in x_calibration)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    return from_tflite(converter.convert())


@peer(UNROLLED_INT8[1], ROUNDED)
def keras_unrolled_int8_by_quantizer(model: Any, x_calibration: Float32) -> Subject:
    """Keras's own unrolling, full integers by litert-quantizer, the successor that the converter's pages name.

    Its recipe makes integer inputs and outputs; they are left out of it, so that both int8 peers take float32.
    https://github.com/google-ai-edge/ai-edge-quantizer
    """
    import tensorflow as tf
    from ai_edge_litert.interpreter import Interpreter
    from litert_quantizer import quantizer, recipe
    from litert_quantizer.algorithm_manager import AlgorithmName
    from litert_quantizer.qtyping import TFLOperationName

    floats = tf.lite.TFLiteConverter.from_keras_model(_rebuild(model, unroll=True)).convert()
    work = quantizer.Quantizer(floats, recipe.static_wi8_ai8())
    for side in (TFLOperationName.INPUT, TFLOperationName.OUTPUT):
        work.update_quantization_recipe(".*", side, algorithm_key=AlgorithmName.NO_QUANTIZE)
    ((key, signature),) = Interpreter(model_content=floats).get_signature_list().items()
    (input_name,) = signature["inputs"]
    measured = work.calibrate({key: [{input_name: x[np.newaxis]} for x in x_calibration]})
    return from_tflite(bytes(work.quantize(measured).quantized_model))


@peer(TF2ONNX, SAME)
def tf2onnx_own(model: Any, _x_calibration: Float32) -> Subject:
    """`tf2onnx.convert.from_function`; `from_keras` fails on a model of Keras 3 with a KeyError.

    https://github.com/onnx/tensorflow-onnx#python-api-reference
    """
    import tensorflow as tf
    import tf2onnx

    signature = [tf.TensorSpec([1, *model.inputs[0].shape[1:]], tf.float32, name="input")]
    function = tf.function(lambda x: model(x, training=False), input_signature=signature)
    proto, _ = tf2onnx.convert.from_function(function, input_signature=signature)
    return from_onnx(proto.SerializeToString())


def _rebuild(model: Any, unroll: bool) -> Any:
    """The same model for a batch of one, as someone would write it down again."""
    import keras

    def clone(layer: Any) -> Any:
        config = layer.get_config()
        if isinstance(layer, keras.layers.RNN):
            config["unroll"] = unroll
        return type(layer).from_config(config)

    x = keras.Input(batch_shape=(1, *model.inputs[0].shape[1:]))
    rebuilt = keras.models.clone_model(model, input_tensors=x, clone_function=clone)
    rebuilt.set_weights(model.get_weights())
    return rebuilt


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep what the tools print of their progress off standard output; the command leads standard error aside."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
