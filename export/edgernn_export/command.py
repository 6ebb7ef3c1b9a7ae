"""The command `edgernn export`."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from edgernn.artifacts import outdated_note
from edgernn.bench.result import Result
from edgernn.bench.verdict import judge
from edgernn.console.options import EXTRA_ARGUMENTS, Labels, Name, Number, device_option, refuse_extra_arguments
from edgernn.console.terminal import say, say_json
from edgernn.data.model_digest import model_digest
from edgernn.data.run_checkpoint import KINDS, Kind
from edgernn.data.run_commit import MODEL
from edgernn.errors import EdgernnError
from edgernn.system.quiet import standard_error_aside
from edgernn_export.early_look import make_run
from edgernn_export.formats import FORMATS
from edgernn_export.pipeline import LEFT_OUT, NOT_POSSIBLE, TargetResult, export
from edgernn_export.proof import Proof
from edgernn_export.recommendation import METHOD, choose_by_device, choose_source, measure
from edgernn_export.result_table import by_name, print_rows
from edgernn_export.settings import TIME_LIMIT_S, Settings
from edgernn_export.targets import IO_TYPES, LAYOUTS, QUANTIZATIONS, TARGETS, Target, select_targets


@click.command("export", context_settings=EXTRA_ARGUMENTS)
@click.argument("source", metavar="MODEL.keras|MODEL.h5|RUN", type=click.Path(path_type=Path))
@click.option(
    "--checkpoint",
    type=Name(KINDS),
    help="Export an unfinished training, RUN: its best or last epoch so far, into RUN/checkpoints.",
)
@click.option("--to", "formats", multiple=True, type=Name(tuple(FORMATS)), help="Only this format; may be repeated.")
@click.option(
    "--quantize",
    "quantizations",
    multiple=True,
    type=Name(QUANTIZATIONS),
    help="Only this quantization; may be repeated.",
)
@click.option("--layout", "layouts", multiple=True, type=Name(LAYOUTS), help="Only this layout; may be repeated.")
@click.option(
    "--io", "io_type", type=Name(IO_TYPES), default="float32", show_default=True, help="Type of inputs and outputs."
)
@click.option(
    "--static",
    is_flag=True,
    help="Make .onnx files with fixed dimensions, for programs that need them; these cannot stream.",
)
@click.option(
    "--samples",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Real inputs for calibration and proof, y optional: .npz, .npy, CSV, JSON lines, IDX, or a folder of them. "
    "[default: the run's own]",
)
@click.option(
    "--scale",
    metavar="pixels|FILE.npz",
    help="Scaling of the samples of a .keras or .h5 file: pixels divides by 255; a file has the arrays mean and std, "
    "or min and max. The artifacts then take raw numbers. [default: no scaling]",
)
@click.option("--name", metavar="NAME", help="Name of the artifacts. [default: that of the run or the file]")
@click.option(
    "--features",
    metavar="NAME,NAME,…",
    help="Names of the features in a time step, for the card; CSV headers must have them, here and on the device.",
)
@click.option(
    "--labels",
    type=Labels(),
    metavar="FILE|NAME,NAME,…",
    help="Names of the classes or outputs: a text file, one in each line, or a list. [default: those of the samples]",
)
@click.option("--steps", type=click.IntRange(min=1), help="Number of time steps, for a model that accepts any number.")
@click.option("--refine/--no-refine", default=None, help="Tune int8 weights. [default: unless it would take over 30 s]")
@click.option(
    "--max-drop",
    type=Number(min=0),
    metavar="POINTS",
    help="Largest allowed loss of accuracy or F1 in percentage points, or of R² in hundredths. "
    "[default: by quantization]",
)
@click.option(
    "--min-agreement",
    type=Number(0, 1),
    metavar="SHARE",
    help="Lowest allowed agreement with Keras: share of equal decisions, or R². [default: by quantization]",
)
@click.option(
    "--time-limit",
    type=Number(min=1),
    default=TIME_LIMIT_S,
    show_default=True,
    metavar="SECONDS",
    help="Processor time allowed for one artifact.",
)
@click.option("--keep-failed", is_flag=True, help="Write an artifact even if it fails the proof.")
@click.option(
    "--measure/--no-measure", "timing", default=True, show_default=True, help="Time the artifacts and recommend one."
)
@click.option("--all", "every", is_flag=True, help="Make every kind of artifact.")
@device_option
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The folder for the artifacts. [default: where the model is]",
)
@click.option("--overwrite", is_flag=True, help="Replace existing artifacts.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def command(
    ctx: click.Context,
    source: Path,
    checkpoint: Kind | None,
    formats: tuple[str, ...],
    quantizations: tuple[str, ...],
    layouts: tuple[str, ...],
    io_type: str,
    static: bool,
    samples: Path | None,
    scale: str | None,
    name: str | None,
    features: str | None,
    labels: tuple[str, ...] | None,
    steps: int | None,
    refine: bool | None,
    max_drop: float | None,
    min_agreement: float | None,
    time_limit: float,
    keep_failed: bool,
    timing: bool,
    every: bool,
    profile: str | None,
    out: Path | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Export a Keras model to TFLite and ONNX files, each proven against it.

    Reads .keras and .h5 files of Keras 3 and Keras 2, and runs no code in them. Without --to, --quantize, --layout and
    --all, makes the artifacts that can be the best for this model on some device, and says which ones it leaves out. An
    artifact that fails its proof is not written, and the exit code is 1. At the end, all artifacts are timed for a
    moment, and the one to ship is recommended.

    The samples for a .keras or .h5 file are used as stored, uint8 as numbers from 0 to 255, unless --scale is given.
    Samples without y are enough to measure agreement with Keras.

    \b
    Quantizations:
        float32   weights and arithmetic in float32
        float16   weights in float16, half the bytes; arithmetic in float32
        dynamic   weights in int8; inputs are rounded while the model runs
        int8      .tflite: integers only, ranges measured on the samples;
                  .onnx: weights in int8, arithmetic in float32
        int16x8   weights in int8, activations in int16: finer, but slower

    \b
    Layouts of the time steps in a .tflite file:
        unrolled  one after the other: fastest, large for long sequences
        loop      in a loop: small
        fused     in one operator for each layer: small; float32 and dynamic

    \b
    Example:
        edgernn export runs/digits-robust
        edgernn export runs/digits-robust --checkpoint best --quantize int8
        edgernn export gestures.keras --samples gestures.npz --to tflite --quantize int8
        edgernn export digits.keras --samples pixels.npy --scale pixels --labels labels.txt
        edgernn export motion.keras --samples raw.npz --scale scaler.npz --features ax,ay,az
    """
    refuse_extra_arguments(ctx, "give samples with --samples, and separate names by commas without spaces: a,b,c")
    if profile and not timing:
        raise click.UsageError("--for chooses by a measurement; leave out --no-measure")
    settings = Settings(
        steps=steps,
        refine=refine,
        max_drop=max_drop,
        min_agreement=min_agreement,
        keep_failed=keep_failed,
        time_limit_s=time_limit,
    )
    targets = _select(formats, quantizations, layouts, io_type=io_type, static=static, every=every)
    with standard_error_aside() as terminal:

        def progress(step: str) -> None:
            say(f"{step} …", file=terminal)

        if checkpoint:
            progress(f"reading the {checkpoint} epoch")
            source = make_run(source, checkpoint)
        rows = export(
            source,
            out,
            targets=targets,
            samples=samples,
            scale=scale,
            name=name,
            features=[] if features is None else [each.strip() for each in features.split(",")],
            labels=labels or (),
            settings=settings,
            overwrite=overwrite,
            progress=progress,
        )
        timed, not_timed = None, ""
        if timing and any(row.runs_here for row in rows):
            progress("timing the artifacts")
            try:
                timed = measure(rows, settings, profile=profile or "", method=METHOD)
            except EdgernnError as error:  # the artifacts are proven and written all the same
                not_timed = f"note: the artifacts were not timed, and none is recommended: {error}"
    verdict = judge(timed) if timed else None
    if as_json:
        by_device = choose_by_device(rows, timed)
        best = verdict.recommended.name if verdict and verdict.recommended else ""
        if source_code := choose_source(rows, profile or ""):
            best = source_code.path.name
        say_json([_as_json(row, timed, best, by_device) for row in rows], indent=2)
    else:
        print_rows(rows, timed, verdict, profile=profile or "", keep_failed=keep_failed)
    for note in filter(None, (not_timed, _note_of_outdated(source, rows))):
        say(note, err=True)
    # An impossible layout is an error only if the user asked for it.
    succeeded = all(
        row.passed or row.status == LEFT_OUT or (row.status == NOT_POSSIBLE and not layouts) for row in rows
    )
    if not succeeded or not any(row.passed for row in rows):
        ctx.exit(1)


