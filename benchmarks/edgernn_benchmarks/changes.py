"""Changes between results of several devices or days: for each subject faster, slower, or no difference."""

from collections.abc import Sequence
from dataclasses import dataclass

from edgernn.bench.result import Measured, Result
from edgernn.bench.statistics import NO_DIFFERENCE, Ratio, speed_ratio_between_runs
from edgernn.bench.subjects import PREDICT


@dataclass(frozen=True)
class Change:
    """A subject in a later result, compared with the first result that has it.

    Attributes:
        name: the subject's name.
        first, later: indices of both results.
        before, after: its measurements.
        speed: its speed in the later result, relative to the first.
        doubted: whether one of the two times of `predict` is unreliable.
        unlike: different conditions of the two measurements, which make the times say little about the file.
    """

    name: str
    first: int
    later: int
    before: Measured
    after: Measured
    speed: Ratio
    doubted: bool
    unlike: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """Faster, slower or no difference seen, with reasons why that may say little."""
        caveats = ["unreliable times"] if self.doubted and self.speed.verdict != NO_DIFFERENCE else []
        caveats += [f"measured with other {', '.join(self.unlike)}"] if self.unlike else []
        return ", ".join([self.speed.verdict, *caveats])

    @property
    def same_file(self) -> bool:
        """True if both are the same file, byte for byte."""
        return self.before.sha256 == self.after.sha256


def find_changes(results: Sequence[Result]) -> list[Change]:
    """Return the changes of every subject that several results have, result by result."""
    changes = []
    seen: dict[str, tuple[int, Measured]] = {}
    for index, result in enumerate(results):
        for subject in result.subjects:
            if subject.name not in seen:
                seen[subject.name] = index, subject
                continue
            first, before = seen[subject.name]
            change = Change(
                name=subject.name,
                first=first,
                later=index,
                before=before,
                after=subject,
                speed=speed_ratio_between_runs(subject.turns[PREDICT], before.turns[PREDICT]),
                doubted=PREDICT in (*before.unreliable, *subject.unreliable),
                unlike=_unlike(results[first], before, result, subject),
            )
            changes.append(change)
    return changes


def _unlike(first: Result, before: Measured, later: Result, after: Measured) -> tuple[str, ...]:
    """Return the conditions that differ, except device and day."""
    conditions = {
        "caches": (first.method.cold, later.method.cold),
        "threads": (first.threads, later.threads),
        "processes": (first.isolated, later.isolated),
        "backends": (before.backend.split()[0], after.backend.split()[0]),
        "inputs": (before.input_shape, after.input_shape),
    }
    return tuple(name for name, (one, other) in conditions.items() if one != other)
