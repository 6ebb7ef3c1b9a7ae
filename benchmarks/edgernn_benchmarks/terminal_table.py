"""Tables of results for a terminal of 80 columns."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from edgernn.bench.environment import describe
from edgernn.bench.result import Measured, Result
from edgernn.bench.subjects import PREDICT
from edgernn.bench.verdict import Verdict, describe_devices, in_order, judge
from edgernn.console.grading import count_test_samples
from edgernn.console.measuring import (
    doubt_lines,
    mark,
    method_sentence,
    show_speed,
    show_spread,
    show_time,
    speed_cell,
    stranger_lines,
)
from edgernn.tasks import MEASURES, REGRESSION, Task, show
from edgernn_benchmarks.changes import Change
from edgernn_export.console import make_console, make_table

if TYPE_CHECKING:
    from rich.table import Table


_STRANGER = "✗"


def print_result(result: Result) -> None:
    """Print artifacts of another model, the table of a result, its captions, doubts about it, and the verdict."""
    console = make_console()
    if result.strangers:
        strangers = (f"    {line}" for line in stranger_lines(result))
        console.print(f"{_STRANGER} Artifacts of another model, which are not judged:", *strangers, sep="\n")
    verdict = judge(result) if result.artifacts else None
    console.print(result_table(result, verdict.recommended if verdict else None))
    console.print(*_captions(result), *doubt_lines(result, [PREDICT]), sep="\n")
    if verdict:
        console.print("", *verdict_lines(result, verdict), sep="\n")


def verdict_lines(result: Result, verdict: Verdict) -> list[str]:
    """Describe the artifact to ship, that for each device, the smallest, the fastest and the most accurate one."""
    devices = describe_devices(result)
    lines = [
        f"{verdict.sentence}.",
        *(["By device (--for):"] if devices else []),
        *(f"    {line}" for line in devices),
        f"Smallest: {verdict.smallest.name}, {verdict.smallest.size_bytes:,} bytes.",
        f"Fastest: {verdict.fastest.name}, {show_time(verdict.fastest.predict.median_us)}.",
    ]
    best, headline = verdict.most_accurate, result.headline
    if best and best.answers and headline:
        lines.append(f"Best {MEASURES[headline]}: {best.name}, {show(headline, best.answers.measures[headline])}.")
    if verdict.recommended is None:
        return lines
    lines.append(f"Reason: {verdict.why}.")
    if PREDICT in verdict.recommended.unreliable:
        lines.append("Times are unreliable; measure again on a quiet machine before you choose by them.")
    return lines


def print_changes(results: Sequence[Result], names: Sequence[str], changes: Sequence[Change]) -> None:
    """Print each subject's change of speed, from the first result that has it to each later one."""
    console = make_console()
    for place, (result, name) in enumerate(zip(results, names, strict=True), start=1):
        console.print(f"[{place}] {name}: {result.started}, {describe(result.machine)}")
    if not changes:
        console.print("No subject is in more than one of these results; nothing can be compared.")
        return
    rows = [
        (
            change.name + (" !" if change.doubted else "") + ("" if change.same_file else " *"),
            f"[{change.first + 1}]",
            show_time(change.before.predict.median_us),
            f"[{change.later + 1}]",
            show_time(change.after.predict.median_us),
            show_speed(change.speed),
            f"{change.speed.low:,.2f} to {change.speed.high:,.2f}",
        )
        for change in changes
    ]
    console.print(make_table(("in", "median", "in", "median", "speed", "95% interval"), rows))
    for change in changes:
        console.print(f"{change.name}: {change.verdict}, [{change.later + 1}] against [{change.first + 1}].")
    if any(not change.same_file for change in changes):
        console.print("* has different files of the same name.")
    if any(change.doubted for change in changes):
        console.print("! has unreliable times; the report of that result says why.")


def result_table(result: Result, best: Measured | None) -> "Table":
    """Make the table of a result, the recommended artifact first, then by time."""
    shown = _shown(result.task)
    agreement = ("agrees",) if result.task else ()
    memory = ("peak MB",) if any(subject.memory for subject in result.subjects) else ()
    return make_table(
        ("bytes", *(MEASURES[name] for name in shown), *agreement, *memory, "median", "±", "speed"),
        [_row(result, subject, shown, bool(memory)) for subject in in_order(result, best)],
    )


def _row(result: Result, subject: Measured, shown: Sequence[str], with_memory: bool) -> list[str]:
    task, answers = result.task, subject.answers
    stranger = any(subject is each for each in result.strangers)
    cells = [f"{subject.name} {_STRANGER}" if stranger else subject.name, f"{subject.size_bytes:,}"]
    if task:
        cells += [show(name, answers.measures.get(name) if answers else None) for name in shown]
        cells.append(task.show_agreement(answers.agreement) if answers else "–")
    if with_memory:
        cells.append(f"{subject.memory.peak_bytes / 1e6:,.1f}" if subject.memory else "–")
    spread = show_spread(subject.predict.spread) + mark(PREDICT not in subject.unreliable)
    return [*cells, show_time(subject.predict.median_us), spread, speed_cell(result, subject)]


def _shown(task: Task | None) -> tuple[str, ...]:
    if task is None:
        return ()
    # F1 of classes is only in the JSON. For a regression the mean error is more instructive than R² alone.
    return ("r2", "mae") if task.kind == REGRESSION else (task.headline,)


def _captions(result: Result) -> list[str]:
    answered = f"{count_test_samples(result.samples)}; " if result.task else ""
    if result.task and not result.headline:
        answered += f"{MEASURES[result.task.headline]}: not known, because the samples have no y; "
    return [
        (
            f"{answered}median: latency of one prediction, a float32 sample in and its answer out. speed: times as "
            f"quick as {result.baseline}, the mean of the ratios of all rounds, not the quotient of the medians; = "
            "where no difference is seen."
        ),
        method_sentence(result),
        f"{describe(result.machine)}; {', '.join(dict.fromkeys(subject.backend for subject in result.subjects))}.",
    ]
