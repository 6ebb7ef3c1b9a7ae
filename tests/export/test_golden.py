"""Golden samples: their choice in an export, and that good files pass on kernels with other rounding."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import interpreter

import edgernn
from edgernn.card import read_card
from edgernn.data.datasets import read_samples
from edgernn.golden import expected_outputs, inputs_of
from edgernn.kernels import PROBED, kernels_of
from edgernn_export.golden_samples import MAX_RANGES, choose, feature_ranges

INT8 = "digits-int8.tflite"


@pytest.fixture
def without_xnnpack(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    plain = interpreter.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    opened = partial(interpreter.Interpreter, experimental_op_resolver_type=plain)
    with monkeypatch.context() as patch:
        patch.setattr(interpreter, "Interpreter", opened)
        yield


def test_features_that_are_alike_share_one_range() -> None:
    x = np.random.default_rng(0).random((200, 9, 5), np.float32)
    assert feature_ranges(x) == ((0.0, 1.0),)


def test_features_of_different_size_have_separate_ranges() -> None:
    rng = np.random.default_rng(0)
    x = np.stack([rng.normal(100, 1, (300, 8)), rng.random((300, 8)), np.full((300, 8), -3.0)], axis=-1)
    (first, second, third) = feature_ranges(x.astype(np.float32))
    assert first == pytest.approx((98, 102), abs=0.3)
    assert second == pytest.approx((0, 1), abs=0.1)
    assert third == (-3, -3)


@pytest.mark.parametrize("features", [32, 33, 100])
def test_of_many_features_neighbours_share_a_range_that_covers_both(features: int) -> None:
    x = np.arange(features, dtype=np.float32) * np.ones((4, 5, 1), np.float32)
    ranges = feature_ranges(x)
    assert len(ranges) == MAX_RANGES
    for feature in range(features):
        low, high = ranges[feature * len(ranges) // features]
        assert low <= feature <= high


def test_each_class_is_chosen_as_often_as_any_other() -> None:
    rng = np.random.default_rng(0)
    logits = 2 * rng.normal(size=(500, 5)) + np.array([2, 1, 0, 0, -1])  # the last class is rare
    answers = (np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)).astype(np.float32)
    chosen = choose(answers, 12, by_class=True)
    assert len(set(chosen.tolist())) == 12
    assert set(np.bincount(answers[chosen].argmax(axis=1), minlength=5)) <= {2, 3}


@pytest.mark.parametrize("shape", [(1,), (7, 2)])
def test_values_are_chosen_from_end_to_end(shape: tuple[int, ...]) -> None:
    answers = np.random.default_rng(0).normal(size=(300, *shape)).astype(np.float32)
    chosen = choose(answers, 20, by_class=False)
    assert len(set(chosen.tolist())) == 20
    if shape == (1,):
        assert {answers.argmin(), answers.argmax()} <= set(chosen.tolist())


def test_answers_that_are_all_the_same_can_be_chosen_from() -> None:
    assert len(set(choose(np.ones((9, 3), np.float32), 4, by_class=True).tolist())) == 4


def test_golden_samples_name_every_class_and_take_few_bytes(artifacts: Path) -> None:
    for path in sorted(artifacts.glob("digits-*")):
        card = read_card(path.read_bytes())
        assert card.golden is not None
        rounded = card.quantization in PROBED and path.suffix == ".tflite"
        assert bool(card.golden.digests) == bool(card.golden.kernels) == rounded
        if rounded:
            assert set(expected_outputs(card.golden)[0].argmax(axis=1)) == set(range(10))
        assert len(card.encode()) <= 1500
        answers = edgernn.load(path).predict(inputs_of(card.golden, card)[0])
        np.testing.assert_allclose(expected_outputs(card.golden)[0], answers, rtol=0, atol=0.01)


@pytest.mark.usefixtures("without_xnnpack")
def test_kernels_that_round_differently_are_distinguished_and_accept_good_files(artifacts: Path) -> None:
    for name in (INT8, "digits-int8-loop.tflite", "digits-dynamic.tflite", "digits-int16x8.tflite"):
        path = artifacts / name
        card = read_card(path.read_bytes())
        assert card.golden is not None
        if card.golden.kernels:
            backend, _, probe = card.golden.kernels.rpartition(" ")
            plain = kernels_of(card.quantization, "litert")
            assert plain.startswith(f"{backend} ")
            assert not plain.endswith(probe)
        edgernn.load(path).stream()


def test_a_backend_without_the_probe_s_operators_has_no_known_kernels() -> None:
    assert kernels_of("dynamic", backend="tflite-micro") == ""
    assert kernels_of("int8", backend="tflite-micro").startswith("tflite-micro ")
    assert kernels_of("float32", "litert") == ""


def test_kernels_of_another_architecture_are_others(monkeypatch: pytest.MonkeyPatch) -> None:
    here = kernels_of("int8", "litert")
    monkeypatch.setattr("platform.machine", lambda: "another")
    assert kernels_of("int8", "litert") != here


@pytest.mark.parametrize("threads", [1, 3])
def test_good_files_never_run_the_probe_on_the_exporter_s_kernels(
    artifacts: Path, monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    def refuse(*_arguments: object) -> str:
        raise AssertionError("the probe was run")

    monkeypatch.setattr("edgernn.kernels.kernels_of", refuse)
    for name in (INT8, "digits-dynamic.tflite", "digits-dynamic-fused.tflite"):
        model = edgernn.load(artifacts / name, threads=threads)  # with one thread, the int8 file's backend is native
        if model.card and model.card.states:
            model.stream()


def test_golden_answers_are_those_of_samples_like_the_real_ones(artifacts: Path, run_folder: Path) -> None:
    card = read_card((artifacts / INT8).read_bytes())
    assert card.golden is not None
    x = read_samples(run_folder).x_calibration
    (inputs,) = inputs_of(card.golden, card)
    assert x.min() <= inputs.min() < inputs.max() <= x.max()
