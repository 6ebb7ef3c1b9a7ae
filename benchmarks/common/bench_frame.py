"""Shared parts of the benchmark commands: options, temporary folder, report, exit code."""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from common.checks import Check, as_json, show, show_environment
from edgernn.system.files import write_json
from edgernn.system.quiet import standard_error_aside

Progress = Callable[[str], None]
json_option = click.option(
    "--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Also write all results to this file."
)


def read_integers(_context: click.Context, _option: click.Parameter, text: str) -> list[int]:
    """Read the numbers of an option."""
    try:
        return [int(number) for number in text.split(",") if number]
    except ValueError as error:
        raise click.BadParameter(f"{text!r}: expected integers separated by commas, such as 28,512") from error


@contextmanager
def measuring() -> Iterator[tuple[Path, Progress]]:
    """Yield a temporary folder and a function that prints progress; keep the libraries' messages off the terminal."""
    with standard_error_aside() as terminal, tempfile.TemporaryDirectory() as folder:
        yield Path(folder), lambda step: click.echo(f"{step} …", file=terminal)


def finish(
    context: click.Context,
    json_file: Path | None,
    machine: Mapping[str, Any],
    checks: Sequence[Check],
    *,
    latencies: Mapping[str, Any] | None = None,
    reasons: Sequence[str] = (),
) -> None:
    """Print the machine, the checks, and the reasons for missing figures; write them as JSON if a file is given.

    Sets exit code 1 if a check fails.
    """
    show_environment(machine)
    show(checks)
    for reason in reasons:
        click.echo(f"not measured: {reason}")
    if json_file:
        write_json(json_file, as_json(checks, machine, latencies or {}, reasons))
    if not all(check.passed for check in checks):
        context.exit(1)
