"""The outline of a saved Keras model: facts that its configuration tells without Keras.

Reading it takes milliseconds, importing Keras takes seconds. A fact that the configuration does not tell for certain is
left out: the loaded model decides.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from edgernn.errors import ModelError
from edgernn.sample_shape import SampleShape
from edgernn_export import keras2
from edgernn_export.cells import KINDS
from edgernn_export.keras2_graph import INNER, MODELS, Config, cells_of, layers_of, parts, tensors_in
from edgernn_export.rules import LayerFacts, Shape, find_sample_shape

# Keras's recurrent layers; those that are not in `KINDS` are refused.
_RECURRENT = frozenset({*KINDS, "RNN", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"})
# Layers whose answers have the shape of their inputs.
_SAME_SHAPE = frozenset(
    {
        *("Activation", "ActivityRegularization", "AlphaDropout", "BatchNormalization", "Dropout", "ELU"),
        *("GaussianDropout", "GaussianNoise", "Identity", "LayerNormalization", "LeakyReLU", "Masking", "PReLU"),
        *("ReLU", "Softmax", "SpatialDropout1D", "UnitNormalization"),
    }
)
_POOLS = ("GlobalAveragePooling1D", "GlobalMaxPooling1D")
# Layers that go over the steps in windows, and the option with the length of a window.
_WINDOWS = {
    **dict.fromkeys(("Conv1D", "SeparableConv1D", "DepthwiseConv1D"), "kernel_size"),
    **dict.fromkeys(("AveragePooling1D", "MaxPooling1D"), "pool_size"),
}


@dataclass(frozen=True)
class Outline:
    """Facts about a saved model; None stands for an unknown one.

    Attributes:
        inputs, outputs: their numbers.
        input_shape: of its first input, with the batch.
        layers: for each layer, its own facts and those of the layers inside it.
        softmax: whether its answers are those of a softmax over the last axis.
    """

    inputs: int | None
    outputs: int | None
    input_shape: Shape | None
    layers: tuple[tuple[LayerFacts, ...], ...]
    softmax: bool
    _node: Config

    @classmethod
    def read(cls, config: Any) -> "Outline | None":
        """Read the configuration of a whole model; None if it has an unexpected form.

        Args:
            config: as `keras_file.read_config` returns it.
        """
        try:
            kind, inner = parts(config)
            used = used_states(config)
            layers = tuple(tuple(_facts(node, used)) for node in _flat(inner))
            listed = any(part.recurrent for each in layers for part in each)
            if kind not in MODELS or _has_recurrent(config) != listed:
                return None
            return cls(
                inputs=1 if kind == "Sequential" else _count(inner.get("input_layers")),
                outputs=1 if kind == "Sequential" else _count(inner.get("output_layers")),
                input_shape=_input_shape(config),
                layers=layers,
                softmax=_is_softmax(_last(config)),
                _node=config,
            )
        # Keras or `keras2` reports the fault of a damaged configuration when it builds the model.
        except (ModelError, TypeError, AttributeError, KeyError, IndexError, RecursionError):
            return None

    @property
    def sample_shape(self) -> SampleShape | None:
        """Shape of a sample in both forms; None if it is not known.

        Raises:
            ModelError: no rows can be made of the model's input.
        """
        if self.input_shape is None:
            return None
        return find_sample_shape(self.input_shape, [part for parts in self.layers for part in parts])

    def answer_shape(self, sample: Shape) -> Shape | None:
        """Return the shape of the answers to samples of a shape, with the batch; None if it is not known."""
        try:
            shape = _model_shape(self._node, (None, *sample))
        except (ModelError, TypeError, AttributeError, KeyError, IndexError, RecursionError):
            return None
        return shape if shape and all(isinstance(size, int) and size > 0 for size in shape[1:]) else None


def _flat(config: Config) -> Iterator[Config]:
    """Yield the layers in order: nested models are replaced by their layers, inputs left out, wrappers kept whole."""
    for node in layers_of(config):
        kind, inner = parts(node)
        if kind in MODELS:
            yield from _flat(inner)
        elif kind != "InputLayer":
            yield node


def used_states(config: Config) -> Mapping[str, frozenset[int]]:
    """Find which states of layers with return_state=True a model uses.

    Args:
        config: of a whole model, as Keras 2 or Keras 3 writes it.

    Returns:
        The numbers of the used states, by the name of the layer; 1 is the layer's first state.
    """
    returning = set(_returning_states(config))
    used = {name: set[int]() for name in returning}
    for name, _, index in tensors_in(config, returning):
        used[name].add(index)
    return {name: frozenset(each - {0}) for name, each in used.items()}


def _returning_states(config: Config) -> Iterator[str]:
    for node in _flat(parts(config)[1]):
        options = parts(node)[1]
        inner = options.get(INNER[0])
        if options.get("return_state") or (isinstance(inner, dict) and parts(inner)[1].get("return_state")):
            yield str(options.get("name"))


def _facts(node: Config, used: Mapping[str, frozenset[int]]) -> Iterator[LayerFacts]:
    """Yield the facts of a layer and of the layers inside it."""
    saved, config = parts(node)
    kind = keras2.RENAMED.get(saved, saved)
    recurrent = kind in _RECURRENT
    yield LayerFacts(
        kind=kind,
        name=str(config.get("name")),
        masks_ids=kind == "Embedding" and bool(config.get("mask_zero")),
        recurrent=recurrent,
        cells=tuple(parts(cell)[0] for cell in cells_of(config)) if kind == "RNN" else (),
        initial_state=recurrent and _has_initial_state(node),
        used_states=used.get(str(config.get("name")), frozenset()),
    )
    for option in INNER:
        if isinstance(inner := config.get(option), dict):
            for each in _flat(parts(inner)[1]) if parts(inner)[0] in MODELS else [inner]:
                yield from _facts(each, used)


def _has_recurrent(config: Any) -> bool:
    """Return True if there is a recurrent layer anywhere, also inside a layer that is no model and no known wrapper."""
    if isinstance(config, dict):
        kind = str(config.get("class_name"))
        return keras2.RENAMED.get(kind, kind) in _RECURRENT or any(map(_has_recurrent, config.values()))
    return isinstance(config, list) and any(map(_has_recurrent, config))


def _has_initial_state(node: Config) -> bool:
    """Return True if a call in a Keras 3 configuration has initial states; `keras2_graph` refuses those of Keras 2."""
    calls = [call for call in node.get("inbound_nodes") or [] if isinstance(call, dict)]
    return any(call.get("kwargs", {}).get("initial_state") is not None for call in calls)


def _count(tensors: Any) -> int | None:
    """Count the tensors that a model names as its inputs or outputs."""
    if _is_tensor(tensors):
        return 1
    each = list(tensors.values()) if isinstance(tensors, dict) else tensors
    if not isinstance(each, list) or not each:
        return None
    counts = [_count(one) for one in each]
    return None if None in counts else sum(count or 0 for count in counts)


def _is_tensor(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 3 and isinstance(value[0], str)


def _first(tensors: Any) -> str:
    """Return the layer of the first of a model's inputs or outputs."""
    while not _is_tensor(tensors):
        tensors = next(iter(tensors.values())) if isinstance(tensors, dict) else tensors[0]
    return str(tensors[0])


