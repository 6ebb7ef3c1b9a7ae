"""Scaling of samples for a user's model: none, or by --scale; with and without y."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

import edgernn
from edgernn.bench.document import dump, read_result
from edgernn.cli import main
from edgernn.data.pictures import prepare
from edgernn_export import Settings, export, select_targets

pytestmark = pytest.mark.usefixtures("in_process")

SIZE, CLASSES = 8, 3
PIXELS = np.random.default_rng(0).integers(0, 256, (240, SIZE, SIZE), np.uint8)
FLOAT32 = select_targets(["tflite"], ["float32"], ["unrolled"], "float32")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Save three models: one scales its pixels itself, one also takes uint8, one takes scaled pixels."""
    import keras

    folder = tmp_path_factory.mktemp("models")
    shared = [keras.layers.SimpleRNN(5), keras.layers.Dense(CLASSES, activation="softmax")]
    scaling = keras.layers.Rescaling(1 / 255)
    saved = {
        "raw": keras.Sequential([keras.Input((SIZE, SIZE)), scaling, *shared]),
        "bytes": keras.Sequential([keras.Input((SIZE, SIZE), dtype="uint8"), scaling, *shared]),
        "scaled": keras.Sequential([keras.Input((SIZE, SIZE)), *shared]),
    }
    for name, model in saved.items():
        model.save(folder / f"{name}.keras")
    np.savez(folder / "pixels.npz", x=PIXELS, y=saved["raw"].predict(PIXELS, verbose=0).argmax(axis=1))
    np.savez(folder / "alone.npz", x=PIXELS)
    np.savez(folder / "floats.npz", x=PIXELS.astype(np.float32))
    return {"folder": folder, **saved}


@pytest.fixture(scope="module")
def exported(models: dict[str, Any]) -> dict[str, Path]:
    folder = models["folder"]
    return {
        name: export(folder / f"{name}.keras", targets=FLOAT32, samples=folder / samples, scale=scale)[0].path
        for name, samples, scale in (
            ("raw", "pixels.npz", None),
            ("bytes", "alone.npz", None),
            ("scaled", "floats.npz", "pixels"),
        )
    }


@pytest.fixture
def run() -> Callable[..., Result]:
    return lambda *words: CliRunner().invoke(main, [str(word) for word in words])


@pytest.mark.parametrize(
    ("name", "meaning", "expected"),
    [
        ("raw", "number from 0 to 255", (0, 255)),
        ("bytes", "number from 0 to 255", (0, 255)),
        ("scaled", "pixel / 255", (0, 1)),
    ],
)
def test_artifacts_take_what_keras_was_fed(
    models: dict[str, Any], exported: dict[str, Path], name: str, meaning: str, expected: tuple[float, float]
) -> None:
    model = edgernn.load(exported[name])
    assert (model.card.input_meaning, model.card.input_range) == (meaning, expected)
    assert model.card.inputs[0].layers == (() if name == "scaled" else ("Rescaling",))
    keras = models["raw"].predict(PIXELS, verbose=0)
    numbers = PIXELS.astype(np.float32) / (255 if name == "scaled" else 1)
    for given in (PIXELS, numbers, numbers.astype(np.float64)):
        np.testing.assert_allclose(model.predict(given), keras, atol=1e-5)
    # A picture becomes uint8 pixels, which all of the models take.
    grey = np.ones((60, 60), np.float32)
    grey[10:50, 25:32] = 0
    drawn = prepare(grey, model.card)
    np.testing.assert_allclose(model.predict(drawn), models["raw"].predict(drawn[np.newaxis], verbose=0)[0], atol=1e-5)


@pytest.mark.parametrize("artifact", ["raw", "bytes"])
def test_a_model_of_unscaled_numbers_refuses_no_number(exported: dict[str, Path], artifact: str) -> None:
    model = edgernn.load(exported[artifact])
    with pytest.warns(edgernn.InputWarning, match="feature 0 is 600, far from 0 to 255"):
        # A sensor may exceed its range in the training.
        assert np.isfinite(model.predict(np.full((SIZE, SIZE), 600.0))).all()
    with pytest.raises(edgernn.InputError, match="NaN"):
        model.predict(np.full((SIZE, SIZE), np.nan))


