"""Files of Keras 2 are read with their meaning in Keras 2, or refused."""

import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import h5py
import made_up_keras2 as keras2_files
import numpy as np
import pytest
from made_up_keras2 import answer, dense, draw, drawn, functional, hard_sigmoid, layer, named, recurrent, sequential

from edgernn.backends import litert, onnxruntime
from edgernn.data.run_folder import read_original
from edgernn.errors import ModelError
from edgernn_export import early_checks, keras_file, keras_model
from edgernn_export.formats.onnx import convert as onnx
from edgernn_export.formats.tflite import convert as tflite
from edgernn_export.formats.tflite.quantize import quantize

KINDS = ("SimpleRNN", "GRU", "LSTM")
X = np.random.default_rng(1).normal(size=(5, keras2_files.STEPS, keras2_files.FEATURES)).astype(np.float32)


@pytest.fixture
def read_as(tmp_path: Path) -> Callable[..., np.ndarray]:
    """Return a function that writes a model as Keras 2 did, reads the file, and returns the model's answers to `X`."""

    def read(
        config: Any, weights: Any, write: Callable[..., Path] = keras2_files.write_h5, **options: Any
    ) -> np.ndarray:
        path = tmp_path / ("model.h5" if write is keras2_files.write_h5 else "model.keras")
        return keras_model.predict(keras_file.read(write(path, config, weights, **options)), X)

    return read