def _nodes(config: Config) -> Mapping[str, Config]:
    """Return the serialized layers of a functional model by name."""
    return {str(node.get("name") or parts(node)[1].get("name")): node for node in layers_of(config)}


def _input_shape(node: Config) -> Shape | None:
    kind, config = parts(node)
    if kind == "Sequential":
        shape = keras2.sequential_shape(node)
    else:
        inner = parts(_nodes(config)[_first(config["input_layers"])])[1]
        shape = inner.get("batch_shape") or inner.get("batch_input_shape")
    known = isinstance(shape, list) and all(size is None or type(size) is int for size in shape)
    return tuple(shape) if known else None


def _last(node: Config) -> Config:
    """Return the layer that answers."""
    kind, config = parts(node)
    if kind not in MODELS:
        return node
    if kind == "Sequential":
        return _last(layers_of(config)[-1])
    return _last(_nodes(config)[_first(config["output_layers"])])


def _is_softmax(node: Config) -> bool:
    kind, config = parts(node)
    if kind == "TimeDistributed":
        return _is_softmax(config["layer"])
    if kind == "Softmax":
        return bool(config.get("axis", -1) == -1)
    return kind in ("Dense", "Activation") and config.get("activation") in ("softmax", "softmax_v2")


def _model_shape(node: Config, shape: Shape | None) -> Shape | None:
    """Return the shape of a model's answers to inputs of a shape; None if it is not known."""
    kind, config = parts(node)
    if kind == "Sequential":
        for each in layers_of(config):
            shape = _shape_after(each, shape)
        return shape
    nodes = _nodes(config)
    chain: list[Config] = []
    name, start = _first(config["output_layers"]), _first(config["input_layers"])
    while name != start:
        if len(chain) > len(nodes):  # a loop in a damaged file
            return None
        chain.append(nodes[name])
        before = _only_input(nodes[name])
        if before is None:
            return None
        name = before
    for each in reversed(chain):
        shape = _shape_after(each, shape)
    return shape


