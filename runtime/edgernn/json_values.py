"""Values of parsed JSON, each checked: a wrong one is a ValueError that says what was found and what is expected."""

import math
import reprlib
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from edgernn.errors import find_unusable

T = TypeVar("T")

MAX_TEXT = 2_000  # characters
MAX_NESTING = 8  # of a value that is only reported
MAX_WHOLE = 1 << 53  # floats represent whole numbers exactly up to here


def read_field(fields: Mapping[str, Any], name: str, reader: Callable[[Any], T]) -> T:
    """Read a field that must be there; its name stands in front of the reader's message."""
    if name not in fields:
        raise ValueError(f"{name!r} is missing")
    try:
        return reader(fields[name])
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def as_optional(value: Any, reader: Callable[[Any], T]) -> T | None:
    """Read a value that may be null."""
    return None if value is None else reader(value)


def as_text(value: Any) -> str:
    """Return a text without control characters."""
    if not isinstance(value, str) or len(value) > MAX_TEXT or find_unusable(value):
        raise ValueError(
            f"found {shorten(value)}, expected a text without control characters, of at most {MAX_TEXT:,} characters"
        )
    return value


def as_flag(value: Any) -> bool:
    """Return True or False."""
    if not isinstance(value, bool):
        raise ValueError(f"found {shorten(value)}, expected true or false")  # noqa: TRY004 - like all wrong values
    return value


def as_whole(value: Any, lowest: int, highest: int = MAX_WHOLE) -> int:
    """Return a whole number from `lowest` to `highest`."""
    if not isinstance(value, int) or isinstance(value, bool) or not lowest <= value <= highest:
        raise ValueError(f"found {shorten(value)}, expected a whole number from {lowest:,} to {highest:,}")
    return value


def as_number(value: Any, lowest: float = -MAX_WHOLE, highest: float = MAX_WHOLE) -> float:
    """Return a number from `lowest` to `highest`."""
    # Compared before it is converted: a whole number may be too large for a float. A NaN is in no range.
    if not isinstance(value, int | float) or isinstance(value, bool) or not lowest <= value <= highest:
        raise ValueError(f"found {shorten(value)}, expected a number from {lowest:g} to {highest:g}")
    return float(value)


def as_positive(value: Any, highest: float) -> float:
    """Return a number above 0, up to `highest`."""
    number = as_number(value, 0, highest)
    if not number:
        raise ValueError(f"found 0, expected a number above it and up to {highest:g}")
    return number


def as_list(value: Any) -> list[Any]:
    """Return a list of any values."""
    if not isinstance(value, list):
        raise ValueError(f"found {shorten(value)}, expected a list")  # noqa: TRY004 - like all wrong values here
    return value


def as_each(reader: Callable[[Any], T], value: Any) -> tuple[T, ...]:
    """Read each value of a list."""
    return tuple(reader(each) for each in as_list(value))


def as_mapping(value: Any) -> dict[str, Any]:
    """Return an object of any values by name."""
    if not isinstance(value, dict):
        raise ValueError(f"found {shorten(value)}, expected names with values")  # noqa: TRY004 - like all wrong values here
    return value


def as_reported(value: Any, depth: int = MAX_NESTING) -> Any:
    """Return any JSON value of bounded depth, only to be shown; NaN and infinity become None."""
    if isinstance(value, dict | list):
        if not depth:
            raise ValueError(f"nested more than {MAX_NESTING} deep")
        if isinstance(value, list):
            return [as_reported(each, depth - 1) for each in value]
        return {as_text(name): as_reported(each, depth - 1) for name, each in value.items()}
    if isinstance(value, str):
        return as_text(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, bool | None) else as_whole(value, -MAX_WHOLE)


def shorten(value: Any) -> str:
    """Return a short text for a value of any size, safe on a terminal."""
    return reprlib.repr(value)
