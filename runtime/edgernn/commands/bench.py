"""The command `edgernn bench`."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import click

from edgernn.bench.document import dump
from edgernn.bench.environment import describe
from edgernn.bench.result import Measured, Result
from edgernn.bench.session import check_baseline, open_artifacts, run_session
from edgernn.bench.statistics import Latency
from edgernn.bench.stopwatch import Method
from edgernn.bench.subjects import INVOKE, PREDICT, STEP, ArtifactLoader
from edgernn.console.html_report import check_html, html_option
from edgernn.console.loading import loading_options, warn_unverified
from edgernn.console.measuring import (
    columns,
    doubt_lines,
    mark,
    measuring_options,
    method_sentence,
    show_spread,
    speed_cell,
)
from edgernn.console.progress import measuring_bar
from edgernn.console.terminal import say, say_document
from edgernn.system.files import write_bytes
from edgernn.system.quiet import standard_error_aside

WIDTH = 80
_HEADINGS = ("artifact", "bytes", "load ms", "invoke µs", "predict µs", "±", "p95 µs", "step µs")
_CAPTION = (
    "Medians. invoke: the backend alone, with its input already set; predict: from sample to answer, also as p95; "
    "step: one row of a stream, – if the file cannot stream."
)


@click.command()
@click.argument("artifacts", metavar="ARTIFACT...", nargs=-1, required=True, type=click.Path(path_type=Path))
@measuring_options
@loading_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document with all raw times.")
@html_option
@click.pass_context
def bench(
    ctx: click.Context,
    artifacts: tuple[Path, ...],
    rounds: int,
    seconds: float,
    cold: bool,
    isolate: bool,
    baseline: str | None,
    backend: str | None,
    threads: int,
    unverified: bool,
    as_json: bool,
    html_file: Path | None,
) -> None:
    """Measure the latency of artifacts on this device.

    Keras is not needed. Times loading, the backend's own call without edgernn, predict, and one step of a stream.
    Artifacts take turns, in many rounds, so that a temporary slowdown of the machine affects all of them. Times and
    speeds with an interval wider than ±12.5 % are marked with !. The input is generated, within the input range of the
    card. `edgernn report` reads the output of --json. --html needs the packages of the extra `report`, but no
    TensorFlow.

    \b
    Example:
        edgernn bench digits-int8.tflite
        edgernn bench runs/demo/*.tflite --baseline digits-float32.tflite
        edgernn bench digits-int8.tflite --cold --isolate --json > pi.json
        edgernn bench digits-int8.tflite --html report.html
    """
    check_html(ctx, html_file)
    method = Method(rounds, seconds, cold)
    with standard_error_aside():
        opened = open_artifacts(
            [ArtifactLoader(path, backend=backend, threads=threads, unverified=unverified) for path in artifacts]
        )
    check_baseline(baseline, [each.facts.name for each in opened])
    for each in opened:
        warn_unverified(each.model)
    # Each round loads the artifacts again, and LiteRT logs again.
    with standard_error_aside() as terminal, measuring_bar(terminal) as progress:
        result = run_session(
            [each.candidate() for each in opened],
            method,
            baseline=baseline,
            isolated=isolate,
            threads=threads,
            progress=progress,
        )
    if html_file:
        _write_report(ctx, result, html_file)
    if as_json:
        say_document(dump(result))
        return
    say(*bench_lines(result))
    if html_file:
        say(f"Report: {html_file}")


def _write_report(ctx: click.Context, result: Result, file: Path) -> None:
    """Write the HTML report with the command `report`, because the runtime does not import `edgernn_benchmarks`."""
    group = ctx.find_root().command
    with tempfile.TemporaryDirectory() as folder:
        document = Path(folder, "result.json")
        write_bytes(document, dump(result).encode())
        words = ["report", str(document), "--html", str(file), "--quiet"]
        with group.make_context("edgernn", words) as context:
            group.invoke(context)


def bench_lines(result: Result) -> list[str]:
    """Format a result for people, in lines of 80 columns."""
    with_memory = any(subject.memory for subject in result.subjects)
    with_speed = len(result.subjects) > 1
    headings = (*_HEADINGS, *(("peak MB",) if with_memory else ()), *(("speed",) if with_speed else ()))
    rows = [_row(result, subject, with_memory, with_speed) for subject in result.subjects]
    text = [_CAPTION]
    if with_speed:
        text.append(
            f"speed: of predict, relative to {result.baseline}, the mean of the ratios of all rounds, not the quotient "
            "of the medians; = where no difference is seen."
        )
    backends = ", ".join(sorted({subject.backend for subject in result.subjects}))
    text += [method_sentence(result), f"{describe(result.machine)}, {backends}"]
    wrapped = [line for each in text for line in click.wrap_text(each, WIDTH).splitlines()]
    return [*columns([headings, *rows], WIDTH), "", *wrapped, *doubt_lines(result, [INVOKE, PREDICT, STEP], WIDTH)]


def _row(result: Result, subject: Measured, with_memory: bool, with_speed: bool) -> Sequence[str]:
    latencies = subject.latencies
    name = subject.name + ("" if subject.verified else " (unverified)")
    return (
        name,
        f"{subject.size_bytes:,}",
        f"{subject.median_ms[0]:,.1f}",
        _median(latencies.get(INVOKE)) + mark(INVOKE not in subject.unreliable),
        _median(subject.predict),
        show_spread(subject.predict.spread) + mark(PREDICT not in subject.unreliable),
        f"{subject.predict.p95_us:,.1f}",
        _median(latencies.get(STEP)) + mark(STEP not in subject.unreliable),
        *((f"{subject.memory.peak_bytes / 1e6:,.1f}" if subject.memory else "–",) if with_memory else ()),
        *((speed_cell(result, subject),) if with_speed else ()),
    )


def _median(latency: Latency | None) -> str:
    return f"{latency.median_us:,.1f}" if latency else "–"
