"""The HTML page of a report."""

import base64
import hashlib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, partial
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgernn import __version__
from edgernn.bench.result import ARTIFACT, Measured, Result
from edgernn.bench.statistics import round_medians_us
from edgernn.bench.subjects import PREDICT
from edgernn.bench.verdict import Verdict, describe_devices, judge
from edgernn.console.html_report import require_report
from edgernn.errors import DataError
from edgernn.system.files import write_bytes
from edgernn.tasks import MEASURES, REGRESSION
from edgernn_benchmarks.changes import find_changes
from edgernn_benchmarks.evidence import KERAS
from edgernn_benchmarks.report import words
from edgernn_benchmarks.report.shown import Shown, read_evidence
from edgernn_benchmarks.report.table import MAX_ROW_NAME, make_table
from edgernn_export.console import shared_prefix

if TYPE_CHECKING:
    from jinja2 import Template
    from markupsafe import Markup

    from edgernn_benchmarks.report.figures import Point, Spread

# Characters of a name beside a point and in a sentence; a longer one is shortened in its middle.
MAX_NAME = 30


def write_html(path: Path, results: Sequence[Result]) -> None:
    """Write the report to an HTML file.

    Raises:
        MissingExtraError: the report extra is not installed.
        DataError: the evidence of a result is damaged.
        OutputError: the file cannot be written.
    """
    write_bytes(path, render(results).encode("utf-8", "replace"))


def render(results: Sequence[Result]) -> str:
    """Render the report as HTML text.

    Args:
        results: at least one; all parts except the tables and the comparison are of the first.

    Raises:
        MissingExtraError: the report extra is not installed.
        DataError: the evidence of a result is damaged.
    """
    require_report()
    from jinja2 import UndefinedError

    folder = files("edgernn_benchmarks.report") / "templates"
    style, script = ((folder / name).read_text(encoding="utf-8") for name in ("report.css", "report.js"))
    template = _template()
    try:
        return template.render(
            **_content(results), style=_trusted(style), script=_trusted(script), script_hash=_digest(script)
        )
    # Only the evidence was not checked at reading. Pillow raises SystemError for a picture without a size.
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, SystemError, UndefinedError) as error:
        raise DataError(f"the evidence of the result of {results[0].started} is damaged: {error!r}") from error


@cache
def _template() -> "Template":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("edgernn_benchmarks.report"),
        # Names and labels are from untrusted files.
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": words.number, "times": words.times, "shorten": words.shorten}
    environment.globals["interval"] = words.interval
    return environment.get_template("report.html.j2")


def _content(results: Sequence[Result]) -> dict[str, Any]:
    result = results[0]
    verdict = judge(result) if result.artifacts else None
    best = (verdict.recommended or verdict.fastest).name if verdict else result.subjects[0].name
    short = short_names(result)
    shown = read_evidence(result.evidence, best)
    figures = _figures(result, verdict, shown, best, short)
    places = [_place(each) for each in results]
    verdicts = [verdict, *(judge(each) if each.artifacts else None for each in results[1:])]
    return {
        "version": __version__,
        "result": result,
        "results": results,
        "places": places,
        "verdict": verdict,
        "devices": describe_devices(result),
        "bests": words.bests(result, verdict) if verdict else [],
        "highlights": words.find_highlights(result, verdict) if verdict else [],
        "highlighted": best,
        "short": short,
        "tables": [make_table(each, judged, short_names(each)) for each, judged in zip(results, verdicts, strict=True)],
        "changes": find_changes(results),
        "evidence": shown,
        "figures": figures,
        "measured": MEASURES[result.headline] if result.headline else "",
        "method": words.method_words(result),
        "environment": words.environment_rows(results),
        "max_name": MAX_ROW_NAME,
        "whole": partial(_keep_whole, names=short),
    }


def short_names(result: Result) -> dict[str, str]:
    """Shorten names by the prefix, up to a hyphen, that all artifacts share: digits-int8.tflite to int8.tflite."""
    prefix = shared_prefix([artifact.name for artifact in result.artifacts])
    roles = {subject.name: subject.role for subject in result.subjects}
    return {name: _printable(name.removeprefix(prefix) if role == ARTIFACT else name) for name, role in roles.items()}


def _keep_whole(text: str, names: Iterable[str]) -> "Markup":
    """Mark the names in a text, so that no line ends inside one."""
    longest_first = sorted((name for name in names if len(name) <= MAX_NAME), key=len, reverse=True)
    if not longest_first:
        return _trusted("").join([text])
    parts = re.split(f"({'|'.join(map(re.escape, longest_first))})", text)
    tag = _trusted('<span class="keep">%s</span>')
    # Every second part is a name; % and join escape what is not trusted.
    return _trusted("").join(tag % part if place % 2 else part for place, part in enumerate(parts))


def _printable(name: str) -> str:
    return words.shorten(name, MAX_NAME)


