"""An artifact as a subject of the stopwatch."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from edgernn.arrays import Float32
from edgernn.errors import ArtifactError, InputError, NoStepError
from edgernn.golden import golden_inputs
from edgernn.model import Model, load

Call = Callable[[], object]

INVOKE, PREDICT, STEP = "invoke", "predict", "step"
# Steps of the input for a file that accepts any number and has no card.
FREE_STEPS = 28


@dataclass(frozen=True)
class ArtifactLoader:
    """Loader of an artifact; it can be sent to another process.

    Attributes:
        path: the file.
        backend, threads, unverified: arguments of `edgernn.load`.
        x: the sample that the artifact answers, float32 [steps, features]; None: a generated one, see `usual_input`.
        only: the calls to time; all by default.
    """

    path: Path
    backend: str | None = None
    threads: int = 1
    unverified: bool = False
    x: Float32 | None = None
    only: tuple[str, ...] = ()

    def __call__(self) -> "LoadedArtifact":
        """Load the artifact and check its card, digest and golden samples, as on every load.

        Raises:
            ArtifactError, InputError: as `edgernn.load`, or the sample does not fit the model.
        """
        model = load(self.path, backend=self.backend, threads=self.threads, unverified=self.unverified)
        return LoadedArtifact(model, usual_input(model) if self.x is None else self.x, self.only)


class LoadedArtifact:
    """Loaded artifact, with the sample that it answers, float32 [steps, features], and the only calls to time."""

    def __init__(self, model: Model, x: Float32, only: tuple[str, ...] = ()) -> None:
        self.model, self.x, self._only = model, x, only

    def answer(self) -> Float32:
        """Answer the sample with `predict`."""
        return self.model.predict(self.x)

    def calls(self) -> Mapping[str, Call]:
        """Return `INVOKE`, the bare backend, `PREDICT`, a sample in and its answer out, and `STEP`, of a stream.

        Each has been called once, so that a backend that cannot run it fails here. An artifact that cannot stream has
        no `STEP`.

        Raises:
            ArtifactError: the backend cannot run the artifact.
        """
        wanted = self._only or (INVOKE, PREDICT, STEP)
        try:
            self.answer()  # before the bare call, whose errors are the library's own
            calls: dict[str, Call] = {
                INVOKE: self.model.bare_call(self.x),
                PREDICT: partial(self.model.predict, self.x),
            }
        except InputError as error:
            raise ArtifactError(f"{self.model.path}: {error}") from error
        calls[INVOKE]()
        if STEP in wanted:  # opening a stream answers the golden samples row by row
            with suppress(NoStepError):
                calls[STEP] = partial(self.model.stream().push, self.x[0])
                calls[STEP]()
        return {name: call for name, call in calls.items() if name in wanted}


def usual_input(model: Model) -> Float32:
    """Generate a sample within the range of the card's raw inputs, float32 [steps, features]."""
    ranges = model.card.inputs[0].raw_ranges if model.card else ((0.0, 1.0),)
    low, high = zip(*ranges, strict=True)
    shape = tuple(FREE_STEPS if size < 0 else size for size in model.input_shape)
    x: Float32 = golden_inputs([0], shape, low=low, high=high)[0]
    return x
