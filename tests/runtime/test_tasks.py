"""Tasks and their measures, compared with scikit-learn and values computed by hand."""

from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgernn import metrics
from edgernn.tasks import KINDS, MEASURES, Task, show

SEEDS = st.integers(0, 2**32 - 1)
NAN = float("nan")


@pytest.fixture(scope="module")
def oracle() -> ModuleType:
    """Return scikit-learn's measures. Only the process that runs these tests imports them."""
    from sklearn import metrics

    return metrics


def softmax(x: np.ndarray) -> np.ndarray:
    powers = np.exp(x.astype(np.float64))
    return powers / powers.sum(axis=-1, keepdims=True)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x.astype(np.float64)))


def logits(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 3, shape).astype(np.float32)


@given(SEEDS, st.booleans(), st.booleans())
def test_classes_are_measured_as_by_scikit_learn(
    oracle: ModuleType, seed: int, per_step: bool, as_logits: bool
) -> None:
    x = logits(seed, *((20, 3, 4) if per_step else (30, 4)))
    truth = np.random.default_rng(seed + 1).integers(0, 3, x.shape[:-1])
    task = Task("classification", as_logits)
    measured = task.measure(x if as_logits else softmax(x).astype(np.float32), truth)
    decisions = x.argmax(-1).ravel()
    assert measured["accuracy"] == pytest.approx(oracle.accuracy_score(truth.ravel(), decisions))
    assert measured["f1"] == pytest.approx(oracle.f1_score(truth.ravel(), decisions, average="macro"))
    assert task.score(x, truth) == measured["accuracy"]


@given(SEEDS, st.booleans(), st.booleans())
def test_yes_and_no_are_measured_as_by_scikit_learn(
    oracle: ModuleType, seed: int, per_step: bool, with_axis: bool
) -> None:
    x = logits(seed, *((6, 3, 1) if per_step else (9, 1)))
    truth = np.random.default_rng(seed + 1).integers(0, 2, x.shape if with_axis else x.shape[:-1])
    for task, answers in ((Task("binary", True), x), (Task("binary"), sigmoid(x).astype(np.float32))):
        measured = task.measure(answers, truth)
        decisions = (x > 0).ravel()
        assert measured["accuracy"] == pytest.approx(oracle.accuracy_score(truth.ravel(), decisions))
        assert measured["f1"] == pytest.approx(oracle.f1_score(truth.ravel(), decisions, zero_division=1.0))
        assert task.score(answers, truth) == measured["f1"]


@given(SEEDS, st.booleans())
def test_labels_are_measured_as_by_scikit_learn(oracle: ModuleType, seed: int, per_step: bool) -> None:
    x = logits(seed, *((4, 3, 5) if per_step else (8, 5)))
    truth = np.random.default_rng(seed + 1).integers(0, 2, x.shape)
    for task, answers in ((Task("multilabel", True), x), (Task("multilabel"), sigmoid(x).astype(np.float32))):
        measured = task.measure(answers, truth)
        flat, decisions = truth.reshape(-1, 5), (x > 0).reshape(-1, 5).astype(int)
        assert measured["accuracy"] == pytest.approx(np.mean(flat == decisions))
        expected = oracle.f1_score(flat, decisions, average="macro", zero_division=1.0)
        assert measured["f1"] == pytest.approx(expected)


@given(SEEDS, st.booleans())
def test_values_are_measured_as_by_scikit_learn(oracle: ModuleType, seed: int, per_step: bool) -> None:
    answers = logits(seed, *((5, 4, 3) if per_step else (7, 3)))
    truth = answers + logits(seed + 1, *answers.shape)
    task = Task("regression")
    measured = task.measure(answers, truth)
    pair = truth.reshape(-1, 3).astype(np.float64), answers.reshape(-1, 3).astype(np.float64)
    assert measured["r2"] == pytest.approx(oracle.r2_score(*pair), rel=1e-6)
    assert measured["mae"] == pytest.approx(oracle.mean_absolute_error(*pair), rel=1e-6)
    assert task.agreement(answers, truth) == measured["r2"]
    # An axis of one output may be left out.
    one = task.measure(answers[..., :1], truth[..., 0])
    assert one["r2"] == pytest.approx(oracle.r2_score(pair[0][:, 0], pair[1][:, 0]), rel=1e-6)


def test_values_worked_out_by_hand() -> None:
    # 2 of 3 found are right, 2 of 4 true are found: precision 2/3, recall 1/2.
    found, true = np.array([1, 1, 1, 0, 0, 0], bool), np.array([1, 1, 0, 1, 1, 0], bool)
    assert metrics.f1(found, true) == pytest.approx(4 / 7)
    assert metrics.f1(found & False, true & False) == 1
    assert metrics.f1(found, true & False) == 0
    # SST 2, SSE 0.5.
    assert metrics.r2(np.array([[1.5], [2.0], [3.5]]), np.array([[1.0], [2], [3]])) == pytest.approx(0.75)
    assert metrics.mean_absolute_error(np.array([1.5, 2, 3.5]), np.array([1, 2, 3])) == pytest.approx(1 / 3)


def test_values_that_are_all_the_same_are_met_or_not() -> None:
    truth = np.full((4, 1), 0.1, np.float32)
    assert metrics.r2(truth * np.float32(1 + 1e-7), truth) == 1
    assert metrics.r2(truth * np.float32(1.2), truth) == 0
    assert np.isnan(metrics.r2(np.full((4, 1), NAN), truth))
    both = np.array([[0.1, 1], [0.1, 3]], np.float32)
    assert metrics.r2(both + np.array([0, 1], np.float32), both) == 0.5 * (1 + 0)