def _select(
    formats: Sequence[str],
    quantizations: Sequence[str],
    layouts: Sequence[str],
    *,
    io_type: str,
    static: bool,
    every: bool,
) -> Sequence[Target] | None:
    """Select the targets that the options name; None if they name none, and the export chooses."""
    chosen = bool(formats or quantizations or layouts or static or io_type != "float32")
    if every and chosen:
        raise click.UsageError(
            "--all makes every kind of artifact; leave out --to, --quantize, --layout, --io, --static"
        )
    if every:
        return TARGETS
    return select_targets(formats, quantizations, layouts, io_type=io_type, static=static) if chosen else None


def _note_of_outdated(source: Path, rows: Sequence[TargetResult]) -> str:
    """Make a line about artifacts of an earlier model in the same folder; empty if there are none."""
    target, path = rows[0].target, rows[0].path
    model = source / MODEL if source.is_dir() else source
    return outdated_note(path.parent, path.name.removesuffix(target.file_name("")), model_digest(model))


def _as_json(row: TargetResult, timed: Result | None, recommended: str, by_device: Mapping[str, str]) -> dict[str, Any]:
    subject = by_name(timed).get(row.path.name)
    return {
        "path": str(row.path),
        "status": row.status,
        "reason": row.reason,
        "recommended": row.path.name == recommended,
        "recommended_for": [device for device, chosen in by_device.items() if chosen == row.path.name],
        "size_bytes": row.size_bytes,
        "predict_us": subject.predict.median_us if subject else None,
        **asdict(row.target),
        "fed": row.fed,
        "device": asdict(row.device) if row.device else None,
        "proof": _proof_as_json(row.proof) if row.proof else None,
    }


def _proof_as_json(proof: Proof) -> dict[str, Any]:
    """Convert a proof to JSON values; measures are null if the samples have no truths."""
    measures = {
        side: {name: getattr(proof, side).get(name) for name in proof.task.measures} for side in ("keras", "artifact")
    }
    return {**asdict(proof), **measures}
