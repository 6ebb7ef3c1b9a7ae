"""Translate a model configuration of Keras 2 into one from which Keras 3 builds the same model.

Options that have another meaning in Keras 3, or none, are replaced:

    in Keras 2                                      in Keras 3
    activation "hard_sigmoid", 0.2 x + 0.5          edgernn's `hard_sigmoid_keras2`; Keras 3's is x / 6 + 0.5
    LeakyReLU alpha                                 negative_slope
    ThresholdedReLU theta                           ReLU threshold, which keeps the same values
    GRU without reset_after (before Keras 2.1.6)    reset_after False; the default of Keras 3 is True
    CuDNNLSTM, CuDNNGRU                             LSTM, GRU with reset_after; `keras2_weights` transposes the kernels
    Bidirectional of a layer that goes backwards    its second layer goes forwards; Keras 3's backwards as well
    a shape in the first layer of Sequential        an InputLayer
    dtype policies (`Policy`, `PolicyV1`)           their names
    BatchNormalization axis [2]                     axis 2
    data_format that is left out                    channels_last

Initializers, regularizers and constraints matter only in training and are dropped. Any other option that Keras 3 does
not have is dropped if it is off (False, None, one group), and refused by name if it is on.
"""

import inspect
from collections.abc import Mapping
from typing import Any

from edgernn.errors import ModelError
from edgernn_export import keras2_graph
from edgernn_export.cells.ops import older_activations
from edgernn_export.keras2_graph import MODELS, Config, layers_of, parts

# Advice in messages about files that cannot be translated.
WAY_OUT = (
    "build the same model in Keras 3 from Keras's own layers, copy the weights with "
    'set_weights(old.get_weights()), and save it with model.save("model.keras")'
)

# Layers that Keras 2 and Keras 3 compute in the same way from the same options, except for the tables below.
_ALIKE = frozenset(
    {
        *("Activation", "ActivityRegularization", "Add", "AdditiveAttention", "AlphaDropout", "Attention", "Average"),
        *("AveragePooling1D", "AveragePooling2D", "BatchNormalization", "Bidirectional", "Concatenate", "Conv1D"),
        *("Conv1DTranspose", "Conv2D", "Cropping1D", "Cropping2D", "Dense", "DepthwiseConv1D", "DepthwiseConv2D"),
        *("Dot", "Dropout", "ELU", "EinsumDense", "Embedding", "Flatten", "GRU", "GaussianDropout", "GaussianNoise"),
        *("GlobalAveragePooling1D", "GlobalAveragePooling2D", "GlobalMaxPooling1D", "GlobalMaxPooling2D"),
        *("GroupNormalization", "Identity", "InputLayer", "LSTM", "LayerNormalization", "LeakyReLU", "Masking"),
        *("MaxPooling1D", "MaxPooling2D", "Maximum", "Minimum", "MultiHeadAttention", "Multiply", "Normalization"),
        *("PReLU", "Permute", "ReLU", "RepeatVector", "Rescaling", "Reshape", "SeparableConv1D", "SeparableConv2D"),
        *("SimpleRNN", "Softmax", "SpatialDropout1D", "SpatialDropout2D", "Subtract", "TimeDistributed"),
        *("UnitNormalization", "UpSampling1D", "ZeroPadding1D", "ZeroPadding2D"),
        *("RNN", "StackedRNNCells", "GRUCell", "LSTMCell", "SimpleRNNCell"),
    }
)
# Layers with another name in Keras 3; public for `outline`.
RENAMED = {
    "BatchNormalizationV1": "BatchNormalization",
    "BatchNormalizationV2": "BatchNormalization",
    "SyncBatchNormalization": "BatchNormalization",
    "CuDNNGRU": "GRU",
    "CuDNNLSTM": "LSTM",
    "UnifiedGRU": "GRU",
    "UnifiedLSTM": "LSTM",
    "ThresholdedReLU": "ReLU",
}
# Activations by the name under which Keras 2 saves them, with the name in Keras 3. The last ones are TensorFlow's own.
_ACTIVATIONS = {
    **{name: name for name in ("elu", "exponential", "gelu", "linear", "mish", "relu", "selu", "sigmoid", "softmax")},
    **{name: name for name in ("softplus", "softsign", "swish", "tanh", "silu", "leaky_relu", "log_softmax", "relu6")},
    "softmax_v2": "softmax",
    "log_softmax_v2": "log_softmax",
    "hard_sigmoid": "hard_sigmoid_keras2",
}
# Options with another name in Keras 3.
_OPTIONS: Mapping[str, Mapping[str, str]] = {
    "LeakyReLU": {"alpha": "negative_slope"},
    "ThresholdedReLU": {"theta": "threshold"},
}
# Defaults of Keras 2 for options that a file leaves out.
_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "GRU": {"reset_after": False},
    "GRUCell": {"reset_after": False},
    "CuDNNGRU": {"reset_after": True, "activation": "tanh", "recurrent_activation": "sigmoid"},
    "CuDNNLSTM": {"activation": "tanh", "recurrent_activation": "sigmoid"},
}
# Options without which the layer is ambiguous: their defaults changed within Keras 2.
_REQUIRED: Mapping[str, tuple[str, ...]] = {
    "GRU": ("activation", "recurrent_activation"),
    "GRUCell": ("activation", "recurrent_activation"),
    "LSTM": ("activation", "recurrent_activation"),
    "LSTMCell": ("activation", "recurrent_activation"),
    "LeakyReLU": ("alpha",),
    "SimpleRNN": ("activation",),
    "SimpleRNNCell": ("activation",),
    "ThresholdedReLU": ("theta",),
}
# Options that change how a layer is trained, stored or executed, but not its answers.
_HARMLESS = (
    *("autocast", "batch_input_shape", "batch_shape", "experimental_autocast", "fused", "implementation"),
    *("input_dim", "input_dtype", "input_length", "input_shape", "key_shape", "query_shape", "rng_type", "seed"),
    *("synchronized", "value_shape"),
)
_HARMLESS_ENDS = ("_initializer", "_regularizer", "_constraint")
# Options that change the number of weights and that some versions of Keras 3 do not have.
_NEVER = ("renorm", "virtual_batch_size")
# Options of every Keras layer.
_GENERAL = ("name", "trainable", "dtype")


