from typing import Any

import numpy as np
import pytest

from edgernn.errors import ModelError, UnsupportedError
from edgernn_export.cells import KINDS, cell_of
from edgernn_export.cells.ops import NumpyOps, PostActivation
from edgernn_export.formats.tflite.arithmetic import Float32Ops
from edgernn_export.formats.tflite.graph import Graph, TensorType
from edgernn_export.formats.tflite.insert_cells import STEP
from edgernn_export.formats.tflite.layouts import Layer, unroll

UNITS, STEPS, FEATURES = 5, 6, 3
OPTIONS: dict[str, list[dict[str, Any]]] = {
    "SimpleRNN": [{}, {"activation": "sigmoid"}, {"activation": "relu"}, {"activation": "gelu"}],
    "GRU": [
        *({}, {"reset_after": False}, {"recurrent_activation": "hard_sigmoid", "activation": "softsign"}),
        {"recurrent_activation": "softmax"},
    ],
    "LSTM": [
        *({}, {"unit_forget_bias": False}, {"recurrent_activation": "relu", "activation": "linear"}),
        {"recurrent_activation": "sparsemax"},
    ],
}


def layer_of(kind: str, **options: Any) -> Any:
    import keras

    keras.utils.set_random_seed(1)
    if options.get("use_bias", True):
        options["bias_initializer"] = "random_normal"
    layer = getattr(keras.layers, kind)(UNITS, return_sequences=True, name="layer", **options)
    layer.build((1, STEPS, FEATURES))
    return layer


def run(layer: Any, x: np.ndarray) -> np.ndarray:
    """Run one sequence [steps, features] through a cell by NumPy, the oracle; return [steps, units]."""
    ops, cell = NumpyOps(), cell_of(layer)
    projected = cell.project(ops, x)
    states: tuple[Any, ...] = tuple(np.zeros((1, cell.units), np.float32) for _ in cell.states)
    outputs = []
    for step in range(len(x)):
        states = cell.step(ops, tuple(values[step : step + 1] for values in projected), states)
        outputs.append(np.asarray(states[0]))
    return np.concatenate(outputs)


@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize(("kind", "options"), [(kind, each) for kind, all_of in OPTIONS.items() for each in all_of])
def test_cells_answer_as_keras(kind: str, options: dict[str, Any], use_bias: bool) -> None:
    layer = layer_of(kind, use_bias=use_bias, **options)
    x = np.random.default_rng(0).normal(size=(1, STEPS, FEATURES)).astype(np.float32)
    np.testing.assert_allclose(run(layer, x[0]), np.asarray(layer(x))[0], atol=2e-6)


def test_every_kind_is_tested() -> None:
    assert OPTIONS.keys() == KINDS.keys()


@pytest.mark.parametrize("kind", list(KINDS))
def test_roles_and_operators_are_those_of_the_equations(kind: str) -> None:
    from ai_edge_litert import schema_py_generated as schema

    cell = cell_of(layer_of(kind))
    graph, _ = Graph.new(schema.ModelT(subgraphs=[], buffers=[schema.BufferT()], operatorCodes=[]))
    x = graph.tensor((1, 2, FEATURES), TensorType.FLOAT32)
    layer = Layer(
        name="layer", cell=cell, return_sequences=False, backwards=False, make_ops=lambda graph: Float32Ops(graph, STEP)
    )
    ops = layer.make_ops(graph)
    states = tuple(ops.state(cell.units, role) for role in cell.states)
    unroll(ops, layer, x, states)
    names = {tensor.name.decode() for tensor in graph.subgraph.tensors if tensor.name}
    assert names == {f"{STEP}/{role}" for role in cell.roles}
    kernels = len(cell.project(NumpyOps(), np.zeros((2, FEATURES), np.float32)))
    assert len(graph.operators) == 2 * cell.operators + 2 * kernels  # a product and a split in front for each
    assert {role.of for role in cell.roles.values() if isinstance(role, PostActivation)} <= cell.roles.keys()
    assert set(cell.states) <= cell.roles.keys()


def test_layers_and_activations_that_are_not_supported_are_refused() -> None:
    import keras

    with pytest.raises(ModelError, match="'odd' is a RNN; supported recurrent layers: SimpleRNN, GRU, LSTM"):
        cell_of(keras.layers.RNN(keras.layers.GRUCell(2), name="odd"))
    layer = layer_of("GRU", activation=lambda x: x)
    with pytest.raises(ModelError, match="'layer' has activation='<lambda>'; supported: Keras's own, by their"):
        cell_of(layer)


def test_what_an_operator_cannot_do_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="ONNX's recurrent operators have no activation 'gelu'; they have tanh"):
        cell_of(layer_of("LSTM", activation="gelu")).onnx_operator()
    with pytest.raises(UnsupportedError, match="TFLite has no fused operator for GRU"):
        cell_of(layer_of("GRU")).fused_operator()
    with pytest.raises(UnsupportedError, match="TFLite's fused LSTM has sigmoid gates, not tanh"):
        cell_of(layer_of("LSTM", recurrent_activation="tanh")).fused_operator()
    with pytest.raises(UnsupportedError, match="TFLite's fused operators have no activation 'elu'"):
        cell_of(layer_of("SimpleRNN", activation="elu")).fused_operator()
    with pytest.raises(UnsupportedError, match="TFLite's fused LSTM answers wrongly with a linear activation"):
        cell_of(layer_of("LSTM", activation="linear")).fused_operator()
