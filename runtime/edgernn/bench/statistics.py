"""Statistics of raw times: medians, percentiles and ratios, with their intervals.

Calls of one round are alike because they share a load, a clock frequency and a place in memory: a thousand of them
say little more than one. The intervals are therefore bootstrapped over rounds, not over calls: percentile intervals
after Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from edgernn.arrays import Float64, Int64
from edgernn.bench.stopwatch import Round

CONFIDENCE = 0.95
RESAMPLES = 2000
# Share of the rounds' log ratios that is left out at either end before averaging. Wilcox, "Introduction to Robust
# Estimation", 2012, finds intervals of the 20 % trimmed mean accurate from ten values on. Here, on 20 to 30 rounds with
# outliers, they contain the true value in 94 to 95 of 100 cases, and are narrower than those of the median.
TRIMMED = 0.2
NO_DIFFERENCE = "no difference seen"
# Two times whose ratio is below this one are a tie, even if the difference is significant: it may change its sign from
# run to run, and from machine to machine. On one machine the digits' float32 file took 0.88 to 1.2 times as long as
# their int8 file, from run to run.
TIE = 1.25
# Half the width of an interval, as a share, above which a time or a ratio is unreliable: the interval is then wider
# than the difference that decides a recommendation.
MAX_SPREAD = (TIE - 1) / 2
# Fewer rounds give no interval that can be relied on.
MIN_ROUNDS = 10


@dataclass(frozen=True)
class Latency:
    """Latency of one call, in microseconds.

    Attributes:
        rounds: the number of rounds.
        calls: the number of timed calls.
        batch: calls that were timed as one; above 1, percentiles are those of the means of batches.
        median_us: the median of the rounds' medians.
        low_us, high_us: its 95 % interval.
        p90_us, p95_us, p99_us: percentiles of the times of all rounds.
        min_us, max_us: the shortest and the longest time.
    """

    rounds: int
    calls: int
    batch: int
    median_us: float
    low_us: float
    high_us: float
    p90_us: float
    p95_us: float
    p99_us: float
    min_us: float
    max_us: float

    @property
    def per_second(self) -> float:
        """Sequential calls per second."""
        return 1e6 / self.median_us if self.median_us else float("inf")

    @property
    def spread(self) -> float:
        """Half the width of the interval, as a share of the median."""
        return (self.high_us - self.low_us) / 2 / self.median_us if self.median_us else 0.0

    @property
    def is_reliable(self) -> bool:
        """True if there were at least `MIN_ROUNDS` rounds and `spread` is at most `MAX_SPREAD`."""
        return self.rounds >= MIN_ROUNDS and self.spread <= MAX_SPREAD


@dataclass(frozen=True)
class Ratio:
    """Speed of one subject relative to another: above 1 it is faster.

    Attributes:
        estimate: the ratio.
        low, high: its 95 % interval.
    """

    estimate: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """Either faster, slower, or `NO_DIFFERENCE` if the interval contains 1."""
        if self.low <= 1 <= self.high:
            return NO_DIFFERENCE
        return "faster" if self.low > 1 else "slower"

    @property
    def spread(self) -> float:
        """Half the width of the interval, as a share of the estimate."""
        return (self.high - self.low) / 2 / self.estimate if self.estimate else 0.0


def summarize(rounds: Sequence[Round]) -> Latency:
    """Compute the latency of a call from its rounds, at least one."""
    medians = round_medians_us(rounds)
    low, high = interval(np.median(medians[_resamples(len(medians))], axis=1))
    # Batches of one call differ little between rounds, so times per call can be pooled.
    each = np.concatenate([one.durations_ns / (1000 * one.batch) for one in rounds])
    p90, p95, p99 = np.percentile(each, [90, 95, 99])
    return Latency(
        rounds=len(rounds),
        calls=sum(len(one.durations_ns) * one.batch for one in rounds),
        batch=max(one.batch for one in rounds),
        median_us=float(np.median(medians)),
        low_us=low,
        high_us=high,
        p90_us=float(p90),
        p95_us=float(p95),
        p99_us=float(p99),
        min_us=float(each.min()),
        max_us=float(each.max()),
    )


def speed_ratio(rounds: Sequence[Round], baseline: Sequence[Round]) -> Ratio:
    """Compute the speed relative to a baseline that was timed in the same rounds.

    It is the trimmed mean of the logarithms of the ratios of each round, so that slowdowns common to both cancel.
    """
    logs = np.log(round_medians_us(baseline)) - np.log(round_medians_us(rounds))
    low, high = interval(trimmed_mean(logs[_resamples(len(logs))]))
    return _ratio(float(trimmed_mean(logs[np.newaxis])[0]), low, high)


def speed_ratio_between_runs(rounds: Sequence[Round], baseline: Sequence[Round]) -> Ratio:
    """Compute the speed relative to a baseline that was measured at another time, or on another machine."""
    logs, base = np.log(round_medians_us(rounds)), np.log(round_medians_us(baseline))
    resampled = trimmed_mean(base[_resamples(len(base), 1)]) - trimmed_mean(logs[_resamples(len(logs))])
    estimate = float(trimmed_mean(base[np.newaxis])[0] - trimmed_mean(logs[np.newaxis])[0])
    return _ratio(estimate, *interval(resampled))


def round_medians_us(rounds: Sequence[Round]) -> Float64:
    """Compute the median time of one call in each round, in microseconds, float64 [rounds]."""
    return np.array([float(np.median(each.durations_ns)) / (1000 * each.batch) for each in rounds])


def trimmed_mean(values: Float64) -> Float64:
    """Compute the mean over the last axis without a fifth of the values at either end."""
    cut = int(TRIMMED * values.shape[-1])
    kept: Float64 = np.sort(values, axis=-1)[..., cut : values.shape[-1] - cut]
    return np.asarray(kept.mean(axis=-1))


def interval(estimates: Float64) -> tuple[float, float]:
    """Return the bounds of the middle 95 % of resampled estimates."""
    low, high = np.quantile(estimates, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


@cache
def _resamples(rounds: int, seed: int = 0) -> Int64:
    """Draw the rounds of each resample, int64 [resamples, rounds]; always the same, so that figures are repeatable."""
    return np.random.default_rng(seed).integers(0, rounds, (RESAMPLES, rounds))


def _ratio(log_estimate: float, log_low: float, log_high: float) -> Ratio:
    estimate, low, high = (float(np.exp(value)) for value in (log_estimate, log_low, log_high))
    return Ratio(estimate, low, high)
