"""Rounding to int8: the files of every format and the refinement have the same weights, for every channel."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgernn.rounding import MIN_SCALE, round_channels
from edgernn_export import refine
from edgernn_export.formats.onnx.int8_weights import quantize_weights
from edgernn_export.formats.tflite.arithmetic import quantize_rows

KERNELS = {
    "random": np.random.default_rng(1).normal(size=(7, 5)),
    "a channel of zeros": np.array([[0, 1], [0, -0.5]]),
    "zeros only": np.zeros((3, 2)),
    "a tiny channel": np.array([[1, MIN_SCALE], [-0.3, -MIN_SCALE]]),
    "a denormal channel": np.array([[1e-40, 2], [-1e-44, 0.1]]),
    "the smallest channel with a scale": np.array([[128 * MIN_SCALE, 2], [-50 * MIN_SCALE, 0.1]]),
    "values between two integers": np.array([[127, 254], [0.5, 1], [-2.5, -3]]),
}


def restored_by_tflite(kernel: np.ndarray) -> np.ndarray:
    integers, scale = quantize_rows(np.ascontiguousarray(kernel.T))
    return integers.T * np.array(scale.scales, np.float32)


def restored_by_onnx(kernel: np.ndarray) -> np.ndarray:
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ("n", None)) for name in "xy")
    constant = numpy_helper.from_array(kernel, "kernel")
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "kernel"], ["y"])], "graph", [x], [y], [constant])
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    quantized = onnx.load_from_string(quantize_weights(proto.SerializeToString()))
    integers, scales = (numpy_helper.to_array(each) for each in quantized.graph.initializer)
    return integers * scales


def variable_of(kernel: np.ndarray) -> Any:
    return SimpleNamespace(name="kernel", shape=kernel.shape, value=kernel)


def restored_by_refinement(kernel: np.ndarray) -> np.ndarray:
    model = SimpleNamespace(weights=[variable_of(kernel)], get_weights=lambda: [kernel])
    (weights,) = refine.rounded_weights(model)
    return weights


def restored_in_training(kernel: np.ndarray) -> np.ndarray:
    return refine._straight_through(variable_of(kernel)).numpy()


@pytest.mark.parametrize("name", KERNELS)
def test_all_formats_and_the_refinement_round_alike(name: str) -> None:
    kernel = KERNELS[name].astype(np.float32)
    expected = restored_by_tflite(kernel)
    np.testing.assert_array_equal(restored_by_onnx(kernel), expected)
    np.testing.assert_array_equal(restored_by_refinement(kernel), expected)
    # TensorFlow adds the difference between rounded and original weights to the original ones.
    np.testing.assert_allclose(restored_in_training(kernel), expected, rtol=1e-6, atol=127 * MIN_SCALE)


def test_the_largest_weight_of_each_channel_is_127_scales() -> None:
    kernel = KERNELS["random"].astype(np.float32)
    integers, scales = round_channels(kernel, axis=1)
    assert (np.abs(integers).max(axis=0) == 127).all()
    assert (np.abs(integers * scales - kernel) <= scales / 2 * (1 + 1e-6)).all()


def test_a_channel_of_zeros_has_a_scale_of_1() -> None:
    integers, scales = round_channels(np.array([[0, 1], [0, -0.5]], np.float32), axis=1)
    np.testing.assert_array_equal(integers, [[0, 127], [0, -64]])
    np.testing.assert_array_equal(scales, [[1, np.float32(1) / np.float32(127)]])


def test_all_channels_can_share_a_scale() -> None:
    integers, scales = round_channels(np.array([[1, 2], [4, -8]], np.float32), axis=None)
    assert scales.shape == (1, 1)
    np.testing.assert_array_equal(integers, [[16, 32], [64, -127]])


def test_a_scale_can_have_a_minimum() -> None:
    kernel = np.array([[1.27, 1.27]], np.float32)
    integers, scales = round_channels(kernel, axis=1, min_scales=np.array([0.1, 0.001], np.float32))
    np.testing.assert_array_equal(integers, [[13, 127]])
    np.testing.assert_allclose(scales, [[0.1, 0.01]])
