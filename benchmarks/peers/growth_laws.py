"""What figures of growing models say: exponents, what is linear, and from where on one layout is the quicker one."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# Of an exponent from 1, to be called linear: 128 times as many steps would cost 1.6 times what they should.
BAND = 0.1
# Of the last stretch alone, which has two points and their noise.
LAST_BAND = 0.15
LINEAR, OFFSET, LESS, MORE = "linear", "linear beside a fixed cost", "less than linear", "more than linear"


@dataclass(frozen=True)
class Law:
    """How a cost grows with a size.

    Attributes:
        exponent: the slope of a straight line through the logarithms, by least squares.
        last_exponent: that of the last two sizes alone.
        kind: one of LINEAR, OFFSET, LESS and MORE.
        fixed: the cost at size 0 of a straight line through all, each weighed by its own cost.
        slope: the cost that one more has on that line.
        bends_at: the size behind which it begins to grow faster than linear; None where it does not.
    """

    exponent: float
    last_exponent: float
    kind: str
    fixed: float
    slope: float
    bends_at: float | None = None


def find_law(sizes: Sequence[float], costs: Sequence[float]) -> Law:
    """How costs grow with sizes.

    Args:
        sizes: ascending; at least two, and three for a straight line to say anything.
        costs: of each, above 0.
    """
    x, y = np.asarray(sizes, float), np.asarray(costs, float)
    stretches = np.diff(np.log(y)) / np.diff(np.log(x))
    exponent, last = float(np.polyfit(np.log(x), np.log(y), 1)[0]), float(stretches[-1])
    slope, fixed = (float(value) for value in np.polyfit(x, y, 1, w=1 / y))
    bends = [float(size) for size, stretch in zip(x, stretches, strict=False) if stretch > 1 + LAST_BAND]
    if bends and (exponent > 1 + BAND or last > 1 + LAST_BAND):
        return Law(exponent, last, MORE, fixed, slope, bends[0])
    if abs(exponent - 1) <= BAND:
        kind = LINEAR
    elif exponent < 1 and _on_line(x, y, fixed, slope):
        kind = OFFSET
    else:
        kind = LESS if exponent < 1 else MORE
    return Law(exponent, last, kind, fixed, slope)


def find_crossover(sizes: Sequence[float], first: Sequence[float], second: Sequence[float]) -> float | None:
    """The size from which on the second cost is the lower one; None: at none of these.

    Between two sizes it is where the logarithms of the costs cross; the first size, if it is so for all.
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
    return fixed > 0 and slope > 0 and bool((np.abs(fixed + slope * x - y) <= BAND * y).all())
