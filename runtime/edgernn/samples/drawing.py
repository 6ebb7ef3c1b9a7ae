"""Digits in MNIST's form, drawn with a few strokes each: 28×28 grey levels, in a box of 20×20, centred by mass.

No picture is copied: a stroke is the curve of a pen through a few points. `python -m edgernn.samples.drawing`, a part
of `make sample`, writes the files into this module's folder.
"""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgernn.arrays import Float64, Uint8
from edgernn.system.files import write_bytes

Stroke = Sequence[tuple[float, float]]

_SIZE = 28  # side of a picture, in pixels
_BOX = 20.0  # side of a digit in it (LeCun, "The MNIST database": size-normalized to fit a 20×20 box)
_PEN, _EDGE = 0.8, 1.2  # in pixels: distance of full ink from a stroke's middle, and from there to no ink
_CURVE_POINTS = 32  # between two given points, so that neighbours are much closer than the pen's width

# The strokes of each digit as a hand draws them, through points (x, y) in a box from 0 to 1, y downwards.
# At a corner, one stroke ends and the next begins.
_STROKES: Sequence[Sequence[Stroke]] = (
    [[(0.58, 0.0), (0.28, 0.16), (0.14, 0.55), (0.3, 0.96), (0.62, 0.93), (0.84, 0.5), (0.78, 0.1), (0.5, 0.0)]],
    [[(0.62, 0.0), (0.5, 0.5), (0.4, 1.0)]],
    [
        [(0.16, 0.2), (0.36, 0.02), (0.68, 0.04), (0.76, 0.28), (0.54, 0.62), (0.16, 0.96)],
        [(0.16, 0.96), (0.5, 0.93), (0.9, 0.98)],
    ],
    [
        [(0.18, 0.08), (0.5, 0.0), (0.76, 0.16), (0.66, 0.38), (0.4, 0.46)],
        [(0.4, 0.46), (0.74, 0.56), (0.8, 0.8), (0.52, 1.0), (0.14, 0.92)],
    ],
    [
        [(0.24, 0.02), (0.16, 0.3), (0.2, 0.5)],
        [(0.2, 0.5), (0.5, 0.54), (0.84, 0.46)],
        [(0.8, 0.0), (0.74, 0.5), (0.68, 1.0)],
    ],
    [
        [(0.86, 0.0), (0.56, 0.02), (0.32, 0.04)],
        [(0.32, 0.04), (0.28, 0.22), (0.24, 0.42)],
        [(0.24, 0.42), (0.56, 0.4), (0.76, 0.62), (0.62, 0.92), (0.3, 1.0), (0.1, 0.92)],
    ],
    [[(0.66, 0.0), (0.36, 0.24), (0.2, 0.64), (0.34, 0.96), (0.66, 0.94), (0.76, 0.68), (0.54, 0.54), (0.26, 0.7)]],
    [[(0.12, 0.08), (0.5, 0.06), (0.86, 0.04)], [(0.86, 0.04), (0.62, 0.42), (0.42, 1.0)]],
    [
        [
            *[(0.74, 0.12), (0.48, 0.0), (0.28, 0.2), (0.5, 0.46), (0.7, 0.76), (0.48, 1.0)],
            *[(0.28, 0.8), (0.44, 0.52), (0.7, 0.32), (0.74, 0.12)],
        ]
    ],
    [
        [(0.74, 0.2), (0.48, 0.0), (0.24, 0.22), (0.36, 0.46), (0.62, 0.4), (0.76, 0.16)],
        [(0.76, 0.16), (0.72, 0.6), (0.6, 1.0)],
    ],
)


def draw_digits() -> Uint8:
    """Draw the digits 0 to 9 in order, white on black: uint8 [10, 28, 28]."""
    return np.stack([_draw(strokes) for strokes in _STROKES])


def write_digits(folder: Path) -> None:
    """Write the digits into `digits.npy` and each into a `digit-N.png`; needs Pillow, which devices do not need."""
    from PIL import Image

    digits = draw_digits()
    content = io.BytesIO()
    np.save(content, digits, allow_pickle=False)
    write_bytes(folder / "digits.npy", content.getvalue())
    for name, digit in enumerate(digits):
        content = io.BytesIO()
        Image.fromarray(digit).save(content, "png", optimize=True)
        write_bytes(folder / f"digit-{name}.png", content.getvalue())


def _draw(strokes: Sequence[Stroke]) -> Uint8:
    pen = np.concatenate([_curve(np.array(stroke)) for stroke in strokes]) * (_BOX - 2 * (_PEN + _EDGE))
    middle = (_SIZE - 1) / 2
    pen += middle - pen.mean(axis=0)
    # Where the pen turns or crosses itself there is less ink, so compute the centre of mass from the drawn ink.
    ink = _ink(pen)
    rows, columns = np.indices(ink.shape)
    mass = np.array([(columns * ink).sum(), (rows * ink).sum()]) / ink.sum()
    return np.round(255 * _ink(pen + middle - mass)).astype(np.uint8)


def _curve(points: Float64) -> Float64:
    """Return a smooth curve of more points through points [points, 2]: a Catmull-Rom spline with doubled ends."""
    before, start, end, after = (
        np.concatenate([points[:1], points, points[-1:]])[first : len(points) - 1 + first, np.newaxis]
        for first in range(4)
    )
    t = np.linspace(0, 1, _CURVE_POINTS)[:, np.newaxis]
    curve: Float64 = start + t / 2 * (
        end - before + t * (2 * before - 5 * start + 4 * end - after + t * (3 * (start - end) + after - before))
    )
    return curve.reshape(-1, 2)


def _ink(pen: Float64) -> Float64:
    """Return the ink on each pixel from a pen at the points [points, 2]: float64 [28, 28], 0 to 1."""
    rows, columns = np.indices((_SIZE, _SIZE))[..., np.newaxis]
    distance = np.hypot(columns - pen[:, 0], rows - pen[:, 1]).min(axis=-1)
    ink: Float64 = np.clip((_PEN + _EDGE - distance) / _EDGE, 0, 1)
    return ink


if __name__ == "__main__":
    write_digits(Path(__file__).parent)