def _only_input(node: Config) -> str | None:
    """Return the layer whose answer is a layer's only input; None if it has several, or is called several times."""
    calls = node.get("inbound_nodes")
    if not isinstance(calls, list) or len(calls) != 1:
        return None
    (call,) = calls
    if isinstance(call, dict):  # Keras 3
        args = call.get("args")
        tensor = args[0] if isinstance(args, list) and len(args) == 1 else None
        return str(tensor["config"]["keras_history"][0]) if isinstance(tensor, dict) else None
    return str(call[0][0]) if len(call) == 1 else None


def _shape_after(node: Config, shape: Shape | None) -> Shape | None:
    """Return the shape of a layer's answers to inputs of a shape; None if it is not known."""
    saved, config = parts(node)
    kind = keras2.RENAMED.get(saved, saved)
    if shape is None or kind == "InputLayer" or kind in _SAME_SHAPE:
        return shape
    if kind in MODELS:
        return _model_shape(node, shape)
    if kind == "Rescaling":
        return shape if all(isinstance(config.get(each), int | float) for each in ("scale", "offset")) else None
    if kind == "Dense":
        return (*shape[:-1], config["units"])
    if config.get("return_state"):  # which of its outputs is the next layer's input is not known here
        return None
    if kind in KINDS and len(shape) == 3:
        return (*shape[:2], config["units"]) if config.get("return_sequences") else (shape[0], config["units"])
    if kind == "Bidirectional":
        first, second = (_shape_after(each or config["layer"], shape) for each in map(config.get, INNER))
        if first is None or second is None or config.get("merge_mode") in ("sum", "mul", "ave"):
            return first
        sizes = [each[-1] or 0 for each in (first, second)]
        return (*first[:-1], sum(sizes)) if config.get("merge_mode") == "concat" else None
    if kind == "TimeDistributed" and len(shape) == 3:
        each = _shape_after(config["layer"], (shape[0], *shape[2:]))
        return (each[0], shape[1], *each[1:]) if each else None
    if kind == "Flatten":
        sizes = [size for size in shape[1:] if size]
        return (shape[0], math.prod(sizes) if len(sizes) == len(shape) - 1 else None)
    if kind in _POOLS and len(shape) == 3 and not config.get("keepdims"):
        return (shape[0], shape[2])
    return _shape_after_windows(kind, config, shape) if kind in _WINDOWS and len(shape) == 3 else None


def _shape_after_windows(kind: str, config: Config, shape: Shape) -> Shape | None:
    """Return the shape of a convolution's or a pooling's answers; None if the steps are free or not the second axis."""
    batch, steps, channels = shape
    if config.get("data_format", "channels_last") != "channels_last" or not (steps and channels):
        return None
    size = _of_one_axis(config[_WINDOWS[kind]])
    stride = _of_one_axis(config["strides"] if config.get("strides") is not None else size)
    if config.get("padding") == "valid":
        steps -= _of_one_axis(config.get("dilation_rate", 1)) * (size - 1)
    if "depth_multiplier" in config and "filters" not in config:
        channels *= config["depth_multiplier"]
    return (batch, -(-steps // stride), config.get("filters", channels))


def _of_one_axis(value: Any) -> int:
    """Return an option of a layer with one axis, which Keras saves as a number or a list of one."""
    return int(value[0] if isinstance(value, list) else value)
