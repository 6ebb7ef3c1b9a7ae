"""Pictures of images, sequences and results; each function returns a matplotlib figure.

matplotlib is imported when a figure is made. The figures do not need pyplot, and a notebook shows one that is the last
value of a cell.
"""

import io
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import cycle, islice
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np

from edgernn.arrays import Array, Int64
from edgernn.data.samples import is_drawn_as_lines, is_wide
from edgernn.errors import DataError
from edgernn.labels import check_label_count
from edgernn.system.caches import move_library_folders
from edgernn.system.extras import require

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, MUTED, LINE, ACCENT, SECOND = "#1b1f24", "#59636e", "#dfe3e8", "#0b66c3", "#b5480a"
DOTS_PER_INCH = 120
MAX_COLUMNS = 10
# More images than this in one figure cannot be recognized.
MAX_IMAGES = 100
# Values of an image that are drawn as numbers: 28 × 28 fit, and a sequence of a few features.
MAX_NUMBERS = 1024
# Classes of the largest matrix whose counts are readable.
MAX_COUNTED = 20
_MAX_LABEL = 14  # characters
# Lowest and highest value of pixels.
_PIXEL_LIMITS = ((0, 1), (0, 255))
_STYLE: Mapping[Any, Any] = {
    "figure.dpi": DOTS_PER_INCH,
    "figure.facecolor": "white",
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.w_pad": 0.08,
    "figure.constrained_layout.h_pad": 0.08,
    "text.parse_math": False,  # a label with dollar signs is text
    "text.color": INK,
    "font.size": 10,
    "axes.edgecolor": LINE,
    "axes.labelcolor": MUTED,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": LINE,
    "legend.frameon": False,
    **{f"{axis}tick.{key}": value for axis in "xy" for key, value in (("color", MUTED), ("major.size", 0))},
}


def show_digit(image: Array, label: object = None, numbers: bool = False) -> "Figure":
    """Draw one image, or one sequence of numbers.

    Args:
        image: [steps, features], uint8 pixels or floating-point numbers.
        label: a title, for instance the image's class.
        numbers: also write the value of each pixel into it.

    Returns:
        A figure; `savefig` writes it to a file.

    Raises:
        DataError: the image has another shape, or has too many values to write them.
        MissingExtraError: matplotlib is not installed.
    """
    values = _as_images(np.asarray(image)[np.newaxis], "image")[0]
    if numbers and values.size > MAX_NUMBERS:
        raise DataError(f"image has {values.size:,} values, expected at most {MAX_NUMBERS:,} to write as numbers")
    side = 6.4 if numbers else 3.0  # in inches
    with _style():
        drawn = _new_figure(side, side)
        axes = drawn.subplots()
        _draw_sequence(axes, values, *_limits(values))
        axes.set_title("" if label is None else str(label))
        if numbers:
            _write_values(axes, values)
        return drawn


def show_grid(images: Array, labels: Sequence[object] = (), columns: int = MAX_COLUMNS) -> "Figure":
    """Draw several images, or sequences of numbers, side by side.

    Args:
        images: [images, steps, features], uint8 pixels or floating-point numbers; at most 100 are drawn.
        labels: a title for each image, for instance its class; none by default.
        columns: images in a row.

    Returns:
        A figure; `savefig` writes it to a file.

    Raises:
        DataError: the images have another shape, or there is not one title for each.
        MissingExtraError: matplotlib is not installed.
    """
    values = _as_images(np.asarray(images), "images")
    titles = [str(label) for label in labels]
    if titles:
        check_label_count(titles, len(values), "images")
    shown, limits = values[:MAX_IMAGES], _limits(values)
    columns = max(1, min(columns, len(shown)))
    steps, features = shown.shape[1:]
    lines = is_drawn_as_lines(steps, features, pixels=limits in _PIXEL_LIMITS)
    if lines:
        columns = min(columns, 4)
    rows = ceil(len(shown) / columns)
    title_height = 0.2 * max((title.count("\n") + 1 for title in titles), default=0)
    width, height = (2.6, 1.4) if lines else (1.1, 1.05)
    with _style():
        drawn = _new_figure(width * columns, (height + title_height) * rows)
        # All cells have one size, so no layout needs to be searched, which takes longer than the drawing.
        drawn.set_layout_engine("none")
        places = {"left": 0.01, "right": 0.99, "bottom": 0.05 / drawn.get_figheight(), "wspace": 0.08}
        places["top"] = 1 - (title_height + 0.05) / drawn.get_figheight()
        places["hspace"] = (title_height + 0.05) / height
        grid = drawn.subplots(rows, columns, squeeze=False, gridspec_kw=places).ravel()
        for axes in grid:
            axes.set_axis_off()
        for index, (axes, image) in enumerate(zip(grid, shown, strict=False)):
            _draw_sequence(axes, image, *limits)
            axes.set_title(titles[index] if titles else "", fontsize=9)
        return drawn