def test_unscaled_pixels_are_refused_where_scaled_ones_are_expected(exported: dict[str, Path]) -> None:
    with pytest.raises(edgernn.InputError, match=r"expected 0 to 1 \(pixel / 255\)"):
        edgernn.load(exported["scaled"]).predict(PIXELS.astype(np.float32))


def test_export_says_what_it_fed_and_that_accuracy_is_not_known(
    models: dict[str, Any], run: Callable[..., Result], tmp_path: Path
) -> None:
    folder = models["folder"]
    words = ("export", folder / "raw.keras", "--to", "tflite", "--quantize", "float32", "--layout", "unrolled")
    result = run(*words, "--samples", folder / "alone.npz", "--out", tmp_path, "--max-drop", 0)
    assert result.exit_code == 0, result.output
    said = " ".join(result.stdout.split())
    assert "Fed to the model: x of alone.npz, as stored, from 0 to 255; 120 samples calibrate, 120 others" in said
    assert "accuracy: not known, because the samples have no y; assumed classification: the numbers of each" in said
    result = run(*words, "--samples", folder / "alone.npz", "--out", tmp_path, "--overwrite", "--json")
    (row,) = json.loads(result.stdout)
    assert row["proof"]["keras"] == row["proof"]["artifact"] == {"accuracy": None, "f1": None}
    assert row["proof"]["agreement"] == 1
    assert row["fed"].startswith("x of alone.npz, as stored")
    assert "accuracy" in run("info", row["path"]).stdout
    assert "not known: the samples of the proof had no right answers (y)" in run("info", row["path"]).stdout
    assert "artifact" not in edgernn.load(row["path"]).card.measured


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("floats.npz", "--scale", "minmax"), "scale 'minmax'; expected pixels, or an .npz file with mean and std"),
        (("unit.npz", "--scale", "pixels"), "x goes from 0 to 1, so it is scaled already; omit the scale"),
    ],
)
def test_a_scale_that_cannot_be_is_refused(
    models: dict[str, Any], run: Callable[..., Result], words: tuple[str, ...], message: str
) -> None:
    folder = models["folder"]
    np.savez(folder / "unit.npz", x=PIXELS.astype(np.float32) / 255)
    result = run("export", folder / "scaled.keras", "--samples", folder / words[0], *words[1:])
    assert result.exit_code != 0
    assert message in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("name", "samples"),
    [("raw", "pixels.npz"), ("bytes", "alone.npz"), ("scaled", "floats.npz"), ("scaled", "pixels.npz")],
)
def test_compare_feeds_what_export_fed(
    models: dict[str, Any], exported: dict[str, Path], name: str, samples: str, tmp_path: Path
) -> None:
    from edgernn.bench.stopwatch import Method
    from edgernn_benchmarks.comparison import compare

    folder = models["folder"]
    result = compare(
        folder / f"{name}.keras", [exported[name]], samples=folder / samples, method=Method(rounds=2, seconds=0)
    )
    for subject in result.subjects:
        assert subject.answers.agreement == 1
        assert subject.answers.measures.get("accuracy") == (1 if samples == "pixels.npz" else None)
    (tmp_path / "result.json").write_text(dump(result))
    again = read_result(tmp_path / "result.json")
    assert [each.answers for each in again.subjects] == [each.answers for each in result.subjects]
    if samples != "pixels.npz":
        _check_what_is_said_without_truths(again, tmp_path)


def _check_what_is_said_without_truths(result: Any, folder: Path) -> None:
    from edgernn.bench.verdict import judge
    from edgernn_benchmarks.report.page import write_html

    verdict = judge(result)
    assert result.headline is None
    assert verdict.most_accurate is None
    assert verdict.recommended is result.artifacts[0]
    assert (
        verdict.why
        == "the only artifact that agrees with Keras to at least 98.50%, runs correctly on every default backend and "
        "streams with the same bits as predict"
    )
    write_html(folder / "report.html", [result])
    page = (folder / "report.html").read_text()
    assert "test samples have no truths" in page
    assert "most accurate" not in page


