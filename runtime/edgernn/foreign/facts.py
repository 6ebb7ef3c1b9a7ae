"""What is known of a model's file, whatever its format."""

from collections.abc import Mapping
from dataclasses import dataclass

MAX_PORTS = 64  # inputs or outputs that are looked at; more are counted
MAX_NAME_BYTES = 200


@dataclass(frozen=True)
class Port:
    """An input or an output.

    Attributes:
        name: as the file says it.
        dtype: the type of its numbers, in NumPy's words where NumPy has it.
        shape: the size of each axis; a name or -1 where it is free; None where the file does not say it.
        scale, zero_point: what its integers mean; None where they are no quantized numbers, or have several scales.
    """

    name: str
    dtype: str
    shape: tuple[int | str, ...] | None
    scale: float | None = None
    zero_point: int | None = None


@dataclass(frozen=True)
class Facts:
    """What a file says of itself.

    Attributes:
        format: with its version.
        inputs, outputs: of its main graph, the first 64.
        operators: how often each one stands in all its graphs, most frequent first.
        missing: what a light runtime lacks to run it, a line each with the way out; empty if it can.
        signatures: the names under which its graphs are called.
    """

    format: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    operators: Mapping[str, int]
    missing: tuple[str, ...]
    signatures: tuple[str, ...] = ()
