"""TFLite files, every number format and layout, against the Keras model, over what an exported model may hold."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgernn.backends import litert
from edgernn.errors import ArtifactError, ExportError, UnsupportedError
from edgernn_export import keras_model, tflite
from edgernn_export.compact import compact
from edgernn_export.graph import Operator, read, write
from edgernn_export.quantize import Quantized, quantize

STEPS, FEATURES, CLASSES = 6, 3, 4
# The largest difference in a probability: to the Keras model, and of a stream to the sequence.
TOLERANCES = {
    "float32": (1e-5, 1e-5),
    "float16": (1e-2, 1e-5),
    "dynamic": (0.1, 0.05),
    "int8": (0.1, 0.0),
    "int16x8": (0.1, 0.01),
}
LAYOUTS = ("unrolled", "loop", "fused")


def layers_of(kind: str) -> Sequence[Any]:
    from keras import Sequential, layers

    head = layers.Dense(CLASSES, activation="softmax")
    rnn = layers.SimpleRNN
    return {
        "plain": [rnn(5), head],
        "relu": [rnn(5, activation="relu"), head],
        "sigmoid": [rnn(5, activation="sigmoid"), head],
        "linear": [rnn(5, activation="linear"), head],
        "no bias": [rnn(5, use_bias=False), head],
        "backwards": [rnn(5, go_backwards=True), head],
        "stacked": [rnn(5, return_sequences=True), rnn(4, return_sequences=True), rnn(3), head],
        "unrolled by keras": [rnn(5, unroll=True), head],
        "dropout": [rnn(5, dropout=0.5, recurrent_dropout=0.5), layers.Dropout(0.5), head],
        "element-wise behind": [rnn(5), layers.Dense(6), layers.LeakyReLU(), layers.Dense(5, "tanh"), head],
        "in front": [layers.Dense(4, "relu"), rnn(5), head],
        "nested": [Sequential([rnn(5, return_sequences=True), rnn(5)]), head],
        "one unit": [rnn(1), head],
    }[kind]


KINDS = (
    *("plain", "relu", "sigmoid", "linear", "no bias", "backwards", "stacked", "unrolled by keras", "dropout"),
    *("element-wise behind", "in front", "nested", "one unit"),
)


def inputs(count: int = 40, steps: int = STEPS) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(count, steps, FEATURES)).astype(np.float32)


def formats_of(path: Path, names: Sequence[str], io_type: str = "float32") -> tuple[dict[str, Quantized], np.ndarray]:
    """The model in these number formats, and Keras's answers to `inputs`."""
    expected = keras_model.probabilities(keras_model.load(path), inputs())
    converted = tflite.convert(keras_model.load(path))
    return {name: quantize(converted, name, io_type, inputs(), expected) for name in names}, expected


def stream(backend: Any, x: np.ndarray) -> np.ndarray:
    stepper = backend.start()
    answers = []
    for sample in x:
        stepper.reset()
        for row in sample:
            answer = stepper.step(row)
        answers.append(answer)
    return np.stack(answers)


@pytest.mark.parametrize("kind", KINDS)
def test_every_format_answers_as_keras_and_streams_as_it_answers(kind: str, save_model: Callable[..., Path]) -> None:
    formats, expected = formats_of(save_model(layers_of(kind)), list(TOLERANCES))
    for name, (tolerance, stream_tolerance) in TOLERANCES.items():
        backend = litert.open_artifact(compact(formats[name].lay_out("unrolled")), threads=1)
        answers = backend.run(inputs())
        np.testing.assert_allclose(answers, expected, atol=tolerance, err_msg=name)
        if kind == "backwards":
            with pytest.raises(ArtifactError, match="cannot stream"):
                backend.start()
        else:
            np.testing.assert_allclose(stream(backend, inputs()), answers, rtol=0, atol=stream_tolerance, err_msg=name)


@pytest.mark.parametrize("name", list(TOLERANCES))
def test_the_loop_gives_the_bits_of_unrolled(name: str, save_model: Callable[..., Path]) -> None:
    formats, _ = formats_of(save_model(layers_of("plain")), [name])
    unrolled, loop = (
        litert.open_artifact(compact(formats[name].lay_out(layout)), threads=1) for layout in ("unrolled", "loop")
    )
    tolerance = 0 if name.startswith("int") else 1e-2 if name == "dynamic" else 1e-6
    np.testing.assert_allclose(loop.run(inputs()), unrolled.run(inputs()), rtol=0, atol=tolerance)
    np.testing.assert_array_equal(stream(loop, inputs()), stream(unrolled, inputs()))


@pytest.mark.parametrize("steps", [1, 7, 8, 12])
def test_the_loop_takes_any_number_of_steps(steps: int, save_model: Callable[..., Path]) -> None:
    path = save_model(layers_of("plain"), steps=steps)
    x = inputs(steps=steps)
    expected = keras_model.probabilities(keras_model.load(path), x)
    converted = tflite.convert(keras_model.load(path))
    data = compact(quantize(converted, "float32", "float32", x, expected).lay_out("loop"))
    np.testing.assert_allclose(litert.open_artifact(data, 1).run(x), expected, atol=1e-5)