def draw_curves(history: Mapping[str, Sequence[float]]) -> "Figure":
    """Draw the loss and the accuracy after each epoch, for training and validation.

    Args:
        history: values by name, as Keras records them: loss, accuracy, val_loss, val_accuracy.
    """
    names = [name for name in history if not name.startswith("val_") and f"val_{name}" in history][:2]
    with _style():
        drawn = _new_figure(9, 3.4)
        panels = drawn.subplots(1, max(1, len(names)), squeeze=False)[0]
        for axes, name in zip(panels, sorted(names, key=lambda name: name != "loss"), strict=False):
            epochs = np.arange(1, len(history[name]) + 1)
            axes.plot(epochs, history[name], "o-", ms=3, lw=2, color=ACCENT, label="training")
            axes.plot(epochs, history[f"val_{name}"], "o-", ms=3, lw=2, color=SECOND, label="validation")
            axes.set_title(name)
            axes.set_xlabel("epoch")
            axes.xaxis.get_major_locator().set_params(integer=True)
            axes.grid(visible=True)
            axes.legend()
        return drawn


def draw_confusions(counts: Int64, labels: Sequence[str]) -> "Figure":
    """Draw a confusion matrix: a row is a true class, a column is an answer, and colours are shares of the row.

    Args:
        counts: int64 [classes, classes].
        labels: the name of each class.
    """
    classes = len(labels)
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    side = min(12.0, 2.2 + 0.42 * min(classes, 24) + 0.07 * min(_MAX_LABEL, max(map(len, labels))))
    with _style():
        drawn = _new_figure(side, side)
        axes = drawn.subplots()
        # The square root shows rare confusions.
        axes.imshow(np.sqrt(shares), cmap="Blues", vmin=0, vmax=1)
        axes.set_xlabel("answer")
        axes.set_ylabel("true class")
        if classes <= MAX_COUNTED:
            upright = max(map(len, labels)) > 3
            names = [shorten(label) for label in labels]
            axes.set_xticks(range(classes), names, rotation=90 if upright else 0)
            axes.set_yticks(range(classes), names)
            for row, column in zip(*np.nonzero(counts), strict=True):
                colour = "white" if shares[row, column] > 0.4 else INK
                axes.text(column, row, str(counts[row, column]), ha="center", va="center", fontsize=8, color=colour)
        axes.spines[:].set_visible(False)
        return drawn


def draw_rows(accuracy: Mapping[str, Sequence[float]]) -> "Figure":
    """Draw the share of right answers after each row of a sequence, a line for each condition of the samples."""
    with _style():
        drawn = _new_figure(6, 3.4)
        axes = drawn.subplots()
        for (name, shares), colour in zip(accuracy.items(), (ACCENT, SECOND, MUTED), strict=False):
            axes.plot(np.arange(1, len(shares) + 1), shares, lw=2, color=colour, label=name)
        axes.set_ylim(0, 1.02)
        axes.set_xlim(left=1)
        axes.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
        axes.set_xlabel("rows that have arrived")
        axes.set_ylabel("right answers")
        axes.grid(visible=True)
        axes.legend(loc="upper left")
        return drawn


