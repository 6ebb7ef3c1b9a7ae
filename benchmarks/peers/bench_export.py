"""Checks of the export, measured in one run: sizes, latencies, fidelity, streaming, cost."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from peers.bench_frame import Progress, bench_options, finish, measuring, report
from peers.checks import Check, environment, show_latencies
from peers.exports import cost_checks, export_all, find_run, size_checks
from peers.fidelity import keras_checks, stream_checks
from peers.latency import latency_checks
from peers.long_sequences import long_checks


@click.command()
@bench_options(seeds="0,1,2", names="robust-0, robust-1, …")
@click.pass_context
def main(context: click.Context, data: str | None, runs: Path | None, seeds: list[int], json_file: Path | None) -> None:
    """Measure every check of the export. Exit code 1 if one fails.

    \b
    Example:
        python benchmarks/peers/bench_export.py --data mnist
        python benchmarks/peers/bench_export.py --runs runs --json checks.json
    """
    if data is None and runs is None:
        raise click.UsageError(
            "--data or --runs is missing; pass --data to train models, or --runs with a folder of finished runs"
        )
    machine = environment()
    with measuring() as (folder, say):
        checks, latencies, reasons = _measure(folder, runs or folder, data, seeds, say)
    report(machine, checks, reasons)
    show_latencies("one sample, one thread, hot", latencies)
    finish(context, json_file, machine, checks, latencies, reasons)


def _measure(
    folder: Path, runs: Path, data: str | None, seeds: Sequence[int], say: Progress
) -> tuple[list[Check], dict[str, Any], list[str]]:
    # Exports run in child processes and come first: a child's peak memory starts at that of this process.
    found = [find_run(runs, seed, data, say) for seed in seeds]
    exports = [export_all(run, folder / "artifacts", say) for run in found]
    say("measuring latencies")
    speed, latencies = latency_checks(exports[0])
    long = long_checks(folder / "waves", say)
    fidelity = [*keras_checks(exports, say), *stream_checks(exports, say)]
    checks = [*size_checks(exports), *speed, *fidelity, *long, *cost_checks(exports)]
    return checks, latencies, [reason for each in exports for reason in each.reasons]


if __name__ == "__main__":
    main()