def test_artifacts_of_two_scales_are_not_compared(models: dict[str, Any], exported: dict[str, Path]) -> None:
    from edgernn_benchmarks.comparison import compare

    folder = models["folder"]
    with pytest.raises(
        edgernn.ArtifactError, match=r"scaled-float32.tflite: its inputs are 'pixel / 255', expected .* as in .*raw"
    ):
        compare(folder / "raw.keras", [exported["raw"], exported["scaled"]], samples=folder / "pixels.npz")
    with pytest.raises(edgernn.ArtifactError, match=r"raw-float32\.tflite: its inputs are 'number from 0 to 255'"):
        compare(folder / "raw.keras", [exported["raw"]], samples=folder / "pixels.npz", scale="pixels")


FEATURES = 3
NAMES = ("ax", "ay", "pressure")
LABELS = ("rest", "walk", "run")
OFFSETS, SPREADS = np.array([0.1, -9.8, 1013.0]), np.array([0.02, 20.0, 5.0])


@pytest.fixture(scope="module")
def sensor(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Save a model of standardized values, raw samples and their scale; export int8 and float32 artifacts."""
    import keras

    folder = tmp_path_factory.mktemp("sensor")
    keras.utils.set_random_seed(0)
    layers = [keras.layers.LSTM(5), keras.layers.Dense(CLASSES, activation="softmax")]
    model = keras.Sequential([keras.Input((SIZE, FEATURES)), *layers])
    model.save(folder / "sensor.keras")
    # In float32, as a sensor's numbers reach the model on every device.
    raw = np.random.default_rng(0).normal(OFFSETS, SPREADS, (240, SIZE, FEATURES)).astype(np.float32)
    scaled = ((raw - OFFSETS.astype(np.float32)) * (1 / SPREADS).astype(np.float32)).astype(np.float32)
    np.savez(folder / "raw.npz", x=raw, y=model.predict(scaled, verbose=0).argmax(axis=1))
    np.savez(folder / "scaler.npz", mean=OFFSETS, std=SPREADS)
    np.savez(folder / "other.npz", min=OFFSETS, max=OFFSETS + SPREADS)
    targets = select_targets(["tflite"], ["float32", "int8"], ["unrolled"]) + select_targets(["onnx"], ["float32"])
    rows = export(
        folder / "sensor.keras",
        targets=targets,
        samples=folder / "raw.npz",
        scale=folder / "scaler.npz",
        features=NAMES,
        labels=LABELS,
        settings=Settings(min_agreement=0.9, max_drop=10, refine=False),  # the model is not trained
    )
    assert all(row.passed for row in rows), [row.reason for row in rows]
    return {"folder": folder, "raw": raw, "answers": model.predict(scaled, verbose=0), "rows": rows}


def test_artifacts_take_raw_numbers(sensor: dict[str, Any]) -> None:
    for row, tolerance in zip(sensor["rows"], (1e-5, 0.1, 1e-5), strict=True):
        model = edgernn.load(row.path)
        assert model.card is not None
        (spec,) = model.card.inputs
        assert (spec.offset, spec.meaning) == (tuple(OFFSETS), "standardized: (x - mean) / std")
        assert spec.features == NAMES
        assert model.card.labels == LABELS
        np.testing.assert_allclose(spec.factor, 1 / SPREADS, rtol=1e-6)
        assert max(map(abs, spec.range)) < 6  # of the values that the file takes
        raw = sensor["raw"]
        for (low, high), feature in zip(spec.ranges, raw[::2].reshape(-1, FEATURES).T, strict=True):
            assert low <= feature.min()
            assert high >= feature.max()
            assert high - low < 1.3 * np.ptp(feature)
        np.testing.assert_allclose(model.predict(raw), sensor["answers"], atol=tolerance)
        answer = model.stream().push_many(raw[0])[-1]
        np.testing.assert_allclose(answer, sensor["answers"][0], atol=tolerance)
        assert row.proof.agreement > 0.9


def test_commands_take_raw_numbers(sensor: dict[str, Any], run: Callable[..., Result], tmp_path: Path) -> None:
    artifact = sensor["rows"][0].path
    np.save(tmp_path / "raw.npy", sensor["raw"][:2])
    result = run("predict", artifact, tmp_path / "raw.npy", "--json")
    found = [each["guesses"][0]["probability"] for each in json.loads(result.stdout)]
    np.testing.assert_allclose(found, sensor["answers"][:2].max(axis=1), atol=1e-4)
    rows = "\n".join(",".join(map(str, row)) for row in sensor["raw"][1].tolist())
    result = CliRunner().invoke(main, ["stream", str(artifact), "--last", "--json"], input=rows)
    best = json.loads(result.stdout)["guesses"][0]
    assert best["label"] == LABELS[sensor["answers"][1].argmax()]
    assert best["probability"] == pytest.approx(sensor["answers"][1].max(), abs=1e-4)
    assert result.stderr == ""


def test_compare_feeds_raw_numbers_to_artifacts_with_a_scale(sensor: dict[str, Any]) -> None:
    from edgernn.bench.stopwatch import Method
    from edgernn_benchmarks.comparison import compare

    folder = sensor["folder"]
    result = compare(
        folder / "sensor.keras",
        [row.path for row in sensor["rows"][:2]],
        samples=folder / "raw.npz",
        method=Method(rounds=2, seconds=0),
    )
    for subject in result.subjects:
        assert subject.answers.measures["accuracy"] > 0.9


def test_artifacts_of_two_scales_of_features_are_not_compared(sensor: dict[str, Any]) -> None:
    from edgernn_benchmarks.comparison import compare

    folder = sensor["folder"]
    with pytest.raises(
        edgernn.ArtifactError,
        match=r"it scales raw inputs, .*standardized.*, and the samples of sensor have another one",
    ):
        compare(
            folder / "sensor.keras", [sensor["rows"][0].path], samples=folder / "raw.npz", scale=folder / "other.npz"
        )


WRONG = {
    "ax,pressure,ay": "column 2 is 'pressure', expected 'ay'; the model takes 3 columns, 'ax', 'ay', .*; reorder",
    "ax,ay,temperature": "column 3 is 'temperature', expected 'pressure'; .*; rename or replace the column",
    "t,ax,ay,pressure": "4 columns, 't', 'ax', .*; the model takes 3 columns, 'ax', .*; leave out column 1, 't'",
    "ax,ay": "2 columns, 'ax', 'ay'; the model takes 3 columns, .*; add 'pressure'",
    ",ax,ay,pressure,note": "5 columns, .*; leave out column 1, which has no name, and 1 more",
    "ax,ay,ay,pressure": "4 columns, .*; leave out the columns whose names occur again",
}


@pytest.mark.parametrize("header", WRONG)
def test_columns_of_other_names_are_refused(
    sensor: dict[str, Any], run: Callable[..., Result], header: str, tmp_path: Path
) -> None:
    folder, message = sensor["folder"], f"line 1: {WRONG[header]}"
    rows = "\n".join(",".join(["0"] * (header.count(",") + 1)) for _ in range(SIZE))
    (tmp_path / "wrong.csv").write_text(f"{header}\n{rows}\n")
    artifact = sensor["rows"][0].path
    streamed = CliRunner().invoke(main, ["stream", str(artifact)], input=f"{header}\n{rows}\n")
    predicted = run("predict", artifact, tmp_path / "wrong.csv")
    words = ("--samples", tmp_path / "wrong.csv", "--features", " ax, ay,pressure")
    exported = run("export", folder / "sensor.keras", *words)
    for result in (streamed, predicted, exported):
        assert (result.exit_code, result.stdout) == (1, "")
        assert re.search(message, result.stderr), result.stderr


def test_a_sample_of_another_shape_is_refused_with_advice(
    sensor: dict[str, Any], run: Callable[..., Result], tmp_path: Path
) -> None:
    artifact = sensor["rows"][0].path
    for rows, columns, advice in (
        (SIZE + 1, 3, f"rows; edgernn stream {artifact.name} --every {SIZE} --last < FILE answers recordings of any"),
        (SIZE - 1, 3, f"(samples, {SIZE}, 3); in a CSV file, a blank line ends each sample of {SIZE} rows\n"),
        (SIZE, 4, "; the features are ax, ay, pressure\n"),
    ):
        (tmp_path / "other.csv").write_text("\n".join([",".join(["0"] * columns)] * rows) + "\n")
        result = run("predict", artifact, tmp_path / "other.csv")
        assert (result.exit_code, result.stdout) == (1, "")
        assert advice in result.stderr


def test_columns_of_the_right_names_are_answered(
    sensor: dict[str, Any], run: Callable[..., Result], tmp_path: Path
) -> None:
    rows = "\n".join(",".join(map(str, row)) for row in sensor["raw"][1].tolist())
    (tmp_path / "right.csv").write_text(f"# recorded\nax;ay;pressure\n{rows.replace(',', ';')}\n")
    artifact = sensor["rows"][0].path
    result = run("predict", artifact, tmp_path / "right.csv")
    assert (result.exit_code, result.stderr) == (0, "")
    result = CliRunner().invoke(main, ["stream", str(artifact)], input=(tmp_path / "right.csv").read_text())
    assert (result.exit_code, result.stderr) == (0, "note: line 2 names the columns: ax, ay, pressure\n")


def test_commands_report_other_units_once(sensor: dict[str, Any], run: Callable[..., Result], tmp_path: Path) -> None:
    raw = sensor["raw"][:2].copy()
    raw[1, 3:, 2] *= 100  # Pa in place of hPa
    np.save(tmp_path / "raw.npy", raw)
    artifact = sensor["rows"][0].path
    message = (
        "feature 'pressure' is 10[0-9.]+(e.05)?, far from 99. to 10[23]., which the model was calibrated on; check its"
    )
    result = run("predict", artifact, tmp_path / "raw.npy")
    assert re.fullmatch(f"warning: {message} unit; this is reported once\n", result.stderr), result.stderr
    assert result.exit_code == 0
    rows = "\n".join(",".join(map(str, row)) for row in raw[1].tolist())
    result = CliRunner().invoke(main, ["stream", str(artifact)], input=rows)
    assert re.fullmatch(f"warning: line 4: {message} unit; this is reported once\n", result.stderr), result.stderr
    assert len(result.stdout.splitlines()) == SIZE
    lines = "\n".join(json.dumps(sample.tolist()) for sample in raw)
    result = CliRunner().invoke(main, ["predict", str(artifact), "-"], input=lines)
    assert re.fullmatch(f"warning: line 2: {message} unit; this is reported once\n", result.stderr), result.stderr


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["ax", "ay"], r"2 feature names \(ax, ay\), expected 3, one for each number in a row of the samples"),
        (["ax", "ay", "ax"], "two features are 'ax'; expected different ones"),
        (
            ["ax", "1e3", "nan"],
            "feature name '1e3' is a number, so a CSV header would be read as a row; expected a name",
        ),
        (["ax", "", "az"], "feature 1 is ''; expected one line of printable text"),
        (["a\u202ex", "ay", "az"], "feature 0 is .*, which contains .*; expected one line of printable text"),
        (["x" * 41, "ay", "az"], "the name of a feature has 41 characters, 'x+'; expected at most 40"),
        (["ax ay pressure"], r"1 feature name \(ax ay pressure, separated by no comma\), expected 3"),
        ([f"f{number}" for number in range(513)], "513 names of features, expected at most 512"),
    ],
)
def test_names_that_cannot_be_are_refused(sensor: dict[str, Any], names: list[str], message: str) -> None:
    with pytest.raises(edgernn.SettingError, match=message):
        export(sensor["folder"] / "sensor.keras", samples=sensor["folder"] / "raw.npz", features=names)


def test_a_model_of_unscaled_pixels_is_exported_end_to_end(
    edgernn_command: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgernn_train.command.write_pictures", lambda *_: [])
    run = tmp_path / "run"
    words = ("train", "--recipe", "seed", "--no-scale", "--epochs", "1", "--quiet", "--out", run)
    assert edgernn_command(*words).exit_code == 0
    # float32, because a model after one epoch decides so narrowly that int8 may change too many decisions.
    result = edgernn_command(
        "export", run, "--to", "tflite", "--quantize", "float32", "--layout", "loop", "--no-measure"
    )
    assert result.exit_code == 0, result.output
    model = edgernn.load(run / "digits-float32-loop.tflite")
    assert model.card is not None
    assert model.card.input_meaning == "pixel, at most 1"
    # Ink of any brightness is 1 for the model, so raw pixels and those cut off at 1 are one input.
    ink = np.tile(np.arange(0, 252, 9, dtype=np.uint8), (28, 1))
    np.testing.assert_array_equal(model.predict(ink), model.predict(np.minimum(ink, 1).astype(np.float32)))
