"""Loaded artifacts: from a file to predictions."""

import math
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple, NoReturn, TypeAlias

import numpy as np

from edgernn.arrays import ArrayLike, Float32
from edgernn.artifacts import find_artifacts, read_artifact
from edgernn.backends import check_suffix, open_artifact
from edgernn.backends.protocol import Backend, Stepper
from edgernn.card import Card, has_card, read_card
from edgernn.errors import ArtifactError, InputError, NoStepError, SettingError
from edgernn.golden import check_golden, inputs_of
from edgernn.inputs import InputReader, as_array
from edgernn.sample_shape import fits
from edgernn.sequences import is_shorter, of_different_lengths, padded
from edgernn.specs import InputSpec, OutputSpec, explain_count
from edgernn.stream import Stream
from edgernn.tasks import BINARY, CLASSIFICATION, REGRESSION, Task

# More than the cores of any target device; backends crash with a very large number.
MAX_THREADS = 64


class Guess(NamedTuple):
    """Class or label with its probability; a tuple, because it is imported faster than a dataclass."""

    label: str
    probability: float


# For one answer: a list of guesses. For an answer per step, or for many samples: nested lists.
Guesses: TypeAlias = "list[Guess] | list[Guesses]"


class Model:
    """Loaded and checked artifact; created by `load`.

    Several threads may use it, and any number of streams. Except with backend native, threads that share a model wait
    for each other; for more throughput, load one model in each thread.

    Attributes:
        path: the file.
        card: the artifact's description of itself; None if it has no card and was loaded unverified.
        task: what its answers are; without a card, classification is assumed.
        backend: the library that executes it, with its version.
        input_shape: shape of one sample without the batch, (steps, features).
        sample_shape: this shape, and that of the original Keras model where it is another one.
    """

    def __init__(
        self, path: Path, card: Card | None, backend: Backend, same_kernels: Callable[[], bool] = lambda: False
    ) -> None:
        self.path = path
        self.card = card
        self.task = card.task if card else Task(CLASSIFICATION)
        self.backend = backend.name
        self._input_spec = card.inputs[0] if card else InputSpec(shape=backend.input_shapes[0])
        self.input_shape = self._input_spec.shape
        self.sample_shape = self._input_spec.sample_shape
        reader = InputReader(self._input_spec)
        self._read = reader.read
        # Vectors of the model's own shape look like one sample and its rows, so they are folded first.
        is_vector = len(self._input_spec.own_shape) == 1
        max_square = reader.max_square(math.prod(self.input_shape))
        self._direct = None if is_vector else backend.direct_predict(max_square)
        self._executor = backend
        self._run = backend.run
        self._step_is_checked = False
        self._same_kernels = same_kernels

    def predict(self, x: ArrayLike) -> Float32:
        """Answer one sample or many.

        Args:
            x: [steps, features] or [samples, steps, features], or the same in the shape of the original Keras model
                (`sample_shape`). If the card has a scale for features, raw numbers, in the units of the samples that
                the model was exported with; otherwise numbers as the card's `input_meaning` says, or uint8 pixels,
                which are scaled as it says. At least one sample. If the model masks rows, sequences may be shorter,
                and a list may have sequences of different lengths.

        Returns:
            float32 [*output_shape] or [samples, *output_shape], a new array; output_shape is (outputs,), or
            (steps, outputs) for a model that answers every step.

        Raises:
            InputError: `x` has another shape or type, contains NaN or infinity, or is not scaled.
            ArtifactError: the backend cannot run the file.
        """
        if self._direct is not None and (found := self._direct(x)) is not None:
            return found
        values, one = self._read_samples(x)
        try:
            (answers,) = self._run((values,))
        except ArtifactError as error:
            raise ArtifactError(f"{self.path}: {error}") from error
        return answers[0] if one else answers

    def classify(self, x: ArrayLike, top: int | None = None) -> Guesses:
        """Classify one sample or many; the most probable class or label comes first.

        Args:
            x: as for `predict`.
            top: number of classes or labels to return; all by default.

        Returns:
            A list of guesses for one sample, or a list of such lists for many. For a model that answers every step,
            each sample has a list of guesses per step.

        Raises:
            InputError: as for `predict`.
            ArtifactError: the model is a regression; its answers are values, not classes.
            SettingError: `top` is less than 1.
        """
        self._check_classes()
        return self._guess_each(self.predict(x), top)

    def stream(self) -> Stream:
        """Begin a sequence whose rows come one by one; the answers are those of `predict`.

        The first call also streams the golden samples and checks their answers.

        Raises:
            NoStepError: the artifact has no step; it only answers whole sequences.
            ArtifactError: the backend answers the streamed golden samples wrongly.
        """
        try:
            stepper = self._executor.start()
        except NoStepError as error:
            raise NoStepError(f"{self.path}: {error}{self._sibling()}") from error
        except ArtifactError as error:
            raise ArtifactError(f"{self.path}: {error}") from error
        if not self._step_is_checked:
            self._check_step(stepper)
        return self._stream(stepper, self._input_spec)

    def bare_call(self, x: ArrayLike) -> Callable[[], object]:
        """Return the backend's own call for one sample, to measure the time that this package adds.

        Args:
            x: [steps, features].

        Raises:
            InputError: as for `predict`, or `x` is not one sample.
        """
        array = as_array(x)
        if array.shape != self.input_shape:
            array = self.sample_shape.fold(array)
        if not self._is_one(array.shape):
            raise InputError(f"the input has shape {array.shape}, expected one sample of shape {self.input_shape}")
        return self._executor.bare((self._read(array[np.newaxis]),))

    def __reduce__(self) -> NoReturn:
        raise TypeError("a loaded model cannot be copied or sent to another process; load the file in each process")

    def guess(self, answer: Float32, top: int | None = None) -> list[Guess]:
        """Name the classes or labels of one answer, float32 [outputs], most probable first; see `classify`.

        Raises:
            InputError: `answer` is not one answer of this model.
            ArtifactError, SettingError: as for `classify`.
        """
        self._check_classes()
        answer = as_array(answer)  # type: ignore[assignment]
        outputs = self.card.output_shape[-1] if self.card else len(answer) if answer.ndim else 1
        if answer.shape != (outputs,) or answer.dtype.kind != "f":
            raise InputError(
                f"the answer has shape {answer.shape} and type {answer.dtype}, expected ({outputs},) and float32, one "
                "answer of `predict`"
            )
        if top is not None and not (isinstance(top, int) and top >= 1):
            raise SettingError(f"top={top}; expected at least 1")
        probabilities = self.task.probabilities(answer)
        if self.task.kind == BINARY:
            probabilities = np.concatenate([1 - probabilities, probabilities])
        order = np.argsort(-probabilities, kind="stable")[:top]
        labels = self.card.labels if self.card else ()
        return [Guess(labels[i] if labels else str(i), float(probabilities[i])) for i in order]

    def _check_classes(self) -> None:
        if self.task.kind == REGRESSION:
            raise ArtifactError(f"{self.path}: its answers are values, not classes; use `predict`")

    def takes(self, shape: tuple[int, ...]) -> bool:
        """Return True if a sample may have this shape: `input_shape`, or fewer steps if the model masks rows."""
        return fits(shape, self.input_shape) or (len(shape) == 2 and is_shorter(shape, self._input_spec))

    def _read_samples(self, x: ArrayLike) -> tuple[Float32, bool]:
        """Return samples as the backend takes them, [samples, *input_shape], and True if `x` is a single one."""
        spec = self._input_spec
        sequences = of_different_lengths(x, spec)
        if sequences is not None:
            return np.concatenate([padded(self._read(each[np.newaxis]), spec) for each in sequences]), False
        array = as_array(x)
        if self.sample_shape.own:
            array = self.sample_shape.fold(array)
        if is_shorter(array.shape, spec):
            one = array.ndim == 2
            return padded(self._read(array[np.newaxis] if one else array), spec), one
        one = array.shape == self.input_shape  # the common case, fast
        if not one:
            one = self._is_one(array.shape)
        return self._read(array[np.newaxis] if one else array), one

    def _is_one(self, shape: tuple[int, ...]) -> bool:
        """Return True if an array of this shape is one sample, False if it is many."""
        one = fits(shape, self.input_shape)
        if not (one or fits(shape[1:], self.input_shape)) or 0 in shape:
            at_least = "" if 0 not in shape[:1] else ", samples at least 1"
            raise InputError(f"the input has shape {shape}, expected {self.sample_shape.describe()}{at_least}")
        return one

    def _guess_each(self, answers: Float32, top: int | None) -> Guesses:
        if answers.ndim == 1:
            return self.guess(answers, top)
        return [self._guess_each(answer, top) for answer in answers]

    def _stream(self, stepper: Stepper, input_spec: InputSpec) -> Stream:
        return Stream(
            self.path,
            stepper,
            input_spec=input_spec,
            output_shape=self.card.output_shape if self.card else None,
        )

    def _check_step(self, stepper: Stepper) -> None:
        """Check the streamed answers to the golden samples against the card."""
        card = self.card
        if card is not None and card.golden is not None:
            stream = self._stream(stepper, self._input_spec.without_scale)
            (samples,) = inputs_of(card.golden, card)
            answers = np.stack([stream.answer(sample) for sample in samples])
            name = f"{self.backend}, row by row,"
            try:
                check_golden(card, card.golden, (answers,), name, streamed=True, same_kernels=self._same_kernels)
            except ArtifactError as error:
                raise ArtifactError(f"{self.path}: {error}") from error
            stepper.reset()
        self._step_is_checked = True

    def _sibling(self) -> str:
        """Return a hint at another artifact of the same model in this folder that can stream; empty if none can."""
        if self.card is None:
            return ""
        for path, card in find_artifacts(self.path.parent):
            if card.states and card.source_sha256 == self.card.source_sha256 and path.name != self.path.name:
                return f"; {path.name}, of the same model, can"
        return ""


