"""Sensitivity to rounding, and the tolerances that follow from it; the oracle computes in float64."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgernn.data.run_folder import Original
from edgernn.data.samples import Samples
from edgernn.errors import ExportError
from edgernn.metrics import largest_difference
from edgernn_export.artifact import make_artifact
from edgernn_export.cells import cell_of
from edgernn_export.cells.ops import NumpyOps
from edgernn_export.formats import FORMATS, tolerance_of
from edgernn_export.keras_model import predict
from edgernn_export.proof import MAX_ROUNDING
from edgernn_export.sensitivity import rounding_error_of
from edgernn_export.settings import Settings
from edgernn_export.source import Source
from edgernn_export.targets import Target

FEATURES = 3
FLOAT32, FLOAT16 = Target("tflite", "float32", "loop"), Target("tflite", "float16", "unrolled")


def inputs(steps: int) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(40, steps, FEATURES)).astype(np.float32)


def build(kind: str, units: int, steps: int, gain: float, seed: int, activation: str | None = "softmax") -> Any:
    """Make a model with normal recurrent weights, `gain` times as large as those that keep a state's size."""
    from keras import Input, Sequential, layers

    rng = np.random.default_rng(seed)
    head = layers.Dense(2, activation=activation)
    model = Sequential([Input((steps, FEATURES)), getattr(layers, kind)(units), layers.Dropout(0.5), head])
    for weight in model.weights:
        if weight.name.endswith("kernel"):
            size = gain if weight.name == "recurrent_kernel" else 1
            weight.assign(rng.normal(0, size / np.sqrt(weight.shape[0]), weight.shape))
    return model


def in_float64(model: Any, x: np.ndarray) -> np.ndarray:
    """Compute the answers of a recurrent layer and a linear Dense by NumPy in float64."""
    layer, _, head = model.layers
    cell, ops = cell_of(layer), NumpyOps()
    states: tuple[Any, ...] = tuple(np.zeros((len(x), cell.units)) for _ in cell.states)
    for row in np.moveaxis(x.astype(np.float64), 1, 0):
        states = cell.step(ops, cell.project(ops, row), states)
    kernel, bias = (weight.astype(np.float64) for weight in head.get_weights())
    return np.asarray(states[0] @ kernel + bias)


@pytest.mark.parametrize(
    ("kind", "steps", "gain", "seed"),
    [("SimpleRNN", 8, 1.0, 1), ("SimpleRNN", 40, 2.2, 1), ("SimpleRNN", 40, 1.8, 3), ("LSTM", 40, 8.0, 2)],
)
def test_keras_is_as_far_from_float64_as_rounding_moves_it(kind: str, steps: int, gain: float, seed: int) -> None:
    model, x = build(kind, 8, steps, gain, seed, activation=None), inputs(steps)
    before = model.get_weights()
    answers = predict(model, x)
    rounding = rounding_error_of(model, x, answers)
    off = largest_difference(answers, in_float64(model, x))
    assert rounding / 20 < off < 5 * rounding
    for weight, kept in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, kept)


def source_of(folder: Path, model: Any, steps: int) -> Source:
    model.save(folder / "small.keras")
    x = inputs(steps)
    y = predict(model, x).argmax(axis=1)
    y[:2] = 0, 1
    original = Original(
        folder / "small.keras", "small", labels=(), input_meaning="", samples=Samples.unnamed(x, y, x_test=x, y_test=y)
    )
    return Source(original, Settings(refine=False, max_drop=100))


@pytest.mark.parametrize(("kind", "seed", "gain"), [("SimpleRNN", 1, 2.2), ("LSTM", 2, 8.0)])
def test_an_ill_conditioned_model_accepts_a_right_file_and_refuses_a_wrong_one(
    kind: str, seed: int, gain: float, tmp_path: Path
) -> None:
    source = source_of(tmp_path, build(kind, 8, 40, gain, seed), 40)
    assert source.rounding_error > 1e-5
    result = make_artifact(source, FLOAT32)
    proof, reason = result.proof, result.reason
    assert not reason
    # Weights that are off by 2**-12 of themselves: no float32 file is. Its tolerance refuses them anyway.
    coarse = make_artifact(source, FLOAT16).proof
    assert coarse.difference > 10 * proof.difference
    with pytest.raises(ExportError, match="differs from Keras by"):
        coarse.check(tolerance_of(FLOAT32).for_model(source.rounding_error), max_drop=100, min_agreement=0)


def test_an_ordinary_model_has_the_tolerances_of_the_table(tmp_path: Path) -> None:
    source = source_of(tmp_path, build("SimpleRNN", 4, 6, 1.0, 1), 6)
    assert source.rounding_error < 1e-6
    for name in ("float32", "int8", "int16x8", "dynamic"):
        assert FORMATS["tflite"].tolerances[name].for_model(source.rounding_error) == FORMATS["tflite"].tolerances[name]


@pytest.mark.parametrize("rounding", [1e-5, 1e-3, float("inf")])
def test_tolerances_widen_no_further_than_rounding_and_never_for_integers(rounding: float) -> None:
    for tolerance in (each for kind in FORMATS.values() for each in kind.tolerances.values()):
        wide = tolerance.for_model(rounding)
        assert (wide.agreement, wide.stream_agreement, wide.drop) == (
            tolerance.agreement,
            tolerance.stream_agreement,
            tolerance.drop,
        )
        if not tolerance.weight_coarseness:
            assert wide == tolerance
        elif tolerance.difference < 1:
            largest = MAX_ROUNDING if tolerance.weight_coarseness == 1 else 0.1
            assert tolerance.difference <= wide.difference <= largest
        assert wide.stream_difference <= max(tolerance.stream_difference, MAX_ROUNDING)
        assert wide.golden <= max(tolerance.golden, MAX_ROUNDING)
    assert FORMATS["tflite"].tolerances["float32"].for_model(1e-5).difference == pytest.approx(1e-4)
