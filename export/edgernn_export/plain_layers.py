"""Plain layers: the same Keras model of float32 layers that keep no states between calls.

    in the file                                        in the model to export
    float16, bfloat16, float64, mixed precision        float32
    stateful=True                                      False: each sequence begins with states of zero
    a fixed batch size                                 any batch size
    RNN(LSTMCell), RNN(GRUCell), RNN(SimpleRNNCell)    LSTM, GRU, SimpleRNN
    RNN([cell, …]), RNN(StackedRNNCells)               such layers, one after the other
    return_state=True, of which only h is used         False; h is the last output

The rebuilt model is first compared with the one in the file. `rules` refuses models that cannot be rebuilt.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from edgernn.arrays import Floats
from edgernn.errors import ModelError
from edgernn_export import rebuilding, synthetic_inputs
from edgernn_export.cells import KIND_OF_CELL, KINDS
from edgernn_export.converter_errors import reason_of
from edgernn_export.keras2_graph import INNER, Config, cells_of

# Number types of fewer digits than float32, with the relative distance of neighbouring numbers.
_UNITS: Mapping[str, float] = {"float16": 2.0**-10, "bfloat16": 2.0**-7}
_FLOATS = ("float32", "float64", *_UNITS)
# Options of an RNN layer that its plain layers have as well.
_SHARED = ("trainable", "dtype", "go_backwards", "unroll", "zero_output_for_mask")


def is_plain(model: Any) -> bool:
    """Return True if a model can be exported as it is."""
    return not any(_differences(model))


def describe(model: Any) -> str:
    """Describe what `rebuild` replaces in a model; empty if the model is plain."""
    return ", ".join(dict.fromkeys(_differences(model)))


def precision_of(model: Any) -> str:
    """Return the number type with the fewest digits in a model; empty if none has fewer than float32."""
    return max(_float_types(model) & set(_UNITS), key=_UNITS.__getitem__, default="")


def rebuild(model: Any) -> Any:
    """Rebuild a model of plain layers.

    Args:
        model: functional or Sequential, whose layers `rules.check_layers` accepts; it is not changed.

    Raises:
        ModelError: a layer cannot be built in float32, without states, or for any batch size.
    """
    try:
        return rebuilding.in_float32(_of_layers(model))
    except ModelError as error:
        raise ModelError(f"cannot be rebuilt as plain float32 layers ({describe(model)}): {error}") from error


def check(original: Any, plain: Any, x: Floats | None) -> None:
    """Check that a rebuilt model answers like the original, up to the precision of the original's numbers.

    Args:
        original: the model in the file.
        plain: rebuilt from it.
        x: samples, [samples, steps, features]; generated ones if they are None or do not fit.

    Raises:
        ModelError: an answer differs by more than the precision explains.
    """
    steps, features = plain.inputs[0].shape[1:]
    samples = synthetic_inputs.fitting_samples(x, steps or synthetic_inputs.MIN_STEPS, features)
    rows = rebuilding.rows_of_length(samples, steps or samples.shape[1])
    rebuilding.check_rebuilt(original, plain, rows, unit=_UNITS.get(precision_of(original), 0.0))


def _differences(model: Any) -> Iterator[str]:
    import keras

    for name in sorted(_float_types(model) - {"float32"}):
        yield f"{name} replaced by float32"
    if model.inputs[0].shape[0] is not None:
        yield f"batch size {model.inputs[0].shape[0]} replaced by any"
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.RNN):
            if layer.stateful:
                yield "stateful=True replaced by states of zero at the start of each sequence"
            if type(layer) is keras.layers.RNN:
                yield "RNN of cells replaced by layers"
            if layer.return_state:
                yield "return_state=True replaced by the last output"


def _float_types(model: Any) -> set[str]:
    types = {str(each.dtype) for each in model.inputs}
    for layer in model._flatten_layers():
        types |= {str(layer.compute_dtype), str(layer.variable_dtype)}
    return types & set(_FLOATS)


def _of_layers(model: Any) -> Any:
    """Make a model with LSTM, GRU and SimpleRNN in place of RNN, and without return_state.

    All other layers are those of the given model; a model without such layers is returned as it is. Sequential models
    become functional, so that several layers can follow each other in place of one, which keeps masks.
    """
    import keras

    layers = [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.RNN)]
    if not any(type(layer) is keras.layers.RNN or layer.return_state for layer in layers):
        return model
    replaced: list[tuple[Any, list[Any]]] = []

    def replace(layer: Any) -> Any:
        if isinstance(layer, keras.Model):
            return clone(layer)
        if not isinstance(layer, (keras.layers.RNN, keras.layers.Bidirectional, keras.layers.Wrapper)):
            return layer
        node = json.loads(json.dumps(keras.saving.serialize_keras_object(layer)))
        plain = _plain_nodes(node)
        if plain == [node]:
            return layer
        new = [
            keras.saving.deserialize_keras_object({key: each[key] for key in each if key != "build_config"})
            for each in plain
        ]
        replaced.append((layer, new))
        return new[0]

    def call(layer: Any, *inputs: Any, **options: Any) -> Any:
        output = layer(*inputs, **options)
        for old, (first, *others) in replaced:
            if first is layer:
                for each in others:
                    output = each(output)
                if getattr(old, "return_state", False):
                    # The state h; `rules` refuses models that use another one.
                    takes_last = old.return_sequences and isinstance(old, keras.layers.RNN)
                    return [output, output[:, -1] if takes_last else output]
        return output

    def clone(model: Any) -> Any:
        if isinstance(model, keras.Sequential):
            model = keras.Model(model.inputs[0], model.outputs[0], name=model.name)
        return keras.models.clone_model(model, clone_function=replace, call_function=call)

    try:
        new_model = clone(model)
        for old, new in replaced:
            weights = old.get_weights()
            for each in new:
                own, weights = weights[: len(each.get_weights())], weights[len(each.get_weights()) :]
                each.set_weights(own)
    except Exception as error:  # Keras raises many kinds for a layer that it cannot build
        raise ModelError(reason_of(error)) from error
    return new_model


def _plain_nodes(node: Config) -> list[Config]:
    """Return the serialized layers that replace a serialized layer: those of an RNN's cells, without return_state."""
    kind, config = str(node["class_name"]), node["config"]
    # `rules` refuses wrappers around RNN of several cells.
    inner = {option: _plain_nodes(config[option])[0] for option in INNER if isinstance(config.get(option), dict)}
    if kind == "RNN":
        return _layers_of_cells(config)
    if inner or (kind in KINDS and config["return_state"]):
        return [node | {"config": config | inner | ({} if inner else {"return_state": False})}]
    return [node]


def _layers_of_cells(config: Config) -> list[Config]:
    """Return the serialized layers that compute the same as an RNN of cells."""
    cells = cells_of(config)
    layers = []
    for number, cell in enumerate(cells, start=1):
        is_last = number == len(cells)
        options = {option: config[option] for option in _SHARED if option in config}
        options |= {"name": config["name"] if len(cells) == 1 else f"{config['name']}_{number}"}
        options |= {"return_sequences": config["return_sequences"] if is_last else True}
        # The first layer turns the order of the steps around; the others go on in that order.
        options |= {"go_backwards": config["go_backwards"] and number == 1}
        kind = KIND_OF_CELL[cell["class_name"]]
        plain = {"module": "keras.layers", "class_name": kind, "config": cell["config"] | options}
        layers.append(plain | {"registered_name": None})
    return layers