def load(
    path: str | os.PathLike[str], *, backend: str | None = None, threads: int = 1, unverified: bool = False
) -> Model:
    """Load an artifact, and check its content and its answers against its card.

    Args:
        path: a .tflite or an .onnx file of at most 1 GiB.
        backend: native, litert, tflite-runtime, tflite-micro or onnxruntime. None chooses the first of them that is
            installed, reads the file, and gives the answers of its card; tflite-micro is used only when named here.
        threads: number of threads that the backend may use; models of this size are slower with more than one.
        unverified: also load a file without a card, which edgernn did not export; it is not checked.

    Raises:
        ArtifactError: the file cannot be read, has no card, is damaged, or the backend answers its
            golden samples wrongly.
        SettingError: `threads` is not from 1 to 64, or the backend is unknown or reads other files.
        MissingExtraError: the backend that reads it is not installed.
    """
    file = Path(path)
    check_suffix(file)
    return load_bytes(file, read_artifact(file), backend=backend, threads=threads, unverified=unverified)


def load_bytes(
    name: Path,
    data: bytes,
    *,
    backend: str | None = None,
    threads: int = 1,
    unverified: bool = False,
    unfinished: bool = False,
) -> Model:
    """Load an artifact from memory; otherwise as `load`.

    Args:
        name: the file's name; its suffix selects the backend, and messages quote it.
        unfinished: also load a file whose card has no golden samples yet, as during an export before the proof.
    """
    check_suffix(name)
    if not (isinstance(threads, int) and 1 <= threads <= MAX_THREADS):
        raise SettingError(f"threads={threads!r}; expected a whole number from 1 to {MAX_THREADS}")
    try:
        if unverified and not has_card(data):
            return Model(name, None, _open(name, data, threads, backend, with_partial=False))
        return _load_verified(name, data, backend_name=backend, threads=threads, unfinished=unfinished)
    except ArtifactError as error:
        raise ArtifactError(f"{name}: {error}") from error


