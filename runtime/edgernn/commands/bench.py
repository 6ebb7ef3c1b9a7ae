"""The command `edgernn bench`."""

import json
import math
import os
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np

from edgernn import __version__
from edgernn.commands.loading import loading_options, warn_unverified
from edgernn.errors import ArtifactError, InputError, NoStepError
from edgernn.golden import golden_inputs
from edgernn.model import Model, load
from edgernn.processor import processor_name
from edgernn.quiet import standard_error_aside
from edgernn.stopwatch import Latency, measure, summarize

FORMAT = 1
WIDTH = 80
LOADS = 5
# How many steps a file takes that takes any number and does not say what is usual.
FREE_STEPS = 28
# From so many other processes in the mean on, figures are not those of a quiet machine.
BUSY = 0.5
_COLUMNS = ("bytes", "load ms", "invoke µs", "predict µs", "p95 µs", "step µs")
_CAPTION = (
    "Medians. invoke: the backend alone, its input in place; predict: a sample in, its answer out, and p95 of that; "
    "step: one row of a stream, – where a file has none."
)


@dataclass(frozen=True)
class _Subject:
    """An artifact and what is called of it.

    Attributes:
        path: of the file, as given.
        model: the artifact, loaded.
        input_shape: of the sample that it answers.
        calls: by name: invoke, predict and, of one that can stream, step.
    """

    path: Path
    model: Model
    input_shape: tuple[int, ...]
    calls: Mapping[str, Callable[[], object]]


@dataclass(frozen=True)
class _Row:
    """What was measured of an artifact; `step` is None of one that cannot stream."""

    path: str
    size_bytes: int
    backend: str
    verified: bool
    input_shape: tuple[int, ...]
    load: Latency
    invoke: Latency
    predict: Latency
    step: Latency | None


@click.command()
@click.argument("artifacts", metavar="ARTIFACT...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--rounds", type=click.IntRange(1, 1000), default=20, show_default=True, help="How often each has its turn."
)
@click.option(
    "--seconds",
    type=click.FloatRange(0, 10),
    default=0.4,
    show_default=True,
    help="How long each call is measured, in all its turns.",
)
@loading_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def bench(
    artifacts: tuple[Path, ...],
    rounds: int,
    seconds: float,
    backend: str | None,
    threads: int,
    unverified: bool,
    as_json: bool,
) -> None:
    """Measure how quick artifacts are on this device; no Keras is needed.

    Loading, the bare call of the backend, predict, and a step of a stream, in turns, so that what slows the machine
    down for a moment falls on all of them. The input is made up, within the range of the card.

    \b
    Example:
        edgernn bench digits-int8.tflite
        edgernn bench runs/demo/*.tflite --seconds 2 --json
    """
    if math.isnan(seconds):  # which no range keeps out
        raise click.UsageError("--seconds takes a number from 0 to 10; given nan")
    environment = _environment(threads)
    open_one = partial(load, backend=backend, threads=threads, unverified=unverified)
    with standard_error_aside():  # LiteRT says there which delegate it made
        subjects = [_prepare(path, open_one(path)) for path in artifacts]
        loads = _measure_loads([partial(open_one, path) for path in artifacts])
    for subject in subjects:
        warn_unverified(subject.model)
    rows = [_row(*each) for each in zip(subjects, loads, _measure_calls(subjects, rounds, seconds), strict=True)]
    environment["backends"] = sorted({row.backend for row in rows})
    if as_json:
        settings = {"rounds": rounds, "seconds": seconds}
        document = {"format": FORMAT, "environment": environment, **settings, "artifacts": list(map(asdict, rows))}
        click.echo(json.dumps(document, indent=2))
        return
    for line in _table(rows):
        click.echo(line)
    click.echo()
    for text in (_CAPTION, *_describe(environment)):
        click.echo(click.wrap_text(text, WIDTH))