def translate(config: Any) -> Config:
    """Translate the configuration of a whole model.

    Args:
        config: as in the file, `{"class_name": …, "config": …}`.

    Returns:
        A configuration for `keras.saving.deserialize_keras_object`.

    Raises:
        ModelError: it needs something that Keras 3 does not have, or that cannot be read without running code.
    """
    older_activations()  # Keras finds them by their registered names
    check_classes(config)
    return _layer(config)


def _layer(node: Any) -> Config:
    kind, config = parts(node)
    if kind == "Sequential":
        translated = _sequential(node, config)
    elif kind in MODELS:
        translated = _functional(config)
    elif kind == "InputLayer":
        translated = _input(config)
    else:
        translated = _plain_layer(kind, config)
    module = "keras" if kind in MODELS else "keras.layers"
    name = {"Functional": "Model"}.get(kind, RENAMED.get(kind, kind))
    return {"module": module, "class_name": name, "registered_name": None, "config": translated}


def _functional(config: Config) -> Config:
    graph = keras2_graph.Keras2Graph.of(config)
    layers = [
        _layer(node) | {"name": node.get("name"), "inbound_nodes": graph.calls(node)} for node in layers_of(config)
    ]
    kept: Config = {key: config[key] for key in ("name", "trainable") if key in config}
    ends = {key: graph.ends(config.get(key)) for key in ("input_layers", "output_layers")}
    return {**kept, **ends, "layers": layers}


def _sequential(node: Config, config: Config) -> Config:
    nodes = layers_of(config)
    layers = [_layer(each) for each in nodes]
    if nodes and parts(nodes[0])[0] != "InputLayer" and (shape := sequential_shape(node)):
        layers.insert(0, _built_in("InputLayer", {"batch_shape": shape}))
    return {"name": config.get("name", "sequential"), "layers": layers}


def sequential_shape(node: Config) -> Any:
    """Return the shape of a Sequential's input, with the batch, as Keras 2 or Keras 3 saves it; None if it has none."""
    config = parts(node)[1]
    nodes = layers_of(config)
    shape = (_first_shape(nodes[0]) if nodes else None) or config.get("build_input_shape")
    return shape or (node.get("build_config") or {}).get("input_shape")


def _first_shape(node: Any) -> Any:
    """Return the input shape in the first layer of a Sequential; None if it has none."""
    kind, config = parts(node)
    if kind in MODELS:
        nodes = layers_of(config)
        return _first_shape(nodes[0]) if nodes else None
    return config.get("batch_input_shape") or config.get("batch_shape")


def _input(config: Config) -> Config:
    name = config.get("name")
    for option in ("sparse", "ragged"):
        if config.get(option):
            raise ModelError(
                f"{name!r} takes {option} inputs, which are not supported; build the model with dense inputs"
            )
    shape = config.get("batch_input_shape", config.get("batch_shape"))
    if not isinstance(shape, list):
        raise ModelError(f"{name!r} is an InputLayer without a shape; the file is damaged")
    return {"name": name, "batch_shape": shape, "dtype": _dtype(config.get("dtype", "float32"))}


