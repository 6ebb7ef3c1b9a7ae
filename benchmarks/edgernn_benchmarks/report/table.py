"""The table of a report: every figure of every subject."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from edgernn.bench.result import Measured, Result
from edgernn.bench.stopwatch import FIRST_ANSWER, LOAD
from edgernn.bench.subjects import INVOKE, PREDICT, STEP
from edgernn.bench.verdict import Verdict, in_order
from edgernn.console.measuring import stranger_reasons
from edgernn.tasks import MEASURES, REGRESSION
from edgernn_benchmarks.report import words

# Characters of a name in the first table: one line on a desktop screen, and on a phone.
MAX_ROW_NAME = 38


@dataclass(frozen=True)
class TableCell:
    """A cell: its text, its value for sorting (None comes last), a smaller line below, and whether it is unreliable."""

    text: str
    value: float | None
    below: str = ""
    unreliable: bool = False


@dataclass(frozen=True)
class Column:
    """A column of figures.

    Attributes:
        title: what the figures are.
        unit: of the figures; empty if they have none.
        meaning: explains the title.
        cell: makes a subject's cell.
        first: True for a column of the first table, by which a reader decides; the others are in the second table.
    """

    title: str
    unit: str
    meaning: str
    cell: Callable[[Measured], TableCell]
    first: bool = False


@dataclass(frozen=True)
class TableRow:
    """A subject's row.

    Attributes:
        subject: the subject.
        name: its name, shortened to one line.
        short: its name without the prefix that all artifacts share, for the second table.
        recommended: whether it is the recommended artifact.
        doubts: why times in the row are unreliable.
        cells: of the first table.
        more: cells of the second table.
    """

    subject: Measured
    name: str
    short: str
    recommended: bool
    doubts: Sequence[str]
    cells: Sequence[TableCell]
    more: Sequence[TableCell]


@dataclass(frozen=True)
class ResultTables:
    """Every figure of a result, in two tables, and the refused files.

    Attributes:
        columns: of the first table, by which a reader decides.
        more: columns of the second table.
        rows: a subject each.
        refused: names of files that cannot be recommended or were not measured, each with the reason.
    """

    columns: Sequence[Column]
    more: Sequence[Column]
    rows: Sequence[TableRow]
    refused: Sequence[tuple[str, str]]

    @property
    def doubted(self) -> Sequence[Measured]:
        """The subjects with unreliable times."""
        return [row.subject for row in self.rows if row.subject.unreliable]


def make_table(result: Result, verdict: Verdict | None, short: Mapping[str, str]) -> ResultTables:
    """Make the table of a result, the recommended artifact first, then by time.

    Columns that are empty for every subject are left out.

    Args:
        result: of a measurement.
        verdict: on the result; None if it has no artifact.
        short: the name of each subject without the prefix that all artifacts share, see `page.short_names`.
    """
    recommended = verdict.recommended if verdict else None
    size = Column(
        title="size",
        unit="bytes",
        meaning="of the file",
        cell=lambda each: TableCell(f"{each.size_bytes:,}", each.size_bytes),
        first=True,
    )
    columns = [size, *_answer_columns(result), *_time_columns(result)]
    kept = [
        column for column in columns if any(column.cell(subject).text != words.NOTHING for subject in result.subjects)
    ]
    first, more = ([column for column in kept if column.first is side] for side in (True, False))
    rows = [
        TableRow(
            subject=subject,
            name=words.shorten(subject.name, MAX_ROW_NAME),
            short=short[subject.name],
            recommended=subject is recommended,
            doubts=result.doubts_of(subject),
            cells=[column.cell(subject) for column in first],
            more=[column.cell(subject) for column in more],
        )
        for subject in in_order(result, recommended)
    ]
    return ResultTables(first, more, rows, [*_refused(result, verdict), *result.left_out.items()])


def _refused(result: Result, verdict: Verdict | None) -> Iterator[tuple[str, str]]:
    """Yield the artifacts that cannot be recommended, in the order of the result, each with the reason."""
    reasons = {**(verdict.refused if verdict else {}), **stranger_reasons(result)}
    for artifact in result.artifacts:
        if artifact.name in reasons:
            yield artifact.name, reasons[artifact.name]


def _answer_columns(result: Result) -> Iterator[Column]:
    task = result.task
    if task is None:
        return
    shown = ("mae", "r2") if task.kind == REGRESSION else (task.headline, "accuracy")
    facts = {
        "mae": ("", "mean distance from the true values"),
        "r2": ("1 is best", "share of the true values’ variance that is explained"),
        "accuracy": ("%", "share of decisions that are right"),
        "f1": ("%", "harmonic mean of precision and recall, over all classes"),
    }
    for name in dict.fromkeys(shown):
        unit, meaning = facts[name]
        yield Column(title=MEASURES[name], unit=unit, meaning=meaning, cell=partial(_measure, name=name), first=True)
    yield Column(
        title="agreement",
        unit="with the original",
        meaning="share of the original’s variance that is explained"
        if task.kind == REGRESSION
        else "share of decisions that are the original’s",
        cell=lambda each: (
            TableCell(task.show_agreement(each.answers.agreement), each.answers.agreement)
            if each.answers and math.isfinite(each.answers.agreement)
            else TableCell(words.NOTHING, None)
        ),
        first=True,
    )
    yield Column(
        title="largest difference",
        unit=task.differing,
        meaning="between any number of its answers and the original’s",
        cell=lambda each: _plain(each.answers.largest_difference if each.answers else None),
    )


def _measure(subject: Measured, name: str) -> TableCell:
    value = subject.answers.measures.get(name, math.nan) if subject.answers else math.nan
    return TableCell(words.measure(name, value), value if math.isfinite(value) else None)


def _time_columns(result: Result) -> Iterator[Column]:
    yield Column(
        title="predict",
        unit="median, µs",
        meaning="time from a sample to its answer; below it the 95 % interval",
        cell=lambda each: TableCell(
            words.number(each.predict.median_us),
            each.predict.median_us,
            words.interval(each.predict.low_us, each.predict.high_us),
            unreliable=PREDICT in each.unreliable,
        ),
        first=True,
    )
    yield Column(
        title="speed",
        unit=f"× {result.baseline}",
        meaning="speed relative to the baseline; below it the 95 % interval",
        cell=lambda each: _speed(result, each),
        first=True,
    )
    for share in ("95", "99"):
        meaning = f"{share} of 100 answers took less time"
        yield Column(title=f"p{share}", unit="µs", meaning=meaning, cell=partial(_percentile, name=f"p{share}_us"))
    yield Column(
        title="answers",
        unit="per second",
        meaning="one sample after the other",
        cell=lambda each: _plain(each.predict.per_second),
    )
    yield from _other_time_columns()


def _other_time_columns() -> Iterator[Column]:
    for title, call, unit, meaning in (
        ("invoke", INVOKE, "µs", "the backend’s call alone"),
        ("step", STEP, "µs", "one row of a stream"),
        ("load", LOAD, "ms", "from the file to a ready model"),
        ("first answer", FIRST_ANSWER, "ms", "loading and the first answer"),
    ):
        cell = partial(_median, call=call, divisor=1000 if unit == "ms" else 1)
        yield Column(title=title, unit=f"median, {unit}", meaning=meaning, cell=cell)
    yield Column(
        title="memory",
        unit="MB",
        meaning="of a process that answers, with Python and libraries; below it the peak",
        cell=lambda each: (
            TableCell(
                words.number(each.memory.steady_bytes / 1e6),
                each.memory.steady_bytes,
                f"at most {words.number(each.memory.peak_bytes / 1e6)}",
            )
            if each.memory
            else TableCell(words.NOTHING, None)
        ),
    )


def _speed(result: Result, subject: Measured) -> TableCell:
    if subject.name == result.baseline:
        return TableCell("1×", 1.0, "the baseline")
    speed = result.speed(subject)
    if speed is None:
        return TableCell(words.NOTHING, None)
    interval = words.interval(speed.low, speed.high)
    return TableCell(
        words.times(speed.estimate),
        speed.estimate,
        interval if speed.verdict in ("faster", "slower") else speed.verdict,
        unreliable=not result.is_speed_reliable(subject),
    )


def _percentile(subject: Measured, name: str) -> TableCell:
    value, batch = getattr(subject.predict, name), subject.predict.batch
    return TableCell(words.number(value), value, f"of means of {batch}" if batch > 1 else "")


def _median(subject: Measured, call: str, divisor: float) -> TableCell:
    latency = subject.latencies.get(call)
    cell = _plain(latency.median_us / divisor if latency else None)
    return replace(cell, unreliable=call in subject.unreliable)


def _plain(value: float | None) -> TableCell:
    return (
        TableCell(words.NOTHING, None)
        if value is None or not math.isfinite(value)
        else TableCell(words.number(value), value)
    )
