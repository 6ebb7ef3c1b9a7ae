"""The verdict on a result: the smallest, the fastest and the most accurate artifact, and the one to ship."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edgernn.backends import find_misreading
from edgernn.bench.profiles import PROFILES, Profile, profile_named
from edgernn.bench.result import Measured, Result
from edgernn.bench.statistics import TIE
from edgernn.bench.subjects import STEP
from edgernn.tasks import MEASURES, show

# The most that a recommended artifact may lose; equal to the export's tolerance for int8.
MAX_DROP_POINTS = 0.7
MIN_AGREEMENT = 0.985


@dataclass(frozen=True)
class Verdict:
    """The best artifacts by size, speed and accuracy.

    Attributes:
        smallest, fastest: of the artifacts that were exported from the original; if there are none, of all. With a
            profile, of those that its backends run, if there are any.
        most_accurate: of the same artifacts, by the task's headline measure; None if the truth of the samples is not
            known.
        recommended: see `judge`; None if no artifact keeps the accuracy of the original.
        why: the reason for the recommendation or for its absence, a phrase.
        sentence: the recommendation with its figures, for every place that shows one.
        refused: reasons why artifacts of the original cannot be recommended, by name.
    """

    smallest: Measured
    fastest: Measured
    most_accurate: Measured | None
    recommended: Measured | None
    why: str
    sentence: str
    refused: Mapping[str, str]


def judge(result: Result) -> Verdict:
    """Judge the artifacts of a result; the recommendation is the same from run to run.

    It is decided in this order: (1) the artifact keeps the accuracy of the original, within the result's limits;
    (2) the backends of the result's profile run it, or without a profile, no backend that is chosen by default misreads
    it; (3) its stream has the bits of its predictions; (4) it is the fastest, where a difference within the interval or
    below `TIE` counts as none; (5) it is the smallest; (6) its name comes first. A profile may leave out (4). If no
    artifact meets (3), or (2) without a profile, that condition is skipped.

    Artifacts that were exported from another model are not judged.

    Args:
        result: with at least one artifact.
    """
    profile = profile_named(result.profile) if result.profile else None
    artifacts = result.own_artifacts
    # Without a task, accuracy was not measured.
    good = [artifact for artifact in artifacts if result.task and not broken_limits(result, artifact)]
    readable = [artifact for artifact in good if _is_readable(artifact, profile)]
    candidates = readable if readable or profile else good
    exact = [artifact for artifact in candidates if artifact.exact_stream]
    left = exact or candidates
    fast = left if profile and profile.by_size else as_fast_as_the_fastest(result, left)
    best = _first_of(fast)
    why = _why(result, good, left, fast, readable=bool(readable), exact=bool(exact), profile=profile)
    # A file that the device cannot run is not its smallest one.
    running = [artifact for artifact in artifacts if profile and _is_readable(artifact, profile)] or artifacts
    return Verdict(
        smallest=_smallest(running or result.artifacts),
        fastest=_fastest(running or result.artifacts),
        most_accurate=_most_accurate(result, running),
        recommended=best,
        why=why,
        sentence=_sentence(result, best, left, profile) if best else f"Ship none of them: {why}",
        refused=_refused(result, candidates, left, profile) if result.task else {},
    )


def recommend_by_device(result: Result) -> dict[str, Measured | None]:
    """Return the artifact that `judge` recommends for each device of `PROFILES`, by the device's name.

    The value is None where the device runs no artifact that keeps the accuracy. The result is empty if accuracy was not
    measured.
    """
    if not result.task or not result.own_artifacts:
        return {}
    return {name: judge(replace(result, profile=name)).recommended for name in PROFILES}


def describe_devices(result: Result) -> list[str]:
    """List which artifact to ship to which devices, a line for each artifact.

    The list is empty for a result that is for one device, and where accuracy was not measured.
    """
    if result.profile:
        return []
    return group_devices({device: best.name if best else "" for device, best in recommend_by_device(result).items()})


def group_devices(artifacts: Mapping[str, str]) -> list[str]:
    """List devices by the artifact that they get, a line for each artifact.

    Args:
        artifacts: name of an artifact's file by device; empty where the device runs none of them.
    """
    devices: dict[str, list[str]] = {}
    for device, artifact in artifacts.items():
        devices.setdefault(artifact or "none of them", []).append(device)
    return [f"{', '.join(names)}: {artifact}" for artifact, names in devices.items()]


def _refused(
    result: Result, candidates: Sequence[Measured], left: Sequence[Measured], profile: Profile | None
) -> dict[str, str]:
    """Return why artifacts cannot be recommended, by name: the first of conditions (1) to (3) of `judge` that fails."""
    reasons = {}
    for artifact in result.own_artifacts:
        if limits := broken_limits(result, artifact):
            reasons[artifact.name] = ", ".join(limits)
        elif artifact not in candidates and profile:
            reasons[artifact.name] = (
                f"{profile.title} cannot run it: expected a file for {' or '.join(profile.backends)}"
            )
        elif artifact not in candidates:
            names = find_misreading(Path(artifact.name).suffix, artifact.quantization)
            reasons[artifact.name] = f"a device may run it with {' or '.join(names)}, which gives wrong answers"
        elif artifact not in left and STEP in artifact.turns:
            reasons[artifact.name] = "its stream and predict differ in some bits; those of other files are equal"
        elif artifact not in left:
            reasons[artifact.name] = "it cannot stream, and other files can"
    return reasons


def in_order(result: Result, recommended: Measured | None) -> list[Measured]:
    """Return the subjects as tables show them: the recommended artifact, and then by time."""
    rest = [each for each in result.subjects if each is not recommended]
    return [*([recommended] if recommended else []), *sorted(rest, key=lambda each: each.predict.median_us)]


def broken_limits(result: Result, artifact: Measured) -> list[str]:
    """List the limits of accuracy that an artifact breaks, a phrase each."""
    task, answers, original = result.task, artifact.answers, result.original
    if task is None:
        return []
    if answers is None or original is None or original.answers is None:
        return ["accuracy not measured"]
    name, phrases = result.headline, []
    if name:
        before, now = original.answers.measures[name], answers.measures[name]
        # Rounded, so that a drop by 7 of 1,000 is exactly 0.7 points. `not <=` in place of `>`, so that NaN breaks it.
        if not round(100 * (before - now), 9) <= result.limits["max_drop_points"]:
            phrases.append(f"{MEASURES[name]} {show(name, now)}, the original's is {show(name, before)}")
    if not answers.agreement >= result.limits["min_agreement"]:
        phrases.append(f"agreement {task.show_agreement(answers.agreement)}")
    return phrases


def as_fast_as_the_fastest(result: Result, artifacts: Sequence[Measured]) -> list[Measured]:
    """Select the artifacts whose time does not differ from the fastest one's, or by less than `TIE`."""
    if not artifacts:
        return []
    fastest = _fastest(artifacts)

    def ties(artifact: Measured) -> bool:
        speed = result.speed(artifact, against=fastest.name)
        return artifact is fastest or (speed is not None and (speed.high >= 1 or speed.estimate * TIE >= 1))

    return [artifact for artifact in artifacts if ties(artifact)]


