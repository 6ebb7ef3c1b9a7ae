import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from onnx import TensorProto, helper

from bars.operator_counts import count_control_flow, count_custom
from common import sensors
from edgernn_export.formats.tflite.graph import Graph, Operator, write


@pytest.fixture(scope="module")
def windows():
    return sensors.make_dataset(0)


def test_the_same_seed_gives_the_same_windows(windows):
    again, other = sensors.make_dataset(0), sensors.make_dataset(1)
    np.testing.assert_array_equal(windows.x_train, again.x_train)
    assert not np.array_equal(windows.x_train, other.x_train)
    assert windows.x_test.shape == (2000, 128, 9)
    assert not np.array_equal(windows.x_train[:2000], windows.x_test)


@pytest.mark.parametrize("row", [0, 64, 127])
def test_no_row_alone_tells_the_activity(windows, row):
    """Answer by the nearest of all training rows: its neighbour's class is right one time in six."""
    x, rows = windows.x_train[:, row], windows.x_test[:, row]
    distances = (rows**2).sum(1)[:, np.newaxis] - 2 * rows @ x.T + (x**2).sum(1)
    guesses = windows.y_train[distances.argmin(axis=1)]
    # 1/6 and four standard deviations of 2,000 guesses.
    assert np.mean(guesses == windows.y_test) < 0.2


def test_control_flow_is_found_in_inner_graphs():
    def branch(*nodes):
        return helper.make_graph(
            list(nodes), "branch", [], [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])]
        )

    constant = helper.make_node("Constant", [], ["y"], value_float=1.0)
    inner = helper.make_node("If", ["c"], ["y"], then_branch=branch(constant), else_branch=branch(constant))
    outer = helper.make_node("If", ["c"], ["z"], then_branch=branch(inner), else_branch=branch(constant))
    condition = helper.make_tensor_value_info("c", TensorProto.BOOL, [])
    answer = helper.make_tensor_value_info("z", TensorProto.FLOAT, [1])
    model = helper.make_model(helper.make_graph([outer], "graph", [condition], [answer]))
    assert count_control_flow(model.SerializeToString()) == 2
    plain = helper.make_model(helper.make_graph([], "graph", [condition], []))
    assert count_control_flow(plain.SerializeToString()) == 0


@pytest.mark.parametrize(("code", "count"), [(Operator.CUSTOM, 2), (Operator.TANH, 0)])
def test_custom_operators_are_counted(code, count):
    model = schema.ModelT(version=3, operatorCodes=[], subgraphs=[], buffers=[schema.BufferT()])
    graph, _ = Graph.new(model)
    x, y, z = (graph.tensor((1, 4), schema.TensorType.FLOAT32) for _ in range(3))
    graph.operator(code, [x], [y])
    graph.operator(code, [y], [z])
    graph.finish([x], [z])
    assert count_custom(write(model)) == count
