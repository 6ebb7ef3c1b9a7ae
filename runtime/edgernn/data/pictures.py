"""Pictures converted to a model's inputs: a phone picture of a digit becomes similar to a training image.

A grey picture of exactly the model's size is used unchanged. Any other picture is turned upright, put on a background
where it is transparent, converted to grey, corrected for uneven light, cropped to its ink and placed in the model's
field, as the authors of MNIST describe it: "The original
black and white (bilevel) images from NIST were size normalized to fit in a 20x20 pixel box while preserving their
aspect ratio", then "centered in a 28x28 image by computing the center of mass of the pixels, and translating the image
so as to position this point at the center of the 28x28 field" (LeCun, Cortes, Burges, "The MNIST database of
handwritten digits"). For a field of another size the box is scaled in proportion.

Ink is dark on a light ground or light on a dark ground. Only NumPy and Pillow are needed.
"""

import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgernn.arrays import Array, Bools, Float32, Int64, Uint8
from edgernn.card import Card
from edgernn.errors import DataError, InputError, MissingExtraError
from edgernn.inputs import PIXELS
from edgernn.system.files import check_file

if TYPE_CHECKING:
    from PIL import Image

Box = tuple[int, int, int, int]  # top, bottom, left, right; bottom and right are exclusive

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")
MAX_BYTES = 256 << 20
MAX_PIXELS = 50_000_000
# Only the formats of the suffixes; for some other formats Pillow starts other programs.
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP")

_BOX = 20 / 28  # size of the box that the ink is scaled to, as a share of the field
_STROKE = 2 / 28  # minimum width of a stroke in MNIST, as a share of the field
# Longest side in pixels of a picture when it is decoded, when ink is searched, and when light is measured.
_DECODED, _WORKING, _COARSE = 2048, 512, 96
_MARGIN = 0.4
# Share of the longest side; wider than a stroke, narrower than a shadow.
_MAX_STROKE = 0.25
# Ink is darker than its ground by at least this share of the ground's level, and by this many standard deviations.
_MIN_CONTRAST, _MIN_DEVIATIONS = 0.08, 6.0
# Minimum of ink, in pixels and as a share of all pixels; less is dust or noise.
_MIN_INK_PIXELS, _MIN_INK_SHARE = 8, 1e-4
# Width of the border on each side, as a share of the picture's height and width.
_BORDER = 0.12
# For normally distributed numbers, the standard deviation is 1.4826 times the median distance from the median.
_MAD = 1.4826
# Lower limit of the ground's level in a division: a quotient by nearly zero is noise.
_DARKEST = np.float32(0.1)
# A patch of ink smaller than this share of the largest patch is a speck.
_MIN_PATCH = 0.08


def read_picture(path: Path, card: Card | None) -> Uint8:
    """Read a picture as input of a card's model, uint8 [steps, features].

    Raises:
        DataError: it is missing, damaged, an animation, or has more than 50 million pixels.
        InputError: the model does not accept pictures, or nothing is drawn on this one.
        MissingExtraError: Pillow is not installed.
    """
    if card is None:
        raise InputError(f"{path}: a picture, but the model has no card that says how it scales pixels; use arrays")
    if card.input_meaning not in PIXELS:
        meaning = repr(card.input_meaning) if card.input_meaning else "not known"
        again = "" if card.input_meaning else ", or export it again with uint8 samples"
        raise InputError(f"{path}: a picture, but the meaning of this model's inputs is {meaning}; use arrays{again}")
    steps, features = card.input_shape
    if card.inputs[0].own_shape not in ((), (steps, features, 1)):
        raise InputError(
            f"{path}: pictures are read as grey levels ({steps}, {features}), and the model takes samples of shape "
            f"{card.inputs[0].own_shape}; use arrays"
        )
    image = _open(path, (steps, features))
    if image.mode == "L" and image.size == (features, steps):
        return np.asarray(image)
    try:
        return prepare(_grey_levels(image, max(_DECODED, 2 * steps, 2 * features)), card)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def prepare(grey: Float32, card: Card) -> Uint8:
    """Convert a picture to an input of a card's model, uint8 [steps, features].

    Args:
        grey: [height, width], 0 black to 1 white.
        card: card of a model whose inputs are pixels.

    Raises:
        InputError: nothing is drawn on it.
    """
    steps, features = card.input_shape
    pixels = np.round(fit_into(find_ink(grey), (steps, features)) * 255).astype(np.uint8)
    return 255 - pixels if card.inputs[0].inverted else pixels


