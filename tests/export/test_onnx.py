"""ONNX files: the graph, its states, its int8 weights; each against the Keras model or NumPy."""

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from edgernn.backends import onnxruntime
from edgernn.errors import ArtifactError, ExportError, ModelError
from edgernn.rounding import round_channels
from edgernn_export import keras_model, rebuilding
from edgernn_export.formats.onnx import convert as converter
from edgernn_export.formats.onnx.int8_weights import quantize_weights
from edgernn_export.streaming import streams

TOLERANCE = 1e-5
STEPS, FEATURES = 6, 3
# Units of the LSTMs in the model with many states.
MANY = (2, 3, 2, 3, 2)


def layers_of(kind: str) -> Sequence[Any]:
    from keras import Sequential, layers

    head = layers.Dense(4, activation="softmax")
    rnn = layers.SimpleRNN
    sequence = rnn(5, return_sequences=True)
    return {
        # These stream.
        "plain": [rnn(5), head],
        "stacked": [sequence, rnn(4, return_sequences=True), rnn(3), head],
        "between": [layers.Dense(4), sequence, layers.Dense(3, "tanh"), layers.LayerNormalization(), rnn(4), head],
        "nested": [Sequential([sequence, rnn(4)]), head],
        "unrolled by keras": [rnn(5, unroll=True), layers.Dropout(0.5), head],
        # 11 states, in five layers with two and one with one.
        "many": [*(layers.LSTM(units, return_sequences=True) for units in MANY), rnn(4), head],
        "gru and lstm": [layers.GRU(5, return_sequences=True), layers.LSTM(4), head],
        "each step": [sequence, layers.Dense(4)],
        "raw": [layers.Rescaling(1 / 255), rnn(5), head],
        "causal": [
            *(layers.Conv1D(4, 3, padding="causal"), rnn(5, return_sequences=True)),
            *(layers.Conv1D(3, 2, padding="causal", dilation_rate=2, activation="relu"), layers.LSTM(4), head),
        ],
        "causal alone": [layers.ZeroPadding1D((2, 0)), layers.SeparableConv1D(4, 3), head],
        # These use more of the sequence than the newest row and their states.
        "backwards": [rnn(5, go_backwards=True), head],
        "backwards below": [rnn(5, go_backwards=True, return_sequences=True), rnn(3), head],
        "flattened": [sequence, layers.Flatten(), head],
        "averaged": [sequence, layers.GlobalAveragePooling1D(), head],
        "convolved": [layers.Conv1D(3, 3), rnn(5), head],
        "other steps": [layers.Reshape((3, 6)), rnn(5), head],
        # This one would stream, but with a loop.
        "looping": [layers.TimeDistributed(layers.LayerNormalization()), rnn(5), head],
    }[kind]


STREAMING = ("plain", "stacked", "between", "nested", "unrolled by keras", "many", "causal")
WHOLE_ONLY = ("backwards", "backwards below", "flattened", "averaged", "convolved", "other steps", "looping")


def samples(batch: int, steps: int = STEPS) -> np.ndarray:
    return np.random.default_rng(batch).normal(size=(batch, steps, FEATURES)).astype(np.float32)


def convert(path: Path) -> bytes:
    return converter.convert(keras_model.load(path))


