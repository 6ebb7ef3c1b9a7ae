"""Types of options that several commands share."""

import math
from typing import Any

import click

from edgernn.suggestions import did_you_mean


class Name(click.Choice[str]):
    """Choice of a name; its error suggests the nearest one."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """See click."""
        if value not in self.choices:
            hint = did_you_mean(str(value), self.choices) or "."
            self.fail(f"{value!r} is not one of {', '.join(self.choices)}{hint}", param, ctx)
        return super().convert(value, param, ctx)


class Number(click.FloatRange):
    """Range of numbers without NaN, which `click.FloatRange` accepts."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """See click."""
        number = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value!r} is not a number.", param, ctx)
        return number
