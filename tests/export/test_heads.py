"""Heads: the inferred task, and files of every kind of answer compared with Keras."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result

import edgernn
import edgernn_export
from edgernn.data.samples import Origin, Samples
from edgernn.tasks import MEASURES, Task
from edgernn_export import keras_model
from edgernn_export.pipeline import TargetResult
from edgernn_export.settings import Settings
from edgernn_export.targets import TARGETS
from edgernn_export.task_inference import describe_guess, infer_task

pytestmark = pytest.mark.usefixtures("in_process")

QUICK = ("--rounds", "2", "--seconds", "0")
STEPS, FEATURES = 6, 3
COUNT = 300


def answers_like(*shape: int, kind: str = "softmax") -> np.ndarray:
    x = np.random.default_rng(0).normal(0, 2, (8, *shape)).astype(np.float32)
    if kind == "softmax":
        powers = np.exp(x)
        return powers / powers.sum(axis=-1, keepdims=True)
    return 1 / (1 + np.exp(-x)) if kind == "sigmoid" else x


def samples_with(y: np.ndarray, calibration: np.ndarray | None = None) -> Samples:
    x = np.random.default_rng(0).random((8, STEPS, FEATURES), np.float32)
    return Samples.unnamed(x, y if calibration is None else calibration, x_test=x, y_test=y)


ZEROS_AND_ONES = np.random.default_rng(1).integers(0, 2, (8, STEPS, 4))


@pytest.mark.parametrize(
    ("answers", "y", "expected"),
    [
        (answers_like(4), np.arange(8) % 4, Task("classification")),
        (answers_like(4, kind="none"), np.arange(8) % 4, Task("classification", logits=True)),
        (answers_like(4), np.arange(8)[:, np.newaxis] % 4, Task("classification")),
        (answers_like(STEPS, 4), np.zeros((8, STEPS), int), Task("classification")),
        (answers_like(1, kind="sigmoid"), np.arange(8) % 2, Task("binary")),
        (answers_like(1, kind="sigmoid"), np.arange(8)[:, np.newaxis] % 2, Task("binary")),
        (answers_like(1, kind="none"), np.arange(8) % 2, Task("binary", logits=True)),
        (answers_like(STEPS, 1, kind="sigmoid"), ZEROS_AND_ONES[..., 0], Task("binary")),
        (answers_like(STEPS, 1, kind="none"), ZEROS_AND_ONES[..., :1], Task("binary", logits=True)),
        (answers_like(4, kind="sigmoid"), ZEROS_AND_ONES[:, 0], Task("multilabel")),
        (answers_like(4, kind="sigmoid"), np.eye(4, dtype=int)[np.arange(8) % 4], Task("multilabel")),
        (answers_like(STEPS, 4, kind="none"), ZEROS_AND_ONES, Task("multilabel", logits=True)),
        (answers_like(1, kind="none"), np.arange(8), Task("regression")),
        (answers_like(4, kind="none"), np.arange(32).reshape(8, 4), Task("regression")),
        (answers_like(4, kind="none"), np.ones((8, 4), np.float32), Task("regression")),
        (answers_like(1, kind="sigmoid"), np.full(8, 0.5, np.float32), Task("regression")),
        (answers_like(STEPS, 1, kind="none"), np.ones((8, STEPS), np.float32), Task("regression")),
    ],
)
def test_the_task_is_found(answers: np.ndarray, y: np.ndarray, expected: Task) -> None:
    assert infer_task(answers, samples_with(y), ()) == expected


@pytest.mark.parametrize(
    ("answers", "labels", "expected"),
    [
        (answers_like(4), (), Task("classification")),
        (answers_like(STEPS, 4), tuple("abcd"), Task("classification")),
        (answers_like(1, kind="sigmoid"), (), Task("binary")),
        (answers_like(1, kind="none"), ("off", "on"), Task("binary", logits=True)),
        (answers_like(STEPS, 1, kind="none"), (), Task("regression")),
        (answers_like(4, kind="sigmoid"), (), Task("multilabel")),
        (answers_like(4, kind="none"), (), Task("regression")),
    ],
)
def test_without_truths_the_answers_decide_the_task(
    answers: np.ndarray, labels: tuple[str, ...], expected: Task
) -> None:
    x = np.zeros((8, STEPS, FEATURES), np.float32)
    assert infer_task(answers, Samples.unnamed(x, None, x_test=x, y_test=None), labels) == expected
    assert describe_guess(expected).startswith(f"assumed {expected.kind}: ")


def test_the_truths_of_one_part_are_enough() -> None:
    x, y = np.zeros((8, STEPS, FEATURES), np.float32), np.arange(8) % 4
    answers = answers_like(4, kind="none")
    for samples in (Samples.unnamed(x, y, x_test=x, y_test=None), Samples.unnamed(x, None, x_test=x, y_test=y)):
        assert infer_task(answers, samples, ()) == Task("classification", logits=True)


def test_an_unknown_class_is_named_by_its_place_in_the_users_array() -> None:
    x, y = np.zeros((8, STEPS, FEATURES), np.float32), np.arange(8) % 4
    wrong = np.where(np.arange(8) == 5, 4, y)
    samples = Samples.unnamed(x, y, x_test=x, y_test=wrong, origins={"y_test": Origin("targets", first=1, every=2)})
    with pytest.raises(edgernn.DataError, match=r"targets\[11\] is 4, expected a class from 0 to 3"):
        infer_task(answers_like(4), samples, ())


def test_the_calibration_samples_count_as_well() -> None:
    answers = answers_like(1, kind="none")
    assert infer_task(answers, samples_with(np.zeros(8, int), np.arange(8)), ()) == Task("regression")
    with pytest.raises(edgernn.DataError, match=r"y_calibration\[4\] is 4, expected a class from 0 to 3"):
        infer_task(answers_like(4), samples_with(np.zeros(8, int), np.arange(8)), ())


@pytest.mark.parametrize(
    ("answers", "y", "message"),
    [
        (answers_like(4), np.full(8, 4), r"y_test\[0\] is 4, expected a class from 0 to 3|y_calibration\[0\] is 4"),
        (answers_like(STEPS, 4), np.full((8, STEPS), -1), r"y_calibration\[0, 0\] is -1, expected a class from 0 to 3"),
        (
            answers_like(4),
            np.zeros((8, 3), int),
            r"shape \(8, 3\), but .* shape \(samples, 4\); expected .* shape \(samples\), or",
        ),
        (
            answers_like(4),
            np.zeros(8, np.float32),
            r"y_test contains floating-point numbers .* save y_test\.astype\(int\)",
        ),
        (
            answers_like(4),
            np.full(8, 0.5, np.float32),
            r"y_test contains floating-point numbers for answers of shape \(samples, 4\); expected class numbers or",
        ),
        (
            answers_like(STEPS, 4),
            np.zeros((8, STEPS), np.float32),
            r"y_test contains floating-point numbers .* y_test\.astype\(int\)",
        ),
        (answers_like(STEPS, 4), np.zeros(8, int), r"whole numbers of shape \(samples, 6\)"),
        (answers_like(4), np.eye(4, dtype=int)[np.arange(8) % 4], r"one-hot; give .* y_test\.argmax\(axis=-1\)"),
        (answers_like(4), np.eye(4, dtype=np.float32)[np.arange(8) % 4], "y_test is one-hot"),
        (answers_like(4, kind="none"), np.eye(4, dtype=int)[np.arange(8) % 4], "y_test is one-hot"),
        (answers_like(4, kind="none"), np.eye(4, dtype=np.float32)[np.arange(8) % 4], "y_test is one-hot"),
        (
            answers_like(1, kind="sigmoid"),
            np.ones(8, np.float32),
            r"for yes or no give whole numbers, y_test\.astype\(int\)",
        ),
    ],
)
def test_truths_that_do_not_fit_the_answers_are_refused(answers: np.ndarray, y: np.ndarray, message: str) -> None:
    with pytest.raises(edgernn.DataError, match=message):
        infer_task(answers, samples_with(y), ())


def test_truths_are_named_with_their_file() -> None:
    samples = replace(samples_with(np.full(8, 4)), path="own.npz")
    with pytest.raises(edgernn.DataError, match=r"^own\.npz: y_\w+\[0\] is 4, expected a class from 0 to 3"):
        infer_task(answers_like(4), samples, ())


def test_answers_that_are_not_finite_are_refused() -> None:
    with pytest.raises(edgernn.ModelError, match="NaN or infinity; train the model again"):
        infer_task(np.full((8, 4), np.nan, np.float32), samples_with(np.zeros(8, int)), ())


def test_labels_must_fit_the_task() -> None:
    classes, binary = (
        (answers_like(4), samples_with(np.arange(8) % 4)),
        (answers_like(1), samples_with(ZEROS_AND_ONES[:, 0, 0])),
    )
    assert infer_task(*classes, tuple("abcd")).kind == "classification"
    assert infer_task(*binary, ("off", "on")).kind == "binary"
    for case, labels, message in (
        (classes, ("a", "b"), r"2 labels \(a, b\); expected 4 or none"),
        (binary, ("on",), r"1 label \(on\); expected 2 or none"),
        (classes, ("a", "b", "c", "a"), "two labels are 'a'"),
    ):
        with pytest.raises(edgernn.DataError, match=message):
            infer_task(*case, labels)


# The head's layer, whether it answers each step, and the task.
HEADS: dict[str, tuple[int, str | None, bool, Task]] = {
    "class logits": (4, None, False, Task("classification", logits=True)),
    "classes a step": (4, "softmax", True, Task("classification")),
    "yes or no": (1, "sigmoid", False, Task("binary")),
    "yes or no logit": (1, None, False, Task("binary", logits=True)),
    "labels": (5, "sigmoid", False, Task("multilabel")),
    "label logits a step": (5, None, True, Task("multilabel", logits=True)),
    "value": (1, None, False, Task("regression")),
    "large values": (3, None, False, Task("regression")),
    "values a step": (2, None, True, Task("regression")),
}


# Both formats, and float as well as integer arithmetic.
THREE = tuple(
    target
    for target in TARGETS
    if (target.quantization, target.layout) in {("float32", "unrolled"), ("int8", "unrolled"), ("float32", "operator")}
)
# Heads that are refined and compared as well: one of each kind of task.
COMPARED = ("classes a step", "yes or no logit", "labels", "values a step")


@dataclass(frozen=True)
class Exported:
    """A head's name, its Keras model, its samples, and the rows of its export to three files."""

    name: str
    model: Path
    samples: Path
    rows: list[TargetResult]


