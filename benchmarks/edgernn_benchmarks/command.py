"""The commands `edgernn compare` and `edgernn report`."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import click

from edgernn.bench.document import dump, read_result
from edgernn.bench.result import Result
from edgernn.bench.session import check_baseline
from edgernn.bench.stopwatch import Method
from edgernn.bench.verdict import MAX_DROP_POINTS, MIN_AGREEMENT
from edgernn.console.html_report import check_html, check_target, html_option
from edgernn.console.measuring import measuring_options
from edgernn.console.options import Number, device_option
from edgernn.console.progress import measuring_bar
from edgernn.console.terminal import say, say_document
from edgernn.model import MAX_THREADS
from edgernn.system.extras import require
from edgernn.system.files import write_bytes
from edgernn.system.quiet import standard_error_aside
from edgernn_benchmarks.floor import Floor, check_floor, read_floor

_STANDARD_OUTPUT = Path("-")
_FLOOR = click.option(
    "--floor",
    "floor_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help='TOML file with limits; fail if an artifact breaks one. Example: under the line ["model-int8.tflite"], '
    "accuracy = 0.92 (also f1, r2, agreement: at least), size_bytes = 15_000 (also mae, largest_difference: at most).",
)


@click.command("compare")
@click.argument("source", metavar="MODEL.keras|MODEL.h5|RUN", type=click.Path(path_type=Path))
@click.argument("artifacts", metavar="[ARTIFACT...]", nargs=-1, type=click.Path(path_type=Path))
@device_option
@click.option(
    "--samples",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Test samples, y optional: .npz, .npy, CSV, JSON lines, IDX, or a folder of them. [default: the run's]",
)
@click.option(
    "--scale",
    metavar="pixels|FILE.npz",
    help="Scaling of the samples of a .keras or .h5 file, as for export. [default: as in the artifacts' cards]",
)
@click.option("--peers", is_flag=True, help="Also measure the model as converted by stock TFLite and tf2onnx.")
@click.option(
    "--max-drop",
    type=Number(0, 100),
    default=MAX_DROP_POINTS,
    show_default=True,
    metavar="POINTS",
    help="Largest loss of a recommended artifact: of accuracy or F1 in percentage points, of R² in hundredths.",
)
@click.option(
    "--min-agreement",
    type=Number(0, 1),
    default=MIN_AGREEMENT,
    show_default=True,
    metavar="SHARE",
    help="Lowest agreement of a recommended artifact with Keras: share of equal decisions, or R².",
)
@measuring_options
@click.option(
    "--threads", type=click.IntRange(1, MAX_THREADS), default=1, show_default=True, help="Threads of each artifact."
)
@click.option("--unverified", is_flag=True, help="Also measure files that have no card.")
@click.option(
    "--json",
    "json_file",
    type=click.Path(path_type=Path, allow_dash=True),
    metavar="FILE",
    help="Also write the whole result as JSON, with raw times; - prints only this JSON.",
)
@html_option
@_FLOOR
@click.pass_context
def command(
    ctx: click.Context,
    /,
    source: Path,
    artifacts: tuple[Path, ...],
    profile: str | None,
    samples: Path | None,
    json_file: Path | None,
    html_file: Path | None,
    floor_file: Path | None,
    rounds: int,
    seconds: float,
    cold: bool,
    **settings: Any,
) -> None:
    """Compare artifacts with the Keras model they come from, in one table.

    Measures size, correctness, agreement with Keras, and the latency of one prediction on this machine, from a float32
    sample to its answer. Artifacts and Keras are timed in turn, in several rounds. Recommends the artifact to ship.
    Times and speeds with an interval wider than ±12.5 % are marked with !. Without ARTIFACT, compares all artifacts of
    the model in its folder.

    \b
    Devices of --for:
        pi5, pi4, pi3  Raspberry Pi, 64-bit: native, LiteRT, ONNX Runtime
        pi2            Raspberry Pi, 32-bit: native, tflite-runtime
        pizero         Raspberry Pi 1, Zero, Zero W: native
        mcu            microcontroller: tflite-micro; the smallest file
        browser        ONNX Runtime Web

    \b
    Example:
        edgernn compare runs/digits --for pi4
        edgernn compare runs/digits runs/digits/*.tflite --html report.html
        edgernn compare model.keras model-int8.tflite --samples test.npz --json result.json
        edgernn compare runs/digits runs/digits/*.onnx --peers --cold --floor floor.toml
    """
    if json_file and json_file != _STANDARD_OUTPUT:
        check_target(ctx, "--json", json_file, ".json", otherwise=", or - for standard output")
    check_html(ctx, html_file)
    floor = read_floor(floor_file) if floor_file else None
    method = Method(rounds, seconds, cold)
    with standard_error_aside() as terminal:
        from edgernn_benchmarks.comparison import Progress, compare

        note = partial(say, file=terminal)
        with measuring_bar(terminal) as before_turn:
            result = compare(
                source,
                artifacts,
                profile=profile or "",
                samples=samples,
                method=method,
                isolated=settings.pop("isolate"),
                max_drop_points=settings.pop("max_drop"),
                progress=Progress(lambda step: note(f"{step} …"), before_turn, note),
                **settings,
            )
    _finish(ctx, {"": result}, json_file, html_file, floor)


@click.command("report")
@click.argument("files", metavar="RESULT.json...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--baseline", metavar="NAME", help="The model that speeds are relative to. [default: each result's]")
@device_option
@html_option
@_FLOOR
@click.option("--quiet", is_flag=True, help="Print no tables; only write the HTML report and check the limits.")
@click.pass_context
def report(
    ctx: click.Context,
    files: tuple[Path, ...],
    baseline: str | None,
    profile: str | None,
    html_file: Path | None,
    floor_file: Path | None,
    quiet: bool,
) -> None:
    """Show results again, or compare those of several devices or days.

    Reads the files that `edgernn compare --json` and `edgernn bench --json` write, and computes all figures from raw
    times. For several files, shows what became faster or slower, and where there is no clear difference. --for
    chooses for another device than the result was made for. Needs the packages of the extra `report`, and no
    TensorFlow.

    \b
    Example:
        edgernn report result.json --html report.html
        edgernn report result.json --for pi2
        edgernn report workstation.json pi.json
        edgernn report monday.json tuesday.json --floor floor.toml
    """
    require("report", "rich")
    check_html(ctx, html_file)
    floor = read_floor(floor_file) if floor_file else None
    results = {str(file): read_result(file) for file in files}
    # One result with the baseline is enough: on a device there is no Keras.
    check_baseline(baseline, list(dict.fromkeys(each.name for result in results.values() for each in result.subjects)))
    results = {name: _with_baseline(result, baseline) for name, result in results.items()}
    if profile:
        results = {name: replace(result, profile=profile) for name, result in results.items()}
    _finish(ctx, results, None, html_file, floor, quiet=quiet)


def _with_baseline(result: Result, baseline: str | None) -> Result:
    has_it = baseline in {subject.name for subject in result.subjects}
    return replace(result, baseline=baseline) if baseline and has_it else result


def _finish(
    ctx: click.Context,
    named: Mapping[str, Result],
    json_file: Path | None,
    html_file: Path | None,
    floor: Floor | None,
    *,
    quiet: bool = False,
) -> None:
    """Write and print results, by the names of their files; exit with 1 if one is below the floor."""
    results = list(named.values())
    # Files are written first, so that no measurement is lost if a table cannot be printed.
    if json_file and json_file != _STANDARD_OUTPUT:
        write_bytes(json_file, dump(results[0]).encode())
    if html_file:
        from edgernn_benchmarks.report.page import write_html

        write_html(html_file, results)
    if json_file == _STANDARD_OUTPUT:
        say_document(dump(results[0]))
    elif not quiet:
        _print(named)
        if html_file:
            say(f"Report: {html_file}")
    if floor:
        _judge(ctx, results, floor)


def _print(named: Mapping[str, Result]) -> None:
    from edgernn_benchmarks.changes import find_changes
    from edgernn_benchmarks.terminal_table import print_changes, print_result

    for name, result in named.items():
        if len(named) > 1:
            say(name, bold=True)
        print_result(result)
        say()
    if len(named) > 1:
        results = list(named.values())
        print_changes(results, list(named), find_changes(results))


def _judge(ctx: click.Context, results: Sequence[Result], floor: Floor) -> None:
    failures = check_floor(results, floor)
    for failure in failures:
        say(f"below the floor: {failure}", err=True)
    if failures:
        ctx.exit(1)
