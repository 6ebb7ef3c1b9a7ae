"""A loaded artifact: from a file to predictions."""

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from edgernn.backends import Backend, Float32, check_suffix, open_artifact
from edgernn.card import Card, has_card, read_card
from edgernn.datasets import scale_pixels
from edgernn.errors import ArtifactError, DataError, InputError, NoStepError, SettingError
from edgernn.files import check_file
from edgernn.golden import check_golden, golden_inputs
from edgernn.stream import Stream
from edgernn.tasks import BINARY, CLASSIFICATION, REGRESSION, Task

MAX_BYTES = 1 << 30
# More than any device these models are for has cores; a backend given very many crashes.
MAX_THREADS = 64


@dataclass(frozen=True)
class Guess:
    """One class or label with its probability."""

    label: str
    probability: float


# Of one answer, of one a step, or of those of many samples.
Guesses: TypeAlias = "list[Guess] | list[Guesses]"


class Model:
    """An artifact, loaded and checked; made by `load`.

    Attributes:
        path: the file.
        card: what the artifact says of itself; None when it has none and was loaded unverified.
        task: what its answers are; classes, as far as anybody knows, when there is no card.
        backend: the library that executes it, with its version.
        input_shape: one sample without the batch, (steps, features).
    """

    def __init__(self, path: Path, card: Card | None, backend: Backend) -> None:
        self.path = path
        self.card = card
        self.task = card.task if card else Task(CLASSIFICATION)
        self.backend = backend.name
        self.input_shape = card.input_shape if card else backend.input_shape
        self._run = backend.run
        self._start = backend.start

    def predict(self, x: npt.ArrayLike) -> Float32:
        """Answer one sample or many.

        Args:
            x: [steps, features] or [samples, steps, features]; numbers as the card's `input_meaning` says,
                or uint8 pixels, which are scaled as it says.

        Returns:
            float32 [*output_shape] or [samples, *output_shape], a fresh array; output_shape is (outputs,), or
            (steps, outputs) of a model that gives an answer a step.

        Raises:
            InputError: another shape or type, or a NaN or infinity in it.
        """
        array = np.asarray(x)
        one = array.ndim == len(self.input_shape)
        samples = array[np.newaxis] if one else array
        if not fits(samples.shape[1:], self.input_shape) or not len(samples):
            expected = ", ".join("any" if size < 0 else str(size) for size in self.input_shape)
            raise InputError(f"the input has shape {array.shape}, expected ({expected}) or (samples, {expected})")
        answers = self._run(self._as_float32(samples))
        return answers[0] if one else answers

    def classify(self, x: npt.ArrayLike, top: int | None = None) -> Guesses:
        """Name what one sample or many show, most probable first.

        Args:
            x: as for `predict`.
            top: how many classes or labels to name; all by default.

        Returns:
            The guesses for one sample, or a list of them for many. Where there is an answer a step, a list of
            guesses a step stands in place of guesses.

        Raises:
            InputError: as for `predict`.
            ArtifactError: its answers are values, of which `predict` is all there is to say.
            SettingError: `top` is less than 1.
        """
        if self.task.kind == REGRESSION:
            raise ArtifactError(f"{self.path}: answers with values, which are no classes; `predict` gives them")
        return self._guess_each(self.predict(x), top)

    def stream(self) -> Stream:
        """Begin a sequence whose rows come one by one; the answers are those of `predict`.

        Raises:
            NoStepError: the artifact has no step; it only answers whole sequences.
        """
        try:
            return Stream(
                self._start(), self.input_shape[-1], self.card.output_shape if self.card else None, self._as_float32
            )
        except NoStepError as error:
            raise NoStepError(f"{self.path}: {error}") from error

    def guess(self, answer: Float32, top: int | None = None) -> list[Guess]:
        """Name the classes or labels of one answer, float32 [outputs], most probable first; see `classify`."""
        if top is not None and top < 1:
            raise SettingError(f"top={top}; expected at least 1")
        probabilities = self.task.probabilities(answer)
        if self.task.kind == BINARY:
            probabilities = np.concatenate([1 - probabilities, probabilities])
        order = np.argsort(-probabilities, kind="stable")[:top]
        labels = self.card.labels if self.card else ()
        return [Guess(labels[i] if labels else str(i), float(probabilities[i])) for i in order]

    def _guess_each(self, answers: Float32, top: int | None) -> Guesses:
        if answers.ndim == 1:
            return self.guess(answers, top)
        return [self._guess_each(answer, top) for answer in answers]

    def _as_float32(self, samples: npt.NDArray[np.generic]) -> Float32:
        if samples.dtype == np.uint8:
            try:
                samples = scale_pixels(samples, self.card.input_meaning if self.card else "")
            except DataError as error:
                raise InputError(str(error)) from error
        elif samples.dtype.kind not in "fiu":
            raise InputError(f"the input has type {samples.dtype}, expected numbers")
        x = np.ascontiguousarray(samples, np.float32)
        # A NaN or an infinity makes the sum of squares not finite, at a fifth of the price of isfinite().all().
        if not math.isfinite(np.vdot(x, x)) and not np.isfinite(x).all():
            raise InputError("the input holds NaN or infinity")
        return x