@pytest.fixture(scope="module")
def exported_head(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Exported]:
    """Return a function that exports the model of a head once."""
    return cache(lambda name: export_head(name, tmp_path_factory.mktemp("head")))


def export_head(name: str, folder: Path) -> Exported:
    import keras
    from keras import layers

    outputs, activation, per_step, task = HEADS[name]
    keras.utils.set_random_seed(3)
    rnn = layers.SimpleRNN(8, return_sequences=per_step, bias_initializer="normal")
    scale = 300 if name == "large values" else 1
    head = layers.Dense(outputs, activation, kernel_initializer=keras.initializers.RandomNormal(stddev=scale))
    model, samples = folder / "small.keras", folder / "samples.npz"
    keras.Sequential([keras.Input((STEPS, FEATURES)), rnn, head]).save(model)
    x = np.random.default_rng(0).normal(size=(COUNT, STEPS, FEATURES)).astype(np.float32)
    y = truths(keras_model.predict(keras_model.load(model), x), task)
    np.savez(samples, x_train=x[:200], y_train=y[:200], x_test=x[200:], y_test=y[200:])
    # Rounding changes more in a model with random weights than in a trained one.
    settings = Settings(min_agreement=0.9, max_drop=10, refine=name in COMPARED)
    rows = edgernn_export.export(model, targets=THREE, samples=samples, settings=settings)
    return Exported(name, model, samples, rows)


