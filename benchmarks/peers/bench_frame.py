"""The frame of a bench: the options that all have, where they work, and how they end."""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TextIO

import click

from edgernn.errors import EdgernnError
from edgernn.files import write_json
from edgernn.quiet import standard_error_aside
from peers.checks import Check, as_json, show, show_environment

Progress = Callable[[str], None]


def bench_options(seeds: str, names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The options --data, --runs, --seeds and --json.

    Args:
        seeds: of the models, unless told otherwise.
        names: what the run folders are called.
    """
    options = (
        click.option(
            "--data", metavar="sample|mnist|PATH", help="What to train with, as `edgernn train --data` takes it."
        ),
        click.option(
            "--runs",
            type=click.Path(file_okay=False, path_type=Path),
            help=f"Where the runs {names} are or come to be. [default: a temporary folder]",
        ),
        click.option("--seeds", callback=_seeds, default=seeds, show_default=True, help="Of the models."),
        click.option(
            "--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Also write all of it here."
        ),
    )

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


@contextmanager
def measuring() -> Iterator[tuple[Path, Progress]]:
    """A temporary folder, and what says on the terminal what is being done; the libraries' chatter stays off it.

    Raises:
        click.ClickException: in place of every error that edgernn foresees.
    """
    try:
        with standard_error_aside() as terminal, tempfile.TemporaryDirectory() as folder:
            yield Path(folder), partial(_say, terminal)
    except EdgernnError as error:
        raise click.ClickException(str(error)) from error


def report(machine: Mapping[str, Any], checks: Sequence[Check], reasons: Sequence[str]) -> None:
    """Print the machine, the checks, and why figures are missing."""
    show_environment(machine)
    show(checks)
    for reason in reasons:
        click.echo(f"not measured: {reason}")


def finish(
    context: click.Context,
    json_file: Path | None,
    machine: Mapping[str, Any],
    checks: Sequence[Check],
    latencies: Mapping[str, Any],
    reasons: Sequence[str],
) -> None:
    """Write all of it for programs, if that is wanted; exit code 1 if a check misses."""
    if json_file:
        write_json(json_file, as_json(checks, machine, latencies, reasons))
    if not all(check.passed for check in checks):
        context.exit(1)


def _seeds(_context: click.Context, _option: click.Parameter, text: str) -> list[int]:
    try:
        return [int(number) for number in text.split(",")]
    except ValueError as error:
        raise click.BadParameter(f"{text!r}, expected numbers with commas between") from error


def _say(terminal: TextIO, step: str) -> None:
    click.echo(f"{step} …", file=terminal)
