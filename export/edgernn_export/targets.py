"""Targets: the selection of kinds of artifacts for an export."""

from collections.abc import Sequence

from edgernn.backends import SUFFIXES
from edgernn.errors import SettingError
from edgernn_export.formats import FORMATS, all_targets, default_targets
from edgernn_export.formats.base import Target

__all__ = [
    "DEFAULT_TARGETS",
    "IO_TYPES",
    "LAYOUTS",
    "QUANTIZATIONS",
    "RUNTIME_TARGETS",
    "TARGETS",
    "Target",
    "select_targets",
]


def runtime_targets() -> tuple[Target, ...]:
    """Return all targets whose artifacts the runtime runs; C source is for other programs."""
    return tuple(target for target in all_targets() if FORMATS[target.format].suffix in SUFFIXES)


DEFAULT_TARGETS = default_targets()
TARGETS = all_targets()
RUNTIME_TARGETS = runtime_targets()
QUANTIZATIONS = tuple(dict.fromkeys(target.quantization for target in TARGETS))
LAYOUTS = ("unrolled", "loop", "fused")
IO_TYPES = ("float32", "int8")


def select_targets(
    formats: Sequence[str] = (),
    quantizations: Sequence[str] = (),
    layouts: Sequence[str] = (),
    io_type: str = "float32",
    static: bool = False,
) -> list[Target]:
    """Select the targets of these formats, quantizations and layouts; an empty choice means all of them.

    C source is selected only by its format.
    Without any choice these are the default targets; with `io_type` int8 or `static`, all targets that can have it.

    Raises:
        SettingError: a choice matches no target.
    """
    if static and io_type != "float32":
        raise SettingError("--static makes .onnx files, whose inputs and outputs are float32; leave out --io int8")
    known: Sequence[Target] = [target for each in FORMATS.values() for target in each.variants(io_type, static)]
    if io_type == "float32" and not static:
        known = all_targets() if formats else runtime_targets() if quantizations or layouts else default_targets()
    choices = (("format", formats), ("quantization", quantizations), ("layout", layouts))
    chosen = [
        target
        for target in known
        if all(not asked or getattr(target, attribute) in asked for attribute, asked in choices)
    ]
    for attribute, asked in choices:
        for value in asked:
            if not any(getattr(target, attribute) == value for target in chosen):
                raise SettingError(
                    f"nothing to export for {attribute} {value!r} with the other options; "
                    + _describe_possible(known, attribute, value, choices)
                )
    return chosen


def _describe_possible(
    known: Sequence[Target], attribute: str, value: str, choices: Sequence[tuple[str, Sequence[str]]]
) -> str:
    """Describe which targets have the value, and which have the other choices."""
    others = [(name, asked) for name, asked in choices if asked and name != attribute]
    with_value = [target for target in known if getattr(target, attribute) == value]
    with_others = [target for target in known if all(getattr(target, name) in asked for name, asked in others)]
    parts = [f"{value} is possible as {_list(with_value)}"] if with_value else []
    if others and with_others:
        asked_for = " ".join(word for _, asked in others for word in asked)
        parts.append(f"{asked_for} is possible as {_list(with_others)}")
    return "; ".join(parts) or f"possible: {_list(known)}"


def _list(targets: Sequence[Target]) -> str:
    return ", ".join(map(str, targets))
