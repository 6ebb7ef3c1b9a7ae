"""An artifact as what is timed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from edgernn.arrays import Float32
from edgernn.errors import ArtifactError, InputError, NoStepError
from edgernn.golden import golden_inputs
from edgernn.model import Model, load

Call = Callable[[], object]

INVOKE, PREDICT, STEP = "invoke", "predict", "step"
# How many steps a file takes that takes any number and does not say what is usual.
FREE_STEPS = 28


@dataclass(frozen=True)
class ArtifactLoader:
    """Loads an artifact; goes from one process to another.

    Attributes:
        path: the file.
        backend, threads, unverified: as `edgernn.load` takes them.
        x: the sample that it answers, float32 [steps, features]; None: one is made up, see `usual_input`.
    """

    path: Path
    backend: str | None = None
    threads: int = 1
    unverified: bool = False
    x: Float32 | None = None

    def __call__(self) -> "LoadedArtifact":
        """Load it: the card, the digest and the golden samples are checked, as on every load.

        Raises:
            ArtifactError, InputError: as `edgernn.load`, or it does not take the sample.
        """
        model = load(self.path, backend=self.backend, threads=self.threads, unverified=self.unverified)
        return LoadedArtifact(model, usual_input(model) if self.x is None else self.x)


class LoadedArtifact:
    """An artifact, loaded, with the sample that it answers, float32 [steps, features]."""

    def __init__(self, model: Model, x: Float32) -> None:
        self.model, self.x = model, x

    def answer(self) -> Float32:
        """One `predict`."""
        return self.model.predict(self.x)

    def calls(self) -> Mapping[str, Call]:
        """`INVOKE`: the backend alone, its input in place; `PREDICT`: a sample in, its answer out; `STEP`, of a stream.

        Each has been called once, so that a backend that cannot says so here.

        Raises:
            ArtifactError: it cannot.
        """
        try:
            calls: dict[str, Call] = {
                INVOKE: self.model.bare_call(self.x),
                PREDICT: partial(self.model.predict, self.x),
            }
            for call in calls.values():
                call()
        except (ArtifactError, InputError) as error:
            raise ArtifactError(f"{self.model.path}: {error}") from error
        try:
            calls[STEP] = partial(self.model.stream().push, self.x[0])
        except NoStepError:  # then it has no such figure
            return calls
        calls[STEP]()
        return calls


def usual_input(model: Model) -> Float32:
    """A made-up sample within the range of the card, float32 [steps, features]."""
    low, high = model.card.input_range if model.card else (0.0, 1.0)
    shape = tuple(FREE_STEPS if size < 0 else size for size in model.input_shape)
    x: Float32 = golden_inputs([0], shape, low, high)[0]
    return x
