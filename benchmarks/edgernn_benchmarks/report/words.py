"""Texts of a report: figures with units, the verdict, the method and the machine."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from edgernn.bench.environment import throttled_reasons
from edgernn.bench.result import Measured, Result
from edgernn.bench.statistics import MAX_SPREAD, MIN_ROUNDS, RESAMPLES, TIE
from edgernn.bench.stopwatch import WARMUP_SECONDS
from edgernn.bench.verdict import Verdict
from edgernn.errors import printable
from edgernn.tasks import MEASURES, REGRESSION, Task, show

NOTHING = "–"
# Vector instructions of x86-64 and Arm, which make small models quick.
_NOTABLE = (
    *("sse4_2", "avx2", "fma", "avx512", "avx_vnni", "amx"),
    *("neon", "asimd", "fphp", "dotprod", "i8mm", "bf16", "sve"),
)


@dataclass(frozen=True)
class Highlight:
    """A card at the top of the report: one artifact that the verdict names.

    Attributes:
        title: the place of the artifact: recommended, smallest, fastest or most accurate.
        name: of the artifact.
        figure: its size, speed or accuracy, whichever the title is about.
        beside: a comparison of this figure with the original's.
        facts: several figures in place of one, each after its name.
    """

    title: str
    name: str
    figure: str = ""
    beside: str = ""
    facts: Sequence[tuple[str, str]] = ()


def number(value: float) -> str:
    """Format a number with three significant digits, or all digits before the point: 8.13, 25.1, 1,734."""
    if not math.isfinite(value):
        return NOTHING
    decimals = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{decimals}f}" if abs(value) >= 1 else f"{value:#.3g}" if value else "0"


def shorten(name: str, limit: int) -> str:
    """Shorten a name in its middle to this many characters; escape those that XML or a line must not contain."""
    text = printable(name)
    half = limit // 2
    return text if len(text) <= limit else f"{text[: half - 1]}…{text[-half:]}"


def measure(name: str, value: float) -> str:
    """Format a value of a measure of `edgernn.tasks.MEASURES`."""
    return show(name, value) if math.isfinite(value) else NOTHING


def times(ratio: float) -> str:
    """Format a speed ratio."""
    return f"{number(ratio)}×"


def interval(low: float, high: float) -> str:
    """Format the limits of an interval."""
    return f"{number(low)}–{number(high)}"


def find_highlights(result: Result, verdict: Verdict) -> list[Highlight]:
    """Return the recommended, the smallest, the fastest and the most accurate artifact."""
    original = result.original
    smallest, fastest = verdict.smallest, verdict.fastest
    accurate, best = verdict.most_accurate, verdict.recommended
    found = []
    if best:
        found.append(Highlight(title="Recommended", name=best.name, facts=list(_facts(result, best))))
    beside = f"{smallest.size_bytes / original.size_bytes:.0%} of the original’s" if original else ""
    found.append(Highlight(title="Smallest", name=smallest.name, figure=_size(smallest), beside=beside))
    speed = result.speed(fastest) if fastest.name != result.baseline else None
    beside = f"{times(speed.estimate)} the speed of {result.baseline}" if speed else ""
    found.append(Highlight(title="Fastest", name=fastest.name, figure=_time(fastest), beside=beside))
    name = result.headline
    if accurate and accurate.answers and name:
        before = original.answers.measures[name] if original and original.answers else math.nan
        beside = f"{MEASURES[name]}" + (f"; of the original {measure(name, before)}" if math.isfinite(before) else "")
        figure = measure(name, accurate.answers.measures[name])
        found.append(Highlight(title="Most accurate", name=accurate.name, figure=figure, beside=beside))
    return found


def _facts(result: Result, best: Measured) -> Iterator[tuple[str, str]]:
    """Yield the figures that decide a recommendation, each after its name."""
    yield "size", _size(best)
    if result.task and best.answers:
        yield "agreement with Keras", result.task.show_agreement(best.answers.agreement)
    yield "latency", _time(best)


def _time(subject: Measured) -> str:
    return f"{number(subject.predict.median_us)} µs"


def _size(subject: Measured) -> str:
    return f"{subject.size_bytes:,} bytes"


def bests(result: Result, verdict: Verdict) -> list[tuple[str, str, str]]:
    """Return what each best artifact is best at, its name and its figures, for the verdict's sentence."""
    facts = [
        ("smallest", verdict.smallest, _size(verdict.smallest)),
        ("fastest", verdict.fastest, _time(verdict.fastest)),
    ]
    accurate, name = verdict.most_accurate, result.headline
    if accurate and accurate.answers and name:
        facts.append(("most accurate", accurate, f"{MEASURES[name]} {measure(name, accurate.answers.measures[name])}"))
    names = dict.fromkeys(subject.name for _, subject, _ in facts)
    return [
        (
            _listed([what for what, subject, _ in facts if subject.name == best]),
            best,
            ", ".join(figure for _, subject, figure in facts if subject.name == best),
        )
        for best in names
    ]