def truths(answers: np.ndarray, task: Task) -> np.ndarray:
    """Return truths: the model's answers with some noise."""
    rng = np.random.default_rng(1)
    if task.kind == "regression":
        return answers + 0.1 * answers.std() * rng.normal(size=answers.shape)
    decisions = task.decide(answers)
    noise = rng.random(decisions.shape) < 0.05
    return np.where(noise, rng.integers(0, 2, decisions.shape), decisions)


@pytest.mark.parametrize("name", HEADS)
def test_every_head_is_exported_and_proven(name: str, exported_head: Callable[[str], Exported]) -> None:
    exported = exported_head(name)
    rows = exported.rows
    assert [row.status for row in rows] == ["passed"] * 3, [row.reason for row in rows]
    _, _, per_step, task = HEADS[name]
    data = np.load(exported.samples)
    x, y = data["x_test"], data["y_test"]
    expected = keras_model.predict(keras_model.load(exported.model), x)
    scale = max(1, np.abs(expected).max())
    for row in rows:
        model, seen, quantization = edgernn.load(row.path), row.proof, row.target.quantization
        assert seen
        assert model.card
        assert model.task == task
        answers = model.predict(x)
        assert answers.shape == expected.shape
        assert answers.dtype == np.float32
        assert model.predict(x[0]).shape == model.card.output_shape == expected.shape[1:]
        if quantization == "float32":
            np.testing.assert_allclose(answers, expected, atol=2e-5 * scale)
        assert seen.artifact == pytest.approx(task.measure(answers, y), rel=1e-5)
        assert seen.keras == pytest.approx(task.measure(expected, y), rel=1e-5)
        assert seen.difference == pytest.approx(np.abs(answers - expected).max() / scale, rel=1e-3, abs=1e-6)
        assert seen.streamed == len(x)
        stream = model.stream()
        pushed = np.array([stream.push(row) for row in x[0]])
        assert pushed.shape == (STEPS, expected.shape[-1])
        tolerance = 0 if quantization == "int8" else 1e-5 * scale
        np.testing.assert_allclose(pushed if per_step else pushed[-1], answers[0], atol=tolerance)