def find_ink(grey: Float32) -> Float32:
    """Find the drawing on a picture, in any light.

    Args:
        grey: [height, width], 0 black to 1 white.

    Returns:
        The part with the ink, float32 [height, width], 0 ground to 1 ink.

    Raises:
        InputError: nothing is drawn on it.
    """
    small = _shrunk(grey, _WORKING)
    _, lighter = _fit_light(small)
    dark_on_light = lighter <= 0
    _, box = _ink_and_box(small if dark_on_light else 1 - small)
    # Repeat on the cropped picture with a margin of ground, so that a small digit has as many pixels as a large one.
    near = _shrunk(_cut_out(grey, box, grey.shape[0] / small.shape[0], _MARGIN), _WORKING)
    ink, box = _ink_and_box(near if dark_on_light else 1 - near)
    return _cut_out(ink, box)


def _ink_and_box(dark: Float32) -> tuple[Float32, Box]:
    """Return the ink on a light ground, 0 ground to 1 ink, and its bounding box without specks."""
    light, _ = _fit_light(dark)
    # First remove slow changes of light over the whole sheet, then the edges of shadows.
    shares = _blurred(dark, 0.002 * max(dark.shape)) / np.maximum(light, _DARKEST)
    even = np.asarray(np.clip(shares / 2, 0, 1), np.float32)
    ink = 1 - even / np.maximum(_closed(even), _DARKEST)
    # At least half of all pixels are ground, so ink does not change the median or the median distance from it.
    level = float(np.median(ink))
    spread = _MAD * float(np.median(np.abs(ink - level)))
    clear = ink > level + max(_MIN_CONTRAST, _MIN_DEVIATIONS * spread)
    if clear.sum() < max(_MIN_INK_PIXELS, _MIN_INK_SHARE * clear.size):
        raise InputError(
            "nothing is drawn on it that stands out from its ground; expected a drawing, dark on light or light on dark"
        )
    full = float(np.quantile(ink[clear], 0.9))
    mask = _without_specks(ink > (level + full) / 2)
    # Keep soft edges, half on each side of the stroke's outline.
    low, high = level + 0.2 * (full - level), level + 0.8 * (full - level)
    levels = np.asarray(np.clip((ink - low) / (high - low), 0, 1) * _grown(mask, 3), np.float32)
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    return levels, (int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1)


def _cut_out(levels: Float32, box: Box, scale: float = 1.0, margin: float = 0.0) -> Float32:
    """Crop to a box of another scale, with a margin that is a share of the box's longer side."""
    more = margin * max(box[1] - box[0], box[3] - box[2])
    top, left = (max(0, int(scale * (start - more))) for start in box[::2])
    bottom, right = (int(np.ceil(scale * (end + more))) for end in box[1::2])
    return levels[top:bottom, left:right]


def fit_into(ink: Float32, shape: tuple[int, int]) -> Float32:
    """Scale ink into a field's box and centre it by its mass, as in MNIST.

    Args:
        ink: [height, width], 0 ground to 1 ink, cropped to the ink.
        shape: shape of the field.

    Returns:
        float32 [*shape], 0 ground to 1 ink.
    """
    box = [max(1, round(_BOX * size)) for size in shape]
    scale = min(box[0] / ink.shape[0], box[1] / ink.shape[1])
    # When scaled down, a thin stroke would become a faint grey.
    wanted = _STROKE * min(shape) / scale
    ink = _grown(ink, 1 + 2 * round(max(0.0, wanted - _stroke_width(ink)) / 2))
    height, width = (max(1, round(scale * size)) for size in ink.shape)
    small = np.clip(_resized(ink, width, height), 0, 1)
    small /= max(float(np.quantile(small, 0.98)), 0.5)
    field = np.zeros(shape, np.float32)
    mass = max(float(small.sum()), 1e-6)
    for axis, size in enumerate(small.shape):
        # In MNIST's published files the centre of mass is within half a pixel of index 14 of 28.
        centre = float((small.sum(axis=1 - axis) * np.arange(size)).sum()) / mass
        box[axis] = min(max(0, round(shape[axis] / 2 - centre)), max(0, shape[axis] - size))
    top, left = box
    field[top : top + height, left : left + width] = np.minimum(small, 1)[: shape[0] - top, : shape[1] - left]
    return field