def draw_shares(shares: Mapping[str, float], title: str) -> "Figure":
    """Draw a table of shares by name, each with a bar."""
    with _style():
        drawn = _new_figure(6, 0.7 + 0.3 * len(shares))
        axes = drawn.subplots()
        places = np.arange(len(shares))[::-1]
        axes.barh(places, list(shares.values()), color=ACCENT, height=0.7)
        axes.set_yticks(places, list(shares), color=INK)
        for place, share in zip(places, shares.values(), strict=True):
            axes.text(1.02, place, f"{share:.1%}", va="center")
        axes.set_xlim(0, 1)
        axes.xaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
        axes.set_title(title, loc="left")
        axes.spines["left"].set_visible(False)
        return drawn


def shorten(label: str) -> str:
    """Shorten a label so that it fits above an image."""
    return label if len(label) <= _MAX_LABEL else f"{label[: _MAX_LABEL - 1]}…"


def _as_images(images: Array, name: str) -> Array:
    """Return the images as they are, or without a last axis of one channel; check their shape and values."""
    values = images[..., 0] if images.ndim == 4 and images.shape[-1] == 1 else images
    if values.ndim != 3 or 0 in values.shape or values.dtype.kind not in "biuf":
        expected = "(steps, features)" if name == "image" else "(images, steps, features)"
        shape = images.shape[1:] if name == "image" else images.shape
        raise DataError(
            f"{name} has shape {shape} and type {images.dtype}, expected numbers {expected}, none of them 0"
        )
    return values


def _limits(values: Array) -> tuple[float, float]:
    """Return the values to draw as black and white: those of pixels if the values can be pixels."""
    if values.dtype == np.uint8:
        return 0, 255
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    # Noise makes a black pixel slightly negative, once in millions.
    return (0, 1) if low > -0.1 and high <= 1 else (low, high)


def _draw_sequence(axes: Any, values: Array, low: float, high: float) -> None:
    """Draw a sequence [steps, features]: sensors as lines, everything else as a picture."""
    steps, features = values.shape
    if is_drawn_as_lines(steps, features, pixels=(low, high) in _PIXEL_LIMITS):
        for column, colour in zip(values.T, _colours(features), strict=True):
            axes.plot(column, lw=1, color=colour)
        axes.set_ylim(low - 0.03 * (high - low), high + 0.03 * (high - low))
    else:
        wide = is_wide(steps, features)
        axes.imshow(values.T if wide else values, cmap="gray", vmin=low, vmax=high, aspect="auto" if wide else "equal")
    axes.set_axis_off()


def _colours(count: int) -> Iterator[Any]:
    from matplotlib import colormaps

    # Without the blue, the orange and the red that resemble the first two.
    palette = [ACCENT, SECOND, *map(colormaps["tab10"], (2, 4, 9, 6, 8, 5, 7))]
    return islice(cycle(palette), count)


def _write_values(axes: Any, values: Array) -> None:
    low, high = _limits(values)
    decimals = 0 if values.dtype.kind in "biu" else 1
    for (row, column), value in np.ndenumerate(values):
        colour = "black" if float(value) > (low + high) / 2 else "white"
        text = f"{value:.{decimals}f}".removeprefix("0") if decimals else f"{value}"
        axes.text(column, row, text, ha="center", va="center", fontsize=4.4, color=colour)


def _style() -> Any:
    """Return a context with the style of all figures, independent of a user's settings."""
    require("train", "matplotlib")
    move_library_folders()
    from matplotlib import rc_context, rcParamsDefault

    changed = {key: value for key, value in rcParamsDefault.items() if not key.startswith("backend")}
    return rc_context({**changed, **_STYLE})


def _new_figure(width: float, height: float) -> "Figure":
    drawn: Figure = _figure_class()(figsize=(width, height))
    return drawn


@cache
def _figure_class() -> Any:
    """Make the class of the figures, which a notebook shows without pyplot and its `%matplotlib` line."""
    from matplotlib.figure import Figure

    class ShownFigure(Figure):
        def _repr_png_(self) -> bytes:
            return png_of(self)

    return ShownFigure


def png_of(drawn: "Figure") -> bytes:
    """Return a figure as a PNG file; the same figure gives the same bytes."""
    written = io.BytesIO()
    # Without the name and version of matplotlib.
    drawn.savefig(written, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})
    return written.getvalue()
