"""Placement of names beside points."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from edgernn.arrays import Float64

Box = tuple[float, float, float, float]

# Height of letters in points; their mean width in a page's usual fonts, as a share of the height.
LETTERS, LETTER_WIDTH = 12, 0.56
_DISTANCES, _NEAR = (4.0, 14.0, 26.0, 40.0, 56.0, 72.0), 4.0
# To the right, to the left, above, below, and diagonally: earlier ones are preferred.
_DIRECTIONS = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1))


@dataclass(frozen=True)
class Label:
    """The place of a name.

    Attributes:
        x, y: the left end of its middle line.
        far: whether it is so far from its point that a line must connect them.
    """

    x: float
    y: float
    far: bool


def place_labels(centres: Float64, radii: Sequence[float], names: Sequence[str], room: Box) -> list[Label]:
    """Place names beside round points so that, if there is room, they cover neither each other nor points.

    Each in turn is placed in the best of several places: Christensen, Marks and Shieber, "An Empirical Study of
    Algorithms for Point-Feature Label Placement", 1995, whose simplest algorithm is enough for a dozen points.

    Args:
        centres: centres of the points, [points, 2].
        radii: radii of the points.
        names: names of the points.
        room: area that names must stay in: left, bottom, right, top.
    """
    points = [(x - r, y - r, x + r, y + r) for (x, y), r in zip(centres, radii, strict=True)]
    placed: list[Box] = []
    labels = []
    for centre, radius, name in zip(centres, radii, names, strict=True):
        width, height = LETTER_WIDTH * LETTERS * len(name), 1.25 * LETTERS
        _, box, far = min(_places(centre, radius, width, height, room, (*points, *placed)))
        placed.append(box)
        labels.append(Label(box[0], (box[1] + box[3]) / 2, far))
    return labels


def _places(
    centre: Float64, radius: float, width: float, height: float, room: Box, obstacles: Sequence[Box]
) -> Iterator[tuple[float, Box, bool]]:
    """Yield places of a name with their costs: the area it covers, its area outside, and a little for the distance."""
    for order, (distance, (right, up)) in enumerate(product(_DISTANCES, _DIRECTIONS)):
        # Diagonally each coordinate moves by about 0.7, half the square root of 2.
        away = (radius + distance) * (0.7 if right and up else 1.0)
        left = centre[0] + right * away - (width if right < 0 else width / 2 if right == 0 else 0)
        if right == 0:
            left = min(max(left, room[0]), room[2] - width)
        middle = centre[1] + up * (away + (height / 2 if right == 0 else 0))
        box = (float(left), float(middle - height / 2), float(left + width), float(middle + height / 2))
        outside = width * height - _overlap(box, room)
        yield (
            sum(_overlap(box, other) for other in obstacles) + 3 * outside + 0.8 * order,
            box,
            distance > _NEAR,
        )


def _overlap(one: Box, other: Box) -> float:
    """Return the area that two boxes share."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return max(0.0, width) * max(0.0, height)
