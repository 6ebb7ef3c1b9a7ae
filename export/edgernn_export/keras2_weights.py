"""Assign weights of Keras 2 files to the model that Keras 3 built from the translated configuration.

A .h5 file lists the weights of each layer by name, `lstm/lstm_cell/kernel:0`. For a nested model, the trainable weights
of all its layers come first. A .keras file has a group for each layer, named by its class and a number,
`layers/lstm_1/cell/vars/0`; in Keras 2.12 to 2.14 the folder has another name, and numbers may be missing. Layers are
found by their names in the configuration, because Keras 3 may order them differently.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from edgernn.arrays import AnyArray
from edgernn.errors import ModelError
from edgernn_export import hdf5
from edgernn_export.keras2_graph import MODELS, layers_of, parts

Tree = dict[str, Any]

# Names of the group of a model's layers in Keras 2.
_FOLDERS = ("layers", "_layer_checkpoint_dependencies")


def read_h5(file: Any, config: Any, model: Any) -> None:
    """Set the weights of a model from an opened .h5 file.

    Args:
        file: from `hdf5.opened`.
        config: the configuration in the file, before translation.
        model: the Keras 3 model built from its translation.

    Raises:
        ModelError: the weights do not fit the model.
    """
    import h5py

    group = file.get("model_weights")
    if not isinstance(group, h5py.Group):
        raise ModelError("no group 'model_weights'; expected the weights beside the configuration")
    names = hdf5.names(group, "layer_names")
    unread = {name for name in names if hdf5.names(_group(group, name), "weight_names")}
    for node in layers_of(parts(config)[1]):
        name = str(parts(node)[1].get("name"))
        if parts(node)[0] == "InputLayer":
            continue
        stored = hdf5.names(_group(group, name), "weight_names") if name in unread else []
        arrays = [hdf5.array(group[name], weight) for weight in stored]
        _assign(name, model.get_layer(name), node, stored, arrays)
        unread.discard(name)
    if unread:
        raise ModelError(
            f"weights of {', '.join(sorted(unread))}, expected only layers of the configuration; the file is damaged"
        )
    for layer in model._flatten_layers():
        if hasattr(layer, "finalize_state"):  # Normalization derives its mean and variance from the weights
            layer.finalize_state()


def read_keras(file: Any, config: Any, model: Any) -> None:
    """Set the weights of a model from the opened model.weights.h5 of a .keras file.

    Args and Raises: see `read_h5`.
    """
    tree = _tree(file)
    filled = _fill_model(model, config, tree)
    missing = len(model.weights) - filled
    if missing:
        raise ModelError(
            f"{missing} of the model's {len(model.weights)} weights are not in the file, expected all; "
            "the file is damaged"
        )


def _tree(file: Any) -> Tree:
    """Read the groups and arrays of a file, nested; Keras 2 on Windows wrote paths with backslashes."""
    tree: Tree = {}

    def take(path: str, item: Any) -> None:
        *folders, leaf = re.split(r"[/\\]", path)
        place = tree
        for folder in folders:
            place = place.setdefault(folder, {})
        if isinstance(item, h5py.Dataset):
            place[leaf] = item
        else:
            place.setdefault(leaf, {})

    import h5py

    file.visititems(take)
    return tree


def _fill_model(model: Any, node: Any, tree: Tree) -> int:
    """Set the weights of all layers of a model; return how many were set."""
    folder: Tree = next((tree[name] for name in _FOLDERS if name in tree), {})
    nodes = [each for each in layers_of(parts(node)[1]) if parts(each)[0] != "InputLayer"]
    return _fill_each([(model.get_layer(parts(each)[1]["name"]), each) for each in nodes], folder)


def _fill_each(layers: Sequence[tuple[Any, Any]], folder: Tree) -> int:
    """Set the weights of layers, each with its configuration, from one folder; return how many were set."""
    filled = 0
    for kind in dict.fromkeys(parts(node)[0] for _, node in layers):
        alike = [(layer, node) for layer, node in layers if parts(node)[0] == kind]
        groups = _counted(folder, _snake_case(kind))
        if groups and len(groups) != len(alike):
            raise ModelError(
                f"weights of {len(groups)} layers of the class {kind}, expected {len(alike)}; the file is damaged"
            )
        for (layer, node), group in zip(alike, groups, strict=False):  # layers without weights have no group
            filled += _fill(layer, node, group)
    return filled


def _fill(layer: Any, node: Any, tree: Tree) -> int:
    """Set the weights of a layer and of the layers in it; return how many were set."""
    kind, config = parts(node) if node else ("", {})
    if kind in MODELS:
        return _fill_model(layer, node, tree)
    own = {name: np.asarray(dataset[()]) for name, dataset in tree.get("vars", {}).items()}
    if own:
        layer.load_own_variables(own)
    filled = len(own)
    for name, inner in tree.items():
        if name == "vars" or not _holds_weights(inner):
            continue
        child = getattr(layer, name, None)
        if name == "cells" and kind == "StackedRNNCells":
            filled += _fill_each(list(zip(layer.cells, config["cells"], strict=True)), inner)
            continue
        if not isinstance(child, _layer_class()):
            raise ModelError(
                f"the file has weights of {name!r} in {layer.name!r}, which has no such layer; the file is damaged"
            )
        described = config.get("layer" if name == "forward_layer" else name)
        filled += _fill(child, described if isinstance(described, dict) else None, inner)
    return filled


def _assign(name: str, layer: Any, node: Any, stored: Sequence[str], arrays: list[AnyArray]) -> None:
    variables = [variable for group in _in_order(layer, node) for variable in group]
    if len(variables) != len(arrays):
        raise ModelError(
            f"the file has {len(arrays)} weights of {name!r}, expected {len(variables)}; the file is damaged"
        )
    _check_names(name, layer, variables, stored)
    _convert_cudnn(layer, variables, arrays)
    for variable, array in zip(variables, arrays, strict=True):
        if tuple(variable.shape) != array.shape:
            raise ModelError(
                f"the file has weights of {name!r} of shape {array.shape}, expected {tuple(variable.shape)}; "
                "the file is damaged"
            )
        variable.assign(array)


def _in_order(layer: Any, node: Any) -> tuple[list[Any], list[Any]]:
    """Return the weights of a layer in the order of a .h5 file: trainable ones first, then the others."""
    kind, config = parts(node)
    if kind in MODELS:
        inner = [
            _in_order(layer.get_layer(parts(each)[1]["name"]), each)
            for each in layers_of(config)
            if parts(each)[0] != "InputLayer"
        ]
        return [each for trained, _ in inner for each in trained], [each for _, others in inner for each in others]
    if kind == "TimeDistributed":
        return _in_order(layer.layer, config["layer"])
    return list(layer.trainable_weights), list(layer.non_trainable_weights)


def _check_names(name: str, layer: Any, variables: Sequence[Any], stored: Sequence[str]) -> None:
    """Check that the stored names are in the order of the variables.

    Raises:
        ModelError: a name belongs to another variable.
    """
    inner: dict[str, set[int]] = {}
    for each in layer._flatten_layers():
        inner.setdefault(each.name, set()).update(map(id, each.weights))
    for variable, path in zip(variables, stored, strict=True):
        *owners, leaf = re.sub(r"(_\d+)?(:\d+)?$", "", path).split("/")
        alike = leaf == variable.name or (leaf, variable.name) == ("depthwise_kernel", "kernel")
        if not alike or any(id(variable) not in inner[owner] for owner in owners if owner in inner):
            raise ModelError(
                f"the file has the weights {path!r} in {name!r}, expected {variable.path!r}; the file is damaged"
            )


def _convert_cudnn(layer: Any, variables: Sequence[Any], arrays: list[AnyArray]) -> None:
    """Convert the weights of CuDNNLSTM and CuDNNGRU, recognized by their larger bias, into those of LSTM and GRU.

    cuDNN transposes the kernel of each gate, and has two biases: for the input product and the recurrent product.
    """
    places = {id(variable): place for place, variable in enumerate(variables)}
    for each in layer._flatten_layers():
        gates = {"LSTMCell": 4, "GRUCell": 3}.get(type(each).__name__)
        if gates is None or each.bias is None or id(each.bias) not in places:
            continue
        kernel, recurrent, bias = (places[id(part)] for part in (each.kernel, each.recurrent_kernel, each.bias))
        if arrays[bias].shape != (2 * gates * each.units,):
            continue
        # The values of an input kernel are in the order [units, features] although its shape is [features, units].
        arrays[kernel] = _by_gate(arrays[kernel], gates, lambda part: part.T.reshape(part.shape, order="F"))
        arrays[recurrent] = _by_gate(arrays[recurrent], gates, np.transpose)
        both = arrays[bias].reshape(2, -1)
        arrays[bias] = both.sum(axis=0) if gates == 4 else both


def _by_gate(kernels: AnyArray, gates: int, convert: Callable[[AnyArray], AnyArray]) -> AnyArray:
    return np.hstack([convert(part) for part in np.hsplit(kernels, gates)])


def _group(parent: Any, name: str) -> Any:
    import h5py

    group = parent.get(name)
    if not isinstance(group, h5py.Group):
        raise ModelError(f"no group of weights for the layer {name!r}; the file is damaged")
    return group


def _counted(folder: Tree, name: str) -> list[Tree]:
    """Return the groups `name`, `name_1`, `name_2`, … in order; numbers may be missing."""
    found = {match: group for key, group in folder.items() if (match := re.fullmatch(rf"{name}(?:_(\d+))?", key))}
    return [found[match] for match in sorted(found, key=lambda match: int(match[1] or 0))]


def _snake_case(kind: str) -> str:
    """Return the name of a class's group in Keras 2."""
    spaced = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", kind))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", spaced).lower()


def _holds_weights(tree: Any) -> bool:
    return not isinstance(tree, dict) or any(_holds_weights(inner) for inner in tree.values())


def _layer_class() -> Any:
    import keras

    return keras.layers.Layer