def _prepare(path: Path, model: Model) -> _Subject:
    """An artifact with what is called of it; each has been called once, so that a backend that cannot says so here."""
    low, high = model.card.input_range if model.card else (0.0, 1.0)
    shape = tuple(FREE_STEPS if size < 0 else size for size in model.input_shape)
    x = golden_inputs(1, shape, low, high)[0]
    calls: dict[str, Callable[[], object]] = {}
    try:
        calls = {"invoke": model._bare_call(x), "predict": partial(model.predict, x)}
        for call in calls.values():
            call()
    except (ArtifactError, InputError) as error:
        raise ArtifactError(f"{path}: {error}") from error
    try:
        calls["step"] = partial(model.stream().push, x[0])
    except NoStepError:  # then it has no such figure
        return _Subject(path, model, x.shape, calls)
    calls["step"]()
    return _Subject(path, model, x.shape, calls)


def _measure_loads(opens: Sequence[Callable[[], object]]) -> list[Latency]:
    """How long each takes; the backends' libraries are there already."""
    named = {str(place): call for place, call in enumerate(opens)}
    durations = measure(named, rounds=LOADS, round_seconds=0, warmup_seconds=0)
    return [summarize(each) for each in durations.values()]


def _measure_calls(subjects: Sequence[_Subject], rounds: int, seconds: float) -> list[dict[str, Latency]]:
    """For each subject the latency of its calls; all calls of all of them have their turns side by side."""
    named = {(place, name): call for place, each in enumerate(subjects) for name, call in each.calls.items()}
    label = f"measuring {len(named)} calls"
    with click.progressbar(length=rounds, label=label, file=sys.stderr) as bar:
        durations = measure(named, rounds=rounds, round_seconds=seconds / rounds, progress=lambda _done: bar.update(1))
    return [{name: summarize(durations[place, name]) for name in each.calls} for place, each in enumerate(subjects)]


def _row(subject: _Subject, load: Latency, calls: Mapping[str, Latency]) -> _Row:
    return _Row(
        path=str(subject.path),
        size_bytes=subject.path.stat().st_size,
        backend=subject.model.backend,
        verified=subject.model.card is not None,
        input_shape=subject.input_shape,
        load=load,
        invoke=calls["invoke"],
        predict=calls["predict"],
        step=calls.get("step"),
    )


def _table(rows: Sequence[_Row]) -> list[str]:
    """Lines of 80 columns; a name that finds no room beside its figures has a line of its own, in front of them."""
    lines = [_COLUMNS, *map(_figures, rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    figures = ["".join(f" {figure:>{width}}" for figure, width in zip(line, widths, strict=True)) for line in lines]
    room = WIDTH - len(figures[0])
    names = ["artifact", *_names(rows)]
    width = min(room, max(map(len, names)))
    table = [
        (f"{name:<{width}}" if len(name) <= width else f"{name}\n{'':{width}}") + rest
        for name, rest in zip(names, figures, strict=True)
    ]
    return [table[0], "─" * (width + len(figures[0])), *table[1:]]


def _names(rows: Sequence[_Row]) -> list[str]:
    """What the rows are called: the file's name, or its path where two have the same one."""
    names = [Path(row.path).name for row in rows]
    return [
        (name if names.count(name) == 1 else row.path) + ("" if row.verified else " (unverified)")
        for name, row in zip(names, rows, strict=True)
    ]


def _figures(row: _Row) -> tuple[str, ...]:
    return (
        f"{row.size_bytes:,}",
        f"{row.load.median_us / 1000:,.1f}",
        f"{row.invoke.median_us:,.1f}",
        f"{row.predict.median_us:,.1f}",
        f"{row.predict.p95_us:,.1f}",
        f"{row.step.median_us:,.1f}" if row.step else "–",
    )


def _environment(threads: int) -> dict[str, Any]:
    """The device, and how busy it is before anything is measured."""
    return {
        "cpu": processor_name(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,  # Windows has none
        "system": platform.system(),
        "python": platform.python_version(),
        "versions": {"edgernn": __version__, "numpy": np.__version__},
        "threads": threads,
    }


def _describe(environment: Mapping[str, Any]) -> list[str]:
    text = "{cpu}, {cores} cores, Python {python}, {backends}, {threads} {word}".format_map(
        {
            **environment,
            "backends": ", ".join(environment["backends"]),
            "word": "thread" if environment["threads"] == 1 else "threads",
        }
    )
    load = environment["load"]
    if load is None or load < BUSY:
        return [text]
    return [text, f"The machine is busy: {load:.1f} processes were running before; a quiet one is quicker."]