@pytest.fixture(scope="module")
def path_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a function that saves the model of a kind once."""
    import keras

    @cache
    def save(kind: str) -> Path:
        path = tmp_path_factory.mktemp("kind") / "small.keras"
        keras.Sequential([keras.Input((STEPS, FEATURES)), *layers_of(kind)]).save(path)
        return path

    return save


@pytest.fixture(scope="module")
def converted(path_of: Callable[[str], Path]) -> Callable[[str], bytes]:
    """Return a function that converts the model of a kind once."""
    return cache(lambda kind: convert(path_of(kind)))


def opened(data: bytes) -> Any:
    """Open a session like other programs, except for the option that multiplies int8 weights out."""
    import onnxruntime as library

    options = library.SessionOptions()
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    return library.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def shapes(values: Any) -> dict[str, list[int | str]]:
    return {
        value.name: [size.dim_param or size.dim_value for size in value.type.tensor_type.shape.dim] for value in values
    }


@pytest.mark.parametrize("kind", STREAMING)
def test_rows_one_by_one_answer_as_keras_does_for_every_beginning(
    kind: str, path_of: Callable[[str], Path], converted: Callable[[str], bytes]
) -> None:
    model = rebuilding.with_steps(keras_model.load(path_of(kind)), None)
    x = samples(1, STEPS + 1)  # also more steps than the model was built for
    backend = onnxruntime.open_artifact(converted(kind), threads=1)
    assert backend.input_shapes == ((-1, FEATURES),)
    stream = backend.start()
    for count, row in enumerate(x[0], start=1):
        answer, expected = stream.step((row,))[0], backend.run((x[:, :count],))[0]
        np.testing.assert_allclose(answer, expected[0], atol=TOLERANCE)
        if count in (1, 2, STEPS, STEPS + 1):  # Keras takes much longer
            keras = np.asarray(model(x[:, :count], training=False))
            np.testing.assert_allclose(expected, keras, atol=TOLERANCE)


@pytest.mark.parametrize("activation", ["gelu", "celu"])  # Erfc and Expm1
def test_what_tf2onnx_leaves_of_a_dense_layers_activation(activation: str, save_model: Callable[..., Path]) -> None:
    from keras import layers

    path, x = save_model([layers.SimpleRNN(5), layers.Dense(4, activation=activation), layers.Dense(3)]), samples(9)
    backend = onnxruntime.open_artifact(convert(path), threads=1)
    np.testing.assert_allclose(backend.run((x,))[0], keras_model.predict(keras_model.load(path), x), atol=TOLERANCE)


def test_any_batch(path_of: Callable[[str], Path], converted: Callable[[str], bytes]) -> None:
    x = samples(300)
    expected = keras_model.predict(keras_model.load(path_of("stacked")), x)
    backend = onnxruntime.open_artifact(converted("stacked"), threads=1)
    for batch in (1, 7, 300):
        np.testing.assert_allclose(backend.run((x[:batch],))[0], expected[:batch], atol=TOLERANCE)


def test_every_state_goes_in_and_out_in_the_order_of_the_layers(converted: Callable[[str], bytes]) -> None:
    graph = onnx.load_from_string(converted("many")).graph
    sizes = [*(units for units in MANY for _ in range(2)), 4]
    states = {f"state_{index}": ["batch", size] for index, size in enumerate(sizes)}
    inputs, outputs = shapes(graph.input), shapes(graph.output)
    assert inputs == {"input": ["batch", "steps", FEATURES]} | states
    assert outputs == {"output": ["batch", 4]} | {f"{name}_out": shape for name, shape in states.items()}
    assert list(inputs)[1:] == list(states)
    assert list(outputs)[1:] == [f"{name}_out" for name in states]


@pytest.mark.parametrize("kind", ["stacked", "gru and lstm", "each step", "causal", "causal alone"])
def test_states_are_optional_for_onnx_runtime(kind: str, converted: Callable[[str], bytes]) -> None:
    """Call the file like other programs, with the first input alone; then stream in two halves."""
    data, x = converted(kind), samples(7)
    for session in (opened(data), opened(quantize_weights(data))):
        (source,) = session.get_inputs()
        names = [state.name for state in session.get_overridable_initializers()]
        assert [target.name for target in session.get_outputs()] == ["output", *(f"{name}_out" for name in names)]
        assert names
        whole = session.run(None, {source.name: x})
        alone = [session.run(None, {source.name: sample[np.newaxis]})[0][0] for sample in x]
        np.testing.assert_allclose(whole[0], alone, atol=TOLERANCE)
        _, *states = session.run(None, {source.name: x[:, :2]})
        halves = session.run(None, {source.name: x[:, 2:]} | dict(zip(names, states, strict=True)))
        halves[0], whole[0] = (values[:, -1] if values.ndim == 3 else values for values in (halves[0], whole[0]))
        for one, other in zip(halves, whole, strict=True):
            np.testing.assert_allclose(one, other, atol=TOLERANCE)


@pytest.mark.parametrize("kind", ["gru and lstm", "each step", "raw", "backwards below", "flattened", "looping"])
def test_a_static_file_has_fixed_sizes_and_one_input(kind: str, path_of: Callable[[str], Path]) -> None:
    path, x = path_of(kind), samples(7)
    data = converter.convert(keras_model.load(path), static=True)
    expected = keras_model.predict(keras_model.load(path), x)
    graph = onnx.load_from_string(data).graph
    assert shapes(graph.input) == {"input": [1, STEPS, FEATURES]}
    assert shapes(graph.output) == {"output": [1, *expected.shape[1:]]}
    session = opened(data)
    answers = [session.run(None, {session.get_inputs()[0].name: sample[np.newaxis]})[0][0] for sample in x]
    np.testing.assert_allclose(answers, expected, atol=TOLERANCE)
    np.testing.assert_allclose(onnxruntime.open_artifact(data, threads=1).run((x,))[0], expected, atol=TOLERANCE)
    integers = quantize_weights(data)
    assert shapes(onnx.load_from_string(integers).graph.input) == {"input": [1, STEPS, FEATURES]}
    assert np.abs(onnxruntime.open_artifact(integers, threads=1).run((x,))[0] - expected).max() < 0.1


@pytest.mark.parametrize("kind", WHOLE_ONLY)
def test_what_cannot_stream_has_no_states_and_fixed_steps(
    kind: str, path_of: Callable[[str], Path], converted: Callable[[str], bytes]
) -> None:
    path, x, data = path_of(kind), samples(7), converted(kind)
    graph = onnx.load_from_string(data).graph
    assert shapes(graph.input) == {"input": ["batch", STEPS, FEATURES]}
    assert shapes(graph.output) == {"output": ["batch", 4]}
    backend = onnxruntime.open_artifact(data, threads=1)
    np.testing.assert_allclose(backend.run((x,))[0], keras_model.predict(keras_model.load(path), x), atol=TOLERANCE)
    with pytest.raises(ArtifactError, match="cannot stream"):
        backend.start()


def test_a_layer_that_is_used_twice(tmp_path: Path) -> None:
    import keras

    inputs = keras.Input((STEPS, FEATURES))
    twice = keras.layers.SimpleRNN(FEATURES, return_sequences=True)
    outputs = keras.layers.Dense(4)(keras.layers.SimpleRNN(5)(twice(twice(inputs))))
    path = tmp_path / "twice.keras"
    keras.Model(inputs, outputs).save(path)
    model = keras_model.load(path)
    assert not streams(model)  # its state would be needed twice
    backend = onnxruntime.open_artifact(convert(path), threads=1)
    np.testing.assert_allclose(backend.run((samples(7),))[0], keras_model.predict(model, samples(7)), atol=TOLERANCE)


def test_the_last_row_of_a_sequence_and_branches_stream(tmp_path: Path) -> None:
    import keras

    inputs = keras.Input((STEPS, FEATURES))
    last = keras.layers.SimpleRNN(5, return_sequences=True)(inputs)[:, -1]
    other = keras.layers.SimpleRNN(4)(keras.layers.Dense(3)(inputs))
    path = tmp_path / "branches.keras"
    keras.Model(inputs, keras.layers.Dense(4)(keras.layers.Concatenate()([last, other]))).save(path)
    x = samples(1)
    stream = onnxruntime.open_artifact(convert(path), threads=1).start()
    answers = [stream.step((row,))[0] for row in x[0]]
    expected = keras_model.predict(keras_model.load(path), x)[0]
    np.testing.assert_allclose(answers[-1], expected, atol=TOLERANCE)


@pytest.mark.parametrize("kind", ["stacked", "backwards below"])
@pytest.mark.parametrize("finish", [lambda data: data, quantize_weights], ids=["float32", "int8"])
def test_the_graph_is_onnx_own(kind: str, finish: Callable[[bytes], bytes], converted: Callable[[str], bytes]) -> None:
    proto = onnx.load_from_string(finish(converted(kind)))
    kinds = [node.op_type for node in proto.graph.node]
    assert kinds.count("RNN") == len(layers_of(kind)) - 1
    assert not {"Loop", "Scan", "If"} & set(kinds)
    assert [(opset.domain, opset.version) for opset in proto.opset_import] == [("", converter.OPSET)]
    onnx.checker.check_model(proto, full_check=True)
    onnx.shape_inference.infer_shapes(proto, check_type=True, strict_mode=True)


def test_int8_weights_are_keras_weights_rounded_to_a_grid(
    path_of: Callable[[str], Path], converted: Callable[[str], bytes]
) -> None:
    proto = onnx.load_from_string(quantize_weights(converted("stacked")))
    constants = {constant.name: numpy_helper.to_array(constant) for constant in proto.graph.initializer}
    dequantize = [node for node in proto.graph.node if node.op_type == "DequantizeLinear"]
    on_grid = [constants[node.input[0]] for node in dequantize]
    scales = [constants[node.input[1]] for node in dequantize]
    weights = keras_model.load(path_of("stacked")).get_weights()
    kernels = [weight for weight in weights if weight.ndim == 2]
    kernels[:-1] = [kernel.T[np.newaxis] for kernel in kernels[:-1]]  # as ONNX's RNN has them
    assert len(kernels) == len(on_grid) == 3 * 2 + 1
    for kernel, integers, scale in zip(kernels, on_grid, scales, strict=True):
        step = scale.reshape(1, -1, *(1 for _ in kernel.shape[2:]))  # axis 1 is the units
        assert integers.dtype == np.int8
        assert integers.min() >= -127
        assert (np.abs(integers * step - kernel) <= step / 2 * (1 + 1e-6)).all()
        others = tuple(axis for axis in range(kernel.ndim) if axis != 1)
        assert (np.abs(integers).max(axis=others) == 127).all()  # every channel uses its range
    floats = [constant for constant in constants.values() if constant.dtype == np.float32]
    for bias in (weight for weight in weights if weight.ndim == 1):
        assert any(constant.size == bias.size and (constant.ravel() == bias).all() for constant in floats)


@pytest.mark.parametrize("units", [5, 64])
def test_int8_answers_as_the_rounded_weights_do(units: int, save_model: Callable[..., Path]) -> None:
    """64 units: by default ONNX Runtime fuses DequantizeLinear so that it also rounds the Dense layer's input."""
    from keras import layers

    data = convert(save_model([layers.SimpleRNN(units), layers.Dense(10)]))
    proto = onnx.load_from_string(data)
    for constant in proto.graph.initializer:
        weights = numpy_helper.to_array(constant)
        if constant.data_type == onnx.TensorProto.FLOAT and min(weights.shape[-2:], default=1) > 1:
            integers, scales = round_channels(weights, axis=1)
            constant.CopyFrom(numpy_helper.from_array(integers * scales, constant.name))
    expected = onnxruntime.open_artifact(proto.SerializeToString(), threads=1).run((samples(7),))[0]
    answers = onnxruntime.open_artifact(quantize_weights(data), threads=1).run((samples(7),))[0]
    np.testing.assert_array_equal(answers, expected)