def load(path: str | os.PathLike[str], *, threads: int = 1, unverified: bool = False) -> Model:
    """Load an artifact, and check that it is what its card says and answers as its card promises.

    Args:
        path: a .tflite or an .onnx file.
        threads: how many the backend may use; models of this size are slower with more than one.
        unverified: also load a file that has no card, someone else's, unchecked.

    Raises:
        ArtifactError: the file cannot be read, has no card, is damaged, or the backend answers its
            golden samples wrongly.
        SettingError: `threads` is not from 1 to 64.
        MissingExtraError: the backend that reads it is not installed.
    """
    file = Path(path)
    check_suffix(file)
    return load_bytes(file, read_artifact(file), threads=threads, unverified=unverified)


def load_bytes(name: Path, data: bytes, *, threads: int = 1, unverified: bool = False) -> Model:
    """Load an artifact from memory; `name` has its suffix and stands in messages. Otherwise as `load`."""
    check_suffix(name)
    if not 1 <= threads <= MAX_THREADS:
        raise SettingError(f"{threads} threads; expected 1 to {MAX_THREADS}")
    try:
        if unverified and not has_card(data):
            return Model(name, None, open_artifact(name, data, threads))
        return _load_verified(name, data, threads)
    except ArtifactError as error:
        raise ArtifactError(f"{name}: {error}") from error


def read_artifact(path: Path) -> bytes:
    """The content of an artifact's file.

    Raises:
        ArtifactError: it is missing, empty, not a file, or larger than 1 GiB.
    """
    check_file(path, ArtifactError, MAX_BYTES)
    try:
        return path.read_bytes()
    except OSError as error:
        raise ArtifactError(f"{path}: cannot be read: {error.strerror or error}") from error


def fits(shape: tuple[int, ...], expected: tuple[int, ...]) -> bool:
    """Whether a shape is the expected one; -1 there is any size."""
    return len(shape) == len(expected) and all(b in (a, -1) for a, b in zip(shape, expected, strict=True))


def _load_verified(file: Path, data: bytes, threads: int) -> Model:
    if not has_card(data):
        raise ArtifactError(
            "no card in it, so it cannot be verified; if you trust it: load(path, unverified=True), or --unverified"
        )
    card = read_card(data)
    backend = open_artifact(file, data, threads)
    if not fits(card.input_shape, backend.input_shape):
        raise ArtifactError(f"takes samples of shape {backend.input_shape}, its card says {card.input_shape}")
    if card.golden is not None:
        inputs = golden_inputs(len(card.golden.outputs), card.input_shape, *card.input_range)
        check_golden(card, card.golden, backend.run(inputs), backend.name)
    return Model(file, card, backend)