def _open(path: Path, wanted: tuple[int, int] | None) -> "Image.Image":
    """Open, decode and turn upright a picture; decode a large JPEG at reduced size unless it has the wanted shape."""
    try:
        # Optional: a device that reads sensors has no pictures, and Pillow has no wheel for 32-bit Arm.
        from PIL import Image, ImageOps
    except ImportError as error:
        raise MissingExtraError("Pillow, which reads pictures,", "images") from error
    check_file(path, DataError, MAX_BYTES)
    try:
        with _without_warnings(), Image.open(path, formats=_FORMATS) as image:
            width, height = image.size
            if width * height > MAX_PIXELS:
                raise DataError(f"{path}: {width}x{height} pixels; expected at most {MAX_PIXELS:,}")
            # Phones put a second picture into a JPEG; that is not an animation.
            if image.format != "MPO" and getattr(image, "is_animated", False):
                raise DataError(f"{path}: an animation; expected one picture")
            if wanted and (height, width) not in (wanted, wanted[::-1]):
                image.draft("L", (_DECODED, _DECODED))
            image.load()
            return ImageOps.exif_transpose(image)
    except (
        OSError,
        ValueError,
        ArithmeticError,
        LookupError,
        SyntaxError,
        TypeError,
        EOFError,
        MemoryError,
        struct.error,
        Image.DecompressionBombError,
    ) as error:
        raise DataError(f"{path}: cannot be read as a picture: {_reason(error)}") from error


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Suppress Pillow's warnings about sizes, which are checked here, and about damaged EXIF data."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _reason(error: BaseException) -> str:
    # Pillow's message repeats the path: "cannot identify image file PosixPath('…')".
    text = str(error).partition(" image file ")[0]
    return "expected PNG, JPEG, BMP, GIF or WebP" if text == "cannot identify" else text or type(error).__name__


def _grey_levels(image: "Image.Image", longest: int) -> Float32:
    """Return grey levels from 0 to 1, with transparent parts on a background, no side longer than `longest`."""
    from PIL import Image

    if image.mode.startswith("I"):  # 16 bits; `convert` would clip them
        image = Image.fromarray((np.asarray(image, np.float32) / 257).clip(0, 255).astype(np.uint8))
    if not image.has_transparency_data:
        grey = image.convert("L") if image.mode in "1LP" else image.convert("RGB").convert("L")
        grey.thumbnail((longest, longest), Image.Resampling.BOX)
        return np.asarray(grey, np.float32) / np.float32(255)
    layered = image.convert("RGBA").convert("LA")
    layered.thumbnail((longest, longest), Image.Resampling.BOX)
    level, cover = np.moveaxis(np.asarray(layered, np.float32) / np.float32(255), -1, 0)
    mean = float((level * cover).sum() / max(float(cover.sum()), 1e-6))
    # Mostly transparent: the visible part is ink, and the ground is its opposite. Otherwise the ground continues.
    ground = round(1 - mean) if cover.mean() < 0.5 else mean
    return np.asarray(level * cover + ground * (1 - cover), np.float32)


def _fit_light(grey: Float32) -> tuple[Float32, float]:
    """Fit the light on a picture's ground; return it, and the sum by which pixels that stand out are lighter.

    The light is a quadratic surface. It is fitted to the border, which has the least ink, then to all pixels near it.
    """
    small = _shrunk(grey, _COARSE)
    terms, values = _quadratic(small.shape), small.ravel()
    kept = np.abs(terms[:, 1:3]).max(axis=1) > 1 - 2 * _BORDER
    for _ in range(8):
        coefficients, *_ = np.linalg.lstsq(terms[kept], values[kept], rcond=None)
        off = values - terms @ coefficients
        limit = max(0.02, 2.5 * _MAD * float(np.median(np.abs(off[kept]))))
        kept = np.abs(off) < limit
        if kept.sum() < terms.shape[1]:
            break
    light = (_quadratic(grey.shape) @ coefficients).reshape(grey.shape)
    return np.asarray(light, np.float32), float(off[~kept].sum())


