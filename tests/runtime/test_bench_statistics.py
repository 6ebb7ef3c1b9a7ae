"""Statistics of raw times, compared with NumPy and SciPy, and their laws."""

from collections.abc import Sequence
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgernn.bench.statistics import (
    NO_DIFFERENCE,
    interval,
    round_medians_us,
    speed_ratio,
    speed_ratio_between_runs,
    summarize,
    trimmed_mean,
)
from edgernn.bench.stopwatch import Round


@pytest.fixture(scope="module")
def stats() -> ModuleType:
    """Return SciPy's statistics. Only the process that runs these tests imports them."""
    from scipy import stats

    return stats


RNG = np.random.default_rng(1)
# 30 rounds of 200 calls around 20 µs; each round has a different level, and there are some outliers.
LEVELS = 20_000 * np.exp(RNG.normal(0, 0.02, 30))
CALLS = [(level * np.exp(RNG.exponential(0.05, 200))).astype(np.int64) for level in LEVELS]


def rounds_of(rounds: Sequence[np.ndarray], batch: int = 1) -> list[Round]:
    return [Round(np.asarray(each, np.int64), batch) for each in rounds]


def scaled(factor: float) -> list[Round]:
    return rounds_of([each * factor for each in CALLS])


def test_the_percentiles_are_numpys() -> None:
    latency = summarize(rounds_of(CALLS))
    pooled = np.concatenate(CALLS) / 1000
    assert latency.calls == 6000
    assert [latency.p90_us, latency.p95_us, latency.p99_us] == pytest.approx(np.percentile(pooled, [90, 95, 99]))
    assert (latency.min_us, latency.max_us) == (pooled.min(), pooled.max())
    assert latency.median_us == pytest.approx(np.median([np.median(each) for each in CALLS]) / 1000)
    assert latency.per_second == pytest.approx(1e6 / latency.median_us)


def test_the_interval_of_the_median_is_scipys_over_rounds(stats: ModuleType) -> None:
    latency = summarize(rounds_of(CALLS))
    medians = np.array([np.median(each) for each in CALLS]) / 1000
    expected = stats.bootstrap(
        (medians,), np.median, n_resamples=20_000, method="percentile", rng=np.random.default_rng(5)
    ).confidence_interval
    width = expected.high - expected.low
    assert latency.low_us == pytest.approx(expected.low, abs=0.1 * width)
    assert latency.high_us == pytest.approx(expected.high, abs=0.1 * width)
    assert latency.spread == pytest.approx(width / 2 / latency.median_us, rel=0.1)


def test_more_calls_in_a_round_do_not_narrow_the_interval() -> None:
    few = summarize(rounds_of(CALLS))
    many = summarize(rounds_of([np.tile(each, 50) for each in CALLS]))
    assert (many.low_us, many.high_us) == (few.low_us, few.high_us)


def test_the_trimmed_mean_is_scipys(stats: ModuleType) -> None:
    for size in (3, 10, 29, 30):
        values = RNG.normal(size=(7, size))
        np.testing.assert_allclose(trimmed_mean(values), stats.trim_mean(values, 0.2, axis=1))


def test_the_interval_of_a_ratio_is_scipys_over_rounds(stats: ModuleType) -> None:
    other = [(each * 1.1 * np.exp(RNG.normal(0, 0.01))).astype(np.int64) for each in CALLS]
    ratio = speed_ratio(rounds_of(other), rounds_of(CALLS))
    logs = np.log([np.median(a) / np.median(b) for a, b in zip(CALLS, other, strict=True)])
    expected = stats.bootstrap(
        (logs,),
        lambda values, axis: stats.trim_mean(values, 0.2, axis=axis),
        n_resamples=20_000,
        method="percentile",
        rng=np.random.default_rng(5),
    ).confidence_interval
    width = expected.high - expected.low
    assert np.log(ratio.low) == pytest.approx(expected.low, abs=0.1 * width)
    assert np.log(ratio.high) == pytest.approx(expected.high, abs=0.1 * width)
    assert np.log(ratio.estimate) == pytest.approx(stats.trim_mean(logs, 0.2))
    assert ratio.verdict == "slower"


def test_slowdowns_of_both_in_a_round_cancel_only_round_by_round() -> None:
    slowed = speed_ratio(scaled(1.02), scaled(1.0))
    assert (slowed.low, slowed.high) == pytest.approx((1 / 1.02, 1 / 1.02), rel=1e-3)
    assert slowed.verdict == "slower"
    other_run = speed_ratio_between_runs(scaled(1.005), scaled(1.0))
    assert other_run.low < 1 < other_run.high  # the rounds' levels differ by as much
    assert other_run.verdict == NO_DIFFERENCE
    assert speed_ratio_between_runs(scaled(1.2), scaled(1.0)).verdict == "slower"


def test_intervals_of_equal_subjects_contain_one_and_those_of_slower_ones_do_not() -> None:
    """Check 95 % intervals of 30 rounds on 400 simulated measurements."""
    rng = np.random.default_rng(2)

    def noisy(factor: float) -> list[Round]:
        levels = 20_000 * factor * np.exp(rng.normal(0, 0.03, 30) + 0.2 * (rng.random(30) < 0.05))
        return rounds_of([np.array([level]) for level in levels])

    same = [speed_ratio(noisy(1), noisy(1)).verdict != NO_DIFFERENCE for _ in range(400)]
    slower = [speed_ratio(noisy(1.1), noisy(1)).verdict == "slower" for _ in range(400)]
    assert 0.01 <= np.mean(same) <= 0.08
    assert np.mean(slower) >= 0.99


def test_a_batch_counts_as_its_number_of_calls() -> None:
    one, ten = summarize(rounds_of(CALLS)), summarize(rounds_of([each * 10 for each in CALLS], batch=10))
    assert ten.median_us == pytest.approx(one.median_us)
    assert ten.p99_us == pytest.approx(one.p99_us)
    assert (ten.calls, ten.batch) == (10 * one.calls, 10)


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=40), st.integers(2, 9))
def test_a_ratio_swapped_is_its_inverse_and_keeps_its_order(medians: list[int], factor: int) -> None:
    rounds = rounds_of([np.array([each]) for each in medians])
    slower = rounds_of([np.array([each * factor]) for each in medians])
    there, back = speed_ratio(slower, rounds), speed_ratio(rounds, slower)
    assert there.low <= there.estimate * (1 + 1e-9)
    assert there.estimate <= there.high * (1 + 1e-9)
    assert there.estimate * back.estimate == pytest.approx(1)
    assert back.estimate == pytest.approx(factor)
    np.testing.assert_allclose(round_medians_us(rounds), np.array(medians) / 1000)


def test_the_interval_has_the_middle_95_of_100() -> None:
    assert interval(np.arange(1001.0)) == pytest.approx((25, 975))