def _place(result: Result) -> str:
    """Return a title that distinguishes a result from others: the board or the processor, and the time."""
    return f"{result.machine.get('board') or result.machine['cpu']}, {result.started[:16].replace('T', ' ')}"


def _figures(
    result: Result, verdict: Verdict | None, shown: Shown, best: str, short: Mapping[str, str]
) -> "dict[str, Markup]":
    from edgernn_benchmarks.report import figures

    recommended = verdict.recommended.name if verdict and verdict.recommended else None
    drawn = _draw_evidence(result.evidence, shown, best, short)
    if trade := draw_trade(result, recommended, short):
        drawn["trade"] = trade
    drawn["latencies"] = figures.draw_latencies([_spread(each, short) for each in result.subjects])
    return {name: _trusted(picture) for name, picture in drawn.items()}


def draw_trade(result: Result, recommended: str | None, short: Mapping[str, str], **options: Any) -> str:
    """Draw the figure of accuracy, latency and size; an empty text for a single subject.

    Args:
        result: result of a measurement.
        recommended: the name of the recommended artifact.
        short: the name beside each point, by the subject's name.
        options: further arguments of `figures.draw_trade`.
    """
    from edgernn_benchmarks.report import figures

    points, measured = _points(result, recommended, short)
    if len(points) < 2:
        return ""
    task = result.task
    title = f"{MEASURES[task.headline]} →" if measured and task else "size, bytes →"
    share = measured and task is not None and task.kind != REGRESSION
    return figures.draw_trade(points, title, share=share, lower_is_better=not measured, **options)


def _draw_evidence(evidence: Mapping[str, Any], shown: Shown, best: str, short: Mapping[str, str]) -> dict[str, str]:
    from edgernn_benchmarks.report import figures

    drawn = {}
    if shown.rows:
        name = shown.rows_shown
        settled = shown.rows["settled"].get(name)
        drawn["rows"] = figures.draw_rows(
            {str(each): np.array(line, np.float64) for each, line in shown.rows["accuracy"].items() if each != name},
            np.array(shown.rows["accuracy"][name], np.float64),
            None if settled is None else np.array(settled, np.float64),
            short.get(name) or _printable(name),
            shown.rows["unit"] == "row",
        )
    if "history" in evidence:
        history = {_printable(str(name)): np.array(each, np.float64) for name, each in evidence["history"].items()}
        drawn["training"] = figures.draw_training(history)
    values = evidence.get("values")
    if values and best in values["answers"]:
        columns = values["truth"], values["answers"][KERAS], values["answers"][best]
        truth, original, artifact = (np.array(column, np.float64) for column in columns)
        drawn["values"] = figures.draw_values(truth, original, artifact, short[best])
    return drawn


def _spread(subject: Measured, short: Mapping[str, str]) -> "Spread":
    from edgernn_benchmarks.report.figures import Spread

    turns = subject.turns[PREDICT]
    each = np.concatenate([turn.durations_ns / (1000 * turn.batch) for turn in turns])
    return Spread(
        name=short[subject.name],
        artifact=subject.role == ARTIFACT,
        median=subject.predict.median_us,
        percentiles=np.percentile(each, [5, 25, 75, 95]).tolist(),
        rounds=round_medians_us(turns),
    )


def _points(result: Result, recommended: str | None, short: Mapping[str, str]) -> "tuple[list[Point], bool]":
    """Return every subject as a point, and True if the y axis is the task's measure; otherwise it is the size."""
    from edgernn_benchmarks.report.figures import Point

    name = result.task.headline if result.task else ""
    measures = {
        subject.name: subject.answers.measures.get(name, math.nan) if subject.answers else math.nan
        for subject in result.subjects
    }
    measured = any(map(math.isfinite, measures.values()))
    subjects = [each for each in result.subjects if not measured or math.isfinite(measures[each.name])]

    def losses(subject: Measured) -> tuple[float, ...]:
        return subject.predict.median_us, subject.size_bytes, -measures[subject.name] if measured else 0.0

    artifacts = [subject for subject in subjects if subject.role == ARTIFACT]
    points = [
        Point(
            name=short[subject.name],
            time_us=subject.predict.median_us,
            measure=measures[subject.name] if measured else subject.size_bytes,
            size_bytes=subject.size_bytes,
            artifact=subject.role == ARTIFACT,
            best=subject.role == ARTIFACT and not any(_beats(losses(other), losses(subject)) for other in artifacts),
            chosen=subject.name == recommended,
        )
        for subject in subjects
    ]
    return points, measured


def _beats(one: Sequence[float], other: Sequence[float]) -> bool:
    """Return True if one is nowhere worse and somewhere better: Pareto's order."""
    return all(a <= b for a, b in zip(one, other, strict=True)) and tuple(one) != tuple(other)


def _digest(script: str) -> str:
    """Return the digest by which the content security policy allows only the page's script."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")


def _trusted(text: str) -> "Markup":
    """Mark text of this package or `svg` as trusted: it is not escaped."""
    from markupsafe import Markup

    return Markup(text)  # noqa: S704
