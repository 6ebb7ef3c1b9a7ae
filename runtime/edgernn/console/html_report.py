"""Option --html of several commands, and its checks, which run before minutes of measuring.

The package `edgernn_benchmarks` draws the report; `edgernn report` needs no TensorFlow.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from edgernn.errors import MissingExtraError, SettingError
from edgernn.system.extras import is_64_bit, require
from edgernn.system.files import made_folder

_PACKAGES = ("rich", "jinja2", "matplotlib", "PIL")


def html_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the option --html, as the argument `html_file`."""
    option = click.option(
        "--html",
        "html_file",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="Also write an HTML report, a single file.",
    )
    return option(command)


def require_report() -> None:
    """Check that the packages that draw a report are installed.

    Raises:
        SettingError: this is a 32-bit system, which has no wheel of matplotlib.
        MissingExtraError: one is not installed.
    """
    try:
        require("report", *_PACKAGES)
    except MissingExtraError as error:
        if is_64_bit():
            raise
        raise SettingError(
            f"{error}; matplotlib has no wheel for 32-bit systems. Save the result, edgernn bench ARTIFACT --json > "
            "result.json, and draw the report on another computer: edgernn report result.json --html report.html"
        ) from error


def check_html(ctx: click.Context, file: Path | None) -> None:
    """Check that a report can be drawn and written, if one is wanted.

    Raises:
        UsageError: the file's name does not end with .html.
        OutputError: its folder cannot be written.
        SettingError, MissingExtraError: as for `require_report`.
    """
    if file is not None:
        check_target(ctx, "--html", file, ".html")
        require_report()


def check_target(ctx: click.Context, option: str, file: Path, suffix: str, otherwise: str = "") -> None:
    """Check that the file of an option can be written; a new folder that stays empty is removed with the context.

    Args:
        ctx: context of the command.
        option: name of the option.
        file: value of the option.
        suffix: that the file's name must have.
        otherwise: what else the option accepts, for the message.

    Raises:
        UsageError: the file's name does not end with the suffix.
        OutputError: its folder cannot be written.
    """
    if file.suffix != suffix:
        # An option without its value takes the next artifact's name, and would overwrite that file.
        raise click.UsageError(f"{option}: file {file}, expected a name that ends with {suffix}{otherwise}")
    ctx.with_resource(made_folder(file.parent))