def _fastest(artifacts: Sequence[Measured]) -> Measured:
    return min(artifacts, key=lambda artifact: artifact.predict.median_us)


def _smallest(artifacts: Sequence[Measured]) -> Measured:
    return min(artifacts, key=lambda artifact: (artifact.size_bytes, artifact.predict.median_us))


def _most_accurate(result: Result, artifacts: Sequence[Measured]) -> Measured | None:
    name = result.headline
    answered = [(each.answers.measures[name], each) for each in artifacts if each.answers and name]
    best = max((score for score, _ in answered if score == score), default=None)
    return _smallest([each for score, each in answered if score == best]) if best is not None else None


def _is_readable(artifact: Measured, profile: Profile | None) -> bool:
    suffix = Path(artifact.name).suffix
    if profile:
        return profile.runs(suffix, artifact.quantization)
    return not find_misreading(suffix, artifact.quantization)


def _sentence(result: Result, best: Measured, left: Sequence[Measured], profile: Profile | None) -> str:
    facts = [f"{best.size_bytes:,} bytes"]
    if result.task and best.answers:
        facts.append(f"{result.task.show_agreement(best.answers.agreement)} agreement with Keras")
    if len(left) > 1:
        by_size = bool(profile and profile.by_size)
        # A loop is as fast as unrolled steps with native, but not with LiteRT.
        backend = best.backend.partition(" ")[0]
        here = "" if by_size else f" (timed with {backend}{' on this machine' if profile else ''})"
        facts.append(_place_in_words(result, best, left, by_size=by_size) + here)
    return f"Ship {best.name}{f' for {profile.title}' if profile else ''}: {', '.join(facts)}"


