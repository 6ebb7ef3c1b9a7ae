"""What came out, counted: tables of 80 columns, and JSON."""

import textwrap
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mutants.judging import EXCEPTION, OUTCOMES, REFUSED, RIGHT, WRONG, Judgement
from mutants.remedies import checks

KEPT, RESEALED = MODES = ("digest as it was", "digest made right")
# What may become of a mutant. Behind a right digest stands only the backend: what it does is counted, but an exception
# is always ours to turn into a refusal.
_ALLOWED = {KEPT: (REFUSED, RIGHT), RESEALED: tuple(outcome for outcome in OUTCOMES if outcome != EXCEPTION)}


_COLUMNS = 80
_LISTED = 20


@dataclass(frozen=True)
class MutantResult:
    """One mutant and what became of it.

    Attributes:
        artifact: the file's name.
        mode: one of `MODES`.
        number: which mutant of that artifact and mode.
        kind: what was done to it.
        verdict: what became of it.
    """

    artifact: str
    mode: str
    number: int
    kind: str
    verdict: Judgement

    @property
    def failure(self) -> bool:
        """Whether that must not be."""
        return self.verdict.outcome not in _ALLOWED[self.mode]

    def __str__(self) -> str:
        which = "resealed" if self.mode == RESEALED else "kept"
        return f"{self.artifact}:{which}:{self.number} ({self.kind}): {self.verdict.outcome}: {self.verdict.detail}"


def tables(seen: Sequence[MutantResult]) -> Iterator[str]:
    """The lines of the report."""
    for mode in MODES:
        of_mode = [each for each in seen if each.mode == mode]
        if not of_mode:
            continue
        yield from ("", f"{mode}: {len(of_mode):,} mutants", "")
        for title, key in (("artifact", _artifact), ("kind", _kind)):
            yield from _table(title, key, of_mode)
            yield ""
        yield from _wrong_answers(of_mode)
    failures = [each for each in seen if each.failure]
    yield f"{len(failures)} failures" if failures else "no failure: each ended as it may"
    # One line each; all of it is in the JSON.
    yield from (textwrap.shorten(f"  {each}", _COLUMNS) for each in failures[:_LISTED])


def as_json(seen: Sequence[MutantResult], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Everything counted, with the whole of what did not end as a refusal or a right answer."""
    counts = Counter((each.mode, each.artifact, each.kind, each.verdict.outcome) for each in seen)
    return {
        **settings,
        "failures": sum(each.failure for each in seen),
        "counts": [
            {"mode": mode, "artifact": artifact, "kind": kind, "outcome": outcome, "count": count}
            for (mode, artifact, kind, outcome), count in sorted(counts.items())
        ],
        "remedies": {mode: remedies([each for each in seen if each.mode == mode]) for mode in MODES},
        "notable": [asdict(each) for each in seen if each.verdict.outcome not in (REFUSED, RIGHT)],
    }


def _artifact(seen: MutantResult) -> str:
    return seen.artifact


def _kind(seen: MutantResult) -> str:
    return seen.kind


def _table(title: str, key: Callable[[MutantResult], str], seen: Sequence[MutantResult]) -> Iterator[str]:
    groups = list(dict.fromkeys(map(key, seen)))
    yield f"{title:<28}" + "".join(f"{_SHORT.get(outcome, outcome):>7}" for outcome in OUTCOMES)
    for group in [*groups, "all"]:
        counts = Counter(each.verdict.outcome for each in seen if group == "all" or key(each) == group)
        yield f"{group[:28]:<28}" + "".join(f"{counts[outcome] or '-':>7}" for outcome in OUTCOMES)


_SHORT = {"refused": "refuse", "exception": "except"}


def _wrong_answers(seen: Sequence[MutantResult]) -> Iterator[str]:
    """In what answers are wrong, and which checks would notice."""
    wrong = [each.verdict for each in seen if each.verdict.outcome == WRONG]
    if not wrong:
        return
    where = Counter(verdict.detail.partition(":")[0] for verdict in wrong)
    yield f"wrong answers: {len(wrong):,}, " + ", ".join(f"{count:,} in {name}" for name, count in where.most_common())
    yield "of these so many are refused if this must be within the promised tolerance:"
    for name, count in remedies(seen).items():
        yield f"  {name:<50}{count:>7,}{count / len(wrong):>8.1%}"
    yield ""


def remedies(seen: Sequence[MutantResult]) -> dict[str, int]:
    """How many of the wrong answers each check would refuse."""
    counts: Counter[str] = Counter()
    for verdict in (each.verdict for each in seen if each.verdict.outcome == WRONG):
        counts.update({name: int(check(verdict.differences)) for name, check in checks(verdict.tolerance).items()})
    return dict(counts)