def load_opened(name: Path, data: bytes, open_backend: Callable[[], Backend], *, unfinished: bool = False) -> Model:
    """Load an artifact from memory by a backend that is not an installed one, as an export of C source does.

    Args:
        name: the file's name, for messages.
        data: its content, with a card.
        open_backend: opens the content.
        unfinished: as for `load_bytes`.
    """
    try:
        card = _read_verified(name, data, unfinished=unfinished)
        return _checked(name, card, open_backend(), 1)
    except ArtifactError as error:
        raise ArtifactError(f"{name}: {error}") from error


def _load_verified(file: Path, data: bytes, *, backend_name: str | None, threads: int, unfinished: bool) -> Model:
    card = _read_verified(file, data, unfinished=unfinished)
    backend = _open(file, data, threads, backend_name)
    try:
        return _checked(file, card, backend, threads)
    except ArtifactError:
        if backend_name is not None:
            raise
        other = _open(file, data, threads, None, with_partial=False)
        if other.name == backend.name:
            raise
        return _checked(file, card, other, threads)


def _read_verified(file: Path, data: bytes, *, unfinished: bool) -> Card:
    """Read the card of an artifact whose answers can be checked."""
    if not has_card(data):
        from edgernn.foreign import check_content  # late: an artifact does not need it

        check_content(file.suffix, data)
        raise ArtifactError(
            "no card in it, so its answers cannot be verified; if you trust the file, pass --unverified "
            "(in Python: unverified=True)"
        )
    card = read_card(data)
    if card.golden is None and not unfinished:
        raise ArtifactError("its card has no golden samples, so its answers cannot be checked; export it again")
    return card


def _checked(file: Path, card: Card, backend: Backend, threads: int) -> Model:
    """Check a backend's shapes and golden answers against the card."""
    _check_shapes("samples", backend.input_shapes, card.inputs)
    _check_shapes("answers", backend.output_shapes, card.outputs)
    same_kernels = partial(_has_kernels_of, card, backend.name, threads)
    if card.golden is not None:
        outputs = backend.run(inputs_of(card.golden, card))
        check_golden(card, card.golden, outputs, backend.name, same_kernels=same_kernels)
    return Model(file, card, backend, same_kernels)


def _open(file: Path, data: bytes, threads: int, backend_name: str | None, *, with_partial: bool = True) -> Backend:
    """Open an artifact with one input and one output."""
    backend = open_artifact(file, data, threads, backend_name, with_partial=with_partial)
    reason = explain_count(len(backend.input_shapes), len(backend.output_shapes))
    if reason:
        raise ArtifactError(reason)
    return backend


def _check_shapes(
    word: str, found: Sequence[tuple[int, ...]], specs: Sequence[InputSpec] | Sequence[OutputSpec]
) -> None:
    """Check that a file's inputs or outputs have the shapes in its card."""
    expected = [spec.shape for spec in specs]
    if len(found) != len(expected) or not all(map(fits, expected, found)):
        raise ArtifactError(
            f"its {word} have shape {', '.join(map(str, found))}, its card says {', '.join(map(str, expected))}; "
            "export it again"
        )


def _has_kernels_of(card: Card, backend: str, threads: int) -> bool:
    """Return True if the backend computes with the kernels of the card's exporter."""
    from edgernn.kernels import has_kernels  # late: rarely needed

    return card.golden is not None and has_kernels(card.golden.kernels, backend, card.quantization, threads)