def _listed(words: Sequence[str]) -> str:
    """Join words as in: one, two and three."""
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def method_words(result: Result) -> list[str]:
    """Describe the method for a reader who does not know edgernn, in paragraphs."""
    method = result.method
    paragraphs = [
        f"""All times are of one sample of 32-bit floating-point numbers, from Python, with {_threads(result.threads)}
        for each artifact. “Predict” is the time from the sample to its answer; “invoke” is the backend’s call alone;
        “step” is one row of a sequence whose rows arrive one by one.""",
        f"""The subjects were measured in turn in {method.rounds} rounds, in a different order each round, so that a
        temporary slowdown of the machine affects all of them. Each call was timed for {method.seconds:g} s in
        total{", with the other work between calls" if method.cold else ""}.""",
        f"""In each round every artifact was loaded again, because its place in memory changes its times by some per
        cent. Loading, and loading with the first answer, were timed, too. Keras was loaded once. Before calls were
        timed, they were repeated until they got no quicker, for {WARMUP_SECONDS:g} s at most.""",
        _COLD if method.cold else _HOT,
        _ISOLATED if result.isolated else "All subjects were in one process.",
        _clock_words(result),
        f"""A median is the median of the rounds’ medians. The interval beside it contains the true median with 95 %
        confidence. It is computed from {RESAMPLES:,} random draws of whole rounds (a bootstrap), because calls of one
        round are alike. Ratios are computed round by round; if the interval of a ratio contains 1, no difference is
        seen.""",
        f"""A time or a ratio is marked ⚠ as unreliable if its interval is wider than ±{MAX_SPREAD:.1%}, that is, wider
        in all than the {TIE - 1:.0%} that decide a recommendation. A time from fewer than {MIN_ROUNDS} rounds is
        unreliable, too, and so is a ratio with an unreliable time. Causes that were seen are listed: other programs
        used the processor, its clock frequency changed, or times still fell when they were measured.""",
        *([_accuracy_words(result.task, result)] if result.task else []),
    ]
    return [" ".join(paragraph.split()) for paragraph in paragraphs]


_COLD = """Between two calls the processor’s caches were filled with other data (“cold”), as on a device that does other
    work between two answers."""
_HOT = """Calls followed each other at once (“hot”), so that the model stayed in the processor’s caches. On a device
    that does other work between two answers, calls take longer."""
_ISOLATED = "Each subject ran in a separate process, so that none affected the memory of another."


def _clock_words(result: Result) -> str:
    words = f"The resolution of the clock is {result.clock_step_ns} ns."
    batched = {call for subject in result.subjects for call, latency in subject.latencies.items() if latency.batch > 1}
    if batched:
        words += f""" Calls too short for it were timed in groups ({", ".join(sorted(batched))}, of some subjects);
        their percentiles are those of the groups’ means."""
    return words


