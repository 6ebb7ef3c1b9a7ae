"""Draw pictures with characters, in grey levels, or smaller in black and white; in ASCII where Unicode is missing."""

import numpy as np

from edgernn.arrays import Array, Float32, Uint8

ROWS, COLUMNS = 28, 80
BLOCKS, ASCII = " ░▒▓█", " .:-=+*#%@"
# Two pixels, one above the other: neither has ink, the upper one, the lower one, both.
HALVES, ASCII_HALVES = " ▀▄█", " '.#"
_INK = 100  # minimum value of a pixel of ink


def draw(sample: Array, ramp: str = BLOCKS) -> str:
    """Draw a sample, [steps, features], one line a step; larger values are darker characters.

    The drawing has at most 28 lines of 80 columns; a larger sample is averaged. Up to 40 features, a value is two
    columns wide, so that it looks square.
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
    """Return the characters for `draw` that an output with this encoding can show."""
    return BLOCKS if _can_show(BLOCKS, encoding) else ASCII


def halves_for(encoding: str | None) -> str:
    """Return the characters for `draw_small` that an output with this encoding can show."""
    return HALVES if _can_show(HALVES, encoding) else ASCII_HALVES


def _can_show(characters: str, encoding: str | None) -> bool:
    try:
        characters.encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _averaged(values: Float32, max_size: int, axis: int) -> Float32:
    size = values.shape[axis]
    if size <= max_size:
        return values
    starts = np.arange(max_size) * size // max_size
    counts = np.diff(np.append(starts, size))
    sums = np.add.reduceat(values, starts, axis=axis)
    return np.asarray(sums / np.expand_dims(counts, 1 - axis), np.float32)
