"""Each converter against the Keras model, over what an exported model may hold."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from ai_edge_litert import schema_py_generated as schema

from edgernn.backends import litert, onnxruntime
from edgernn_export import keras_model, tflite
from edgernn_export import onnx as onnx_converter

TOLERANCE = 1e-5


def layers_of(kind: str) -> Sequence[Any]:
    from keras import Sequential, layers

    head = layers.Dense(4, activation="softmax")
    rnn = layers.SimpleRNN
    return {
        "plain": [rnn(5), head],
        "relu": [rnn(5, activation="relu"), head],
        "sigmoid": [rnn(5, activation="sigmoid"), head],
        "linear": [rnn(5, activation="linear"), head],
        "no bias": [rnn(5, use_bias=False), head],
        "backwards": [rnn(5, go_backwards=True), head],
        "stacked": [rnn(5, return_sequences=True), rnn(4, go_backwards=True, return_sequences=True), rnn(3), head],
        "unrolled by keras": [rnn(5, unroll=True), head],
        "dropout": [rnn(5, dropout=0.5, recurrent_dropout=0.5), layers.Dropout(0.5), head],
        "element-wise behind": [rnn(5), layers.Dense(6), layers.LeakyReLU(), layers.Dense(5, "tanh"), head],
        "nested": [Sequential([rnn(5, return_sequences=True), rnn(5)]), head],
        "one unit": [rnn(1), head],
    }[kind]


KINDS = (
    *("plain", "relu", "sigmoid", "linear", "no bias", "backwards", "stacked", "unrolled by keras", "dropout"),
    *("element-wise behind", "nested", "one unit"),
)


@pytest.mark.parametrize("kind", KINDS)
def test_float32_artifacts_answer_as_keras(kind: str, save_model: Callable[..., Path]) -> None:
    path = save_model(layers_of(kind))
    x = np.random.default_rng(1).normal(size=(9, 6, 3)).astype(np.float32)
    expected = keras_model.probabilities(keras_model.load(path), x)
    tflite_answers = litert.open_artifact(tflite.convert(path), threads=1).run(x)
    np.testing.assert_allclose(tflite_answers, expected, atol=TOLERANCE)
    onnx_session = onnxruntime.open_artifact(onnx_converter.convert(path), threads=1)
    np.testing.assert_allclose(onnx_session.run(x), expected, atol=TOLERANCE)
    np.testing.assert_allclose(onnx_session.run(x[:1]), expected[:1], atol=TOLERANCE)


def test_tflite_holds_only_builtin_operators_and_frozen_weights(save_model: Callable[..., Path]) -> None:
    data = tflite.convert(save_model(layers_of("plain")))
    codes = {code.builtinCode for code in schema.ModelT.InitFromPackedBuf(data, 0).operatorCodes}
    operator = schema.BuiltinOperator
    assert operator.CUSTOM not in codes
    assert operator.READ_VARIABLE not in codes  # such a file loads and answers wrongly
    assert operator.STRIDED_SLICE not in codes  # not delegated, slow
    assert operator.WHILE not in codes


def test_tflite_hoists_the_input_product(save_model: Callable[..., Path]) -> None:
    model = schema.ModelT.InitFromPackedBuf(tflite.convert(save_model(layers_of("plain"))), 0)
    codes = [model.operatorCodes[op.opcodeIndex].builtinCode for op in model.subgraphs[0].operators]
    # One product for all inputs, one for each step but the first, whose state is zero, one for the head.
    assert codes.count(schema.BuiltinOperator.FULLY_CONNECTED) == 1 + 5 + 1


def test_onnx_holds_its_own_operator(save_model: Callable[..., Path]) -> None:
    proto = onnx.load_from_string(onnx_converter.convert(save_model(layers_of("stacked"))))
    kinds = [node.op_type for node in proto.graph.node]
    assert kinds.count("RNN") == 3
    assert not {"Loop", "Scan", "CudnnRNNV3"} & set(kinds)
    assert [opset.domain for opset in proto.opset_import] == [""]
    batch = proto.graph.input[0].type.tensor_type.shape.dim[0]
    assert batch.dim_param == "batch"
    onnx.checker.check_model(proto, full_check=True)
    onnx.shape_inference.infer_shapes(proto, strict_mode=True)


@pytest.mark.parametrize("convert", [tflite.convert, onnx_converter.convert])
def test_conversion_is_repeatable(convert: Callable[[Path], bytes], save_model: Callable[..., Path]) -> None:
    path = save_model(layers_of("plain"))
    assert convert(path) == convert(path)
