"""Laws of growing costs: exponents, linearity, and the size from which on one layout is quicker."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# Maximum deviation of a linear law's exponent from 1: with 1.1, 128 times the steps cost 1.6 times the linear cost.
MAX_DEVIATION = 0.1
# The same for the last stretch alone, which has only two points, with noise.
MAX_LAST_DEVIATION = 0.15
LINEAR, OFFSET, LESS, MORE = "linear", "linear plus a fixed cost", "less than linear", "more than linear"


@dataclass(frozen=True)
class Law:
    """Growth of a cost with a size.

    Attributes:
        exponent: slope of the least-squares line through the logarithms.
        last_exponent: slope between the last two sizes alone.
        kind: one of LINEAR, OFFSET, LESS and MORE.
        fixed: cost at size 0 on a straight line through all costs, each weighted by 1 / cost.
        slope: cost of one more unit of size on that line.
        bends_at: size above which the cost grows faster than linearly; None if it does not.
    """

    exponent: float
    last_exponent: float
    kind: str
    fixed: float
    slope: float
    bends_at: float | None = None


def find_law(sizes: Sequence[float], costs: Sequence[float]) -> Law:
    """Find how costs grow with sizes.

    Args:
        sizes: ascending sizes; at least two, and three for a meaningful straight line.
        costs: cost of each size, above 0.
    """
    x, y = np.asarray(sizes, float), np.asarray(costs, float)
    stretches = np.diff(np.log(y)) / np.diff(np.log(x))
    exponent, last = float(np.polyfit(np.log(x), np.log(y), 1)[0]), float(stretches[-1])
    slope, fixed = (float(value) for value in np.polyfit(x, y, 1, w=1 / y))
    bends = [float(size) for size, stretch in zip(x, stretches, strict=False) if stretch > 1 + MAX_LAST_DEVIATION]
    if bends and (exponent > 1 + MAX_DEVIATION or last > 1 + MAX_LAST_DEVIATION):
        return Law(exponent=exponent, last_exponent=last, kind=MORE, fixed=fixed, slope=slope, bends_at=bends[0])
    if abs(exponent - 1) <= MAX_DEVIATION:
        kind = LINEAR
    elif exponent < 1 and _on_line(x, y, fixed, slope):
        kind = OFFSET
    else:
        kind = LESS if exponent < 1 else MORE
    return Law(exponent=exponent, last_exponent=last, kind=kind, fixed=fixed, slope=slope)


def find_crossover(sizes: Sequence[float], first: Sequence[float], second: Sequence[float]) -> float | None:
    """Return the size from which on the second cost is lower; None if it is not lower at the last size.

    Between two sizes it is where the logarithms of the costs cross. If the second cost is lower at all sizes, it is
    the first one.
    """
    ahead = np.log(np.asarray(second, float)) - np.log(np.asarray(first, float))
    if ahead[-1] >= 0:
        return None
    behind = np.flatnonzero(ahead >= 0)
    if not len(behind):
        return float(sizes[0])
    left = int(behind[-1])
    share = ahead[left] / (ahead[left] - ahead[left + 1])
    return float(np.exp(np.log(sizes[left]) + share * (np.log(sizes[left + 1]) - np.log(sizes[left]))))


def _on_line(x: np.ndarray, y: np.ndarray, fixed: float, slope: float) -> bool:
    return fixed > 0 and slope > 0 and bool((np.abs(fixed + slope * x - y) <= MAX_DEVIATION * y).all())
