"""What a .tflite file says of its signature `step`, and the same file with that step's graph in front.

An interpreter runs the first graph of a file without detours. A signature's runner, the way to any other one, allocates
at every call, which costs twice what the step of a small model does; tflite-micro has no runners at all. So a step gets
an interpreter of its own, over the same bytes with two graphs exchanged. Offsets are those of TFLite's schema
(tensorflow/lite/schema/schema.fbs) in the flatbuffer format: numbers are little-endian, a table begins with the
distance back to its vtable, which holds a field's distance from the table's beginning, or 0 where the field is absent.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from edgernn.errors import ArtifactError

STEP = "step"

# Fields of the tables, by their numbers in the schema.
_MODEL_SUBGRAPHS, _MODEL_SIGNATURES = 2, 7
_SIGNATURE_INPUTS, _SIGNATURE_OUTPUTS, _SIGNATURE_KEY, _SIGNATURE_SUBGRAPH = 0, 1, 2, 4
_MAP_NAME, _MAP_TENSOR = 0, 1
_SUBGRAPH_INPUTS, _SUBGRAPH_OUTPUTS = 1, 2


@dataclass(frozen=True)
class StepFile:
    """A file whose first graph is the step.

    Attributes:
        data: its content.
        inputs, outputs: the names of that graph's inputs and outputs, in its order.
    """

    data: bytes
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def step_file(data: bytes) -> StepFile | None:
    """The file with its step in front; None if it has no signature `step`.

    Raises:
        ArtifactError: it is damaged.
    """
    try:
        return _step_file(data)
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise ArtifactError(f"not a .tflite file that can be read: {error}") from error


def count_ports(data: bytes) -> tuple[int, int]:
    """How many inputs and outputs the first graph has.

    Raises:
        ArtifactError: it is damaged.
    """
    try:
        subgraphs = _field(data, _unsigned(data, 0), _MODEL_SUBGRAPHS)
        graph = next(_tables(data, subgraphs), None) if subgraphs is not None else None
        lists = [_field(data, graph, field) for field in (_SUBGRAPH_INPUTS, _SUBGRAPH_OUTPUTS)] if graph else []
        inputs, outputs = (0 if place is None else len(_places(data, place)) for place in lists or (None, None))
    except (struct.error, IndexError) as error:
        raise ArtifactError(f"not a .tflite file that can be read: {error}") from error
    return inputs, outputs


def _step_file(data: bytes) -> StepFile | None:
    model = _unsigned(data, 0)
    subgraphs = _field(data, model, _MODEL_SUBGRAPHS)
    signatures = _field(data, model, _MODEL_SIGNATURES)
    if subgraphs is None or signatures is None:
        return None
    graphs = _follow(data, subgraphs)
    for signature in _tables(data, signatures):
        key = _field(data, signature, _SIGNATURE_KEY)
        if key is None or _text(data, key) != STEP:
            continue
        place = _field(data, signature, _SIGNATURE_SUBGRAPH)
        index = 0 if place is None else _unsigned(data, place)
        if not index < _unsigned(data, graphs):
            raise ArtifactError(f"damaged: signature `{STEP}` is of graph {index}, there are not so many")
        graph = list(_tables(data, subgraphs))[index]
        return StepFile(
            _exchanged(data, graphs, index, _follow(data, signatures)),
            _names(data, signature, _SIGNATURE_INPUTS, graph, _SUBGRAPH_INPUTS),
            _names(data, signature, _SIGNATURE_OUTPUTS, graph, _SUBGRAPH_OUTPUTS),
        )
    return None


def _exchanged(data: bytes, graphs: int, index: int, signatures: int) -> bytes:
    """The file with graph `index` in front, and without signatures, which would name the wrong graphs."""
    copy = bytearray(data)
    first, other = graphs + 4, graphs + 4 + 4 * index
    # Each is the distance from its own place.
    for place, target in ((first, _follow(data, other)), (other, _follow(data, first))):
        struct.pack_into("<I", copy, place, target - place)
    struct.pack_into("<I", copy, signatures, 0)
    return bytes(copy)


def _names(data: bytes, signature: int, field: int, graph: int, order: int) -> tuple[str, ...]:
    """The names that a signature gives a graph's inputs or outputs, in the graph's order."""
    named, ordered = _field(data, signature, field), _field(data, graph, order)
    if named is None or ordered is None:
        raise ArtifactError(f"damaged: signature `{STEP}` has no inputs or no outputs")
    # One tensor may have several names: an answer that is the state itself.
    names: dict[int, list[str]] = {}
    for entry in _tables(data, named):
        name, tensor = _field(data, entry, _MAP_NAME), _field(data, entry, _MAP_TENSOR)
        index = 0 if tensor is None else _unsigned(data, tensor)
        names.setdefault(index, []).append("" if name is None else _text(data, name))
    tensors = [_unsigned(data, place) for place in _places(data, ordered)]
    if sorted(tensors) != sorted(index for index, given in names.items() for _ in given):
        raise ArtifactError(f"damaged: signature `{STEP}` names tensors {sorted(names)} of its graph's {tensors}")
    return tuple(names[tensor].pop() for tensor in tensors)


def _unsigned(data: bytes, place: int) -> int:
    value: int = struct.unpack_from("<I", data, place)[0]
    return value


def _follow(data: bytes, place: int) -> int:
    """Where an offset leads."""
    return place + _unsigned(data, place)


def _field(data: bytes, table: int, number: int) -> int | None:
    """Where a table's field lies; None where it is absent."""
    vtable = table - struct.unpack_from("<i", data, table)[0]
    slot = 4 + 2 * number
    if vtable < 0 or slot + 2 > struct.unpack_from("<H", data, vtable)[0]:
        return None
    distance = struct.unpack_from("<H", data, vtable + slot)[0]
    return table + distance if distance else None


def _places(data: bytes, field: int) -> range:
    """The places of the elements of a vector of 32-bit numbers or offsets."""
    vector = _follow(data, field)
    count = _unsigned(data, vector)
    if count > (len(data) - vector) // 4:
        raise IndexError(f"a list of {count} where the file ends")
    return range(vector + 4, vector + 4 + 4 * count, 4)


def _tables(data: bytes, field: int) -> Iterator[int]:
    return (_follow(data, place) for place in _places(data, field))


def _text(data: bytes, field: int) -> str:
    start = _follow(data, field)
    return data[start + 4 : start + 4 + _unsigned(data, start)].decode()
