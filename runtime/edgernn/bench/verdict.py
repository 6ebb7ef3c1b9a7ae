"""What a result says: the smallest, the fastest and the most accurate artifact, and which one to ship."""

from collections.abc import Sequence
from dataclasses import dataclass

from edgernn.bench.result import Measured, Result
from edgernn.tasks import MEASURES, show

# What an artifact may lose to be recommended; the export's own bar for int8.
MAX_DROP_POINTS = 0.7
MIN_AGREEMENT = 0.985
# So little more time is no reason for a larger file.
CLOSE = 1.05


@dataclass(frozen=True)
class Verdict:
    """Which artifact is best at what.

    Attributes:
        smallest, fastest: of all artifacts.
        most_accurate: by the task's headline measure; None where the truth of the samples is not known.
        recommended: the smallest of those that no difference is seen of to the quickest, or one of less than 5 %, among
            those that keep what the original can; None where none keeps it.
        why: why that one, or why none: a sentence.
    """

    smallest: Measured
    fastest: Measured
    most_accurate: Measured | None
    recommended: Measured | None
    why: str


def judge(result: Result) -> Verdict:
    """The verdict on a result that has artifacts."""
    artifacts = result.artifacts
    # Where nothing was asked for, nobody knows how right they are.
    good = [artifact for artifact in artifacts if result.task and not broken_limits(result, artifact)]
    quick = as_quick_as_the_quickest(result, good)
    recommended = _smallest(quick) if quick else None
    return Verdict(
        smallest=_smallest(artifacts),
        fastest=_quickest(artifacts),
        most_accurate=_most_accurate(result),
        recommended=recommended,
        why=_why(result, good, quick, recommended),
    )


def broken_limits(result: Result, artifact: Measured) -> list[str]:
    """What it does not keep of the original, a phrase each."""
    task, answers, original = result.task, artifact.answers, result.original
    if task is None:
        return []
    if answers is None or original is None or original.answers is None:
        return ["not asked"]
    name, phrases = result.headline, []
    if name:
        before, now = original.answers.measures[name], answers.measures[name]
        # Seven of a thousand are 0.7 points, whatever binary fractions make of them. Not `>`: a NaN keeps nothing.
        if not round(100 * (before - now), 9) <= result.limits["max_drop_points"]:
            phrases.append(f"{MEASURES[name]} {show(name, now)}, the original's is {show(name, before)}")
    if not answers.agreement >= result.limits["min_agreement"]:
        phrases.append(f"agreement {task.show_agreement(answers.agreement)}")
    return phrases


def as_quick_as_the_quickest(result: Result, artifacts: Sequence[Measured]) -> list[Measured]:
    """Those that no difference is seen of to the quickest, or one of less than `CLOSE`."""
    if not artifacts:
        return []
    quickest = _quickest(artifacts)

    def as_quick(artifact: Measured) -> bool:
        speed = result.speed(artifact, against=quickest.name)
        return artifact is quickest or (speed is not None and (speed.high >= 1 or speed.estimate * CLOSE >= 1))

    return [artifact for artifact in artifacts if as_quick(artifact)]


def _quickest(artifacts: Sequence[Measured]) -> Measured:
    return min(artifacts, key=lambda artifact: artifact.predict.median_us)


def _smallest(artifacts: Sequence[Measured]) -> Measured:
    return min(artifacts, key=lambda artifact: (artifact.size_bytes, artifact.predict.median_us))


def _most_accurate(result: Result) -> Measured | None:
    name = result.headline
    answered = [(each.answers.measures[name], each) for each in result.artifacts if each.answers and name]
    best = max((score for score, _ in answered if score == score), default=None)
    return _smallest([each for score, each in answered if score == best]) if best is not None else None


def _why(result: Result, good: Sequence[Measured], quick: Sequence[Measured], recommended: Measured | None) -> str:
    if result.task is None:
        return "how right they are was not measured here"
    if recommended is None:
        return "no artifact keeps what the original can: " + "; ".join(
            f"{artifact.name} ({', '.join(broken_limits(result, artifact))})" for artifact in result.artifacts
        )
    if len(result.artifacts) == 1:
        among = "the only artifact"
    elif len(quick) == 1:
        among = "the quickest"
    else:
        quickest = _quickest(quick).name
        among = f"the smallest of {len(quick)} that are as quick as {quickest} within 5 %, or as far as is seen"
    name = result.headline
    kept = f"keeps the {MEASURES[name]} of the original" if name else "agrees with the original"
    left = len(result.artifacts) - len(good)
    return f"{among}, and {kept}" + (f", which {left} of {len(result.artifacts)} do not" if left else "")
