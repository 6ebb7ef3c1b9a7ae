from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgernn_export import tflite
from edgernn_export.ranges import Group, measure_groups


@pytest.fixture
def groups(save_model: Callable[..., Path]) -> tuple[list[Group], np.ndarray]:
    from keras import layers

    path = save_model([layers.SimpleRNN(5, name="rnn"), layers.Dense(4, activation="softmax")])
    x = np.random.default_rng(0).random((30, 6, 3), np.float32)
    return measure_groups(tflite.convert(path), x), x


def test_every_activation_is_in_one_group(groups: tuple[list[Group], np.ndarray]) -> None:
    names = [name for group in groups[0] for name in group.names]
    assert len(names) == len(set(names))


def test_projections_recurrent_products_and_sums_share_a_range(groups: tuple[list[Group], np.ndarray]) -> None:
    (shared,) = [group for group in groups[0] if group.saturates]
    # The projection, its 6 rows, and for each step but the first a product and a sum.
    assert len(shared.names) == 1 + 6 + 2 * 5
    low, high = shared.range(limit=0.5)
    assert low == -0.5
    assert high == pytest.approx(0.5 * 127 / 128)
    low, high = shared.range(limit=100)
    assert low == -max(-shared.measured[0], shared.measured[1])


def test_tanh_and_softmax_have_the_ranges_their_kernels_demand(groups: tuple[list[Group], np.ndarray]) -> None:
    fixed = [group.fixed for group in groups[0] if group.fixed]
    assert fixed.count((-1.0, 127 / 128)) == 6
    assert fixed.count((0.0, 255 / 256)) == 1


def test_the_input_is_measured_over_all_samples(groups: tuple[list[Group], np.ndarray]) -> None:
    measured, x = groups
    (inputs,) = [group for group in measured if any(name.endswith("input:0") for name in group.names)]
    assert inputs.range(limit=1) == (0, pytest.approx(x.max()))