def environment_rows(results: Sequence[Result]) -> list[tuple[str, list[str]]]:
    """Return the facts about the machines: a name, and a value a result; facts that no result has are left out."""
    columns = [dict(_environment(result)) for result in results]
    names = dict.fromkeys(name for column in columns for name in column)
    return [(name, [column.get(name, NOTHING) for column in columns]) for name in names]


def _threads(threads: int) -> str:
    return "one thread" if threads == 1 else f"{threads} threads"


def _accuracy_words(task: Task, result: Result) -> str:
    limits = result.limits
    words = (
        f"Correctness was measured on {result.samples:,} test samples. "
        if result.headline
        else f"Correctness is not known, because the {result.samples:,} test samples have no truths. "
    )
    if task.kind == REGRESSION:
        words += """“Agreement” is the share of the original’s variance that an artifact’s answers explain (R²); the
        “largest difference” is that of any two answers, as a share of the original’s largest. """
    else:
        words += """“Agreement” is the share of decisions that are the original’s, right or wrong; the “largest
        difference” is that in any number of an answer. """
    agreement = task.show_agreement(limits["min_agreement"])
    rule = f"must have an agreement of at least {agreement}."
    if result.headline:
        rule = f"may lose at most {limits['max_drop_points']:g} points of {MEASURES[task.headline]}, and {rule}"
    return f"{words} To be recommended, an artifact {rule}"


def _environment(result: Result) -> Iterator[tuple[str, str]]:
    machine = result.machine
    yield "measured", result.started.replace("T", " ")
    for name, key in (("processor", "cpu"), ("board", "board"), ("architecture", "machine")):
        if machine[key]:
            yield name, str(machine[key])
    yield "cores", str(machine["cores"])
    flags = [str(flag) for flag in machine["flags"] if str(flag).startswith(_NOTABLE)]
    if flags:
        yield "vector instructions", ", ".join(flags)
    system = [str(machine[key]) for key in ("system", "kernel") if machine[key]]
    if system:
        yield "system", " ".join(system)
    yield from _states(result)
    yield "Python", machine["python"]
    packages = [f"{package} {release}" for package, release in machine["versions"].items()]
    if packages:
        yield "packages", ", ".join(packages)


def _states(result: Result) -> Iterator[tuple[str, str]]:
    """Yield the states of the machine before and after the measurement."""
    kinds = (
        ("clock governor", "governor", "{}"),
        ("clock", "frequency_mhz", "{:,.0f} MHz"),
        ("highest clock", "highest_mhz", "{:,.0f} MHz"),
        ("processes running (mean of a minute)", "load", "{:.2f}"),
        ("temperature", "temperature_c", "{:.1f} °C"),
    )
    for name, key, form in kinds:
        shown = [_formatted(state[key], form) for state in (result.before, result.after)]
        if shown != [NOTHING, NOTHING]:
            yield name, shown[0] if shown[0] == shown[1] else f"{shown[0]} before, {shown[1]} after"
    if result.frequencies_mhz:
        low, high = min(result.frequencies_mhz), max(result.frequencies_mhz)
        yield "clock while measuring", f"{low:,.0f} MHz" if low == high else f"{low:,.0f} to {high:,.0f} MHz"
    if result.others_cores is not None:
        yield "cores that other processes kept busy", f"{result.others_cores:.2f} of {result.machine['cores']}"
    if result.before["throttled"] is not None or result.after["throttled"] is not None:
        shown = [
            ", ".join(throttled_reasons(state["throttled"] or 0)) or "no" for state in (result.before, result.after)
        ]
        yield "throttled", f"{shown[0]} before, {shown[1]} after"


def _formatted(value: Any, form: str) -> str:
    if value is None:
        return NOTHING
    return form.format(value) if isinstance(value, float | int) else str(value)
