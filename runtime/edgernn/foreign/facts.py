"""Facts about a model's file, the same for all formats."""

from collections.abc import Mapping
from dataclasses import dataclass

MAX_PORTS = 64  # inputs or outputs that are read; others are left out
MAX_NAME_BYTES = 200


@dataclass(frozen=True)
class TensorFacts:
    """Input or output of a model.

    Attributes:
        name: in the file.
        dtype: the type of its numbers, by NumPy's name where NumPy has it.
        shape: the size of each axis; a name or -1 where it is free; None where the file does not give it.
        scale, zero_point: real = scale × (integer - zero_point); None without quantization, or with several scales.
    """

    name: str
    dtype: str
    shape: tuple[int | str, ...] | None
    scale: float | None = None
    zero_point: int | None = None


@dataclass(frozen=True)
class Facts:
    """Facts that a file holds about its model.

    Attributes:
        format: its name and version.
        inputs, outputs: of its main graph, the first 64 of each.
        operators: how often each occurs in all graphs, most frequent first.
        missing: reasons why a light runtime cannot run it, each with the way out; empty if it can.
        signatures: the names under which its graphs are called.
    """

    format: str
    inputs: tuple[TensorFacts, ...]
    outputs: tuple[TensorFacts, ...]
    operators: Mapping[str, int]
    missing: tuple[str, ...]
    signatures: tuple[str, ...] = ()