def test_differences_are_relative_to_numbers_above_one() -> None:
    assert metrics.largest_difference(np.array([0.5, 0.2]), np.array([0.5, 0.1])) == pytest.approx(0.1)
    assert metrics.largest_difference(np.array([-50, 1.0]), np.array([-40, 1.0])) == pytest.approx(0.25)
    assert np.isnan(metrics.largest_difference(np.array([NAN, 1.0]), np.array([1.0, 1.0])))


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_answers_agree_and_a_nan_with_nothing(kind: str) -> None:
    task, outputs = Task(kind), 1 if kind == "binary" else 4
    answers = np.random.default_rng(0).random((10, 3, outputs), np.float32)
    assert task.agreement(answers, answers) == 1
    broken = answers.copy()
    broken[0, 0, 0] = NAN
    for pair in ((broken, answers), (answers, broken), (broken, broken)):
        assert not task.agreement(*pair) >= 1
    nothing = np.full_like(answers, NAN)
    for pair in ((nothing, answers), (nothing, nothing)):
        assert not task.agreement(*pair) > 0
    truth = answers if kind == "regression" else task.decide(answers)
    assert task.score(answers, truth) == 1
    assert not task.score(broken, truth) >= 1
    assert not task.score(nothing, truth) > 0


def test_agreement_counts_decisions() -> None:
    a = np.array([[0.6, 0.4, 0.1], [0.2, 0.7, 0.9]], np.float32)
    b = np.array([[0.6, 0.7, 0.1], [0.2, 0.4, 0.9]], np.float32)
    assert Task("classification").agreement(a, b) == 0.5
    assert Task("multilabel").agreement(a, b) == pytest.approx(4 / 6)
    assert Task("binary").agreement(a[:, 1:2], np.array([[0.1], [0.51]], np.float32)) == 1
    assert Task("binary", logits=True).agreement(a[:, :1], np.array([[-0.1], [0.1]], np.float32)) == 0.5


def test_logits_become_probabilities_without_an_overflow() -> None:
    x = np.append(logits(0, 5, 4), [[1000, -1000, 0, 1]], axis=0).astype(np.float32)
    for kind, expected in (("classification", softmax), ("multilabel", sigmoid), ("binary", sigmoid)):
        task = Task(kind, logits=True)
        probabilities = task.probabilities(x)
        assert probabilities.dtype == np.float32
        np.testing.assert_allclose(probabilities[:-1], expected(x[:-1]), rtol=1e-5)
        assert np.isfinite(probabilities).all()
        assert (Task(kind).probabilities(x) == x).all()


def test_mistakes_begin_with_the_most_confident_one() -> None:
    answers = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [NAN, 1], [0.1, 0.9]], np.float32)
    truth = np.array([0, 1, 0, 0, 0])
    assert Task("classification").find_confident_mistakes(answers, truth, 9).tolist() == [4, 2, 1]
    assert Task("classification").find_confident_mistakes(answers, truth, 2).tolist() == [4, 2]
    # Of logits, the larger difference is the more confident answer, not the larger number.
    logits = np.array([[9, 8.9], [0, -3]], np.float32)
    assert Task("classification", logits=True).find_confident_mistakes(logits, np.array([1, 1]), 9).tolist() == [1, 0]
    np.testing.assert_allclose(Task("classification").confidence(answers[:3]), [0.9, 0.6, 0.8])
    yes = np.array([[0.7], [0.05], [0.9], [NAN]], np.float32)
    np.testing.assert_allclose(Task("binary").confidence(yes[:3]), [0.7, 0.95, 0.9])
    assert Task("binary").find_confident_mistakes(yes, np.array([[0], [1], [1], [0]]), 9).tolist() == [1, 0]


def test_what_people_read() -> None:
    assert [show(name, 0.93456) for name in MEASURES] == ["93.46%", "93.46%", "0.9346", "0.935"]
    assert Task("binary").show_agreement(0.998) == "99.80%"
    assert Task("regression").show_agreement(0.998) == "R² 0.9980"
    assert [Task(kind).headline for kind in KINDS] == ["accuracy", "f1", "f1", "r2"]
    with pytest.raises(ValueError, match="'ranking'; expected classification"):
        Task("ranking")


@pytest.mark.parametrize(("offset", "spread"), [(1013.0, 5.0), (1e4, 3.0), (-1e4, 5.0), (1e6, 200.0), (1e-6, 3e-9)])
def test_values_far_from_zero_agree_by_how_they_vary(offset: float, spread: float) -> None:
    draws = np.random.default_rng(0).normal(size=(500, 1))
    reference = (offset + spread * draws).astype(np.float32)
    task = Task("regression")
    assert task.agreement(np.nextafter(reference, np.float32(np.inf)), reference) > 0.999
    assert task.agreement((reference * (1 + 1e-6)).astype(np.float32), reference) > 0.999
    assert task.agreement((offset + spread * (draws + 0.02)).astype(np.float32), reference) > 0.999
    assert task.agreement(np.full_like(reference, offset), reference) < 0.1
    # 256 integers from 0 to the largest value, as in int8.
    step = abs(offset) / 255
    if step > spread / 2:
        assert task.agreement((np.round(reference / step) * step).astype(np.float32), reference) < 0.985


def test_what_varies_less_than_rounding_agrees_where_it_is_met() -> None:
    reference = (1e4 + 1e-3 * np.random.default_rng(0).normal(size=(50, 1))).astype(np.float32)
    assert Task("regression").agreement(np.full_like(reference, 1e4), reference) > 0.999
