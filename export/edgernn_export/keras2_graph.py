"""Layer calls: translate the graph of a Keras 2 model into the form that Keras 3 reads.

Keras 2 writes a call as `[[layer, call, tensor, {arguments}], …]`, one entry for each input; tensors among the
arguments are `[layer, call, tensor]`. Calls of a nested model are numbered from 1, because number 0 is its own
construction.
"""

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

from edgernn.errors import ModelError

Config = dict[str, Any]

MODELS = ("Functional", "Model", "Sequential")
# Options that contain the inner layers of a wrapper.
INNER = ("layer", "backward_layer")
# Layers whose further inputs are initial states.
_RECURRENT = ("Bidirectional", "CuDNNGRU", "CuDNNLSTM", "GRU", "LSTM", "SimpleRNN")


def parts(node: Any) -> tuple[str, Config]:
    """Return the class and the configuration of a serialized layer or model.

    Raises:
        ModelError: the node has no class or no configuration.
    """
    if isinstance(node, dict):
        kind, config = node.get("class_name"), node.get("config")
        if kind == "Sequential" and isinstance(config, list):  # before Keras 2.2.3
            config = {"name": "sequential", "layers": config}
        if isinstance(kind, str) and isinstance(config, dict):
            return kind, config
    raise ModelError(
        f"found {str(node)[:80]!r} as a layer, expected its class and its configuration; the file is damaged"
    )


def layers_of(config: Config) -> list[Any]:
    """Return the serialized layers of a model's configuration.

    Raises:
        ModelError: the configuration has no list of layers.
    """
    layers = config.get("layers")
    if not isinstance(layers, list):
        raise ModelError("a model without the list 'layers'; the file is damaged")
    return layers


def cells_of(config: Config) -> list[Config]:
    """Return the serialized cells of a serialized RNN layer's configuration; those of StackedRNNCells one by one.

    Raises:
        ModelError: a cell has no class or no configuration.
    """
    kind, inner = parts(config.get("cell"))
    cells = inner.get("cells", []) if kind == "StackedRNNCells" else [config["cell"]]
    for cell in cells:
        parts(cell)
    return list(cells)


def tensors_in(value: Any, layers: Container[str]) -> Iterator[tuple[str, int, int]]:
    """Yield every tensor that a nested value refers to, as (layer, call, tensor).

    Args:
        value: a part of a configuration of Keras 2 or Keras 3.
        layers: names of the layers whose tensors are wanted.
    """
    if isinstance(value, list):
        if _is_tensor(value[:3], layers):
            yield value[0], value[1], value[2]
        for each in value:
            yield from tensors_in(each, layers)
    elif isinstance(value, dict):
        for each in value.values():
            yield from tensors_in(each, layers)


@dataclass(frozen=True)
class Keras2Graph:
    """The calls within one model.

    Attributes:
        kinds: the class of each layer, by the layer's name.
        first: the number of each inner model's first call, by its name.
    """

    kinds: Mapping[str, str]
    first: Mapping[str, int]

    @classmethod
    def of(cls, config: Config) -> Self:
        """Read the graph of a functional model's configuration."""
        nodes = layers_of(config)
        kinds = {str(node.get("name")): parts(node)[0] for node in nodes}
        named = [node.get("inbound_nodes", []) for node in nodes] + [config.get("output_layers")]
        used: dict[str, set[int]] = {}
        for name, number, _ in tensors_in(named, kinds):
            used.setdefault(name, set()).add(number)
        return cls(kinds, {name: min(used.get(name, {0})) for name, kind in kinds.items() if kind in MODELS})

    def calls(self, node: Config) -> list[Config]:
        """Translate the calls of a serialized layer.

        Raises:
            ModelError: a call has a form that Keras 2 does not write.
        """
        calls = []
        for inputs in node.get("inbound_nodes", []):
            if not isinstance(inputs, list) or not inputs or not all(map(self._is_input, inputs)):
                raise ModelError(
                    f"{node.get('name')!r} is called on {str(inputs)[:80]}, expected tensors of the model; "
                    "the file is damaged"
                )
            if len(inputs) > 1 and parts(node)[0] in _RECURRENT:
                raise ModelError(
                    f"{node.get('name')!r} gets initial states, which are not supported; build it to begin with zeros"
                )
            tensors = [self._tensor(each) for each in inputs]
            arguments = inputs[0][3] if len(inputs[0]) == 4 else {}
            calls.append({"args": tensors if len(tensors) == 1 else [tensors], "kwargs": self._value(arguments)})
        return calls

    def ends(self, tensors: Any) -> Any:
        """Translate the inputs or outputs of the model; there, Keras 3 counts calls of a Functional from 1."""
        if _is_tensor(tensors, self.kinds):
            name, number, index = tensors
            counted = 0 if self.kinds[name] == "Sequential" else 1
            return [name, number - self.first[name] + counted, index] if name in self.first else tensors
        if isinstance(tensors, list) and len(tensors) == 1:
            return self.ends(tensors[0])  # Keras 2 returns a single output as a tensor, not as a list of one
        if isinstance(tensors, dict):
            return {key: self.ends(each) for key, each in tensors.items()}
        return [self.ends(each) for each in tensors] if isinstance(tensors, list) else tensors

    def _is_input(self, value: Any) -> bool:
        return isinstance(value, list) and len(value) in (3, 4) and _is_tensor(value[:3], self.kinds)

    def _value(self, value: Any) -> Any:
        if _is_tensor(value, self.kinds):
            return self._tensor(value)
        if isinstance(value, list):
            return [self._value(each) for each in value]
        if isinstance(value, dict):
            return {key: self._value(each) for key, each in value.items()}
        return value

    def _tensor(self, value: list[Any]) -> Config:
        name, number, index = value[:3]
        history = [name, number - self.first.get(name, 0), index]
        # Keras finds the tensor by its history; its shape is not used.
        described = {"shape": [], "dtype": "float32", "keras_history": history}
        return {"class_name": "__keras_tensor__", "config": described}


def _is_tensor(value: Any, layers: Container[str]) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 3
        and isinstance(value[0], str)
        and value[0] in layers
        and all(isinstance(number, int) for number in value[1:])
    )
