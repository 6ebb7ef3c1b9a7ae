"""What was measured: raw times and facts about the machine and the subjects, and the reasons to doubt them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from edgernn.bench.environment import throttled_reasons
from edgernn.bench.isolated import Memory
from edgernn.bench.statistics import Latency, Ratio, speed_ratio, summarize
from edgernn.bench.stopwatch import Method, Round
from edgernn.bench.subjects import PREDICT
from edgernn.errors import SettingError
from edgernn.tasks import Task

ARTIFACT, ORIGINAL, PEER = ROLES = ("artifact", "original", "peer")

# From here on a figure is not to be believed. The share of its turns in which a subject must have had its core; half
# the width of its interval; how far the clock may change between rounds.
LEAST_SHARE, MOST_SPREAD, MOST_CHANGE = 0.97, 0.05, 0.1
# Other processes slow one down through caches, memory and clock even on another core, if they have so many of all.
MOST_OTHERS = 0.4
# With fewer rounds and less time, nobody can tell.
LEAST_ROUNDS, LEAST_SECONDS = 10, 1.0


@dataclass(frozen=True)
class Answers:
    """Accuracy of a subject's answers.

    Attributes:
        measures: by the names of `edgernn.tasks.MEASURES`; empty where the truth is not known.
        agreement: with the original, as `Task.agreement`: share of the same decisions, or R².
        largest_difference: from the original in any number, as `metrics.largest_difference`.
    """

    measures: Mapping[str, float]
    agreement: float
    largest_difference: float


@dataclass(frozen=True)
class Measured:
    """Measurements of a subject.

    Attributes:
        name: of the file, or what an original or a peer is called; no other subject of the result has it.
        role: artifact, original (the Keras model) or peer (the same model by another tool).
        backend: what executes it, with its version.
        size_bytes: of the file.
        sha256: of the file.
        quantization, layout: as the card says; empty where none does.
        verified: whether it has a card, and is what that says.
        input_shape: of the sample that it answers, (steps, features).
        turns: by call what was seen in each round: `load`, `first answer` (loading included), `invoke`, `predict`,
            `step`.
        memory: of a process of its own; None where there was none.
        answers: None where there was no original to compare with.
        source_sha256: of the Keras file that it was exported from, as its card says; empty without a card.
        exact_stream: True if a stream gives the same bits as `predict`: its states are int8, as its card says.
    """

    name: str
    role: str
    backend: str
    size_bytes: int
    sha256: str
    quantization: str
    layout: str
    verified: bool
    input_shape: tuple[int, ...]
    turns: Mapping[str, tuple[Round, ...]]
    memory: Memory | None = None
    answers: Answers | None = None
    source_sha256: str = ""
    exact_stream: bool = False

    @cached_property
    def latencies(self) -> Mapping[str, Latency]:
        """By call."""
        return {call: summarize(turns) for call, turns in self.turns.items()}

    @property
    def predict(self) -> Latency:
        """A float32 sample in, its answer out."""
        return self.latencies[PREDICT]

    @property
    def median_ms(self) -> tuple[float, float]:
        """Of loading, and of loading and the first answer, in milliseconds."""
        return self.latencies["load"].median_us / 1000, self.latencies["first answer"].median_us / 1000

    @cached_property
    def doubts(self) -> tuple[str, ...]:
        """Why its times are not to be believed; empty where they are."""
        timed = {call: turns for call, turns in self.turns.items() if len(turns) > 1 and call in _TIMED}
        share = float(np.mean([turn.cpu_share for turns in timed.values() for turn in turns])) if timed else 1.0
        doubts = []
        if share < LEAST_SHARE:
            doubts.append(f"other processes had its core for {1 - share:.0%} of the time")
        noisy = [call for call in _TIMED if call in timed and self.latencies[call].spread > MOST_SPREAD]
        if noisy:
            doubts.append("noisy: " + ", ".join(f"{call} ±{self.latencies[call].spread:.0%}" for call in noisy))
        unsettled = [call for call, turns in timed.items() if sum(turn.settled for turn in turns) < len(turns) / 2]
        return (*doubts, *(f"{call} had not settled when it was timed" for call in unsettled))


_TIMED = ("invoke", "predict", "step")


@dataclass(frozen=True)
class Result:
    """Everything that was measured at one time on one machine.

    Attributes:
        started: when, ISO 8601 with its time zone.
        method: how.
        isolated: whether each subject had a process of its own.
        threads: of each artifact.
        clock_step_ns: the shortest time that the clock tells from none.
        machine: `environment.describe_machine`.
        before, after: `environment.look_at_machine`.
        others_cores: how many cores other processes kept busy meanwhile; None where the machine does not tell.
        frequencies_mhz: of the first core after each round; empty where the machine does not tell.
        subjects: in the order they were given, originals first.
        baseline: the name of the subject that speeds are told against.
        task: what is asked for; None where there was no original.
        samples: how many were answered for `Measured.answers`.
        limits: what an artifact must keep to be recommended: `max_drop_points` and `min_agreement`.
        evidence: what a report shows beside figures, see `edgernn_benchmarks.evidence`; empty where there is none.
    """

    started: str
    method: Method
    isolated: bool
    threads: int
    clock_step_ns: int
    machine: Mapping[str, Any]
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    others_cores: float | None
    frequencies_mhz: tuple[float, ...]
    subjects: tuple[Measured, ...]
    baseline: str
    task: Task | None = None
    samples: int = 0
    limits: Mapping[str, float] = field(default_factory=dict)
    evidence: Mapping[str, Any] = field(default_factory=dict)

    @property
    def artifacts(self) -> tuple[Measured, ...]:
        """Without originals and peers."""
        return tuple(subject for subject in self.subjects if subject.role == ARTIFACT)

    @property
    def original(self) -> Measured | None:
        """The first original that has answers, with which artifacts are compared."""
        return next((each for each in self.subjects if each.role == ORIGINAL and each.answers), None)

    @property
    def strangers(self) -> tuple[Measured, ...]:
        """Artifacts that were exported from another Keras file than the original."""
        original = self.original
        if original is None:
            return ()
        return tuple(each for each in self.artifacts if each.source_sha256 not in ("", original.sha256))

    @property
    def doubts(self) -> tuple[str, ...]:
        """Why no time of this result is to be believed; empty where the machine gives no reason."""
        method, doubts = self.method, []
        if method.rounds < LEAST_ROUNDS or method.seconds < LEAST_SECONDS:
            doubts.append(
                f"{method.seconds:g} s for each call in {method.rounds} rounds tells little; {LEAST_SECONDS:g} s in "
                f"{LEAST_ROUNDS} rounds are the least"
            )
        for when, state in (("before", self.before), ("after", self.after)):
            reasons = throttled_reasons(state["throttled"] or 0)
            if reasons:
                doubts.append(f"throttled ({when}): {', '.join(reasons)}")
        if self.frequencies_mhz:
            slowest, quickest = min(self.frequencies_mhz), max(self.frequencies_mhz)
            if quickest - slowest > MOST_CHANGE * quickest:
                doubts.append(f"the clock changed from {slowest:,.0f} to {quickest:,.0f} MHz")
        cores = self.machine["cores"] or 1
        if self.others_cores is not None and self.others_cores > MOST_OTHERS * cores:
            doubts.append(f"other processes kept {self.others_cores:.1f} of {cores} cores busy")
        return tuple(doubts)

    def doubts_of(self, subject: Measured) -> tuple[str, ...]:
        """Why a subject's times are not to be believed: its own reasons and the machine's."""
        return (*self.doubts, *subject.doubts)

    @property
    def believed(self) -> bool:
        """Whether no time is doubted."""
        return not self.doubts and not any(subject.doubts for subject in self.subjects)

    @property
    def headline(self) -> str | None:
        """Headline measure of the task; None where the truth of the samples is not known."""
        original = self.original
        known = original and original.answers and original.answers.measures
        return self.task.headline if self.task and known else None

    def subject(self, name: str) -> Measured:
        """The subject of a name.

        Raises:
            SettingError: there is none.
        """
        for subject in self.subjects:
            if subject.name == name:
                return subject
        raise SettingError(f"no subject {name!r}; there are {', '.join(each.name for each in self.subjects)}")

    def speed(self, subject: Measured, call: str = PREDICT, against: str | None = None) -> Ratio | None:
        """How many times as quick a subject is as the baseline; None where one of both has no such call."""
        base = self.subject(against or self.baseline)
        if call not in subject.turns or call not in base.turns:
            return None
        return speed_ratio(subject.turns[call], base.turns[call])


def unique_names(names: Sequence[str], fallback: Sequence[str]) -> list[str]:
    """What subjects are called: their names, or the longer fallback where two have the same one."""
    return [name if names.count(name) == 1 else longer for name, longer in zip(names, fallback, strict=True)]
