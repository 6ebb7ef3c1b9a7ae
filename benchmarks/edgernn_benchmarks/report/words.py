"""The texts of a report: figures with units, the verdict, the method and the machine."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from edgernn.bench.environment import throttled_reasons
from edgernn.bench.result import Result
from edgernn.bench.statistics import RESAMPLES
from edgernn.bench.stopwatch import WARMUP_SECONDS
from edgernn.bench.verdict import Verdict
from edgernn.tasks import MEASURES, REGRESSION, Task, show

NOTHING = "–"
# What makes small models quick: instructions for many numbers at once, of x86-64 and of Arm.
_NOTABLE = (
    "sse4_2",
    "avx2",
    "fma",
    "avx512",
    "avx_vnni",
    "amx",
    "neon",
    "asimd",
    "fphp",
    "dotprod",
    "i8mm",
    "bf16",
    "sve",
)


@dataclass(frozen=True)
class Highlight:
    """One of the verdict's answers: what it is about, which artifact it is, and the figure that says so."""

    title: str
    name: str
    figure: str
    beside: str


def number(value: float) -> str:
    """Three digits that count, and never fewer than those before the point: 8.13, 25.1, 1,734."""
    if not math.isfinite(value):
        return NOTHING
    decimals = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{decimals}f}" if abs(value) >= 1 else f"{value:#.3g}" if value else "0"


def measure(name: str, value: float) -> str:
    """A measure of `edgernn.tasks.MEASURES`."""
    return show(name, value) if math.isfinite(value) else NOTHING


def times(ratio: float) -> str:
    """How many times as quick."""
    return f"{number(ratio)}×"


def cards(result: Result, verdict: Verdict) -> list[Highlight]:
    """The smallest, the fastest, the most accurate and the recommended artifact."""
    original = result.original
    smallest, fastest, accurate, best = (
        verdict.smallest,
        verdict.fastest,
        verdict.most_accurate,
        verdict.recommended,
    )
    found = []
    if best:
        found.append(
            Highlight("Recommended", best.name, f"{number(best.predict.median_us)} µs", f"{best.size_bytes:,} bytes")
        )
    beside = f"{smallest.size_bytes / original.size_bytes:.0%} of the original’s" if original else ""
    found.append(Highlight("Smallest", smallest.name, f"{smallest.size_bytes:,} bytes", beside))
    speed = result.speed(fastest) if fastest.name != result.baseline else None
    beside = f"{times(speed.estimate)} the speed of {result.baseline}" if speed else ""
    found.append(Highlight("Fastest", fastest.name, f"{number(fastest.predict.median_us)} µs", beside))
    name = result.headline
    if accurate and accurate.answers and name:
        before = original.answers.measures[name] if original and original.answers else math.nan
        beside = f"{MEASURES[name]}" + (f"; of the original {measure(name, before)}" if math.isfinite(before) else "")
        found.append(Highlight("Most accurate", accurate.name, measure(name, accurate.answers.measures[name]), beside))
    return found


def bests(result: Result, verdict: Verdict) -> list[tuple[str, str, str]]:
    """The rest of the verdict's sentence, an artifact each: at what it is best, its name, and the figures."""
    facts = [
        ("smallest", verdict.smallest, f"{verdict.smallest.size_bytes:,} bytes"),
        ("fastest", verdict.fastest, f"{number(verdict.fastest.predict.median_us)} µs"),
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
    """One, two and three."""
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def method_words(result: Result) -> list[str]:
    """How it was measured, for somebody who has never seen edgernn: a paragraph each."""
    method = result.method
    paragraphs = [
        f"""Every time here is of one sample that goes in as 32-bit floating-point numbers and whose answer comes out,
        called from Python, {_threads(result.threads)} for each artifact. “Predict” is all of that; “invoke” is the bare
        call of what executes the file; “step” takes one row of a sequence that is still coming in.""",
        f"""The subjects took turns in {method.rounds} rounds, in another order each round, so that whatever slows the
        machine down for a while falls on all of them. Each call was timed for {method.seconds:g} s in
        all{", the other work between calls included" if method.cold else ""}.""",
        f"""In each turn an artifact was loaded afresh, because where its numbers come to lie in memory moves its times
        by some per cent; loading, and loading with the first answer, are timed there. Keras is loaded once. Then calls
        were repeated until they got no quicker, for {WARMUP_SECONDS:g} s at most, and only then timed.""",
        _COLD if method.cold else _HOT,
        _ISOLATED if result.isolated else "All subjects were in one process.",
        _clock_words(result),
        f"""A median is the median of the rounds’ medians. The interval beside it holds the true one with 95 %
        confidence: it comes from {RESAMPLES:,} random draws of whole rounds (a bootstrap), because calls of one round
        are alike. Ratios are taken round by round; where the interval of one holds 1, no difference is seen.""",
        """A figure is marked ⚠ when there is a reason not to believe it: other programs had the processor, the clock
        changed, the rounds differ too much, or times were still falling when they were taken.""",
        *([_accuracy_words(result.task, result)] if result.task else []),
    ]
    return [" ".join(paragraph.split()) for paragraph in paragraphs]


_COLD = """Between two calls the processor’s caches were filled with other data (“cold”), as on a device that does other
    work between two answers."""
_HOT = """Calls followed each other at once (“hot”), so that the model stayed in the processor’s caches; on a device
    that does other work between two answers they take longer."""
_ISOLATED = "Each subject had a process of its own, so that none saw what another did to memory."


def _clock_words(result: Result) -> str:
    words = f"The clock tells times of {result.clock_step_ns} ns apart."
    batched = {call for subject in result.subjects for call, latency in subject.latencies.items() if latency.batch > 1}
    if batched:
        words += f""" Calls too short for it were timed several at once ({", ".join(sorted(batched))}, of some
        subjects); percentiles are then of the means of those."""
    return words


def environment_rows(results: Sequence[Result]) -> list[tuple[str, list[str]]]:
    """The machine of each result: what is told, and what each tells; what none tells is left out."""
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
        words += """“Agreement” is how much of the original’s variance an artifact’s answers have (R²); the “largest
        difference” is that of any two answers, as a share of the original’s largest. """
    else:
        words += """“Agreement” is how often an artifact decides as the original does, rightly or not; the “largest
        difference” is that in any number. """
    agreement = task.show_agreement(limits["min_agreement"])
    kept = f"must have an agreement of at least {agreement}."
    if result.headline:
        kept = f"may lose at most {limits['max_drop_points']:g} points of {MEASURES[task.headline]}, and {kept}"
    return f"{words} To be recommended, an artifact {kept}"


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
    """What changes, before and after."""
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