@pytest.mark.parametrize("name", COMPARED)
def test_a_comparison_measures_what_the_proof_measured(
    name: str, exported_head: Callable[[str], Exported], edgernn_command: Callable[..., Result]
) -> None:
    exported = exported_head(name)
    task, paths = HEADS[name][3], [row.path for row in exported.rows]
    compared = edgernn_command("compare", exported.model, *paths, "--samples", exported.samples, *QUICK, "--json", "-")
    document = json.loads(compared.stdout)
    assert document["task"] == {"kind": task.kind, "logits": task.logits}
    artifacts = [subject for subject in document["subjects"] if subject["role"] == "artifact"]
    assert [subject["name"] for subject in artifacts] == [path.name for path in paths]
    for subject, row in zip(artifacts, exported.rows, strict=True):
        assert row.proof
        answers = {**subject["answers"], **subject["answers"]["measures"]}
        # The proof runs on LiteRT, the comparison on native kernels: float32 differs in the last digits.
        assert {key: answers[key] for key in row.proof.artifact} == pytest.approx(row.proof.artifact, rel=1e-6)
    assert document["verdict"]["recommended"]


@pytest.mark.parametrize("name", HEADS)
def test_what_a_device_says_fits_the_head(
    name: str, exported_head: Callable[[str], Exported], edgernn_command: Callable[..., Result], tmp_path: Path
) -> None:
    exported = exported_head(name)
    outputs, _, per_step, task = HEADS[name]
    artifact = exported.rows[0].path
    model, x = edgernn.load(artifact), np.load(exported.samples)["x_test"][:2]
    answers = model.predict(x)
    np.save(tmp_path / "two.npy", x)
    text = edgernn_command("predict", artifact, tmp_path / "two.npy").stdout.splitlines()
    documents = json.loads(edgernn_command("predict", artifact, tmp_path / "two.npy", "--json").stdout)
    info = edgernn_command("info", artifact).stdout
    assert f"task          {task.kind}: no names" in info
    assert f"{list(answers.shape[1:])}, {task.numbers}" in info
    assert len(text) == len(documents) == 2
    if task.kind == "regression":
        assert "R²            0.9" in info
        assert "MAE" in info
        assert "agreement     R² 1.0000 on 100 samples" in info
        assert "of the largest value" in info
        with pytest.raises(edgernn.ArtifactError, match="use `predict`"):
            model.classify(x)
        np.testing.assert_allclose([document["values"] for document in documents], answers)
        first = "  " + " ".join(f"{value:.6g}" for value in answers[0].reshape(-1, outputs)[0])
        assert first in text[0]
        return
    assert MEASURES[task.headline] in info
    guesses = model.classify(x)
    assert model.classify(x[0]) == guesses[0]
    probabilities = task.probabilities(answers)
    firsts = (guesses[0], guesses[0][0]) if per_step else (guesses, guesses[0])
    assert len(firsts[0]) == (STEPS if per_step else 2)
    expected = probabilities[0, 0] if per_step else probabilities[0]
    if task.kind == "binary":
        expected = np.array([1 - expected[0], expected[0]])
    order = np.argsort(-expected)
    assert [guess.label for guess in firsts[1]] == [str(index) for index in order]
    np.testing.assert_allclose([guess.probability for guess in firsts[1]], expected[order], rtol=1e-6)
    steps = documents[0]["steps"] if per_step else [documents[0]]
    assert steps[0]["label"] == firsts[1][0].label
    assert len(steps[0]["guesses"]) == min(3, len(expected))
    if per_step:
        assert text[0].endswith("  " + " ".join(guess[0].label for guess in guesses[0]))
    else:
        assert f"  {firsts[1][0].label} {firsts[1][0].probability:.1%}" in text[0]


