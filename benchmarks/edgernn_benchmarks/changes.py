"""Changes: the same artifacts in several results, of several devices or days; what got faster, what is noise."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edgernn.bench.result import Measured, Result
from edgernn.bench.statistics import NO_DIFFERENCE, Ratio, speed_ratio_between_runs
from edgernn.bench.subjects import PREDICT


@dataclass(frozen=True)
class Change:
    """A subject in a later result beside the first one that has it.

    Attributes:
        name: the subject's.
        first, later: the places of both among the results.
        before, after: what was seen of it.
        speed: how many times as quick it is later.
        doubted: whether the times of either are not to be believed.
        unlike: in what the measurements differ, so that the times say little of the file.
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
        """Faster, slower, no difference seen; and why that says little, if it does."""
        caveats = ["not to be believed"] if self.doubted and self.speed.verdict != NO_DIFFERENCE else []
        caveats += [f"measured with other {', '.join(self.unlike)}"] if self.unlike else []
        return ", ".join([self.speed.verdict, *caveats])

    @property
    def same_file(self) -> bool:
        """Whether it is the same file, byte for byte."""
        return self.before.sha256 == self.after.sha256


def find_changes(results: Sequence[Result]) -> list[Change]:
    """Every subject that several results have, result by result."""
    return list(_changes(results))


def _changes(results: Sequence[Result]) -> Iterator[Change]:
    seen: dict[str, tuple[int, Measured]] = {}
    for place, result in enumerate(results):
        for subject in result.subjects:
            if subject.name not in seen:
                seen[subject.name] = place, subject
                continue
            first, before = seen[subject.name]
            yield Change(
                name=subject.name,
                first=first,
                later=place,
                before=before,
                after=subject,
                speed=speed_ratio_between_runs(subject.turns[PREDICT], before.turns[PREDICT]),
                doubted=bool(result.doubts_of(subject) or results[first].doubts_of(before)),
                unlike=tuple(_unlike(results[first], before, result, subject)),
            )


def _unlike(first: Result, before: Measured, later: Result, after: Measured) -> Iterator[str]:
    """What else than the device and the day differs."""
    if first.method.cold != later.method.cold:
        yield "caches"
    if first.threads != later.threads:
        yield "threads"
    if first.isolated != later.isolated:
        yield "processes"
    if before.backend.split()[0] != after.backend.split()[0]:
        yield "backends"
    if before.input_shape != after.input_shape:
        yield "inputs"
