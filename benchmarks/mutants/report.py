"""Counts of outcomes: tables of 80 columns, and JSON."""

import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from operator import attrgetter
from typing import Any

from mutants.judging import EXCEPTION, OUTCOMES, REFUSED, RIGHT, WRONG, Judgement

KEPT, RESEALED = MODES = ("digest as it was", "digest made right")
# Allowed outcomes. With a right digest only the backend can detect a damage, so its outcomes are only counted. An
# exception is never allowed, because edgernn must turn it into a refusal.
_ALLOWED = {KEPT: (REFUSED, RIGHT), RESEALED: tuple(outcome for outcome in OUTCOMES if outcome != EXCEPTION)}


_COLUMNS = 80
_LISTED = 20


@dataclass(frozen=True)
class MutantResult:
    """One mutant and its judgement.

    Attributes:
        artifact: the file's name.
        backend: name of the backend.
        mode: one of `MODES`.
        number: number of the mutant of that artifact and mode.
        kind: kind of damage.
        verdict: its judgement.
    """

    artifact: str
    backend: str
    mode: str
    number: int
    kind: str
    verdict: Judgement

    @property
    def failure(self) -> bool:
        """True if this outcome is not allowed."""
        return self.verdict.outcome not in _ALLOWED[self.mode]

    def __str__(self) -> str:
        which = "resealed" if self.mode == RESEALED else "kept"
        which = f"{self.artifact}:{which}:{self.number}"
        return f"{which} ({self.kind}, {self.backend}): {self.verdict.outcome}: {self.verdict.detail}"


def tables(results: Sequence[MutantResult]) -> Iterator[str]:
    """Yield the lines of the report."""
    for mode in MODES:
        of_mode = [each for each in results if each.mode == mode]
        if not of_mode:
            continue
        yield from ("", f"{mode}: {len(of_mode):,} mutants", "")
        for key in ("artifact", "backend", "kind"):
            yield from _table(key, of_mode)
            yield ""
        yield from _wrong_answers(of_mode)
    failures = [each for each in results if each.failure]
    yield f"{len(failures)} failures" if failures else "no failure: all outcomes are allowed"
    # One short line each; the JSON has the whole text.
    yield from (textwrap.shorten(f"  {each}", _COLUMNS) for each in failures[:_LISTED])


def as_json(seen: Sequence[MutantResult], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return all counts, and every mutant that was neither refused nor right."""
    counts = Counter((each.mode, each.artifact, each.backend, each.kind, each.verdict.outcome) for each in seen)
    return {
        **settings,
        "failures": sum(each.failure for each in seen),
        "counts": [
            dict(zip(("mode", "artifact", "backend", "kind", "outcome", "count"), (*key, count), strict=True))
            for key, count in sorted(counts.items())
        ],
        "notable": [asdict(each) for each in seen if each.verdict.outcome not in (REFUSED, RIGHT)],
    }


def _table(key: str, seen: Sequence[MutantResult]) -> Iterator[str]:
    group_of = attrgetter(key)
    yield f"{key:<28}" + "".join(f"{_SHORT.get(outcome, outcome):>7}" for outcome in OUTCOMES)
    for group in [*dict.fromkeys(map(group_of, seen)), "all"]:
        counts = Counter(each.verdict.outcome for each in seen if group == "all" or group_of(each) == group)
        yield f"{group[:28]:<28}" + "".join(f"{counts[outcome] or '-':>7}" for outcome in OUTCOMES)


_SHORT = {"refused": "refuse", "exception": "except"}


def _wrong_answers(seen: Sequence[MutantResult]) -> Iterator[str]:
    wrong = [each.verdict for each in seen if each.verdict.outcome == WRONG]
    if wrong:
        where = Counter(verdict.detail.partition(":")[0] for verdict in wrong)
        yield f"wrong answers: {len(wrong):,}, " + ", ".join(f"{n:,} in {name}" for name, n in where.most_common())
        yield ""
