"""Pictures drawn with characters, in grey levels or small in two: plain text, also where there is no Unicode."""

import numpy as np

from edgernn.arrays import Array, Float32, Uint8

ROWS, COLUMNS = 28, 80
BLOCKS, ASCII = " ░▒▓█", " .:-=+*#%@"
# For neither, the upper, the lower and both of two pixels one above the other.
HALVES, ASCII_HALVES = " ▀▄█", " '.#"
_INK = 100  # a pixel as bright as that is ink


def draw(sample: Array, ramp: str = BLOCKS) -> str:
    """Draw a sample, [steps, features], one line a step; the more ink, the larger the value.

    It takes at most 28 lines of 80 columns: a larger sample is averaged. Up to 40 features, a value is two columns
    wide, which makes it a square.
    """
    values = _averaged(_averaged(sample.astype(np.float32), ROWS, 0), COLUMNS, 1)
    low, high = float(values.min()), float(values.max())
    shares = (values - low) / (high - low) if high > low else np.zeros_like(values)
    wide = 2 if values.shape[1] * 2 <= COLUMNS else 1
    indices = np.minimum((shares * len(ramp)).astype(int), len(ramp) - 1)
    return "\n".join("".join(ramp[index] * wide for index in row).rstrip() for row in indices)


def draw_small(pixels: Uint8, halves: str = HALVES) -> list[str]:
    """Draw a picture with two rows a line: uint8 [rows, columns], an even number of rows."""
    ink = pixels >= _INK
    return ["".join(halves[number] for number in line) for line in (ink[::2] + 2 * ink[1::2]).tolist()]


def ramp_for(encoding: str | None) -> str:
    """The characters of `draw` that an output of this encoding can show."""
    return BLOCKS if _can_show(BLOCKS, encoding) else ASCII


def halves_for(encoding: str | None) -> str:
    """The characters of `draw_small` that an output of this encoding can show."""
    return HALVES if _can_show(HALVES, encoding) else ASCII_HALVES


def _can_show(characters: str, encoding: str | None) -> bool:
    try:
        characters.encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _averaged(values: Float32, most: int, axis: int) -> Float32:
    size = values.shape[axis]
    if size <= most:
        return values
    starts = np.arange(most) * size // most
    counts = np.diff(np.append(starts, size))
    sums = np.add.reduceat(values, starts, axis=axis)
    return np.asarray(sums / np.expand_dims(counts, 1 - axis), np.float32)
