"""Facts about a model's file, the same for all formats."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgernn.specs import explain_count

MAX_PORTS = 64  # inputs or outputs that are read; more are ignored
MAX_NAME_BYTES = 200


@dataclass(frozen=True)
class TensorFacts:
    """Input or output of a model.

    Attributes:
        name: name in the file.
        dtype: the type of its numbers; NumPy's name if NumPy has the type.
        shape: the size of each axis; a name or -1 if the size is free; None if the file does not contain it.
        scale, zero_point: real = scale × (integer - zero_point); None without quantization, or with several scales.
    """

    name: str
    dtype: str
    shape: tuple[int | str, ...] | None
    scale: float | None = None
    zero_point: int | None = None


@dataclass(frozen=True)
class Facts:
    """Facts that a file contains about its model.

    Attributes:
        format: its name and version.
        inputs, outputs: inputs and outputs of its main graph, the first 64 of each.
        operators: count of each operator in all graphs, most frequent first.
        missing: reasons why a light runtime cannot run it, each with advice; empty if it can.
        refused: reasons why edgernn does not run it, although a light runtime may; empty if none is known.
        signatures: names of the graphs' signatures.
    """

    format: str
    inputs: tuple[TensorFacts, ...]
    outputs: tuple[TensorFacts, ...]
    operators: Mapping[str, int]
    missing: tuple[str, ...]
    refused: tuple[str, ...]
    signatures: tuple[str, ...] = ()


def find_refusals(
    inputs: Sequence[TensorFacts], outputs: Sequence[TensorFacts], types: Sequence[str]
) -> tuple[str, ...]:
    """Find the reasons why edgernn does not run a file, from its inputs and outputs without states.

    The backends refuse files for more reasons; these are the usual ones.

    Args:
        inputs, outputs: of the file.
        types: the types of numbers that the format's backends accept.
    """
    count = explain_count(len(inputs), len(outputs))
    return (
        *([count] if count else []),
        *(reason for port in (*inputs, *outputs) if (reason := _refuse_type(port, types))),
    )


def _refuse_type(port: TensorFacts, types: Sequence[str]) -> str:
    if port.dtype not in types:
        return f"{port.name!r} has type {port.dtype}, expected {', '.join(types)}"
    if port.dtype != "float32" and not (port.scale and port.scale > 0):
        return f"{port.name!r} has type {port.dtype} without one scale, so its integers have no known meaning"
    return ""
