"""Keras 2 files written by hand, and the answers of Keras 2 computed with NumPy; Keras is not used."""

import io
import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

Array = np.ndarray
Weights = Sequence[tuple[str, Array]]

STEPS, FEATURES, UNITS = 6, 3, 4


def layer(kind: str, name: str, **options: Any) -> dict[str, Any]:
    common = {"name": name, "trainable": True, "dtype": "float32"}
    return {"class_name": kind, "config": common | options}


def recurrent(kind: str, name: str, **options: Any) -> dict[str, Any]:
    """Return the configuration of a recurrent layer with all the options that Keras 2 writes."""
    common: dict[str, Any] = {
        "return_sequences": False,
        "return_state": False,
        "go_backwards": False,
        "stateful": False,
        "unroll": False,
        "time_major": False,
        "units": UNITS,
        "activation": "tanh",
        "use_bias": True,
        "kernel_initializer": {"class_name": "GlorotUniform", "config": {"seed": None}},
        "bias_constraint": None,
        "kernel_regularizer": None,
        "dropout": 0.0,
        "recurrent_dropout": 0.0,
    }
    if kind != "SimpleRNN":
        common |= {"recurrent_activation": "sigmoid", "implementation": 2}
    return layer(kind, name, **(common | options))


def dense(name: str, units: int, activation: Any = "linear", **options: Any) -> dict[str, Any]:
    initializer = {"class_name": "Zeros", "config": {}}
    return layer(
        "Dense", name, units=units, activation=activation, use_bias=True, bias_initializer=initializer, **options
    )


def input_layer(shape: Sequence[int | None] = (None, STEPS, FEATURES), name: str = "input_1") -> dict[str, Any]:
    config = {"batch_input_shape": list(shape), "dtype": "float32", "sparse": False, "ragged": False, "name": name}
    return {"class_name": "InputLayer", "config": config}


def sequential(*layers: dict[str, Any], name: str = "sequential") -> dict[str, Any]:
    return {"class_name": "Sequential", "config": {"name": name, "layers": [input_layer(), *layers]}}


def functional(
    calls: Mapping[str, Sequence[Any]], outputs: Sequence[Any], *layers: dict[str, Any], name: str = "model"
) -> dict[str, Any]:
    """Return the configuration of a model of layers, with the calls of each by its name."""
    nodes = [each | {"name": each["config"]["name"], "inbound_nodes": []} for each in (input_layer(), *layers)]
    for node in nodes:
        node["inbound_nodes"] = list(calls.get(node["name"], []))
    config = {"name": name, "layers": nodes, "input_layers": [["input_1", 0, 0]], "output_layers": [list(outputs)]}
    return {"class_name": "Functional", "config": config}


def write_h5(
    path: Path, config: Any, weights: Mapping[str, Weights], version: str = "2.15.0", backend: str = "tensorflow"
) -> Path:
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = version
        file.attrs["backend"] = backend
        file.attrs["model_config"] = json.dumps(config)
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [name.encode() for name in weights]
        for name, named in weights.items():
            group.create_group(name).attrs["weight_names"] = [weight.encode() for weight, _ in named]
            for weight, values in named:
                group[name][weight] = values
    return path


def write_keras(path: Path, config: Any, weights: Mapping[str, Array], version: str = "2.15.0") -> Path:
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        for name, values in weights.items():
            file[name] = values
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": version, "date_saved": "2024-01-15@12:00:00"}))
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("model.weights.h5", content.getvalue())
    return path


def draw(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng((seed, *shape)).normal(size=shape).astype(np.float32) * 0.6


def drawn(kind: str, features: int = FEATURES, seed: int = 0, reset_after: bool = True) -> list[Array]:
    """Return kernel, recurrent kernel and bias of a recurrent layer."""
    gates = {"SimpleRNN": 1, "GRU": 3, "LSTM": 4}[kind]
    bias = (2, gates * UNITS) if kind == "GRU" and reset_after else (gates * UNITS,)
    return [
        draw(features, gates * UNITS, seed=seed),
        draw(UNITS, gates * UNITS, seed=seed + 1),
        draw(*bias, seed=seed + 2),
    ]


def named(prefix: str, arrays: Sequence[Array]) -> Weights:
    return [
        (f"{prefix}/{leaf}:0", each) for leaf, each in zip(("kernel", "recurrent_kernel", "bias"), arrays, strict=True)
    ]


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def hard_sigmoid(x: Array) -> Array:
    """Compute the hard sigmoid of Keras 2."""
    return np.clip(0.2 * x + 0.5, 0, 1)


def answer(
    kind: str, x: Array, weights: Sequence[Array], gate: Callable[[Array], Array] = sigmoid, reset_after: bool = True
) -> Array:
    """Compute all outputs of a recurrent layer, [samples, steps, units]."""
    kernel, recurrent_kernel, bias = (each.astype(np.float64) for each in weights)
    h = c = np.zeros((len(x), UNITS))
    outputs = []
    for row in np.moveaxis(x.astype(np.float64), 1, 0):
        if kind == "SimpleRNN":
            h = np.tanh(row @ kernel + h @ recurrent_kernel + bias)
        elif kind == "LSTM":
            i, f, g, o = np.split(row @ kernel + h @ recurrent_kernel + bias, 4, axis=1)
            c = gate(f) * c + gate(i) * np.tanh(g)
            h = gate(o) * np.tanh(c)
        else:
            first, second = bias if reset_after else (bias, np.zeros_like(bias))
            xz, xr, xh = np.split(row @ kernel + first, 3, axis=1)
            hz, hr, hh = np.split(h @ recurrent_kernel + second, 3, axis=1)
            z, r = gate(xz + hz), gate(xr + hr)
            inner = r * hh if reset_after else (r * h) @ np.split(recurrent_kernel, 3, axis=1)[2]
            h = z * h + (1 - z) * np.tanh(xh + inner)
        outputs.append(h)
    return np.stack(outputs, axis=1)
