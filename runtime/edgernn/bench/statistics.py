"""What raw times say: medians, percentiles and ratios, with the intervals that rounds leave open.

Calls of one round are alike because they share a load, a clock frequency and a place in memory, so that a thousand of
them know little more than one. The intervals are therefore bootstrapped over rounds, not over calls: percentile
intervals after Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from edgernn.arrays import Float64, Int64
from edgernn.bench.stopwatch import Round

CONFIDENCE = 0.95
RESAMPLES = 2000
# Of the rounds' log ratios so much is left out at either end before the mean is taken: after Wilcox, "Introduction to
# Robust Estimation", 2012, who finds intervals of the 20 % trimmed mean good from ten values on. Here, on 20 to 30
# rounds with outliers, they hold the truth in 94 to 95 of 100, and are narrower than those of the median.
TRIMMED = 0.2
NO_DIFFERENCE = "no difference seen"


@dataclass(frozen=True)
class Latency:
    """How long one call takes, in microseconds.

    Attributes:
        calls: how many were timed.
        batch: how many calls each time is of; above 1 the percentiles are those of means of so many.
        median_us: the median of the rounds' medians.
        low_us, high_us: its interval, 95 %.
        p90_us, p95_us, p99_us: so many of 100 times, of all rounds, were shorter.
        min_us, max_us: the shortest and the longest.
    """

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
        """How many calls one after the other there are in a second."""
        return 1e6 / self.median_us if self.median_us else float("inf")

    @property
    def spread(self) -> float:
        """Half the width of the interval, as a share of the median."""
        return (self.high_us - self.low_us) / 2 / self.median_us if self.median_us else 0.0


@dataclass(frozen=True)
class Ratio:
    """How many times as quick one is as another: above 1 it is quicker.

    Attributes:
        estimate: the ratio.
        low, high: its interval, 95 %.
    """

    estimate: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """Faster, slower, or `NO_DIFFERENCE` where the interval holds 1."""
        if self.low <= 1 <= self.high:
            return NO_DIFFERENCE
        return "faster" if self.low > 1 else "slower"


def summarize(turns: Sequence[Round]) -> Latency:
    """The latency that turns amount to; at least one turn."""
    medians = round_medians_us(turns)
    low, high = interval(np.median(medians[_resamples(len(medians))], axis=1))
    # Turns of one call are batched alike, or nearly: the time of one call is what can be pooled.
    each = np.concatenate([turn.durations_ns / (1000 * turn.batch) for turn in turns])
    p90, p95, p99 = np.percentile(each, [90, 95, 99])
    return Latency(
        calls=sum(len(turn.durations_ns) * turn.batch for turn in turns),
        batch=max(turn.batch for turn in turns),
        median_us=float(np.median(medians)),
        low_us=low,
        high_us=high,
        p90_us=float(p90),
        p95_us=float(p95),
        p99_us=float(p99),
        min_us=float(each.min()),
        max_us=float(each.max()),
    )


def speed_ratio(turns: Sequence[Round], baseline: Sequence[Round]) -> Ratio:
    """How many times as quick as a baseline that had its turns in the same rounds.

    Round by round, so that what slowed both falls out; the trimmed mean of the logarithms.
    """
    logs = np.log(round_medians_us(baseline)) - np.log(round_medians_us(turns))
    low, high = interval(trimmed_mean(logs[_resamples(len(logs))]))
    return _ratio(float(trimmed_mean(logs[np.newaxis])[0]), low, high)


def speed_ratio_between_runs(turns: Sequence[Round], baseline: Sequence[Round]) -> Ratio:
    """How many times as quick as a baseline that was measured at another time, or on another machine."""
    logs, base = np.log(round_medians_us(turns)), np.log(round_medians_us(baseline))
    resampled = trimmed_mean(base[_resamples(len(base), 1)]) - trimmed_mean(logs[_resamples(len(logs))])
    estimate = float(trimmed_mean(base[np.newaxis])[0] - trimmed_mean(logs[np.newaxis])[0])
    return _ratio(estimate, *interval(resampled))


def round_medians_us(turns: Sequence[Round]) -> Float64:
    """The median time of one call in each turn, in microseconds, float64 [turns]."""
    return np.array([float(np.median(turn.durations_ns)) / (1000 * turn.batch) for turn in turns])


def trimmed_mean(values: Float64) -> Float64:
    """The mean of the last axis without a fifth at either end."""
    cut = int(TRIMMED * values.shape[-1])
    kept: Float64 = np.sort(values, axis=-1)[..., cut : values.shape[-1] - cut]
    return np.asarray(kept.mean(axis=-1))


def interval(estimates: Float64) -> tuple[float, float]:
    """Between which the middle 95 % of resampled estimates lie."""
    low, high = np.quantile(estimates, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


@cache
def _resamples(rounds: int, seed: int = 0) -> Int64:
    """Which rounds each resample has, int64 [resamples, rounds]; always the same, so that figures can be made again."""
    return np.random.default_rng(seed).integers(0, rounds, (RESAMPLES, rounds))


def _ratio(log_estimate: float, log_low: float, log_high: float) -> Ratio:
    return Ratio(*(float(np.exp(value)) for value in (log_estimate, log_low, log_high)))
