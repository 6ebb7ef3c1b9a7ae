"""Records behave as frozen dataclasses do."""

import copy
import dataclasses
import inspect
import pickle
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pytest

from edgernn.records import record


@record(frozen=True)
class Quick:
    """A record."""

    a: int
    b: tuple[int, ...] = (1, 2)
    c: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.a < 0:
            raise ValueError("negative")

    @cached_property
    def twice(self) -> int:
        return 2 * self.a


@dataclass(frozen=True)
class Usual:
    """A dataclass with the same fields."""

    a: int
    b: tuple[int, ...] = (1, 2)
    c: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.a < 0:
            raise ValueError("negative")

    @cached_property
    def twice(self) -> int:
        return 2 * self.a


@record(frozen=True)
class Point:
    """A record that can be hashed."""

    x: int
    y: int


USES: dict[str, Callable[[Any], object]] = {
    "by place": lambda kind: vars(kind(1, (), {"z": 1})),
    "by name": lambda kind: vars(kind(c={"z": 1}, a=1)),
    "by place and name": lambda kind: vars(kind(1, c={})),
    "representation": lambda kind: repr(kind(1)).removeprefix(kind.__name__),
    "equal": lambda kind: [kind(1) == kind(1, (1, 2), {}), kind(1) == kind(2), kind(1) != kind(1), kind(1) == (1,)],
    "of another class": lambda kind: [kind(1) == Point(1, 2), Point(1, 2) == kind(1)],
    "defaults": lambda kind: kind(1).c is kind(2).c,
    "replace": lambda kind: vars(dataclasses.replace(kind(1), b=(3,))),
    "as a dictionary": lambda kind: dataclasses.asdict(kind(1)),
    "fields": lambda kind: [each.name for each in dataclasses.fields(kind)],
    "pattern": lambda kind: kind.__match_args__,
    "cached": lambda kind: (one := kind(4)) and (one.twice, one == kind(4), dataclasses.replace(one, a=1).twice),
    "copies": lambda kind: [each(kind(1)) == kind(1) for each in (copy.copy, copy.deepcopy)],
    "pickled": lambda kind: vars(pickle.loads(pickle.dumps(kind(1)))),  # noqa: S301  its own bytes
    "names of the signature": lambda kind: list(inspect.signature(kind).parameters),
}
WRONG: dict[str, Callable[[Any], object]] = {
    "missing": lambda kind: kind(),
    "unknown": lambda kind: kind(1, d=1),
    "unknown in place of another": lambda kind: kind((), {}, d=1),
    "too many": lambda kind: kind(1, (), {}, 4),
    "twice": lambda kind: kind(1, a=1),
    "refused": lambda kind: kind(-1),
    "assigned": lambda kind: setattr(kind(1), "a", 2),
    "added": lambda kind: setattr(kind(1), "d", 2),
    "deleted": lambda kind: delattr(kind(1), "a"),
    "not hashable": lambda kind: hash(kind(1)),
}


@pytest.mark.parametrize("use", USES)
def test_a_record_is_used_as_a_frozen_dataclass(use: str) -> None:
    assert USES[use](Quick) == USES[use](Usual)


@pytest.mark.parametrize("use", WRONG)
def test_a_record_refuses_as_a_frozen_dataclass(use: str) -> None:
    with pytest.raises(Exception, match=r".") as usual:
        WRONG[use](Usual)
    with pytest.raises(Exception, match=r".") as quick:
        WRONG[use](Quick)
    assert type(quick.value) is type(usual.value)


def test_equal_records_have_one_hash() -> None:
    assert len({Point(1, 2), Point(1, 2), Point(2, 1)}) == 2


def test_a_wrong_call_names_the_fields() -> None:
    make: Any = Point
    with pytest.raises(TypeError, match=r"Point\(x, y\): found 1 values: \['y'\] missing"):
        make(1)
    with pytest.raises(TypeError, match=r"Point\(x, y\): found 1 values and z: too many values, .* or an unknown one"):
        make(1, z=3)