def check_classes(config: Any) -> None:
    """Check the classes of a model and of its layers, without Keras.

    Args:
        config: as for `translate`.

    Raises:
        ModelError: one is not supported.
    """
    kind, inner = parts(config)
    if kind not in MODELS:
        raise ModelError(f"unsupported model class {kind!r}; expected one of {', '.join(MODELS)}; {WAY_OUT}")
    for node in layers_of(inner):
        kind, options = parts(node)
        if kind in MODELS:
            check_classes(node)
        elif kind != "InputLayer":
            _check_class(kind, options)


def _check_class(kind: str, config: Config) -> None:
    where = f"{config.get('name')!r} is a {kind}"
    if kind == "Lambda":
        raise ModelError(
            f"{where}: it contains Python code, which edgernn does not run. Replace it by Keras's own layers "
            f"(Rescaling, Reshape, Permute, …): {WAY_OUT}"
        )
    if kind not in _ALIKE and kind not in RENAMED:
        raise ModelError(f"{where}, a layer that edgernn does not read from Keras 2 files; {WAY_OUT}")


def _plain_layer(kind: str, config: Config) -> Config:
    _check_class(kind, config)
    where = f"{config.get('name')!r} is a {kind}"
    for option in _REQUIRED.get(kind, ()):
        if option not in config:
            raise ModelError(
                f"{where} without the option {option!r}; load the file with the version of Keras that saved it, and "
                "save it again"
            )
    options = dict(_DEFAULTS.get(kind, {})) | (_both_ways(config) if kind == "Bidirectional" else config)
    translated: Config = {}
    known = _known_options(RENAMED.get(kind, kind))
    for option, value in options.items():
        new = _OPTIONS.get(kind, {}).get(option, option)
        if new in _HARMLESS or new.endswith(_HARMLESS_ENDS):
            continue
        if new in known and not (value and new in _NEVER):
            translated[new] = _option(new, value)
        elif value and option != "trainable" and (option, value) != ("groups", 1):
            raise ModelError(
                f"{where} with {option}={value!r}, an option that edgernn does not read from Keras 2 files; {WAY_OUT}"
            )
    if "data_format" in known and translated.get("data_format") is None:
        translated["data_format"] = "channels_last"
    return _one_axis(translated) if RENAMED.get(kind, kind) == "BatchNormalization" else translated


def _option(option: str, value: Any) -> Any:
    if option == "dtype":
        return _dtype(value)
    if option.endswith("activation"):
        return _activation(value)
    if isinstance(value, dict) and value.get("type") == "ndarray":  # NumPy's form in Keras 2 before TensorFlow
        return value.get("value")
    if option in ("layer", "backward_layer", "cell") and value is not None:
        return _layer(value)
    if option == "cells":
        return [_layer(each) for each in value]
    return value


def _dtype(value: Any) -> Any:
    """Return the name of a dtype or of a dtype policy."""
    if isinstance(value, dict) and isinstance(value.get("config"), dict):
        return value["config"].get("name")
    return value


def _activation(value: Any) -> Any:
    if value is None:
        return "linear"
    if isinstance(value, dict) and isinstance(value.get("config"), dict):
        if value.get("class_name") == "PReLU":
            raise ModelError(f"PReLU as an activation of another layer, expected a separate layer; {WAY_OUT}")
        return _layer(value)  # a layer such as LeakyReLU(alpha=0.1), given as an activation
    name = value.get("config") if isinstance(value, dict) else value
    if name not in _ACTIVATIONS:
        raise ModelError(f"unknown activation {name!r}, expected one of Keras's own; {WAY_OUT}")
    new = _ACTIVATIONS[name]
    if new not in older_activations():
        return new
    return {"module": "builtins", "class_name": "function", "config": f"edgernn>{new}", "registered_name": "function"}


def _built_in(kind: str, config: Config) -> Config:
    return {"module": "keras.layers", "class_name": kind, "registered_name": None, "config": config}


def _known_options(kind: str) -> frozenset[str]:
    import keras

    parameters = inspect.signature(getattr(keras.layers, kind).__init__).parameters
    takes_any = any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters.values())
    return frozenset([*parameters, *(_GENERAL if takes_any else ())])


def _both_ways(config: Config) -> Config:
    """Return the options of a Bidirectional, with an explicit second layer if its first layer goes backwards."""
    kind, inner = parts(config.get("layer"))
    if config.get("backward_layer") or not inner.get("go_backwards"):
        return config
    second = inner | {"go_backwards": False, "name": f"backward_{inner.get('name')}"}
    return config | {"backward_layer": {"class_name": kind, "config": second}}


def _one_axis(config: Config) -> Config:
    axis = config.get("axis")
    if isinstance(axis, list):
        if len(axis) != 1:
            raise ModelError(f"{config.get('name')!r} normalizes over the axes {axis}, expected one axis; {WAY_OUT}")
        config["axis"] = axis[0]
    return config