def same(found: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(found, expected, atol=2e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_recurrent_layers_of_both_formats(kind: str, read_as: Callable[..., np.ndarray]) -> None:
    gates = {} if kind == "SimpleRNN" else {"recurrent_activation": "hard_sigmoid"}
    reset = {"reset_after": True} if kind == "GRU" else {}
    config = sequential(recurrent(kind, "rnn", **gates, **reset))
    weights = drawn(kind)
    expected = answer(kind, X, weights, hard_sigmoid)[:, -1]
    same(read_as(config, {"rnn": named("rnn/cell", weights)}), expected)
    snake = {"SimpleRNN": "simple_rnn", "GRU": "gru", "LSTM": "lstm"}[kind]
    stored = {f"layers/{snake}/cell/vars/{number}": each for number, each in enumerate(weights)}
    same(read_as(config, stored, keras2_files.write_keras), expected)


def test_a_gru_that_does_not_say_reset_after_has_the_gate_before(read_as: Callable[..., np.ndarray]) -> None:
    weights = drawn("GRU", reset_after=False)
    read = read_as(sequential(recurrent("GRU", "g")), {"g": named("g", weights)}, version="2.1.3")
    same(read, answer("GRU", X, weights, reset_after=False)[:, -1])


ACTIVATIONS: dict[str, tuple[Any, Callable[[np.ndarray], np.ndarray]]] = {
    "hard_sigmoid": ("hard_sigmoid", hard_sigmoid),
    "softmax of TensorFlow": ("softmax_v2", lambda x: np.exp(x) / np.exp(x).sum(-1, keepdims=True)),
    "swish": ("swish", lambda x: x * keras2_files.sigmoid(x)),
    "layer": (layer("LeakyReLU", "l", alpha=0.3), lambda x: np.where(x > 0, x, 0.3 * x)),
    "function": ({"class_name": "function", "config": "hard_sigmoid", "module": "builtins"}, hard_sigmoid),
    "none": (None, lambda x: x),
}


@pytest.mark.parametrize("case", ACTIVATIONS)
def test_activations_mean_what_they_meant(case: str, read_as: Callable[..., np.ndarray]) -> None:
    name, function = ACTIVATIONS[case]
    weights, kernel, bias = drawn("LSTM"), draw(keras2_files.UNITS, 7) * 6, draw(7)
    config = sequential(recurrent("LSTM", "r"), dense("d", 7, name))
    read = read_as(config, {"r": named("r", weights), "d": [("d/kernel:0", kernel), ("d/bias:0", bias)]})
    same(read, function(answer("LSTM", X, weights)[:, -1] @ kernel + bias))


LAYERS: dict[str, tuple[dict[str, Any], Callable[[np.ndarray], np.ndarray]]] = {
    "LeakyReLU": (layer("LeakyReLU", "l", alpha=0.05), lambda x: np.where(x > 0, x, 0.05 * x)),
    "LeakyReLU of NumPy": (
        layer("LeakyReLU", "l", alpha={"type": "ndarray", "value": 0.4}),
        lambda x: np.where(x > 0, x, 0.4 * x),
    ),
    "ThresholdedReLU": (layer("ThresholdedReLU", "l", theta=0.2), lambda x: np.where(x > 0.2, x, 0)),
    "ReLU": (
        layer("ReLU", "l", max_value=0.5, negative_slope=0.1, threshold=0.2),
        lambda x: np.where(x >= 0.5, 0.5, np.where(x > 0.2, x, 0.1 * (x - 0.2))),
    ),
    "ELU": (layer("ELU", "l", alpha=0.3), lambda x: np.where(x > 0, x, 0.3 * np.expm1(x))),
    "Activation": (layer("Activation", "l", activation="hard_sigmoid"), hard_sigmoid),
    "policy": (layer("ReLU", "l") | {}, lambda x: np.maximum(x, 0)),
    "Rescaling": (layer("Rescaling", "l", scale=0.5, offset=1.0), lambda x: 0.5 * x + 1),
}
LAYERS["policy"][0]["config"]["dtype"] = {"class_name": "Policy", "config": {"name": "float32"}}


@pytest.mark.parametrize("case", LAYERS)
def test_layers_mean_what_they_meant(case: str, read_as: Callable[..., np.ndarray]) -> None:
    config, function = LAYERS[case]
    weights = drawn("SimpleRNN")
    read = read_as(sequential(recurrent("SimpleRNN", "r"), config), {"r": named("r", weights), "l": []})
    same(read, function(answer("SimpleRNN", X, weights)[:, -1]))


@pytest.mark.parametrize("kind", ["BatchNormalization", "BatchNormalizationV1"])
def test_a_batch_normalization_has_its_axis_in_a_list(kind: str, read_as: Callable[..., np.ndarray]) -> None:
    weights = drawn("LSTM")
    gamma, beta, mean, variance = draw(4, seed=1), draw(4, seed=2), draw(4, seed=3), draw(4, seed=4) ** 2 + 0.5
    leaves = zip(("gamma", "beta", "moving_mean", "moving_variance"), (gamma, beta, mean, variance), strict=True)
    config = sequential(recurrent("LSTM", "r"), layer(kind, "b", axis=[1], epsilon=0.01, momentum=0.9))
    read = read_as(config, {"r": named("r", weights), "b": [(f"b/{leaf}:0", each) for leaf, each in leaves]})
    same(read, (answer("LSTM", X, weights)[:, -1] - mean) / np.sqrt(variance + 0.01) * gamma + beta)


@pytest.mark.parametrize("kind", KINDS)
def test_bidirectional_has_the_forward_layer_first(kind: str, read_as: Callable[..., np.ndarray]) -> None:
    forward, backward = drawn(kind, seed=10), drawn(kind, seed=20)
    inner = recurrent(kind, "rnn", **({"reset_after": True} if kind == "GRU" else {}))
    config = sequential(layer("Bidirectional", "b", layer=inner, merge_mode="concat"))
    expected = [answer(kind, X, forward)[:, -1], answer(kind, X[:, ::-1], backward)[:, -1]]
    stored = [*named("b/forward_rnn/cell", forward), *named("b/backward_rnn/cell", backward)]
    same(read_as(config, {"b": stored}), np.concatenate(expected, axis=1))
    with pytest.raises(ModelError, match=r"the weights 'b/backward_rnn/.*' in 'b', expected '.*b/forward_rnn/"):
        read_as(config, {"b": [*stored[3:], *stored[:3]]})
    groups = {"forward_layer": forward, "backward_layer": backward}
    stored = {f"layers/bidirectional/{key}/cell/vars/{n}": each[n] for key, each in groups.items() for n in range(3)}
    same(read_as(config, stored, keras2_files.write_keras), np.concatenate(expected, axis=1))


def test_bidirectional_of_a_layer_that_goes_backwards(read_as: Callable[..., np.ndarray]) -> None:
    first, second = drawn("LSTM", seed=10), drawn("LSTM", seed=20)
    inner = recurrent("LSTM", "rnn", go_backwards=True)
    config = sequential(layer("Bidirectional", "b", layer=inner, merge_mode="sum"))
    stored = {"b": [*named("b/forward_rnn/cell", first), *named("b/backward_rnn/cell", second)]}
    same(read_as(config, stored), answer("LSTM", X[:, ::-1], first)[:, -1] + answer("LSTM", X, second)[:, -1])


def test_time_distributed(read_as: Callable[..., np.ndarray]) -> None:
    weights, kernel, bias = drawn("LSTM"), draw(4, 2), draw(2)
    inner = dense("inner", 2, "hard_sigmoid")
    config = sequential(recurrent("LSTM", "r", return_sequences=True), layer("TimeDistributed", "t", layer=inner))
    read = read_as(config, {"r": named("r", weights), "t": [("t/kernel:0", kernel), ("t/bias:0", bias)]})
    same(read, hard_sigmoid(answer("LSTM", X, weights) @ kernel + bias))


def as_cudnn(kind: str, weights: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Convert weights to cuDNN's form, gate by gate: kernels [units, features] in one row of memory, and two biases."""
    gates = {"GRU": 3, "LSTM": 4}[kind]
    kernel, recurrent_kernel, bias = weights
    columns = [np.ascontiguousarray(part.T).ravel().reshape(part.shape) for part in np.hsplit(kernel, gates)]
    turned = [part.T for part in np.hsplit(recurrent_kernel, gates)]
    both = bias if kind == "GRU" else np.stack([0.25 * bias, 0.75 * bias])
    return [np.hstack(columns), np.hstack(turned), both.ravel()]


@pytest.mark.parametrize("kind", ["GRU", "LSTM"])
def test_layers_of_cudnn_become_plain_ones(kind: str, read_as: Callable[..., np.ndarray]) -> None:
    weights, backward = drawn(kind, seed=30), drawn(kind, 2 * keras2_files.UNITS, seed=40)
    options = {"units": keras2_files.UNITS, "return_state": False, "go_backwards": False, "stateful": False}
    inner = layer(f"CuDNN{kind}", "c", return_sequences=True, **options)
    config = sequential(
        layer("Bidirectional", "b", layer=inner, merge_mode="concat"),
        layer(f"CuDNN{kind}", "last", return_sequences=False, **options),
    )
    stored = {
        "b": [*named("b/forward_c", as_cudnn(kind, weights)), *named("b/backward_c", as_cudnn(kind, weights))],
        "last": named("last", as_cudnn(kind, backward)),
    }
    first = [answer(kind, X, weights), answer(kind, X[:, ::-1], weights)[:, ::-1]]
    same(read_as(config, stored), answer(kind, np.concatenate(first, axis=2), backward)[:, -1])


def cell(kind: str, name: str) -> dict[str, Any]:
    options = {"units": keras2_files.UNITS, "activation": "tanh", "use_bias": True, "implementation": 2}
    gates = {} if kind == "SimpleRNN" else {"recurrent_activation": "sigmoid"}
    return layer(f"{kind}Cell", name, **options, **gates, **({"reset_after": True} if kind == "GRU" else {}))


def rnn(inner: dict[str, Any], **options: Any) -> dict[str, Any]:
    common = {"return_sequences": False, "return_state": False, "go_backwards": False, "stateful": False}
    return layer("RNN", "r", **common, unroll=False, time_major=False, cell=inner, **options)


@pytest.mark.parametrize("kind", KINDS)
def test_rnn_of_a_cell_becomes_a_layer(kind: str, tmp_path: Path) -> None:
    weights = drawn(kind)
    path = keras2_files.write_h5(tmp_path / "m.h5", sequential(rnn(cell(kind, "c"))), {"r": named("r/c", weights)})
    loaded = keras_model.load_both(path, x=X)
    assert [type(each).__name__ for each in keras_model.recurrent_layers(loaded.model)] == [kind]
    same(keras_model.predict(loaded.model, X), answer(kind, X, weights)[:, -1])


def test_stacked_cells_of_both_formats(read_as: Callable[..., np.ndarray]) -> None:
    kinds = ("LSTM", "GRU", "LSTM")
    features = (keras2_files.FEATURES, keras2_files.UNITS, keras2_files.UNITS)
    weights = [drawn(kind, size, seed=3 * n) for n, (kind, size) in enumerate(zip(kinds, features, strict=True))]
    cells = layer("StackedRNNCells", "s", cells=[cell(kind, f"c{n}") for n, kind in enumerate(kinds)])
    expected = X
    for kind, each in zip(kinds, weights, strict=True):
        expected = answer(kind, expected, each)
    stored = [weight for n, each in enumerate(weights) for weight in named(f"r/s/c{n}", each)]
    same(read_as(sequential(rnn(cells)), {"r": stored}), expected[:, -1])
    groups = zip(("lstm_cell", "gru_cell", "lstm_cell_1"), weights, strict=True)
    stored = {f"layers/rnn/cell/cells/{key}/vars/{n}": each[n] for key, each in groups for n in range(3)}
    same(read_as(sequential(rnn(cells)), stored, keras2_files.write_keras), expected[:, -1])


def test_a_stateful_model_of_a_fixed_batch_and_a_used_state_are_exported(tmp_path: Path) -> None:
    weights = drawn("LSTM")
    fixed = keras2_files.input_layer((2, keras2_files.STEPS, keras2_files.FEATURES))
    config = functional({"r": [[["input_1", 0, 0, {}]]]}, ["r", 0, 1], recurrent("LSTM", "r", stateful=True))
    config["config"]["layers"][0] |= {"config": fixed["config"]}
    config["config"]["layers"][1]["config"]["return_state"] = True
    path = keras2_files.write_h5(tmp_path / "m.h5", config, {"r": named("r", weights)})
    loaded = keras_model.load_both(path, x=X)
    same(loaded.answer(X), answer("LSTM", X, weights)[:, -1])
    same(keras_model.predict(loaded.model, X), answer("LSTM", X, weights)[:, -1])
    config["config"]["output_layers"] = [["r", 0, 2]]
    with pytest.raises(ModelError, match="'r' passes on a state other than its output h") as late:
        keras_model.load(keras2_files.write_h5(path, config, {"r": named("r", weights)}))
    with pytest.raises(ModelError) as early:
        early_checks.check_model(path)
    assert str(early.value) == str(late.value)


def test_one_group_is_no_group(read_as: Callable[..., np.ndarray]) -> None:
    weights, kernel, bias = drawn("LSTM"), draw(1, 4, 1), draw(4)
    options = {"kernel_size": [1], "depth_multiplier": 1, "groups": 1, "padding": "valid", "activation": "hard_sigmoid"}
    rnn = recurrent("LSTM", "r", return_sequences=True)
    stored = {"r": named("r", weights), "c": [("c/depthwise_kernel:0", kernel), ("c/bias:0", bias)]}
    read = read_as(sequential(rnn, layer("DepthwiseConv1D", "c", **options)), stored)
    same(read, hard_sigmoid(answer("LSTM", X, weights) * kernel[0, :, 0] + bias))


def two_branches() -> tuple[dict[str, Any], list[np.ndarray], list[np.ndarray]]:
    """Two layers of one class and shape side by side, the later name first."""
    branches = [recurrent("SimpleRNN", name, return_sequences=True) for name in ("zz", "aa")]
    call = [[["input_1", 0, 0, {}]]]
    join = layer("Subtract", "minus")
    calls = {"zz": call, "aa": call, "minus": [[["zz", 0, 0, {}], ["aa", 0, 0, {}]]]}
    return functional(calls, ["minus", 0, 0], *branches, join), drawn("SimpleRNN", seed=1), drawn("SimpleRNN", seed=5)


@pytest.mark.parametrize("folder", ["layers/{}/cell/vars/{}", "_layer_checkpoint_dependencies\\{}\\cell/vars/{}"])
@pytest.mark.parametrize("second", ["simple_rnn_1", "simple_rnn_2"])  # Keras 2.12 counts with gaps
def test_layers_are_found_by_their_order_in_the_file(
    folder: str, second: str, read_as: Callable[..., np.ndarray]
) -> None:
    config, zz, aa = two_branches()
    stored = {folder.format(key, n): each[n] for key, each in (("simple_rnn", zz), (second, aa)) for n in range(3)}
    same(read_as(config, stored, keras2_files.write_keras), answer("SimpleRNN", X, zz) - answer("SimpleRNN", X, aa))


def test_layers_of_h5_are_found_by_their_names(read_as: Callable[..., np.ndarray]) -> None:
    config, zz, aa = two_branches()
    expected = answer("SimpleRNN", X, zz) - answer("SimpleRNN", X, aa)
    same(read_as(config, {"aa": named("aa", aa), "minus": [], "zz": named("zz", zz)}), expected)


@pytest.mark.parametrize("kind", ["Functional", "Sequential"])
def test_models_in_models_are_called_from_number_one_on(kind: str, read_as: Callable[..., np.ndarray]) -> None:
    first, last = drawn("SimpleRNN", seed=1), drawn("SimpleRNN", features=keras2_files.UNITS, seed=5)
    inner = recurrent("SimpleRNN", "r", return_sequences=True)
    body = sequential(inner, name="body")
    if kind == "Functional":
        body = functional({"r": [[["input_1", 0, 0, {}]]]}, ["r", 0, 0], inner, name="body")
    calls = {"body": [[["input_1", 0, 0, {}]]], "end": [[["body", 1, 0, {}]]]}
    config = functional(calls, ["end", 0, 0], body, recurrent("SimpleRNN", "end"))
    expected = answer("SimpleRNN", answer("SimpleRNN", X, first), last)[:, -1]
    same(read_as(config, {"body": named("r", first), "end": named("end", last)}), expected)
    folder = f"layers/{kind.lower()}/layers/simple_rnn/cell/vars"
    stored = {f"{folder}/{n}": each for n, each in enumerate(first)}
    stored |= {f"layers/simple_rnn/cell/vars/{n}": each for n, each in enumerate(last)}
    same(read_as(config, stored, keras2_files.write_keras), expected)


def test_a_model_may_come_first_in_a_sequential(read_as: Callable[..., np.ndarray]) -> None:
    first, last = drawn("SimpleRNN", seed=1), drawn("SimpleRNN", features=keras2_files.UNITS, seed=5)
    inner = recurrent("SimpleRNN", "r", return_sequences=True)
    body = functional({"r": [[["input_1", 0, 0, {}]]]}, ["r", 0, 0], inner, name="body")
    noise = layer("SpatialDropout1D", "noise", rate=0.2, noise_shape=None, seed=None)
    config = {"name": "s", "layers": [body, noise, recurrent("SimpleRNN", "end")]}
    stored = {"body": named("r", first), "end": named("end", last)}
    expected = answer("SimpleRNN", answer("SimpleRNN", X, first), last)[:, -1]
    same(read_as({"class_name": "Sequential", "config": config}, stored), expected)


def test_the_shape_may_stand_in_the_first_layer(read_as: Callable[..., np.ndarray]) -> None:
    weights = drawn("LSTM")
    shape = [None, keras2_files.STEPS, keras2_files.FEATURES]
    plain = recurrent("LSTM", "r", batch_input_shape=shape)
    for config in ([plain], {"name": "s", "layers": [plain]}):  # a bare list before Keras 2.2.3
        read = read_as({"class_name": "Sequential", "config": config}, {"r": named("r", weights)}, version="2.2.4-tf")
        same(read, answer("LSTM", X, weights)[:, -1])
    built = {"name": "s", "layers": [recurrent("LSTM", "r")], "build_input_shape": shape}
    read = read_as({"class_name": "Sequential", "config": built}, {"r": named("r", weights)})
    same(read, answer("LSTM", X, weights)[:, -1])


def test_hdf5_under_the_name_of_a_keras_file_is_read(tmp_path: Path) -> None:
    weights = drawn("LSTM")
    path = keras2_files.write_h5(
        tmp_path / "model.keras", sequential(recurrent("LSTM", "r")), {"r": named("r", weights)}
    )
    same(keras_model.predict(keras_file.read(path), X), answer("LSTM", X, weights)[:, -1])


def test_files_of_keras_3_are_read_by_keras(save_model: Callable[..., Path]) -> None:
    from keras import layers

    model = [layers.LSTM(4, recurrent_activation="hard_sigmoid"), layers.Dense(2)]
    answers = [keras_model.predict(keras_file.read(save_model(model, name)), X) for name in ("a.keras", "a.h5")]
    same(*answers)


@pytest.mark.parametrize("name", ["a.keras", "a.h5"])
def test_code_in_files_of_keras_3_is_not_run(name: str, save_model: Callable[..., Path]) -> None:
    from keras import layers

    path = save_model([layers.Lambda(lambda x: 2 * x, output_shape=(6, 3)), layers.LSTM(4)], name)
    with pytest.raises(
        ModelError, match=r"layer 'lambda.*' \(Lambda\) contains Python code, .* not run; replace"
    ) as raised:
        keras_file.read(path)
    assert "safe_mode" not in str(raised.value)


@pytest.mark.parametrize("kind", ["GRU", "LSTM"])
def test_the_old_hard_sigmoid_reaches_tflite_and_onnx(kind: str, tmp_path: Path) -> None:
    weights = drawn(kind)
    rnn = recurrent(kind, "r", recurrent_activation="hard_sigmoid", **({"reset_after": True} if kind == "GRU" else {}))
    path = keras2_files.write_h5(tmp_path / "old.h5", sequential(rnn), {"r": named("r", weights)})
    expected = answer(kind, X, weights, hard_sigmoid)[:, -1]
    same(onnxruntime.open_artifact(onnx.convert(keras_model.load(path)), threads=1).run((X,))[0], expected)
    converted = tflite.convert(keras_model.load(path))
    data = quantize(converted, "float32", "float32", X, expected).build("unrolled")
    same(litert.open_artifact(data, threads=1).run((X,))[0], expected)


def changed(**options: Any) -> dict[str, Any]:
    return sequential(recurrent("LSTM", "r", **options), dense("d", 2))


REFUSED: dict[str, tuple[Any, str]] = {
    "Lambda": (
        sequential(layer("Lambda", "code", function=["4wEAAAA=", None, None], function_type="lambda")),
        "'code' is a Lambda: it contains Python code, which edgernn does not run. .*save it with model.save",
    ),
    "custom layer": (
        sequential(layer("Mine", "own")),
        "'own' is a Mine, a layer that edgernn does not read from Keras 2 files; .*set_weights",
    ),
    "operator": (
        sequential(layer("TFOpLambda", "op", function="math.add")),
        "'op' is a TFOpLambda, a layer that edgernn does not read",
    ),
    "local": (
        sequential(layer("LocallyConnected1D", "own")),
        "'own' is a LocallyConnected1D, a layer that edgernn does not",
    ),
    "time_major": (
        changed(time_major=True),
        "'r' is a LSTM with time_major=True, an option that edgernn does not read from Keras 2 files",
    ),
    "activation": (changed(activation="crelu"), "unknown activation 'crelu', expected one of Keras's own"),
    "silent": (changed(recurrent_activation=None) | {}, "activation"),
    "PReLU": (sequential(dense("d", 2, layer("PReLU", "p"))), "PReLU as an activation of another layer"),
    "renorm": (
        sequential(layer("BatchNormalization", "b", axis=[2], renorm=True)),
        "'b' is a BatchNormalization with renorm=True",
    ),
    "causal": (sequential(layer("Attention", "a", causal=True)), "'a' is a Attention with causal=True"),
    "ragged": (
        {"class_name": "Sequential", "config": {"name": "s", "layers": [keras2_files.input_layer() | {}]}},
        "takes ragged inputs, which are not supported",
    ),
    "initial state": (
        functional(
            {"r": [[["input_1", 0, 0, {}], ["s", 0, 0, {}]]], "s": [[["input_1", 0, 0, {}]]]},
            ["r", 0, 0],
            *(recurrent("SimpleRNN", name) for name in ("s", "r")),
        ),
        "'r' gets initial states, which are not supported; build it to begin with zeros",
    ),
    "subclass": (
        {"class_name": "MyModel", "config": {}},
        "unsupported model class 'MyModel'; expected one of Functional",
    ),
    "no layers": ({"class_name": "Sequential", "config": {"name": "s"}}, "a model without the list 'layers'"),
    "no layer": ({"class_name": "Sequential", "config": {"layers": [5]}}, "found '5' as a layer, expected its class"),
}
REFUSED["ragged"][0]["config"]["layers"][0]["config"]["ragged"] = True
del REFUSED["silent"][0]["config"]["layers"][1]["config"]["recurrent_activation"]


@pytest.mark.parametrize("case", REFUSED)
def test_what_keras_3_cannot_do_is_refused_by_name(case: str, tmp_path: Path) -> None:
    config, message = REFUSED[case]
    for path in (
        keras2_files.write_h5(tmp_path / "m.h5", config, {}),
        keras2_files.write_keras(tmp_path / "m.keras", config, {}),
    ):
        with pytest.raises(ModelError, match=message):
            keras_file.read(path)


def test_versions_that_are_not_read_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "old.h5"
    for version, message in {
        "1.2.2": "written by Keras 1.2.2, expected Keras 2 or 3",
        "": "no version of Keras in the file",
    }.items():
        keras2_files.write_h5(path, changed(), {}, version=version)
        with pytest.raises(ModelError, match=message):
            keras_file.read(path)
    config = sequential(layer("Conv1D", "c", filters=2, kernel_size=[3], activation="relu"))
    with pytest.raises(ModelError, match="convolutions saved by Keras on Theano"):
        keras_file.read(keras2_files.write_h5(path, config, {}, backend="theano"))


def test_weights_that_do_not_fit_are_refused(read_as: Callable[..., np.ndarray]) -> None:
    weights = drawn("LSTM")
    config = sequential(recurrent("LSTM", "r"))
    kernel, recurrent_kernel, bias = named("r", weights)
    other = ("r/kernel:0", draw(5, 16))
    for message, stored in {
        "the file has 2 weights of 'r', expected 3": [kernel, recurrent_kernel],
        "the file has the weights 'r/recurrent_kernel:0' in 'r', expected .*kernel'": [recurrent_kernel, kernel, bias],
        r"the file has weights of 'r' of shape \(5, 16\), expected \(3, 16\)": [other, recurrent_kernel, bias],
    }.items():
        with pytest.raises(ModelError, match=message):
            read_as(config, {"r": stored})
    with pytest.raises(ModelError, match="weights of other, expected only layers of the configuration"):
        read_as(config, {"r": named("r", weights), "other": named("other", weights)})
    with pytest.raises(ModelError, match="3 of the model's 3 weights are not in the file"):
        read_as(config, {"layers/gru/cell/vars/0": weights[0]}, keras2_files.write_keras)


def test_what_is_no_model_says_what_to_do(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "m.weights.h5", "w") as file:
        file.attrs["layer_names"] = [b"r"]
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        archive.writestr("x.npy", b"")
    (tmp_path / "m.pb").write_bytes(b"x")
    (tmp_path / "t.h5").write_text("not a model")
    for name, message in {
        "m.weights.h5": r"weights without a model, expected both. Build the model .*model.save\(\"model.keras\"\)",
        "m.keras": "a zip archive without config.json",
        "m.pb": "unsupported file type: '.pb'; expected .keras, .h5, .hdf5",
        "t.h5": "not a Keras file: it starts with b'not a mo', expected a zip archive or HDF5",
    }.items():
        with pytest.raises(ModelError, match=message):
            keras_file.read(tmp_path / name)
    for content, kind in {
        "saved_model.pb": "a TensorFlow SavedModel",
        "config.json": "a Keras model as a folder",
    }.items():
        (tmp_path / kind).mkdir()
        (tmp_path / kind / content).write_bytes(b"x")
        with pytest.raises(
            ModelError, match=rf"{kind}, expected a .keras or .h5 file. Load it .*save\(\"model.keras\"\)"
        ):
            read_original(tmp_path / kind)
