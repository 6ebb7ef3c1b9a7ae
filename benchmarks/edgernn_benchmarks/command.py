"""The command `edgernn compare`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgernn.files import write_json
from edgernn.quiet import standard_error_aside
from edgernn.tasks import MEASURES, REGRESSION, show
from edgernn_benchmarks.comparison import Comparison, compare
from edgernn_export.console import make_console, make_table

if TYPE_CHECKING:
    from rich.table import Table


@click.command("compare")
@click.argument("source", metavar="MODEL.keras|RUN", type=click.Path(path_type=Path))
@click.argument("artifacts", metavar="ARTIFACT...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--samples",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Test samples: a data set or a samples.npz. [default: the run's own]",
)
@click.option(
    "--json",
    "json_file",
    type=click.Path(path_type=Path, allow_dash=True),
    metavar="FILE",
    help="Also write the table as JSON; - prints it, and nothing else.",
)
def command(source: Path, artifacts: tuple[Path, ...], samples: Path | None, json_file: Path | None) -> None:
    """Compare artifacts with the Keras model they come from, in one table.

    Latency is of one inference on this machine: a float32 sample in, its answer out.

    \b
    Example:
        edgernn compare runs/digits-robust runs/digits-robust/*.tflite
        edgernn compare model.keras model-int8.tflite --samples test.npz --json table.json
    """
    if json_file and json_file != Path("-") and json_file.suffix != ".json":
        # `--json` right before an artifact would otherwise replace it by a table.
        raise click.UsageError(f"--json takes a file named .json, or - for standard output; given {json_file}")
    with standard_error_aside() as terminal:  # TensorFlow and backends log there
        comparison = compare(
            source, artifacts, samples=samples, progress=lambda step: click.echo(f"{step} …", file=terminal)
        )
    if json_file == Path("-"):
        click.echo(json.dumps(comparison.as_json(), indent=2))
        return
    _print(comparison)
    if json_file:
        write_json(json_file, comparison.as_json())


def _print(comparison: Comparison) -> None:
    console = make_console()
    console.print(_table(comparison))
    best, kept = comparison.recommended, MEASURES[comparison.task.headline]
    if best is None:
        console.print(f"No artifact keeps the {kept} of the original and agrees with it; none is recommended.")
    else:
        console.print(f"Recommended: {best.name}, the quickest that keeps the {kept}.", soft_wrap=True)


def _table(comparison: Comparison) -> "Table":
    task = comparison.task
    # F1 of classes is in the JSON; beside values, how far they are off tells more than R² alone.
    shown = ("r2", "mae") if task.kind == REGRESSION else (task.headline,)
    table = make_table(("bytes", *(MEASURES[name] for name in shown), "agreement", "median µs", "p95 µs"))
    table.caption = f"{comparison.samples:,} test samples; latency of one inference from Python, one thread"
    table.caption_justify = "left"
    for subject in (comparison.keras, *comparison.artifacts):
        table.add_row(
            subject.name,
            f"{subject.size_bytes:,}",
            *(show(name, subject.measures[name]) for name in shown),
            task.show_agreement(subject.agreement),
            f"{subject.latency.median_us:,.1f}",
            f"{subject.latency.p95_us:,.1f}",
        )
    return table
