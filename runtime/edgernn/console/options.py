"""Types of options that several commands share."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgernn.bench.profiles import PROFILES
from edgernn.errors import DataError
from edgernn.labels import find_fault, read_labels
from edgernn.suggestions import did_you_mean

if TYPE_CHECKING:
    _Choice = click.Choice[str]
    _ParamType = click.ParamType[tuple[str, ...]]
else:  # click 8.1 has no type arguments
    _Choice, _ParamType = click.Choice, click.ParamType


# Context settings of a command that calls `refuse_extra_arguments`: without them click refuses first, without advice.
EXTRA_ARGUMENTS: dict[str, Any] = {"allow_extra_args": True}


def refuse_extra_arguments(ctx: click.Context, advice: str) -> None:
    """Refuse arguments that a command does not take, with advice on the likely mistake.

    Raises:
        click.UsageError: there are any.
    """
    if ctx.args:
        more = ", …" if len(ctx.args) > 1 else ""
        ctx.fail(f"Got an unexpected argument {ctx.args[0]!r}{more}; {advice}.")


class Name(_Choice):
    """Choice of a name, in lower or upper case; its error suggests the nearest one."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """See click."""
        value = next((name for name in self.choices if name.lower() == str(value).lower()), value)
        if value not in self.choices:
            hint = did_you_mean(str(value).lower(), self.choices) or "."
            self.fail(f"{value!r} is not one of {', '.join(self.choices)}{hint}", param, ctx)
        return super().convert(value, param, ctx)


class Labels(_ParamType):
    """Labels: a list, separated by commas, or the path of a text file with one label in each line."""

    name = "labels"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """See click."""
        if isinstance(value, tuple):  # read already
            return value
        path = Path(value)
        # A single name with a suffix or a folder is a mistyped file rather than a label.
        if path.is_file() or ("," not in value and (path.suffix or len(path.parts) > 1)):
            try:
                return read_labels(path)
            except DataError as error:
                self.fail(f"{error}{'' if str(error).endswith('?') else '.'}", param, ctx)
        labels = tuple(label.strip() for label in value.split(","))
        if fault := find_fault(labels):
            self.fail(f"{fault}.", param, ctx)
        return labels


class Number(click.FloatRange):
    """Range of numbers without NaN, which `click.FloatRange` accepts."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """See click."""
        number = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value!r} is not a number.", param, ctx)
        return number


device_option = click.option(
    "--for",
    "profile",
    type=Name(tuple(PROFILES)),
    help="Device that the recommended artifact must run on: a Raspberry Pi (pi2: 32-bit; pizero: also Pi 1), a "
    "microcontroller (mcu), or a browser. [default: any]",
)
