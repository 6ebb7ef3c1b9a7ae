"""Figures of a report: SVG with the page's colours, for light and dark screens and print.

Importing this module imports matplotlib, so only the report imports it. `svg` converts matplotlib's output to a part of
a page, `label_placement` places names.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, FixedLocator, FuncFormatter, MaxNLocator, NullLocator, PercentFormatter

from edgernn.arrays import Float64
from edgernn_benchmarks.report.label_placement import LETTERS, place_labels
from edgernn_benchmarks.report.svg import ACCENT, GOOD, INK, MUTED, SECOND, SURFACE, WIDTH, figure

T = TypeVar("T")

# Numbers on a logarithmic axis, times powers of ten, the preferred ones first; and steps on a linear axis.
_TICK_STEPS = ((1, 1.5, 2, 3, 4, 5, 7), (1, 2, 5), (1, 2, 4), (1, 3), (1,))
_LINEAR_STEPS = (1, 2, 5, 10)

HEIGHT = 340
# An original or a peer that is slower than the slowest artifact by more than this factor gets a separate axis. On one
# axis the artifacts would be too close together.
FAR = 3.0
# Areas of points, in square points: the smallest that is visible, and that of the largest file.
MIN_AREA, MAX_AREA = 26, 440


@dataclass(frozen=True)
class Point:
    """A subject in the figure of latency, measure and size.

    Attributes:
        name: the text beside the point.
        time_us: latency in microseconds.
        measure: value on the y axis; the size in bytes if there is no measure.
        size_bytes: size of the file, drawn as the area of the point.
        artifact: whether it is an artifact; otherwise an original or a peer.
        best: whether no other artifact is as good in everything and better in something (the Pareto front).
        chosen: whether it is the recommended one.
    """

    name: str
    time_us: float
    measure: float
    size_bytes: int
    artifact: bool
    best: bool
    chosen: bool


@dataclass(frozen=True)
class Spread:
    """A subject's latencies, in microseconds.

    Attributes:
        name: the text beside them.
        artifact: whether it is an artifact; otherwise an original or a peer.
        median: median of the rounds' medians.
        percentiles: the 5th, 25th, 75th and 95th of all times.
        rounds: the median of each round.
    """

    name: str
    artifact: bool
    median: float
    percentiles: Sequence[float]
    rounds: Float64


def draw_trade(points: Sequence[Point], measure: str, share: bool, lower_is_better: bool, width: int = WIDTH) -> str:
    """Draw latency on the x axis, the measure on the y axis, sizes as areas, and the Pareto front as a line.

    Args:
        points: at least one.
        measure: name of the measure, with its unit.
        share: whether the measure is a share, to be written in per cent.
        lower_is_better: whether a lower measure is better.
        width: in points.
    """
    with figure("trade", HEIGHT, width) as (page, finished):
        panels = _panels(page, [(point.artifact, [point.time_us], point) for point in points])
        values = [point.measure for point in points]
        margin = 0.2 * (max(values) - min(values)) or 0.005 * abs(values[0]) or 0.01
        largest = max(point.size_bytes for point in points)
        for axes, inside in panels:
            axes.set_ylim(min(values) - margin, max(values) + margin)
            _scatter(axes, inside, largest, lower_is_better)
        first = panels[0][0]
        first.set_ylabel(measure)
        ticks = MaxNLocator(6, steps=_LINEAR_STEPS).tick_values(*first.get_ylim())
        # No share is above 100 %.
        first.yaxis.set_major_locator(FixedLocator([tick for tick in ticks if not share or tick < 1 + 1e-9]))
        unit = 100 if share else 1
        decimals = _decimals(unit * (ticks[1] - ticks[0]))
        first.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{unit * y:,.{decimals}f}{'%' if share else ''}"))
        _name(page, "latency (median) →")
        for axes, inside in panels:
            _label(axes, inside, largest)
        return finished()


def draw_latencies(spreads: Sequence[Spread]) -> str:
    """Draw a line a subject: 5th to 95th percentile thin, the middle half thick, the median of each round a dot."""
    spreads = sorted(spreads, key=lambda spread: -spread.median)
    with figure("latencies", 80 + 25 * len(spreads)) as (page, finished):
        lines = enumerate(spreads)
        panels = _panels(page, [(each.artifact, [*each.percentiles, *each.rounds], (y, each)) for y, each in lines])
        for axes, inside in panels:
            axes.grid(visible=False, axis="y")
            for place, spread in inside:
                _draw_spread(axes, place, spread)
        first = panels[0][0]
        first.set_yticks(range(len(spreads)), [spread.name for spread in spreads], color=INK)
        first.set_ylim(-0.7, len(spreads) - 0.3)
        _name(page, "latency →")
        return finished()


def draw_rows(others: Mapping[str, Float64], line: Float64, settled: Float64 | None, name: str, streamed: bool) -> str:
    """Draw accuracy after each row, or at each step.

    Args:
        others: accuracy of the other artifacts, each [rows].
        line: accuracy of the artifact shown in colour.
        settled: share that stays right from there on, drawn dashed.
        name: name of the artifact shown in colour.
        streamed: whether rows arrive; otherwise each step has its own answer.
    """
    with figure("rows", HEIGHT) as (page, finished):
        axes = page.subplots()
        rows = np.arange(1, len(line) + 1)
        for other in others.values():
            axes.plot(rows, other, color=MUTED, lw=0.9)
        axes.plot(rows, line, color=ACCENT, lw=2.4)
        handles = [Line2D([], [], color=ACCENT, lw=2.4, label=name)]
        if settled is not None:
            axes.plot(rows, settled, color=SECOND, lw=2, ls=(0, (4, 2)))
            handles.append(Line2D([], [], color=SECOND, lw=2, ls=(0, (4, 2)), label="right, and stays right"))
        if others:
            handles.append(Line2D([], [], color=MUTED, lw=0.9, label="the others"))
        axes.legend(handles=handles, loc="upper left" if streamed else "lower left", frameon=False, labelcolor=INK)
        axes.set_ylim(0, 1.02)
        axes.set_xlim(left=1)
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
        axes.yaxis.set_major_formatter(PercentFormatter(1))
        axes.set_xlabel("rows that have arrived →" if streamed else "step →")
        axes.set_ylabel("answers that are right")
        return finished()


def draw_training(history: Mapping[str, Float64]) -> str:
    """Draw a panel of the loss and one of the measure, each for training and validation samples."""
    names = [name for name in history if not name.startswith("val_") and f"val_{name}" in history][:2]
    names = sorted(names or list(history)[:2], key=lambda name: name != "loss")
    with figure("training", 175 * len(names) + 30) as (page, finished):
        panels = page.subplots(len(names), sharex=True, squeeze=False)[:, 0]
        for axes, name in zip(panels, names, strict=True):
            series = ((name, ACCENT, "training"), (f"val_{name}", SECOND, "validation"))
            for key, colour, label in series:
                if key in history:
                    epochs = np.arange(1, len(history[key]) + 1)
                    axes.plot(epochs, history[key], color=colour, lw=2, label=label)
            axes.set_ylabel(name)
            axes.set_xlim(left=1)
            axes.yaxis.set_major_locator(MaxNLocator(5, steps=_LINEAR_STEPS))
        panels[0].legend(frameon=False, labelcolor=INK)
        panels[-1].set_xlabel("epoch →")
        panels[-1].xaxis.set_major_locator(MaxNLocator(8, integer=True))
        return finished()


def draw_values(truth: Float64, original: Float64, artifact: Float64, name: str) -> str:
    """Draw true values on the x axis, answers on the y axis."""
    with figure("values", HEIGHT) as (page, finished):
        axes = page.subplots()
        axes.axline((float(truth[0]), float(truth[0])), slope=1, color=MUTED, lw=1)
        axes.scatter(truth, original, s=34, facecolors="none", edgecolors=SECOND, linewidths=1, label="Keras")
        axes.scatter(truth, artifact, s=9, color=ACCENT, linewidths=0, label=name)
        axes.legend(loc="upper left", frameon=False, labelcolor=INK)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(6, steps=_LINEAR_STEPS))
        axes.set_xlabel("true value →")
        axes.set_ylabel("answer")
        return finished()


def _panels(page: Figure, items: Iterable[tuple[bool, Sequence[float], T]]) -> list[tuple[Axes, list[T]]]:
    """Make a logarithmic axis of time, or two if a subject is far slower; return each with its items."""
    listed = list(items)
    limit = FAR * max((float(np.median(times)) for artifact, times, _ in listed if artifact), default=np.inf)
    is_near = [artifact or float(np.median(times)) <= limit for artifact, times, _ in listed]
    groups = [[item for item, near in zip(listed, is_near, strict=True) if near is side] for side in (True, False)]
    groups = [group for group in groups if group]
    # The more subjects on the second axis, the more room their names need.
    widths = [max(1.5, 3.3 - 0.4 * len(groups[-1])), 1][: len(groups)]
    grid = page.add_gridspec(1, len(groups), width_ratios=widths, wspace=0.06)
    panels: list[tuple[Axes, list[T]]] = []
    for place, group in enumerate(groups):
        axes = page.add_subplot(grid[place], sharey=panels[0][0] if panels else None)
        _scale(axes, [time for _, times, _ in group for time in times], max_ticks=2 if place else 4)
        if place:
            axes.tick_params(labelleft=False)
            axes.spines["left"].set_linestyle((0, (2, 2)))
            axes.set_title("far slower", fontsize=LETTERS, color=MUTED)
        panels.append((axes, [item for _, _, item in group]))
    return panels


def _scale(axes: Axes, times: Sequence[float], max_ticks: int) -> None:
    low, high = min(times), max(times)
    room = (high / low) ** 0.09 if high > low * 1.05 else 1.3
    low, high = low / room, high * room
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    powers = 10.0 ** np.arange(np.floor(np.log10(low)), np.log10(high))
    choices = [[power * step for power in powers for step in steps] for steps in _TICK_STEPS]
    choices += [powers[first::every].tolist() for every in range(2, len(powers)) for first in range(every)]
    ticks: list[float] = []
    for choice in choices:
        inside = [tick for tick in choice if low <= tick <= high]
        # The most ticks that leave room for the label of each.
        roomy = all(later / tick >= (high / low) ** (1.1 / max_ticks) for tick, later in pairwise(inside))
        if roomy and len(inside) > len(ticks):
            ticks = inside
    ticks = ticks or [float(f"{np.sqrt(low * high):.2g}")]
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    with_unit = EngFormatter("s")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda time_us, _: with_unit(time_us / 1e6)))


def _decimals(step: float) -> int:
    """Return the number of decimals that distinguish the numbers of an axis with this step."""
    return max(0, -math.floor(math.log10(step) + 1e-9))


def _name(page: Figure, text: str) -> None:
    """Name the axis of all panels."""
    page.supxlabel(text, color=MUTED, fontsize=LETTERS)
    page.canvas.draw()  # computes the layout, which the placement of labels needs
    page.set_layout_engine("none")


def _area(size_bytes: int, largest: int) -> float:
    return max(MIN_AREA, MAX_AREA * size_bytes / max(largest, 1))


def _scatter(axes: Axes, points: Sequence[Point], largest: int, lower_is_better: bool) -> None:
    front = _front([(point.time_us, point.measure) for point in points if point.best], -1 if lower_is_better else 1)
    if len(front) > 1:
        axes.step(*zip(*front, strict=True), where="post", color=ACCENT, lw=1.4, alpha=0.6, zorder=2)
    for point in points:
        if point.chosen:
            radius = np.sqrt(_area(point.size_bytes, largest)) + 9
            axes.plot(point.time_us, point.measure, "o", ms=radius, mfc="none", mec=GOOD, mew=2)
        axes.scatter(
            [point.time_us],
            [point.measure],
            s=_area(point.size_bytes, largest),
            marker="o" if point.artifact else "s",
            color=ACCENT if point.best else MUTED,
            alpha=0.85 if point.best else 0.5,
            edgecolors=SURFACE,
            linewidths=1,
            zorder=3,
        )


def _front(points: Sequence[tuple[float, float]], upwards: int) -> list[tuple[float, float]]:
    """Return the points (time, measure) that no quicker one is as good as, quickest first; `upwards` is 1 or -1."""
    front: list[tuple[float, float]] = []
    for time, measure in sorted(points, key=lambda point: (point[0], -upwards * point[1])):
        if not front or upwards * measure > upwards * front[-1][1]:
            front.append((time, measure))
    return front


def _label(axes: Axes, points: Sequence[Point], largest: int) -> None:
    centres = axes.transData.transform([(point.time_us, point.measure) for point in points])
    radii = [np.sqrt(_area(point.size_bytes, largest)) / 2 + (5 if point.chosen else 0) for point in points]
    box = axes.get_window_extent()
    # Right of the last panel is free room; right of the others is the next panel, which must not be covered.
    last = axes is axes.figure.axes[-1]
    room = (box.x0 - (48 if last else 0), box.y0, axes.figure.bbox.x1 if last else box.x1, box.y1)
    for point, centre, text in zip(
        points, centres, place_labels(centres, radii, [point.name for point in points], room), strict=True
    ):
        # A name far from its point gets a line to it.
        axes.annotate(
            point.name,
            (point.time_us, point.measure),
            (text.x - centre[0], text.y - centre[1]),
            textcoords="offset pixels",
            fontsize=LETTERS,
            va="center",
            ha="left",
            color=INK if point.best else MUTED,
            zorder=4,
            arrowprops={"arrowstyle": "-", "color": MUTED, "lw": 0.6, "shrinkA": 0, "shrinkB": 2} if text.far else None,
        )


def _draw_spread(axes: Axes, place: int, spread: Spread) -> None:
    low, first, third, high = spread.percentiles
    colour = ACCENT if spread.artifact else MUTED
    axes.plot([low, high], [place, place], color=colour, lw=1.2, alpha=0.8, solid_capstyle="butt")
    axes.plot([first, third], [place, place], color=colour, lw=9, alpha=0.3, solid_capstyle="butt")
    # One height a round, in order: a machine that gets slower shows as a slope.
    heights = place + np.linspace(-0.22, 0.22, len(spread.rounds))
    axes.scatter(spread.rounds, heights, s=7, color=colour, alpha=0.55, linewidths=0, zorder=3)
    axes.plot([spread.median, spread.median], [place - 0.32, place + 0.32], color=INK, lw=1.8, zorder=4)
