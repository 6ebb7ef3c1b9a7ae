"""The floor: limits of artifacts, from a file, that every new result is checked against."""

import fnmatch
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from edgernn.bench.result import Measured, Result
from edgernn.bench.statistics import MIN_ROUNDS
from edgernn.errors import DataError
from edgernn.json_values import as_mapping, as_number
from edgernn.system.files import check_file
from edgernn.tasks import MEASURES

MAX_BYTES = 1 << 20
# Figures with a lower limit, and figures with an upper limit.
MIN_FIGURES = ("accuracy", "f1", "r2", "agreement")
MAX_FIGURES = ("mae", "largest_difference", "size_bytes")
SPEED = "speed"
T = TypeVar("T")
Check = Callable[[Result, Measured, str, float], str | None]


@dataclass(frozen=True)
class Floor:
    """Limits by artifact; a name may contain * and ?.

    Attributes:
        limits: limits by the artifact's name and one of `MIN_FIGURES` and `MAX_FIGURES`.
        speeds: lowest speed ratios by the artifact's name and the name of the subject it is relative to.
    """

    limits: Mapping[str, Mapping[str, float]]
    speeds: Mapping[str, Mapping[str, float]]


def read_floor(path: Path) -> Floor:
    """Read a floor, a TOML file.

    For example::

        ["digits-int8.tflite"]
        accuracy = 0.92
        agreement = 0.985
        size_bytes = 15_000
        ["digits-int8.tflite".speed]
        "Keras tf.function" = 10

    Raises:
        DataError: it cannot be read, or has an unknown key.
    """
    check_file(path, DataError, MAX_BYTES)
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: cannot be read as TOML: {error}") from error
    limits: dict[str, dict[str, float]] = {}
    speeds: dict[str, dict[str, float]] = {}
    for name, table in document.items():
        figures = dict(_read(path, name, table, as_mapping))
        speeds[name] = _figures(path, f"{name}.{SPEED}", figures.pop(SPEED, {}))
        limits[name] = _figures(path, name, figures, known=(*MIN_FIGURES, *MAX_FIGURES))
    if not any(limits.values()) and not any(speeds.values()):
        raise DataError(f"{path}: no limits; expected limits of artifacts, see docs/benchmarks.md")
    return Floor(limits, speeds)


def check_floor(results: Sequence[Result], floor: Floor) -> list[str]:
    """Return what is below the floor, a line each; empty if nothing is.

    A speed is below only if its whole interval is: noise is no regression. A figure that no result has measured is
    below, too, because it may be.
    """
    failures: list[str] = []
    everyone = [(result, artifact) for result in results for artifact in result.artifacts]
    for tables, check in ((floor.limits, _check_limit), (floor.speeds, _check_speed)):
        for pattern, table in tables.items():
            found = [(result, artifact) for result, artifact in everyone if _is(artifact, pattern)]
            if table and not found:
                names = dict.fromkeys(artifact.name for _, artifact in everyone)
                failures.append(f"{pattern}: no such artifact was measured; there are {', '.join(names) or 'none'}")
                continue
            for name, limit in table.items():
                failures += _failures(found, name, limit, check)
    return list(dict.fromkeys(failures))


def _is(artifact: Measured, pattern: str) -> bool:
    # A name with brackets may be meant literally, not as a pattern.
    return artifact.name == pattern or fnmatch.fnmatchcase(artifact.name, pattern)


def _failures(found: Sequence[tuple[Result, Measured]], name: str, limit: float, check: Check) -> Iterator[str]:
    """Yield a line for each artifact that is below in some result, or that no result has measured."""
    measured = set()
    for result, artifact in found:
        failure = check(result, artifact, name, limit)
        if failure is not None:
            measured.add(artifact.name)
            if failure:
                yield f"{artifact.name}: {failure}"
    for artifact_name in dict.fromkeys(artifact.name for _, artifact in found):
        if artifact_name not in measured:
            yield f"{artifact_name}: {name!r} was not measured, the floor is {limit:,g}"


def _check_limit(_result: Result, artifact: Measured, name: str, limit: float) -> str | None:
    """Return a failure; empty if the limit is met, None if the figure was not measured."""
    figure = _figure(artifact, name)
    if figure is None:
        return None
    title = MEASURES.get(name, name.replace("_", " "))
    if name in MIN_FIGURES:
        return "" if figure >= limit else f"{title} {figure:,.4f}, the floor is {limit:,g}"
    return "" if figure <= limit else f"{title} {figure:,g}, at most {limit:,g}"


def _check_speed(result: Result, artifact: Measured, against: str, limit: float) -> str | None:
    """Return a failure of a speed; empty if the limit is met, None if the speed was not measured."""
    if against not in {subject.name for subject in result.subjects}:
        return None
    speed = result.speed(artifact, against=against)
    if speed is None:
        return None
    if result.method.rounds < MIN_ROUNDS:
        return f"its speed cannot be judged from {result.method.rounds} rounds, expected at least {MIN_ROUNDS}"
    if speed.high >= limit:
        return ""
    beside = ""
    if not result.is_speed_reliable(artifact, against=against):
        # A cause in the machine concerns both.
        both = dict.fromkeys((*result.doubts_of(artifact), *result.doubts_of(result.subject(against))))
        beside = f" (unreliable: {'; '.join(both) or 'the interval is too wide'})"
    return (
        f"{speed.estimate:,.2f} times as quick as {against} ({speed.low:,.2f} to {speed.high:,.2f}), the floor is "
        f"{limit:,g}{beside}"
    )


def _figure(artifact: Measured, name: str) -> float | None:
    if name == "size_bytes":
        return artifact.size_bytes
    if artifact.answers is None:
        return None
    if name in ("agreement", "largest_difference"):
        return float(getattr(artifact.answers, name))
    return artifact.answers.measures.get(name)


def _figures(path: Path, name: str, table: Any, known: tuple[str, ...] = ()) -> dict[str, float]:
    figures = {}
    for key, value in _read(path, name, table, as_mapping).items():
        if known and key not in known:
            raise DataError(f"{path}: {name}: unknown figure {key!r}; expected one of {', '.join((*known, SPEED))}")
        figures[key] = _read(path, f"{name}.{key}", value, as_number)
    return figures


def _read(path: Path, name: str, value: Any, reader: Callable[[Any], T]) -> T:
    try:
        return reader(value)
    except ValueError as error:
        raise DataError(f"{path}: {name}: {error}; see docs/benchmarks.md") from error
