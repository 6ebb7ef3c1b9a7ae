"""The result of a measurement: raw times, facts about machine and subjects, and the reasons to doubt the times."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from edgernn.bench.environment import throttled_reasons
from edgernn.bench.statistics import MAX_SPREAD, MIN_ROUNDS, Latency, Ratio, speed_ratio, summarize
from edgernn.bench.stopwatch import Method, Round
from edgernn.bench.subjects import PREDICT
from edgernn.errors import SettingError
from edgernn.system.machine import Memory
from edgernn.tasks import Task

ARTIFACT, ORIGINAL, PEER = ROLES = ("artifact", "original", "peer")

# Beyond these limits a disturbance is named as a cause of unreliable times: the share of its time in which a subject
# had a core; the change of the clock frequency between rounds, as a share.
MIN_CPU_SHARE, MAX_CLOCK_CHANGE = 0.97, 0.1
# Share of all cores that other processes may use. Even on other cores they slow a subject down through caches, memory
# and clock.
MAX_OTHERS_SHARE = 0.4


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
        name: of the file, the original or the peer; unique in a result.
        role: artifact, original (the Keras model) or peer (the same model by another tool).
        backend: what executes it, with its version.
        size_bytes: of the file.
        sha256: of the file.
        quantization, layout: from the card; empty without a card.
        verified: True if it has a card, and was checked against it.
        input_shape: of the sample that it answers, (steps, features).
        turns: rounds by call: `load`, `first answer` (loading included), `invoke`, `predict`, `step`.
        memory: of its isolated process; None if it had none.
        answers: None without an original to compare with.
        source_sha256: digest of the Keras model that it was exported from, as its card says, or of the original itself;
            empty without a card.
        exact_stream: True if a stream had the same bits as `predict` in the proof, as its card says.
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
        """Latencies by call."""
        return {call: summarize(rounds) for call, rounds in self.turns.items()}

    @property
    def predict(self) -> Latency:
        """Latency of `predict`: a float32 sample in, its answer out."""
        return self.latencies[PREDICT]

    @property
    def median_ms(self) -> tuple[float, float]:
        """Medians of loading, and of loading and the first answer, in milliseconds."""
        return self.latencies["load"].median_us / 1000, self.latencies["first answer"].median_us / 1000

    @cached_property
    def unreliable(self) -> tuple[str, ...]:
        """Timed calls whose latency is not `Latency.is_reliable`."""
        return tuple(call for call in _TIMED if call in self.turns and not self.latencies[call].is_reliable)

    @cached_property
    def doubts(self) -> tuple[str, ...]:
        """Intervals that are too wide, and causes that concern this subject alone; empty if all times are reliable."""
        if not self.unreliable:
            return ()
        timed = {call: rounds for call, rounds in self.turns.items() if call in _TIMED}
        share = float(np.mean([each.cpu_share for rounds in timed.values() for each in rounds]))
        doubts = []
        wide = [call for call in self.unreliable if self.latencies[call].spread > MAX_SPREAD]
        if wide:
            intervals = ", ".join(f"{call} ±{self.latencies[call].spread:.0%}" for call in wide)
            doubts.append(f"interval wider than ±{MAX_SPREAD:.1%}: {intervals}")
        if share < MIN_CPU_SHARE:
            doubts.append(f"other processes used its core for {1 - share:.0%} of the time")
        unsettled = [
            call for call in self.unreliable if sum(each.settled for each in timed[call]) < len(timed[call]) / 2
        ]
        return (*doubts, *(f"{call} still got faster at the end of the warm-up" for call in unsettled))


_TIMED = ("invoke", "predict", "step")


@dataclass(frozen=True)
class Result:
    """Everything that was measured at one time on one machine.

    Attributes:
        started: date and time, ISO 8601 with time zone.
        method: of measuring.
        isolated: True if each subject had an isolated process.
        threads: of each artifact.
        clock_step_ns: the resolution of the clock.
        machine: `environment.describe_machine`.
        before, after: `environment.look_at_machine`.
        others_cores: mean number of cores that other processes used; None if the machine does not report it.
        frequencies_mhz: of the first core after each round; empty if the machine does not report it.
        subjects: in the order in which they were given, originals first.
        baseline: the name of the subject that speeds are relative to.
        task: of the model; None without an original.
        samples: the number that was answered for `Measured.answers`.
        limits: for an artifact to be recommended: `max_drop_points` and `min_agreement`.
        profile: name of the device that the artifact is for, as in `edgernn.bench.profiles`; empty for any.
        left_out: reasons why files could not be measured, by name.
        evidence: details for a report, see `edgernn_benchmarks.evidence`; empty if there are none.
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
    profile: str = ""
    left_out: Mapping[str, str] = field(default_factory=dict)
    evidence: Mapping[str, Any] = field(default_factory=dict)

    @property
    def artifacts(self) -> tuple[Measured, ...]:
        """Subjects that are artifacts: no originals, no peers."""
        return tuple(subject for subject in self.subjects if subject.role == ARTIFACT)

    @property
    def original(self) -> Measured | None:
        """First original with answers, which artifacts are compared with; None if there is none."""
        return next((each for each in self.subjects if each.role == ORIGINAL and each.answers), None)

    @property
    def strangers(self) -> tuple[Measured, ...]:
        """Artifacts that were exported from another Keras file than the original."""
        original = self.original
        if original is None or not original.source_sha256:  # absent from results of earlier versions
            return ()
        return tuple(each for each in self.artifacts if each.source_sha256 not in ("", original.source_sha256))

    @property
    def own_artifacts(self) -> tuple[Measured, ...]:
        """Artifacts without the strangers."""
        strangers = {each.name for each in self.strangers}
        return tuple(each for each in self.artifacts if each.name not in strangers)

    @cached_property
    def doubts(self) -> tuple[str, ...]:
        """Causes of unreliable times in the method and the machine; empty if no time of this result is unreliable."""
        if self.believed:
            return ()
        rounds = self.method.rounds
        doubts = [f"{rounds} rounds, expected at least {MIN_ROUNDS}"] if rounds < MIN_ROUNDS else []
        for when, state in (("before", self.before), ("after", self.after)):
            reasons = throttled_reasons(state["throttled"] or 0)
            if reasons:
                doubts.append(f"throttled ({when}): {', '.join(reasons)}")
        if self.frequencies_mhz:
            slowest, quickest = min(self.frequencies_mhz), max(self.frequencies_mhz)
            if quickest - slowest > MAX_CLOCK_CHANGE * quickest:
                doubts.append(f"the clock changed from {slowest:,.0f} to {quickest:,.0f} MHz")
        cores = self.machine["cores"] or 1
        if self.others_cores is not None and self.others_cores > MAX_OTHERS_SHARE * cores:
            doubts.append(f"other processes kept {self.others_cores:.1f} of {cores} cores busy")
        return tuple(doubts)

    def doubts_of(self, subject: Measured) -> tuple[str, ...]:
        """Return why times of a subject are unreliable, its own reasons first; empty if all are reliable."""
        return (*subject.doubts, *self.doubts) if subject.unreliable else ()

    @property
    def believed(self) -> bool:
        """True if all times are reliable."""
        return not any(subject.unreliable for subject in self.subjects)

    def is_speed_reliable(self, subject: Measured, call: str = PREDICT, against: str | None = None) -> bool:
        """Return True if `speed` is reliable: both of its times are, and its own spread is at most `MAX_SPREAD`.

        The arguments are those of `speed`. The baseline's own speed is 1 by definition, and always reliable.
        """
        base, speed = self.subject(against or self.baseline), self.speed(subject, call, against)
        both = (*subject.unreliable, *base.unreliable)
        return subject is base or (call not in both and (speed is None or speed.spread <= MAX_SPREAD))

    @property
    def headline(self) -> str | None:
        """Headline measure of the task; None where the truth of the samples is not known."""
        original = self.original
        known = original and original.answers and original.answers.measures
        return self.task.headline if self.task and known else None

    def subject(self, name: str) -> Measured:
        """Return the subject with this name.

        Raises:
            SettingError: no subject has this name.
        """
        for subject in self.subjects:
            if subject.name == name:
                return subject
        raise SettingError(f"no subject {name!r}; expected one of {', '.join(each.name for each in self.subjects)}")

    def speed(self, subject: Measured, call: str = PREDICT, against: str | None = None) -> Ratio | None:
        """Return the speed of a call relative to the baseline's; None if one of them has no such call."""
        base = self.subject(against or self.baseline)
        if call not in subject.turns or call not in base.turns:
            return None
        return speed_ratio(subject.turns[call], base.turns[call])


def unique_names(names: Sequence[str], fallback: Sequence[str]) -> list[str]:
    """Return the names, with the longer fallback in place of each name that occurs twice."""
    return [name if names.count(name) == 1 else longer for name, longer in zip(names, fallback, strict=True)]
