"""Statistics of raw times beside NumPy and SciPy, and the laws that they keep."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

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

RNG = np.random.default_rng(1)
# 30 rounds of 200 calls around 20 µs, each round with a level of its own, and some outliers.
LEVELS = 20_000 * np.exp(RNG.normal(0, 0.02, 30))
CALLS = [(level * np.exp(RNG.exponential(0.05, 200))).astype(np.int64) for level in LEVELS]


def turns_of(rounds: Sequence[np.ndarray], batch: int = 1) -> list[Round]:
    return [Round(np.asarray(each, np.int64), batch) for each in rounds]


def scaled(factor: float) -> list[Round]:
    return turns_of([each * factor for each in CALLS])


def test_the_percentiles_are_numpys() -> None:
    latency = summarize(turns_of(CALLS))
    pooled = np.concatenate(CALLS) / 1000
    assert latency.calls == 6000
    assert [latency.p90_us, latency.p95_us, latency.p99_us] == pytest.approx(np.percentile(pooled, [90, 95, 99]))
    assert (latency.min_us, latency.max_us) == (pooled.min(), pooled.max())
    assert latency.median_us == pytest.approx(np.median([np.median(each) for each in CALLS]) / 1000)
    assert latency.per_second == pytest.approx(1e6 / latency.median_us)


def test_the_interval_of_the_median_is_scipys_over_rounds() -> None:
    latency = summarize(turns_of(CALLS))
    medians = np.array([np.median(each) for each in CALLS]) / 1000
    expected = stats.bootstrap(
        (medians,), np.median, n_resamples=20_000, method="percentile", rng=np.random.default_rng(5)
    ).confidence_interval
    width = expected.high - expected.low
    assert latency.low_us == pytest.approx(expected.low, abs=0.1 * width)
    assert latency.high_us == pytest.approx(expected.high, abs=0.1 * width)
    assert latency.spread == pytest.approx(width / 2 / latency.median_us, rel=0.1)


def test_more_calls_in_a_round_do_not_narrow_the_interval() -> None:
    few = summarize(turns_of(CALLS))
    many = summarize(turns_of([np.tile(each, 50) for each in CALLS]))
    assert (many.low_us, many.high_us) == (few.low_us, few.high_us)


def test_the_trimmed_mean_is_scipys() -> None:
    for size in (3, 10, 29, 30):
        values = RNG.normal(size=(7, size))
        np.testing.assert_allclose(trimmed_mean(values), stats.trim_mean(values, 0.2, axis=1))


def test_the_interval_of_a_ratio_is_scipys_over_rounds() -> None:
    other = [(each * 1.1 * np.exp(RNG.normal(0, 0.01))).astype(np.int64) for each in CALLS]
    ratio = speed_ratio(turns_of(other), turns_of(CALLS))
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


def test_what_slows_both_in_a_round_falls_out_only_round_by_round() -> None:
    slowed = speed_ratio(scaled(1.02), scaled(1.0))
    assert (slowed.low, slowed.high) == pytest.approx((1 / 1.02, 1 / 1.02), rel=1e-3)
    assert slowed.verdict == "slower"
    apart = speed_ratio_between_runs(scaled(1.005), scaled(1.0))
    assert apart.low < 1 < apart.high  # the rounds' levels differ by as much
    assert apart.verdict == NO_DIFFERENCE
    assert speed_ratio_between_runs(scaled(1.2), scaled(1.0)).verdict == "slower"


def test_intervals_of_the_same_hold_one_and_of_what_is_slower_do_not() -> None:
    """As many made-up measurements as decide it: 95 % intervals, with what 30 rounds leave."""
    rng = np.random.default_rng(2)

    def noisy(factor: float) -> list[Round]:
        levels = 20_000 * factor * np.exp(rng.normal(0, 0.03, 30) + 0.2 * (rng.random(30) < 0.05))
        return turns_of([np.array([level]) for level in levels])

    same = [speed_ratio(noisy(1), noisy(1)).verdict != NO_DIFFERENCE for _ in range(400)]
    slower = [speed_ratio(noisy(1.1), noisy(1)).verdict == "slower" for _ in range(400)]
    assert 0.01 <= np.mean(same) <= 0.08
    assert np.mean(slower) >= 0.99


def test_a_batch_is_so_many_calls() -> None:
    one, ten = summarize(turns_of(CALLS)), summarize(turns_of([each * 10 for each in CALLS], batch=10))
    assert ten.median_us == pytest.approx(one.median_us)
    assert ten.p99_us == pytest.approx(one.p99_us)
    assert (ten.calls, ten.batch) == (10 * one.calls, 10)


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=40), st.integers(2, 9))
def test_a_ratio_turned_round_is_one_over_it_and_keeps_its_order(medians: list[int], factor: int) -> None:
    turns = turns_of([np.array([each]) for each in medians])
    slower = turns_of([np.array([each * factor]) for each in medians])
    there, back = speed_ratio(slower, turns), speed_ratio(turns, slower)
    assert there.low <= there.estimate * (1 + 1e-9)
    assert there.estimate <= there.high * (1 + 1e-9)
    assert there.estimate * back.estimate == pytest.approx(1)
    assert back.estimate == pytest.approx(factor)
    np.testing.assert_allclose(round_medians_us(turns), np.array(medians) / 1000)


def test_the_interval_has_the_middle_95_of_100() -> None:
    assert interval(np.arange(1001.0)) == pytest.approx((25, 975))