@pytest.mark.parametrize("kind", ["plain", "relu", "linear", "no bias"])
@pytest.mark.parametrize("name", ["float32", "dynamic"])
def test_fused_answers_as_keras_and_keeps_nothing_between_calls(
    kind: str, name: str, save_model: Callable[..., Path]
) -> None:
    formats, expected = formats_of(save_model(layers_of(kind)), [name])
    data = compact(formats[name].lay_out("fused"))
    assert Operator.UNIDIRECTIONAL_SEQUENCE_RNN in {code.builtinCode for code in read(data).operatorCodes}
    backend = litert.open_artifact(data, threads=1)
    answers = backend.run(inputs())
    np.testing.assert_allclose(answers, expected, atol=TOLERANCES[name][0])
    np.testing.assert_array_equal(backend.run(inputs()[5:6]), answers[5:6])
    np.testing.assert_allclose(stream(backend, inputs()), answers, atol=TOLERANCES[name][1] + 1e-6)


@pytest.mark.parametrize("layout", ["loop", "fused"])
@pytest.mark.parametrize(("kind", "option"), [("stacked", "return_sequences"), ("backwards", "go_backwards")])
def test_what_a_layout_cannot_give_is_refused(
    layout: str, kind: str, option: str, save_model: Callable[..., Path]
) -> None:
    formats, _ = formats_of(save_model(layers_of(kind)), ["float32"])
    with pytest.raises(UnsupportedError, match=f"has {option}=True, which layout {layout} cannot give"):
        formats["float32"].lay_out(layout)


def test_integers_in_and_out(save_model: Callable[..., Path]) -> None:
    formats, expected = formats_of(save_model(layers_of("plain")), ["int8"], io_type="int8")
    data = compact(formats["int8"].lay_out("unrolled"))
    kinds = {int(t.type) for t in read(data).subgraphs[0].tensors}
    assert Operator.QUANTIZE not in {code.builtinCode for code in read(data).operatorCodes}
    assert kinds <= {3, 4, 7, 9, 2}  # INT8, INT32 and the like; no float tensor: 0
    assert 0 not in kinds
    backend = litert.open_artifact(data, threads=1)
    answers = backend.run(inputs())
    np.testing.assert_allclose(answers, expected, atol=0.1)
    np.testing.assert_array_equal(stream(backend, inputs()), answers)


def test_tflite_holds_only_builtin_operators_and_frozen_weights(save_model: Callable[..., Path]) -> None:
    formats, _ = formats_of(save_model(layers_of("plain")), ["float32"])
    codes = {code.builtinCode for code in read(compact(formats["float32"].lay_out("unrolled"))).operatorCodes}
    assert Operator.CUSTOM not in codes
    assert Operator.READ_VARIABLE not in codes  # such a file loads and answers wrongly
    assert Operator.STRIDED_SLICE not in codes  # not delegated, slow
    assert Operator.WHILE not in codes


def test_the_input_product_is_hoisted_and_the_first_step_costs_no_product(save_model: Callable[..., Path]) -> None:
    formats, _ = formats_of(save_model(layers_of("plain")), ["float32"])
    model = read(compact(formats["float32"].lay_out("unrolled")))
    codes = [model.operatorCodes[op.opcodeIndex].builtinCode for op in model.subgraphs[0].operators]
    # One product for all inputs, one for each step but the first, whose state is zero, one for the head.
    assert codes.count(Operator.FULLY_CONNECTED) == 1 + (STEPS - 1) + 1


def test_both_signatures_share_their_weights(save_model: Callable[..., Path]) -> None:
    formats, _ = formats_of(save_model(layers_of("plain")), ["float32"])
    data = compact(formats["float32"].lay_out("unrolled"))
    sizes = [len(buffer.data) for buffer in read(data).buffers if buffer.data is not None]
    assert sizes.count(5 * 5 * 4) == 1
    assert {signature.signatureKey for signature in read(data).signatureDefs} == {b"sequence", b"step"}


def test_conversion_is_repeatable(save_model: Callable[..., Path]) -> None:
    path = save_model(layers_of("plain"))
    first, second = (formats_of(path, ["int8"])[0]["int8"].lay_out("unrolled") for _ in range(2))
    assert compact(first) == compact(second)


def test_states_are_saved_and_restored(save_model: Callable[..., Path]) -> None:
    formats, _ = formats_of(save_model(layers_of("stacked")), ["int8"])
    backend = litert.open_artifact(compact(formats["int8"].lay_out("unrolled")), threads=1)
    x = inputs()[0]
    stepper, other = backend.start(), backend.start()
    for row in x[:3]:
        stepper.step(row)
    kept = stepper.states
    assert [state.shape for state in kept] == [(5,), (4,), (3,)]
    assert {state.dtype for state in kept} == {np.dtype(np.int8)}
    rest = [stepper.step(row) for row in x[3:]]
    other.states = kept
    np.testing.assert_array_equal([other.step(row) for row in x[3:]], rest)
    with pytest.raises(ArtifactError, match="expected"):
        other.states = kept[:1]


def test_operators_that_no_light_runtime_has_are_refused(save_model: Callable[..., Path]) -> None:
    converted = tflite.convert(keras_model.load(save_model(layers_of("plain"))))
    model = read(converted.data)
    model.operatorCodes[0].builtinCode = Operator.CUSTOM
    model.operatorCodes[0].customCode = b"FlexErfinv"
    with pytest.raises(ExportError, match="needs operators that no light runtime has: FlexErfinv"):
        tflite._check_operators(write(model), converted.carriers)
