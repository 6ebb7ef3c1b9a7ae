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

from edgernn.errors import ModelError, first_line
from edgernn_export import graph
from peers.subjects import CLASSIFIER, Subject, answer_all, from_onnx, from_tflite

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


def peers() -> tuple[str, ...]:
    """The names of all."""
    return tuple(_PEERS)


def make_peer(name: str, model: Any, x_calibration: Float32) -> Subject:
    """Build one peer.

    Args:
        name: one of `peers`.
        model: the Keras model; it stays as it is.
        x_calibration: for those that calibrate, float32 [samples, steps, features]; the first 200 are used.
    """
    make, _ = _PEERS[name]
    with _quiet():
        return make(model, x_calibration[:CALIBRATION_SAMPLES])


def check_peer(name: str, subject: Subject, x: Float32, reference: Float32) -> float:
    """The share of samples on which a peer names Keras's class.

    Args:
        name: one of `peers`.
        subject: what `make_peer` made of it.
        x: what it is checked on, float32 [samples, steps, features].
        reference: Keras's answers to `x`, float32 [samples, classes].

    Raises:
        ModelError: it does not run, or answers otherwise than Keras; to time it would tell nothing.
    """
    _, least = _PEERS[name]
    try:
        agreement = CLASSIFIER.agreement(answer_all(subject, x), reference)
    except (RuntimeError, ValueError) as error:
        raise ModelError(f"peer {name!r} does not run: {first_line(error)}") from error
    if agreement < least:
        raise ModelError(f"peer {name!r} agrees with Keras on {agreement:.1%} of the samples, at least {least:.1%}")
    return agreement


def make_peers(model: Any, x_calibration: Float32, x: Float32, reference: Float32) -> Mapping[str, Subject]:
    """Build every peer and check that it answers as Keras does; the arguments are theirs.

    Raises:
        ModelError: one answers otherwise.
    """
    made = {}
    for name in peers():
        made[name] = make_peer(name, model, x_calibration)
        check_peer(name, made[name], x, reference)
    return made


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

    Its recipe makes integer inputs and outputs; they are left out of it, so that both int8 peers take float32. In
    Keras's GRU and LSTM nobody reads one part of the first step's SPLIT. LiteRT gives that no memory, so that the
    calibration ends in a ValueError, and the quantizer would leave it float32, which LiteRT refuses: it is given out
    meanwhile.
    https://github.com/google-ai-edge/ai-edge-quantizer
    """
    import tensorflow as tf
    from ai_edge_litert.interpreter import Interpreter
    from litert_quantizer import quantizer, recipe
    from litert_quantizer.algorithm_manager import AlgorithmName
    from litert_quantizer.qtyping import TFLOperationName

    floats = tf.lite.TFLiteConverter.from_keras_model(_rebuild(model, unroll=True)).convert()
    work = quantizer.Quantizer(_giving_all_out(floats), recipe.static_wi8_ai8())
    for side in (TFLOperationName.INPUT, TFLOperationName.OUTPUT):
        work.update_quantization_recipe(".*", side, algorithm_key=AlgorithmName.NO_QUANTIZE)
    ((key, signature),) = Interpreter(model_content=floats).get_signature_list().items()
    (input_name,) = signature["inputs"]
    measured = work.calibrate({key: [{input_name: x[np.newaxis]} for x in x_calibration]})
    return from_tflite(_giving_the_answer(bytes(work.quantize(measured).quantized_model)))


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


def _giving_all_out(data: bytes) -> bytes:
    """A .tflite file of one subgraph and one output, with what no operator reads behind it among its outputs."""
    model = graph.read(data)
    (subgraph,) = model.subgraphs
    (answer,) = map(int, subgraph.outputs)
    read = {answer, *_read(subgraph)}
    unread = [int(index) for operator in subgraph.operators for index in operator.outputs if int(index) not in read]
    subgraph.outputs = [answer, *unread]
    # A peer's bytes are its own, where they can be.
    return graph.write(model) if unread else data


def _giving_the_answer(data: bytes) -> bytes:
    """The same file with its first output alone, without what made float32 of the others."""
    model = graph.read(data)
    (subgraph,) = model.subgraphs
    if len(subgraph.outputs) == 1:
        return data
    subgraph.outputs = [int(subgraph.outputs[0])]
    needed = {*_read(subgraph), *subgraph.outputs}
    subgraph.operators = [
        operator for operator in subgraph.operators if needed.intersection(map(int, operator.outputs))
    ]
    return graph.write(model)


def _read(subgraph: Any) -> set[int]:
    """The tensors that some operator reads."""
    return {int(index) for operator in subgraph.operators for index in operator.inputs}


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
