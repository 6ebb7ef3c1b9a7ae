"""Checks of GRU, LSTM, stacks and long sequences beside other tools, measured in one run."""

from pathlib import Path

import click

from peers.bench_frame import bench_options, finish, measuring, report
from peers.bench_runs import MODELS, find_run
from peers.checks import environment, show_latencies
from peers.model_checks import measure_model

_NAMES = [model.name for model in MODELS]


@click.command()
@bench_options(seeds="0", names="gru64-0, lstm64-0, …")
@click.option("--only", multiple=True, type=click.Choice(_NAMES), help="Models to measure. [default: all]")
@click.pass_context
def main(
    context: click.Context,
    data: str | None,
    runs: Path | None,
    seeds: list[int],
    json_file: Path | None,
    only: tuple[str, ...],
) -> None:
    """Measure every check of the models. Exit code 1 if one fails.

    \b
    Example:
        python benchmarks/peers/bench_models.py --data mnist
        python benchmarks/peers/bench_models.py --runs runs --only gru64 --json checks.json
    """
    if data is None and runs is None:
        raise click.UsageError(
            "--data or --runs is missing; pass --data to train models, or --runs with a folder of finished runs"
        )
    machine = environment()
    with measuring() as (folder, say):
        chosen = [model for model in MODELS if model.name in (only or _NAMES)]
        found = [
            measure_model(
                model, [find_run(runs or folder, model, seed, data, say) for seed in seeds], folder / "artifacts", say
            )
            for model in chosen
        ]
    checks = [check for each in found for check in each.checks]
    latencies = {title: rows for each in found for title, rows in each.latencies.items()}
    reasons = [reason for each in found for reason in each.reasons]
    report(machine, checks, reasons)
    for title, rows in latencies.items():
        show_latencies(f"{title}: one sample, one thread, hot", rows)
    finish(context, json_file, machine, checks, latencies, reasons)


if __name__ == "__main__":
    main()
