"""A session: candidates measured side by side, with the machine's state before, during and after."""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np

from edgernn.arrays import Float32
from edgernn.bench.environment import describe_machine, frequency_mhz, look_at_machine
from edgernn.bench.isolated import Isolated, start_isolated
from edgernn.bench.result import ARTIFACT, Answers, Measured, Result, unique_names
from edgernn.bench.stopwatch import LoadedSubject, Local, Method, Subject, Turn, clock_step_ns, measure
from edgernn.bench.subjects import ArtifactLoader, LoadedArtifact
from edgernn.errors import ArtifactError, SettingError, printable
from edgernn.model import Model
from edgernn.suggestions import did_you_mean
from edgernn.system.files import sha256_of
from edgernn.system.machine import busy_seconds, own_seconds


@dataclass(frozen=True)
class Candidate:
    """Subject to be measured.

    Attributes:
        facts: its measurements without times and memory.
        load: loads it; is sent to another process if isolated.
        reload: True to load it again in every round; False if loading takes seconds.
    """

    facts: Measured
    load: Callable[[], LoadedSubject]
    reload: bool = True


@dataclass(frozen=True)
class OpenArtifact:
    """Artifact that was loaded and whose calls work.

    Attributes:
        facts: its measurements without times and memory.
        loader: loads it again.
        model: the loaded artifact.
    """

    facts: Measured
    loader: ArtifactLoader
    model: Model

    def candidate(self, x: Float32 | None = None, answers: Answers | None = None) -> Candidate:
        """Return the artifact as a candidate.

        Args:
            x: the sample that it answers, float32 [steps, features]; a generated one by default.
            answers: the accuracy of its answers, if known.
        """
        shape = self.facts.input_shape if x is None else x.shape
        return Candidate(replace(self.facts, input_shape=shape, answers=answers), replace(self.loader, x=x))


def open_artifacts(loaders: Sequence[ArtifactLoader], role: str = ARTIFACT) -> list[OpenArtifact]:
    """Load artifacts and try all their calls.

    Raises:
        EdgernnError: one cannot be loaded or called, or answers with NaN or infinity.
    """
    opened = [loader() for loader in loaders]
    for each in opened:
        each.calls()
        if not np.isfinite(each.answer()).all():
            raise ArtifactError(f"{each.model.path}: answers with NaN or infinity; export it again")
    paths = [loader.path for loader in loaders]
    names = unique_names([printable(path.name) for path in paths], [printable(str(path)) for path in paths])
    return [
        OpenArtifact(_facts(name, role, each), loader, each.model)
        for name, loader, each in zip(names, loaders, opened, strict=True)
    ]


def run_session(
    candidates: Sequence[Candidate],
    method: Method,
    *,
    baseline: str | None = None,
    isolated: bool = False,
    threads: int = 1,
    progress: Callable[[Turn], None] = lambda _turn: None,
) -> Result:
    """Measure candidates.

    Args:
        candidates: at least one; their names differ.
        method: of measuring.
        baseline: the name of the candidate that speeds are relative to; the first by default.
        isolated: True to run each candidate in an isolated process.
        threads: of each artifact; only recorded, the candidates' loaders set it.
        progress: called before each candidate is timed in a round.

    Raises:
        SettingError: no candidate has the baseline's name, or two have the same name.
        EdgernnError: one of them fails.
    """
    names = [candidate.facts.name for candidate in candidates]
    check_baseline(baseline, names)
    started, before, watch = datetime.now(UTC), look_at_machine(), _Watch()
    measured, frequencies = _measure(candidates, method, isolated, progress)
    return Result(
        started=started.isoformat(timespec="seconds"),
        method=method,
        isolated=isolated,
        threads=threads,
        clock_step_ns=clock_step_ns(),
        machine=describe_machine(),
        before=before,
        # After the children have ended, because only then their time counts as this process's own.
        others_cores=watch.others_cores(),
        after=look_at_machine(),
        frequencies_mhz=frequencies,
        subjects=measured,
        baseline=baseline or names[0],
    )


def _measure(
    candidates: Sequence[Candidate], method: Method, isolated: bool, progress: Callable[[Turn], None]
) -> tuple[tuple[Measured, ...], tuple[float, ...]]:
    """Return the measurements of each, and the frequency after each round where the machine reports it, in MHz."""
    frequencies = []

    with ExitStack() as stack:
        subjects: dict[str, Subject] = {
            each.facts.name: (
                stack.enter_context(start_isolated(each.facts.name, each.load, reload=each.reload))
                if isolated
                else Local(each.load, reload=each.reload)
            )
            for each in candidates
        }
        times = measure(subjects, method, lambda: frequencies.append(frequency_mhz()), progress)
        memory = {name: subject.memory() for name, subject in subjects.items() if isinstance(subject, Isolated)}
    measured = (
        replace(
            each.facts,
            turns={call: tuple(rounds) for call, rounds in times[each.facts.name].items()},
            memory=memory.get(each.facts.name),
        )
        for each in candidates
    )
    return tuple(measured), tuple(each for each in frequencies if each is not None)


class _Watch:
    """Counter of the time that other processes use from now on."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._others = self._seconds()

    def others_cores(self) -> float | None:
        """Return the mean number of cores that others used; call it after this process's children have ended."""
        now = self._seconds()
        if now is None or self._others is None:
            return None
        # The kernel counts whole ticks, so the difference may be slightly negative.
        return max(0.0, (now - self._others) / (time.monotonic() - self._start))

    @staticmethod
    def _seconds() -> float | None:
        busy = busy_seconds()
        return None if busy is None else busy - own_seconds()


def check_baseline(baseline: str | None, names: Sequence[str]) -> None:
    """Check, before anything is measured, that the names differ and that one is the baseline's.

    Raises:
        SettingError: two names are equal, or none is the baseline's.
    """
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise SettingError(f"{twice!r} is given twice; give each artifact once")
    if baseline is not None and baseline not in names:
        raise SettingError(
            f"no baseline {baseline!r}; expected one of {', '.join(names)}{did_you_mean(baseline, names)}"
        )


def _facts(name: str, role: str, opened: LoadedArtifact) -> Measured:
    model, card = opened.model, opened.model.card
    return Measured(
        name=name,
        role=role,
        backend=model.backend,
        size_bytes=model.path.stat().st_size,
        sha256=sha256_of(model.path),
        quantization=card.quantization if card else "",
        layout=card.layout if card else "",
        verified=card is not None,
        input_shape=opened.x.shape,
        turns={},
        source_sha256=card.source_sha256 if card else "",
        exact_stream=card is not None and card.exact_stream,
    )
