"""Samples for a model from the inputs on the command line: files, folders, lines of standard input.

A file is checked as a whole before any of it is answered.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from edgernn.arrays import Array
from edgernn.data.named_arrays import find_idx_file
from edgernn.data.pictures import IMAGE_SUFFIXES, read_picture
from edgernn.data.readers import is_readable, parse_sample, read_array
from edgernn.data.readers.text import BOM, MAX_LINE_BYTES
from edgernn.errors import DataError, InputError, list_names
from edgernn.inputs import SCALING_ADVICE
from edgernn.model import Model
from edgernn.specs import SCALED

# Limits for one call of a backend: large enough to make the cost of calls small, small enough to bound memory.
MAX_CHUNK_SAMPLES, MAX_CHUNK_BYTES = 256, 4 << 20


@dataclass(frozen=True)
class Files:
    """Files to read for one path.

    Attributes:
        read: the path, or the supported files of a folder, sorted by name.
        skipped: the names of a folder's other entries.
    """

    read: Sequence[Path]
    skipped: Sequence[str] = ()


@dataclass(frozen=True)
class Line:
    """Line of standard input: its number, from 1, and its sample, [1, steps, features], or the error."""

    number: int
    samples: Array | None
    error: str = ""


def find_files(path: Path) -> Files:
    """List the files of a path: the path itself, or the files in a folder, without its subfolders.

    Of a folder with MNIST's IDX files, these are the test images, as of an .npz.

    Raises:
        DataError: a folder cannot be read, or contains no supported file.
    """
    try:
        if not path.is_dir():
            return Files((path,))
        if tests := find_idx_file(path, "x_test"):
            return Files((tests,))
        with os.scandir(path) as entries:
            names = sorted(entry.name for entry in entries if not entry.name.startswith("."))
        wanted = [name for name in names if _is_wanted(path / name)]
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    if not wanted:
        found = f"a folder without a supported file ({len(names):,} skipped)" if names else "an empty folder"
        raise DataError(f"{path}: {found}, expected pictures, arrays, CSV or JSON lines")
    kept = set(wanted)
    return Files(tuple(path / name for name in wanted), tuple(name for name in names if name not in kept))


def read_samples(path: Path, model: Model) -> Array:
    """Read the samples in a file, [samples, steps, features], for `Model.predict`.

    Raises:
        DataError: the file cannot be read.
        InputError: the samples do not fit the model.
        MissingExtraError: it is a picture, and Pillow is not installed.
    """
    if path.name.lower().endswith(IMAGE_SUFFIXES):
        return read_picture(path, model.card)[np.newaxis]
    try:
        return check_samples(read_array(path, model.card.inputs[0].features if model.card else ()), model)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def check_samples(x: Array, model: Model) -> Array:
    """Check that samples, or one sample, fit a model.

    Returns:
        The samples, [samples, steps, features].

    Raises:
        InputError: wrong shape or type, no samples, NaN or infinity, or pixels that are not scaled.
    """
    if x.dtype.kind not in "fiu":
        raise InputError(f"the input has type {x.dtype}, expected numbers")
    folded = model.sample_shape.fold(x)
    samples = folded[np.newaxis] if model.takes(folded.shape) else folded
    if not model.takes(samples.shape[1:]):
        expected = model.sample_shape.describe()
        raise InputError(f"the input has shape {x.shape}, expected {expected}{_advise(samples, model)}")
    if not samples.size:
        raise InputError(f"the input has shape {x.shape}, expected at least one sample")
    for start, chunk in chunks(samples):
        _check_values(chunk, start, model)
    return samples


def chunks(samples: Array) -> Iterator[tuple[int, Array]]:
    """Split samples [samples, ...] into chunks for one call of a backend, each with the index of its first sample.

    All types except uint8, which is pixels, become float32; values too large for float32 become infinity.
    """
    bytes_each = max(1, samples[0].size * 4)
    step = max(1, min(MAX_CHUNK_SAMPLES, MAX_CHUNK_BYTES // bytes_each))
    for start in range(0, len(samples), step):
        chunk = samples[start : start + step]
        with np.errstate(over="ignore"):
            yield start, chunk if chunk.dtype == np.uint8 else np.asarray(chunk, np.float32)


def read_lines(stream: BinaryIO, model: Model) -> Iterator[Line]:
    """Read JSON lines as they arrive, one sample each; skip blank ones."""
    number = 0
    while line := stream.readline(MAX_LINE_BYTES + 1):
        number += 1
        rest = line
        while len(rest) > MAX_LINE_BYTES and not rest.endswith(b"\n"):
            rest = stream.readline(MAX_LINE_BYTES + 1)
        text = line.removeprefix(BOM).strip() if number == 1 else line.strip()
        if text:
            yield _parse_line(number, text, model)


def _parse_line(number: int, text: bytes, model: Model) -> Line:
    try:
        sample = model.sample_shape.fold(parse_sample(text))
        if not model.takes(sample.shape):
            raise InputError(f"has shape {sample.shape}, expected {model.input_shape}, one sample a line")
        ((_, samples),) = chunks(check_samples(sample, model))
        return Line(number, samples)
    except DataError as error:
        return Line(number, None, str(error))


def _advise(samples: Array, model: Model) -> str:
    """Say what to do with samples of another shape: a recording of any length, or other columns."""
    if samples.ndim != 3 or len(model.input_shape) != 2:
        return ""
    steps, features = model.input_shape
    if samples.shape[-1] != features:
        names = model.card.inputs[0].features if model.card else ()
        return f"; the features are {list_names(names)}" if names else ""
    blank = f"; in a CSV file, a blank line ends each sample of {steps} rows"
    if model.card and model.card.states and samples.shape[1] > steps:
        command = f"edgernn stream {model.path.name} --every {steps} --last < FILE"
        return f"{blank}; {command} answers recordings of any length"
    return blank


def _is_wanted(path: Path) -> bool:
    return path.is_file() and (is_readable(path) or path.name.lower().endswith(IMAGE_SUFFIXES))


def _check_values(chunk: Array, start: int, model: Model) -> None:
    if chunk.dtype == np.uint8:
        return
    values = np.asarray(chunk, np.float32)
    axes = tuple(range(1, chunk.ndim))
    bad = ~np.isfinite(values).all(axis=axes)
    if bad.any():
        raise InputError(f"the input contains NaN or infinity, first in sample {start + int(bad.argmax())}")
    if model.card is None or model.card.input_meaning not in SCALED:
        return  # a sensor may measure values outside the range of the training data
    low, high = model.card.input_range
    # Noise exceeds the range a little; pixels that are not scaled exceed it by far.
    outside = ((values < low - (high - low)) | (values > high + (high - low))).any(axis=axes)
    if outside.any():
        first = int(outside.argmax())
        least, most = float(values[first].min()), float(values[first].max())
        raise InputError(
            f"sample {start + first} has values from {least:g} to {most:g}, expected {low:g} to {high:g} "
            f"({model.card.input_meaning}); {SCALING_ADVICE[model.card.input_meaning]}"
        )