def test_tables_name_the_measures(
    save_model: Callable[..., Path], edgernn_command: Callable[..., Result], tmp_path: Path
) -> None:
    import keras
    from keras import layers

    keras.utils.set_random_seed(3)
    path = save_model([layers.SimpleRNN(8), layers.Dense(1)], "level.keras")
    x = np.random.default_rng(0).normal(size=(60, STEPS, FEATURES)).astype(np.float32)
    y = keras_model.predict(keras_model.load(path), x)[:, 0]
    np.savez(tmp_path / "samples.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    words = (path, "--samples", tmp_path / "samples.npz")
    exported = edgernn_command("export", *words, "--to", "onnx", "--quantize", "float32").stdout
    compared = edgernn_command("compare", *words, tmp_path / "level-float32.onnx", *QUICK).stdout
    for text, words in (
        (exported, ("R²", "1.0000", "R² 1.0000", "Keras has R² 1.0000, MAE 0")),
        (compared, ("R²", "MAE", "loses at most 0.7 points of R²")),
    ):
        assert max(map(len, text.splitlines())) <= 80
        for word in words:
            assert word in " ".join(text.split())


def test_an_artifact_of_another_model_is_refused(
    save_model: Callable[..., Path],
    samples_file: Path,
    edgernn_command: Callable[..., Result],
    refused: Callable[..., str],
    tmp_path: Path,
) -> None:
    from keras import layers

    four = save_model([layers.SimpleRNN(3), layers.Dense(4, activation="softmax")], "four.keras")
    five = save_model([layers.SimpleRNN(3), layers.Dense(5, activation="softmax")], "five.keras")
    words = ("--samples", samples_file)
    assert edgernn_command("export", four, *words, "--to", "onnx", "--quantize", "float32").exit_code == 0
    message = refused("compare", five, tmp_path / "four-float32.onnx", *words)
    assert "answers of shape (20, 4), expected the Keras model's (20, 5); it comes from another model" in message
