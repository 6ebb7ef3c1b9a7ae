"""The bars of the export, every one measured in one run: sizes, latencies, fidelity, streaming, cost."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TextIO

import click
from rich import box
from rich.console import Console
from rich.table import Table

from edgernn.errors import EdgernnError
from edgernn.files import write_json
from edgernn.quiet import standard_error_aside
from peers.bars import WIDTH, Bar, as_json, environment, show, show_environment
from peers.exports import cost_bars, export_all, find_run, size_bars
from peers.fidelity import keras_bars, stream_bars
from peers.latency import latency_bars
from peers.long_sequences import long_bars


def _seeds(_context: click.Context, _option: click.Parameter, text: str) -> list[int]:
    try:
        return [int(number) for number in text.split(",")]
    except ValueError as error:
        raise click.BadParameter(f"{text!r}, expected numbers with commas between") from error


@click.command()
@click.option("--data", metavar="sample|mnist|PATH", help="What to train with, as `edgernn train --data` takes it.")
@click.option(
    "--runs",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the runs robust-0, robust-1, … are or come to be. [default: a temporary folder]",
)
@click.option("--seeds", callback=_seeds, default="0,1,2", show_default=True, help="Of the models.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Also write all of it here.")
@click.pass_context
def main(context: click.Context, data: str | None, runs: Path | None, seeds: list[int], json_file: Path | None) -> None:
    """Measure every bar of the export. Exit code 1 if one misses.

    \b
    Example:
        python benchmarks/peers/bench_export.py --data mnist
        python benchmarks/peers/bench_export.py --runs runs --json bars.json
    """
    if data is None and runs is None:
        raise click.UsageError("say with --data what to train with, or with --runs where finished runs are")
    machine = environment()
    try:
        with standard_error_aside() as terminal, tempfile.TemporaryDirectory() as folder:
            bars, latencies, reasons = _measure(
                Path(folder), runs or Path(folder), data, seeds, partial(_say, terminal)
            )
    except EdgernnError as error:
        raise click.ClickException(str(error)) from error
    show_environment(machine)
    show(bars)
    for reason in reasons:
        click.echo(f"not exported: {reason}")
    _show_latencies(latencies)
    if json_file:
        write_json(json_file, as_json(bars, machine, latencies))
    if not all(bar.holds for bar in bars):
        context.exit(1)


def _measure(
    folder: Path, runs: Path, data: str | None, seeds: Sequence[int], say: Callable[[str], None]
) -> tuple[list[Bar], dict[str, Any], list[str]]:
    # First what runs in processes of its own: their memory is measured, and this one is small yet.
    found = [find_run(runs, seed, data, say) for seed in seeds]
    exports = [export_all(run, folder / "artifacts", say) for run in found]
    say("measuring latencies")
    speed, latencies = latency_bars(exports[0])
    long = long_bars(folder / "waves", say)
    fidelity = [*keras_bars(exports, say), *stream_bars(exports, say)]
    bars = [*size_bars(exports), *speed, *fidelity, *long, *cost_bars(exports)]
    return bars, latencies, [reason for each in exports for reason in each.reasons]


def _say(terminal: TextIO, step: str) -> None:
    click.echo(f"{step} …", file=terminal)


def _show_latencies(latencies: Mapping[str, Mapping[str, float]]) -> None:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, width=WIDTH)
    table.add_column("one sample, one thread, hot", ratio=1)
    for heading in ("µs", "of loads", "bytes"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, row in sorted(latencies.items(), key=lambda item: item[1]["median_us"]):
        loads = f"{row['lowest_us']:.1f} to {row['highest_us']:.1f}"
        table.add_row(name, f"{row['median_us']:.1f}", loads, f"{row['size_bytes']:,}")
    Console(width=WIDTH, highlight=False).print(table)


if __name__ == "__main__":
    main()
