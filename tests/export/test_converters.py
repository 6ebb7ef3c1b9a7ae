"""TFLite files of every number format and layout, compared with the Keras model, for layers outside of the matrix.

The first models of `matrix.draws`, which tests/models checks in every format, have the other kinds of layers.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from bare_streams import stream_rows

from edgernn.backends import litert
from edgernn.errors import ArtifactError, ExportError, InputError
from edgernn_export import keras_model
from edgernn_export.formats.onnx import convert as onnx_export
from edgernn_export.formats.tflite import convert as tflite
from edgernn_export.formats.tflite.compact import compact
from edgernn_export.formats.tflite.convert import Converted
from edgernn_export.formats.tflite.graph import Operator, read, write
from edgernn_export.formats.tflite.quantize import Quantized, quantize
from edgernn_export.streaming import streams

STEPS, FEATURES, CLASSES = 6, 3, 4
# Number of samples that are streamed row by row.
STREAMED = 12
# Largest allowed difference in a probability: from the Keras model, and of a stream from the sequence.
TOLERANCES = {
    "float32": (1e-5, 1e-5),
    "float16": (1e-2, 1e-5),
    "dynamic": (0.1, 0.05),
    "int8": (0.1, 0.0),
    "int16x8": (0.1, 0.01),
}


def layers_of(kind: str) -> Sequence[Any]:
    from keras import Input, Model, layers

    row, same = Input((STEPS, FEATURES)), layers.GRU(FEATURES, return_sequences=True)

    head = layers.Dense(CLASSES, activation="softmax")
    rnn = layers.SimpleRNN
    return {
        "plain": [rnn(5), head],
        "sigmoid": [rnn(5, activation="sigmoid"), head],
        "linear": [rnn(5, activation="linear"), head],
        "no bias": [rnn(5, use_bias=False), head],
        "stacked": [rnn(5, return_sequences=True), rnn(4, return_sequences=True), rnn(3), head],
        "unrolled by keras": [rnn(5, unroll=True), head],
        "element-wise behind": [rnn(5), layers.Dense(6), layers.LeakyReLU(), layers.Dense(5, "tanh"), head],
        "in front": [layers.Dense(4, "relu"), rnn(5), head],
        "one unit": [rnn(1), head],
        "lstm": [layers.LSTM(5), head],
        "lstm of relu": [layers.LSTM(5, activation="relu", recurrent_activation="hard_sigmoid"), head],
        "mixed": [layers.GRU(5, return_sequences=True), layers.LSTM(4, return_sequences=True), rnn(3), head],
        "dense between": [layers.GRU(5, return_sequences=True), layers.Dense(4, "relu"), layers.LSTM(4), head],
        "bidirectional": [layers.Bidirectional(layers.LSTM(5)), head],
        "bidirectional stack": [
            layers.Bidirectional(layers.GRU(5, return_sequences=True), merge_mode="mul"),
            layers.Bidirectional(layers.SimpleRNN(4), merge_mode="sum"),
            head,
        ],
        "backwards first": [layers.GRU(5, return_sequences=True, go_backwards=True), layers.LSTM(4), head],
        "backwards behind": [layers.GRU(5, return_sequences=True), layers.LSTM(4, go_backwards=True), head],
        "softmax gates": [
            layers.GRU(4, recurrent_activation="softmax", return_sequences=True),
            layers.LSTM(4, recurrent_activation="sparsemax"),
            head,
        ],
        "norm of one value": [layers.Dense(1), layers.LayerNormalization(), rnn(5), head],
        "time distributed": [
            rnn(5, return_sequences=True),
            layers.TimeDistributed(layers.Dense(4, "tanh")),
            rnn(5),
            head,
        ],
        "twice": [Model(row, same(same(row))), rnn(4), head],
        "looks far back": [layers.Conv1D(3, 2, dilation_rate=4, padding="causal"), rnn(4), head],
        "looks back between": [
            *(layers.ZeroPadding1D((2, 0)), layers.DepthwiseConv1D(3), rnn(5, return_sequences=True)),
            *(layers.Conv1D(4, 3, dilation_rate=2, padding="causal", activation="relu"), rnn(4), head),
        ],
        "relu behind tanh": [rnn(5, return_sequences=True), rnn(4, activation="relu"), head],
        "the answer itself": [layers.LSTM(4)],
    }[kind]


# A kind in every number format, with each cell. Of the first models of `matrix.draws`, in every format too, some are
# stacks, go in both directions, or have activations whose ranges differ or that have no integer kernels.
IN_EVERY_FORMAT = ("mixed",)
IN_FLOAT32_AND_INT8 = (
    *("relu behind tanh", "bidirectional stack", "softmax gates"),
    *("twice", "the answer itself", "looks far back", "looks back between", "sigmoid", "linear", "unrolled by keras"),
    *("element-wise behind", "in front", "one unit", "lstm of relu", "dense between", "backwards first"),
    *("backwards behind", "norm of one value", "time distributed"),
)
WHOLE = ("twice", "bidirectional", "bidirectional stack", "backwards first", "backwards behind")


def inputs(count: int = 40, steps: int = STEPS) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(count, steps, FEATURES)).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Conversion:
    """A saved Keras model, its answers to `inputs`, and its conversion, which number formats share."""

    path: Path
    expected: np.ndarray
    converted: Converted

    @classmethod
    def of(cls, path: Path) -> "Conversion":
        expected = keras_model.predict(keras_model.load(path), inputs())
        return cls(path, expected, tflite.convert(keras_model.load(path)))

    def build(self, quantization: str, layout: str = "unrolled", io_type: str = "float32") -> bytes:
        return compact(self._quantize(quantization, io_type).build(layout))

    @cache  # noqa: B019 - the conversions live as long as the module's fixture
    def _quantize(self, quantization: str, io_type: str) -> Quantized:
        return quantize(self.converted, quantization, io_type, inputs(), self.expected)


Conversions = Callable[[str], Conversion]


@pytest.fixture(scope="module")
def conversion_of(tmp_path_factory: pytest.TempPathFactory) -> Conversions:
    """Return a function that converts the model of a kind once."""
    import keras

    @cache
    def convert(kind: str) -> Conversion:
        path = tmp_path_factory.mktemp("kind") / "small.keras"
        keras.Sequential([keras.Input((STEPS, FEATURES)), *layers_of(kind)]).save(path)
        return Conversion.of(path)

    return convert


@pytest.mark.parametrize(
    ("kind", "quantizations"),
    [
        *((kind, tuple(TOLERANCES)) for kind in IN_EVERY_FORMAT),
        *((kind, ("float32", "int8")) for kind in IN_FLOAT32_AND_INT8),
    ],
)
def test_every_format_answers_as_keras_and_streams_as_it_answers(
    kind: str, quantizations: Sequence[str], conversion_of: Conversions
) -> None:
    conversion = conversion_of(kind)
    for name in quantizations:
        tolerance, stream_tolerance = TOLERANCES[name]
        backend, loop = (
            litert.open_artifact(conversion.build(name, layout), threads=1) for layout in ("unrolled", "loop")
        )
        answers = backend.run((inputs(),))[0]
        np.testing.assert_allclose(answers, conversion.expected, atol=tolerance, err_msg=name)
        loop_tolerance = 0 if name.startswith("int") else 5e-2 if name == "dynamic" else 1e-6
        np.testing.assert_allclose(
            loop.run((inputs(),))[0], answers, rtol=0, atol=loop_tolerance, err_msg=f"{name} loop"
        )
        if kind in WHOLE:
            with pytest.raises(ArtifactError, match="cannot stream"):
                backend.start()
        else:
            rows = inputs()[:STREAMED]
            streamed = stream_rows(backend, rows)[:, -1]
            np.testing.assert_allclose(streamed, answers[:STREAMED], rtol=0, atol=stream_tolerance, err_msg=name)
            np.testing.assert_array_equal(stream_rows(loop, rows)[:, -1], streamed, err_msg=f"{name} loop")


@pytest.mark.parametrize("steps", [1, 7, 8, 12, 49])
def test_the_loop_takes_any_number_of_steps(steps: int, save_model: Callable[..., Path]) -> None:
    path = save_model(layers_of("plain"), steps=steps)
    x = inputs(steps=steps)
    expected = keras_model.predict(keras_model.load(path), x)
    converted = tflite.convert(keras_model.load(path))
    data = compact(quantize(converted, "float32", "float32", x, expected).build("loop"))
    np.testing.assert_allclose(litert.open_artifact(data, 1).run((x,))[0], expected, atol=1e-5)


# Other kinds of fused layers are among the first models of `matrix.draws`.
@pytest.mark.parametrize("kind", ["plain", "linear", "no bias", "lstm", "stacked", "bidirectional"])
@pytest.mark.parametrize("name", ["float32", "dynamic"])
def test_fused_answers_as_keras_and_keeps_nothing_between_calls(
    kind: str, name: str, conversion_of: Conversions
) -> None:
    conversion = conversion_of(kind)
    data = conversion.build(name, "fused")
    fused = {Operator.UNIDIRECTIONAL_SEQUENCE_RNN, Operator.UNIDIRECTIONAL_SEQUENCE_LSTM}
    assert fused & {code.builtinCode for code in read(data).operatorCodes}
    backend = litert.open_artifact(data, threads=1)
    answers = backend.run((inputs(),))[0]
    np.testing.assert_allclose(answers, conversion.expected, atol=TOLERANCES[name][0])
    np.testing.assert_array_equal(backend.run((inputs()[5:6],))[0], answers[5:6])
    if kind not in WHOLE:
        streamed = stream_rows(backend, inputs()[:STREAMED])[:, -1]
        np.testing.assert_allclose(streamed, answers[:STREAMED], atol=TOLERANCES[name][1] + 1e-6)


def test_integers_in_and_out(conversion_of: Conversions) -> None:
    conversion = conversion_of("plain")
    data = conversion.build("int8", io_type="int8")
    kinds = {int(t.type) for t in read(data).subgraphs[0].tensors}
    assert Operator.QUANTIZE not in {code.builtinCode for code in read(data).operatorCodes}
    assert kinds <= {3, 4, 7, 9, 2}  # INT8, INT32 and the like; no float tensor: 0
    assert 0 not in kinds
    backend = litert.open_artifact(data, threads=1)
    answers = backend.run((inputs(),))[0]
    np.testing.assert_allclose(answers, conversion.expected, atol=0.1)
    np.testing.assert_array_equal(stream_rows(backend, inputs())[:, -1], answers)


@pytest.mark.parametrize("kind", ["SimpleRNN", "GRU"])
def test_the_range_of_a_state_covers_the_last_step(kind: str, save_model: Callable[..., Path]) -> None:
    """It grows from step to step, so that the last one is the largest."""
    from keras import initializers, layers

    options = {"reset_after": False} if kind == "GRU" else {}
    activation = "gelu" if kind == "GRU" else "linear"
    grown = getattr(layers, kind)(
        4,
        activation=activation,
        kernel_initializer=initializers.Constant(0.3),
        recurrent_initializer=initializers.Identity(1.5),
        bias_initializer=initializers.Constant(0.5),
        **options,
    )
    path = save_model([grown, layers.Dense(2)])
    x = np.abs(inputs())
    expected = keras_model.predict(keras_model.load(path), x)
    converted = tflite.convert(keras_model.load(path))
    data = compact(quantize(converted, "int16x8", "float32", x, expected).build("unrolled"))
    np.testing.assert_allclose(litert.open_artifact(data, 1).run((x,))[0], expected, atol=0.02 * np.abs(expected).max())


def test_what_goes_backwards_does_not_stream_even_if_it_hardly_matters(save_model: Callable[..., Path]) -> None:
    from keras import initializers, layers

    small = initializers.RandomUniform(-1e-4, 1e-4, seed=0)
    layer = layers.Bidirectional(layers.LSTM(2, kernel_initializer=small), merge_mode="sum")
    assert not streams(keras_model.load(save_model([layer, layers.Dense(2, kernel_initializer=small)])))


def test_an_ill_conditioned_model_streams_as_well(save_model: Callable[..., Path]) -> None:
    from keras import initializers, layers

    wild = initializers.RandomNormal(stddev=1.5, seed=0)
    layer = layers.GRU(4, recurrent_activation="hard_tanh", kernel_initializer=wild, recurrent_initializer=wild)
    assert streams(keras_model.load(save_model([layer, layers.Dense(2)])))


def test_time_distributed_dense_is_one_product_and_streams_in_onnx(conversion_of: Conversions) -> None:
    conversion = conversion_of("time distributed")
    model = read(conversion.converted.data)
    assert len(model.subgraphs) == 2
    assert len(model.subgraphs[0].operators) == len(model.subgraphs[1].operators)
    data = onnx_export.convert(keras_model.load(conversion.path))
    names = {value.name for value in onnx.load_from_string(data).graph.input}
    assert names == {"input", "state_0", "state_1"}


def test_tflite_has_only_builtin_operators_and_frozen_weights(conversion_of: Conversions) -> None:
    codes = {code.builtinCode for code in read(conversion_of("plain").build("float32")).operatorCodes}
    assert Operator.CUSTOM not in codes
    assert Operator.READ_VARIABLE not in codes  # a file with it loads and answers wrongly
    assert Operator.STRIDED_SLICE not in codes  # not delegated, slow
    assert Operator.WHILE not in codes


def test_the_input_product_is_hoisted_and_the_first_step_costs_no_product(conversion_of: Conversions) -> None:
    model = read(conversion_of("plain").build("float32"))
    codes = [model.operatorCodes[op.opcodeIndex].builtinCode for op in model.subgraphs[0].operators]
    # One product for all inputs, one for each step except the first, whose state is zero, and one for the head.
    assert codes.count(Operator.FULLY_CONNECTED) == 1 + (STEPS - 1) + 1


def test_both_signatures_share_their_weights(conversion_of: Conversions) -> None:
    data = conversion_of("plain").build("float32")
    sizes = [len(buffer.data) for buffer in read(data).buffers if buffer.data is not None]
    assert sizes.count(5 * 5 * 4) == 1
    assert {signature.signatureKey for signature in read(data).signatureDefs} == {b"sequence", b"step"}


def test_conversion_is_repeatable(conversion_of: Conversions) -> None:
    first = conversion_of("plain")
    assert first.build("int8") == Conversion.of(first.path).build("int8")


def test_states_are_saved_and_restored(conversion_of: Conversions) -> None:
    backend = litert.open_artifact(conversion_of("stacked").build("int8"), threads=1)
    x = inputs()[0]
    stepper, other = backend.start(), backend.start()
    for row in x[:3]:
        stepper.step((row,))
    kept = stepper.states
    assert [state.shape for state in kept] == [(5,), (4,), (3,)]
    assert {state.dtype for state in kept} == {np.dtype(np.int8)}
    rest = [stepper.step((row,))[0] for row in x[3:]]
    other.states = kept
    np.testing.assert_array_equal([other.step((row,))[0] for row in x[3:]], rest)
    with pytest.raises(InputError, match="expected"):
        other.states = kept[:1]


def test_operators_that_no_light_runtime_has_are_refused(conversion_of: Conversions) -> None:
    converted = conversion_of("plain").converted
    model = read(converted.data)
    model.operatorCodes[0].builtinCode = Operator.CUSTOM
    model.operatorCodes[0].customCode = b"FlexErfinv"
    with pytest.raises(ExportError, match="needs operators that no light runtime has: FlexErfinv"):
        tflite._check_operators(write(model), converted.placeholders)