def _place_in_words(result: Result, best: Measured, left: Sequence[Measured], *, by_size: bool) -> str:
    """Describe the place of the recommended artifact by size or time, among all artifacts or those that qualify."""
    first_of = _smallest if by_size else _fastest
    first, all_artifacts = first_of(left), result.own_artifacts
    among = "" if first is first_of(all_artifacts) else f" of the {len(left)} that qualify"
    if by_size:
        return f"the smallest{among}"
    if best is first:
        return f"the fastest{among}"
    speed = result.speed(best, against=first.name)
    within = speed is not None and speed.estimate * TIE >= 1
    place = f"the smallest within {TIE - 1:.0%} of" if within else "not measurably slower than"
    return f"{place} the fastest{among}"


def _why(
    result: Result,
    good: Sequence[Measured],
    left: Sequence[Measured],
    fast: Sequence[Measured],
    *,
    readable: bool,
    exact: bool,
    profile: Profile | None,
) -> str:
    """Describe what decided the recommendation.

    Args:
        result: the result.
        good: artifacts that meet condition (1) of `judge`.
        left: artifacts that meet conditions (1) to (3).
        fast: the fastest of them, and those that tie with it.
        readable: whether condition (2) was applied.
        exact: whether condition (3) was applied.
        profile: the result's, if it has one.
    """
    if result.task is None:
        return "accuracy was not measured here"
    if not result.own_artifacts:
        return "every artifact was exported from another model"
    if good and not left and profile:
        readers = " or ".join(profile.backends)
        return f"{readers} on {profile.title} runs no artifact that keeps the accuracy; export other quantizations"
    if not left:
        return "no artifact keeps the accuracy of the original: " + "; ".join(
            f"{artifact.name} ({', '.join(broken_limits(result, artifact))})" for artifact in result.own_artifacts
        )
    s = "s" if len(left) == 1 else ""
    limits, headline = result.limits, result.headline
    conditions = [f"lose{s} at most {limits['max_drop_points']:g} points of {MEASURES[headline]}"] if headline else []
    conditions.append(f"agree{s} with Keras to at least {result.task.show_agreement(limits['min_agreement'])}")
    where = " or ".join(profile.backends) if profile else "every default backend"
    conditions += [f"run{s} correctly on {where}"] if readable else []
    # The stream was proven with the exporter's backend; that of the device may round otherwise.
    proven = ", in the proof on the exporting machine," if profile else ""
    conditions += [f"stream{s}{proven} with the same bits as predict"] if exact else []
    that = f"that {' and '.join(filter(None, [', '.join(conditions[:-1]), conditions[-1]]))}"
    if len(left) == 1:
        return f"the only artifact {that}"
    others = [artifact.name for artifact in left if artifact is not _first_of(fast)]
    place = f"the smallest of {len(left)} artifacts" if profile and profile.by_size else _place(left, fast)
    return f"{place} {that} (the other{'s' if len(others) > 1 else ''}: {', '.join(others)})"


def _place(left: Sequence[Measured], fast: Sequence[Measured]) -> str:
    """Describe by which of time, size and name the first artifact was chosen."""
    if len(fast) == 1:
        return f"the fastest of {len(left)} artifacts"
    least = min(artifact.size_bytes for artifact in fast)
    by_size = sum(artifact.size_bytes == least for artifact in fast) == 1
    among = "" if len(fast) == len(left) else f", among {len(left)}"
    return f"{'the smallest' if by_size else 'by size and name the first'} of {len(fast)} equally fast artifacts{among}"


def _first_of(fast: Sequence[Measured]) -> Measured | None:
    """Return the smallest artifact; of several, the one whose name comes first."""
    return min(fast, key=lambda artifact: (artifact.size_bytes, artifact.name), default=None)
