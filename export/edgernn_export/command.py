"""The command `edgernn export`."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from edgernn.quiet import standard_error_aside
from edgernn_export.pipeline import Row, export
from edgernn_export.targets import FORMATS, QUANTIZATIONS


@click.command("export")
@click.argument("source", metavar="MODEL.keras|RUN", type=click.Path(path_type=Path))
@click.option("--to", "formats", multiple=True, type=click.Choice(FORMATS), help="Only this format; may be repeated.")
@click.option(
    "--quantize",
    "quantizations",
    multiple=True,
    type=click.Choice(QUANTIZATIONS),
    help="Only this quantization; may be repeated.",
)
@click.option(
    "--samples",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Real inputs to calibrate and prove with: a data set or a samples.npz. [default: the run's own]",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The folder for the artifacts. [default: where the model is]",
)
@click.option("--overwrite", is_flag=True, help="Replace artifacts that are there.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def command(
    ctx: click.Context,
    source: Path,
    formats: tuple[str, ...],
    quantizations: tuple[str, ...],
    samples: Path | None,
    out: Path | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Export a Keras model to TFLite and ONNX files, each proven against it.

    Exit code 1 if an artifact did not pass its proof; it is then not written.

    \b
    Example:
        edgernn export runs/digits-robust
        edgernn export gestures.keras --samples gestures.npz --to tflite --quantize int8
    """
    with standard_error_aside() as terminal:  # converters and backends log there
        rows = export(
            source,
            out,
            formats=formats,
            quantizations=quantizations,
            samples=samples,
            overwrite=overwrite,
            progress=lambda step: click.echo(f"{step} …", file=terminal),
        )
    if as_json:
        click.echo(json.dumps([_as_json(row) for row in rows], indent=2))
    else:
        for row in rows:
            click.echo(_as_line(row))
    if not all(row.passed for row in rows):
        ctx.exit(1)


def _as_json(row: Row) -> dict[str, Any]:
    return {
        "path": str(row.path),
        "status": "passed" if row.passed else "failed",
        "reason": row.reason,
        "size_bytes": row.size_bytes,
        **asdict(row.target),
        "proof": asdict(row.proof) if row.proof else None,
    }


def _as_line(row: Row) -> str:
    if row.proof is None:
        return f"failed  {row.path}: {row.reason}"
    proof = row.proof
    return (
        f"passed  {row.path}  {row.size_bytes:,} bytes\n"
        f"        accuracy {proof.accuracy:.1%} (Keras {proof.keras_accuracy:.1%}), agreement "
        f"{proof.agreement:.2%}, largest difference {proof.largest_difference:.1e}"
    )
