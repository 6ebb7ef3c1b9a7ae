"""Checks of the export beside other tools, model by model, measured in one run."""

from pathlib import Path

import click

from bars.long_sequences import long_checks
from bars.model_checks import measure_model
from common.bench_frame import finish, json_option, measuring, read_integers
from common.bench_runs import DIGITS, MODELS, find_run
from common.checks import environment, show_latencies

_NAMES = [model.name for model in MODELS]


@click.command()
@click.option("--data", metavar="sample|mnist|PATH", help="Training data, as `edgernn train --data` takes it.")
@click.option(
    "--runs",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the runs robust-0, gru64-0, …; missing ones are trained. [default: a temporary folder]",
)
@click.option("--seeds", callback=read_integers, default="0", show_default=True, help="Seeds of the models.")
@click.option("--only", multiple=True, type=click.Choice(_NAMES), help="Models to measure. [default: all]")
@json_option
@click.pass_context
def main(
    context: click.Context,
    data: str | None,
    runs: Path | None,
    seeds: list[int],
    only: tuple[str, ...],
    json_file: Path | None,
) -> None:
    """Measure every check of the models, and for robust long sequences. Exit code 1 if one fails.

    \b
    Example:
        python -m benchmarks bars --data mnist --only robust --seeds 0,1,2
        python -m benchmarks bars --runs runs --only gru64 --json checks.json
    """
    if data is None and runs is None:
        raise click.UsageError(
            "--data or --runs is missing; pass --data to train models, or --runs with a folder of finished runs"
        )
    machine = environment()
    checks, latencies, reasons = [], {}, []
    with measuring() as (folder, say):
        for model in MODELS:
            if model.name not in (only or _NAMES):
                continue
            found = [find_run(runs or folder, model, seed, data, say) for seed in seeds]
            results = measure_model(model, found, folder / "artifacts", say)
            checks += results.checks
            latencies[model.title] = results.latencies
            reasons += results.reasons
            if model is DIGITS:
                checks += long_checks(folder / "waves", say)
    for title, rows in latencies.items():
        show_latencies(f"{title}: one sample, one thread, hot", rows)
    finish(context, json_file, machine, checks, latencies=latencies, reasons=reasons)