def _quadratic(shape: tuple[int, ...]) -> Float32:
    """Return the terms of a quadratic surface over a picture, float32 [height x width, 6]."""
    y, x = (np.linspace(-1, 1, size, dtype=np.float32) for size in shape)
    across, down = (axis.ravel() for axis in np.meshgrid(x, y))
    return np.stack([np.ones_like(across), across, down, across * across, across * down, down * down], axis=1)


def _closed(levels: Float32) -> Float32:
    """Return the light of the ground, also under the ink: a morphological closing wider than a stroke, blurred."""
    from PIL import Image, ImageFilter

    small = _shrunk(levels, _COARSE)
    size = _odd(_MAX_STROKE * max(small.shape))
    image = Image.fromarray((small * 255).astype(np.uint8))
    # Many small filters return the same as a large one, whose time grows with the area of its window.
    for kind in (ImageFilter.MaxFilter, ImageFilter.MinFilter):
        for _ in range(size // 2):
            image = image.filter(kind(3))
    closed = np.asarray(image.filter(ImageFilter.BoxBlur(size / 4)), np.float32) / np.float32(255)
    return _resized(closed, levels.shape[1], levels.shape[0])


def _without_specks(mask: Bools) -> Bools:
    """Remove specks, and patches of ink that touch the picture's edge if others do not."""
    coarse = _shrunk(mask.astype(np.float32), _COARSE) > 0.1
    patches = _patches(coarse)
    numbers, sizes = np.unique(patches[coarse], return_counts=True)
    edge = np.unique(np.concatenate([patches[0], patches[-1], patches[:, 0], patches[:, -1]]))
    inside = ~np.isin(numbers, edge)
    if inside.any() and sizes[inside].max() >= _MIN_PATCH * sizes.max():
        numbers, sizes = numbers[inside], sizes[inside]
    kept = np.isin(patches, numbers[sizes >= _MIN_PATCH * sizes.max()])
    return mask & (_resized(_grown(kept.astype(np.float32), 3), mask.shape[1], mask.shape[0]) > 0)


def _patches(mask: Bools) -> Int64:
    """Assign a number to each connected patch, corners included; 0 where there is none."""
    numbers = np.where(mask, np.arange(1, mask.size + 1).reshape(mask.shape), 0)
    while True:  # spread the highest number through its patch
        padded = np.pad(numbers, 1)
        rows, columns = mask.shape
        spread = np.max([padded[y : y + rows, x : x + columns] for y in range(3) for x in range(3)], axis=0) * mask
        if (spread == numbers).all():
            return numbers
        numbers = spread


def _stroke_width(ink: Float32) -> float:
    """Estimate the width of strokes in pixels: a long stroke's area divided by half of its outline."""
    mask = np.pad(ink > 0.5, 1)
    outline = sum(int((mask != np.roll(mask, 1, axis)).sum()) for axis in (0, 1))
    # A slanting outline is counted along both axes: 4 / π times too long, averaged over all directions.
    return 2 * int(mask.sum()) / max(1.0, outline * np.pi / 4)


def _odd(size: float) -> int:
    return 2 * (int(size) // 2) + 1


def _shrunk(levels: Float32, longest: int) -> Float32:
    scale = min(1.0, longest / max(levels.shape))
    height, width = (max(1, round(scale * size)) for size in levels.shape)
    return _resized(levels, width, height)


def _resized(levels: Float32, width: int, height: int) -> Float32:
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(levels, np.float32))
    # Pillow averages when the picture becomes smaller, and interpolates linearly when it becomes larger.
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))


def _blurred(levels: Float32, radius: float) -> Float32:
    from PIL import Image, ImageFilter

    image = Image.fromarray((levels * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(radius))
    return np.asarray(image, np.float32) / np.float32(255)


def _grown(levels: Array, size: int) -> Float32:
    """Set every pixel to the maximum of the square around it; its side is `size` pixels, an odd number."""
    padded = np.pad(levels.astype(np.float32), size // 2)
    for axis in (0, 1):
        windows = np.lib.stride_tricks.sliding_window_view(padded, size, axis)
        padded = windows.max(axis=-1)
    return padded
