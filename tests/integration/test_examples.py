"""The examples without their training: their data, models and READMEs."""

import runpy
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgernn.artifacts import find_artifacts
from edgernn.errors import ArtifactError

ROOT = Path(__file__).parents[2]
SHAPES = {"activity-recognition": (128, 9), "keyword-spotting": (49, 10), "predictive-maintenance": (50, 17)}
CLASSES = {"activity-recognition": 6, "keyword-spotting": 12}
# Published layers: kind, and units or rate.
LAYERS: dict[str, Sequence[tuple[str, float]]] = {
    "activity-recognition": [("LSTM", 100), ("Dropout", 0.5), ("Dense", 100), ("Dense", 6)],
    "keyword-spotting": [("GRU", 154), ("Dense", 12)],
    "predictive-maintenance": [("GRU", 100), ("Dropout", 0.2), ("GRU", 50), ("Dropout", 0.2), ("Dense", 1)],
}
SAMPLES = 600


@pytest.fixture(scope="module", params=SHAPES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def script(name: str) -> dict[str, Any]:
    """Return the names that the example's run.py defines."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT)  # run.py does this itself; the context undoes it
        return runpy.run_path(str(ROOT / "examples" / name / "run.py"))


def test_every_example_is_here_in_make_and_in_the_readmes() -> None:
    folders = {path.parent.name for path in (ROOT / "examples").glob("*/run.py")}
    assert folders == set(SHAPES)
    for name in folders:
        assert name in (ROOT / "Makefile").read_text(encoding="utf-8")
        assert f"[{name}]({name})" in (ROOT / "examples" / "README.md").read_text(encoding="utf-8")
        assert f"make example-{name}\n" in (ROOT / "examples" / name / "README.md").read_text(encoding="utf-8")


def test_the_data_has_the_stated_shape_and_depends_on_the_seed_only(name: str, script: dict[str, Any]) -> None:
    x, y = script["EXAMPLE"].generate(SAMPLES, 1)
    assert x.shape == (SAMPLES, *SHAPES[name])
    assert x.dtype == np.float32
    assert np.isfinite(x).all()
    again, y_again = script["EXAMPLE"].generate(SAMPLES, 1)
    np.testing.assert_array_equal(x, again)
    np.testing.assert_array_equal(y, y_again)
    assert not np.array_equal(x, script["EXAMPLE"].generate(SAMPLES, 2)[0])


def test_the_truths_are_balanced(name: str, script: dict[str, Any]) -> None:
    _, y = script["EXAMPLE"].generate(SAMPLES, 1)
    if name in CLASSES:
        assert y.dtype == np.int64
        assert len(script["EXAMPLE"].labels) == CLASSES[name]
        np.testing.assert_array_equal(np.bincount(y), SAMPLES // CLASSES[name])
    else:
        assert y.dtype == np.float32
        assert y.shape == (SAMPLES, 1)
        assert y.min() >= 0
        assert y.max() == script["MAX_CYCLES_LEFT"]
        # Most engines are worn, and all ages occur.
        assert np.mean(y == y.max()) < 0.4
        assert np.all(np.histogram(y[y < y.max()], bins=5, range=(0, y.max()))[0] > SAMPLES / 20)


def test_the_model_has_the_published_layers(name: str, script: dict[str, Any]) -> None:
    model = script["EXAMPLE"].build()
    assert model.input_shape == (None, *SHAPES[name])
    found = [
        (type(layer).__name__, layer.rate if "Dropout" in type(layer).__name__ else layer.units)
        for layer in model.layers
    ]
    assert found == list(LAYERS[name])
    assert model.layers[-1].activation.__name__ == ("softmax" if name in CLASSES else "linear")


def test_the_smallest_int8_file_with_an_exact_stream_is_streamed(
    script: dict[str, Any], artifacts: Path, tmp_path: Path
) -> None:
    common = sys.modules[script["Example"].__module__]
    chosen = common.choose_streamed(artifacts)
    exact = {path: card for path, card in find_artifacts(artifacts) if card.exact_stream}
    sizes = [path.stat().st_size for path, card in exact.items() if card.quantization == "int8"]
    assert exact[chosen].quantization == "int8"
    assert chosen.stat().st_size == min(sizes)
    with pytest.raises(ArtifactError, match="no artifact has a stream with the bits of predict"):
        common.choose_streamed(tmp_path)


def test_answers_are_described_and_scored_by_their_task(name: str, script: dict[str, Any]) -> None:
    example = script["EXAMPLE"]
    if name in CLASSES:
        answers = np.eye(CLASSES[name], dtype=np.float32)[[0, 1, 2, 2]]
        assert example.describe(answers[1]) == f"{example.labels[1]} 100%"
        assert example.score(answers, np.array([0, 1, 2, 0])) == "accuracy 75.0%"
    else:
        answers, truths = np.array([[10.0], [30.0]], np.float32), np.array([[11.0], [29.0]], np.float32)
        assert example.describe(answers[0]) == "10.0 cycles"
        assert example.score(answers, truths) == "R² 0.988, mean absolute error 1.0 cycles"