def test_a_bias_of_the_recurrent_product_stays(converted: Callable[[str], bytes]) -> None:
    """Keras's SimpleRNN has no such bias, so its zeros are left out; a GRU has one."""
    proto = onnx.load_from_string(converted("plain"))
    node = next(node for node in proto.graph.node if node.op_type == "RNN")
    bias = next(constant for constant in proto.graph.initializer if constant.name == node.input[3])
    bias.CopyFrom(numpy_helper.from_array(np.arange(10, dtype=np.float32)[np.newaxis] / 10, bias.name))
    kept = onnx.load_from_string(quantize_weights(proto.SerializeToString()))
    assert "Pad" not in {node.op_type for node in kept.graph.node}
    assert [1, 10] in [list(constant.dims) for constant in kept.graph.initializer]


def test_int8_needs_kernels() -> None:
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Relu", ["input"], ["output"])],
        "none",
        [value("input", onnx.TensorProto.FLOAT, ["batch", 3])],
        [value("output", onnx.TensorProto.FLOAT, ["batch", 3])],
    )
    with pytest.raises(ExportError, match="no recurrent or dense kernel"):
        quantize_weights(onnx.helper.make_model(graph).SerializeToString())


def test_earlier_conversions_do_not_change_the_bytes(
    path_of: Callable[[str], Path], converted: Callable[[str], bytes]
) -> None:
    """tf2onnx continues its numbering of nodes. test_worker.py compares with the bytes of another process."""
    data = converted("stacked")
    assert convert(path_of("stacked")) == data


def test_another_number_of_steps(path_of: Callable[[str], Path]) -> None:
    model = keras_model.load(path_of("between"))
    one = rebuilding.with_steps(model, 1)
    assert one.inputs[0].shape == (None, 1, FEATURES)
    assert model.inputs[0].shape == (None, STEPS, FEATURES)
    for weight, original in zip(one.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, original)


def test_a_layer_that_needs_its_number_of_steps(path_of: Callable[[str], Path]) -> None:
    model = keras_model.load(path_of("flattened"))
    with pytest.raises(ModelError, match="cannot run with any number of steps"):
        rebuilding.with_steps(model, None)
    with pytest.raises(ModelError, match="cannot run with 1 steps"):
        rebuilding.with_steps(model, 1)
