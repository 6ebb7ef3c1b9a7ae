"""The signature `step` of a .tflite file, and the same file with that step's graph in front.

An interpreter runs the first graph of a file directly. Any other graph needs a signature runner, which allocates memory
at every call and takes twice as long as the step of a small model; tflite-micro has no runners. So the step has a
separate interpreter over the same bytes with two graphs exchanged. Offsets are those of TFLite's schema
(tensorflow/lite/schema/schema.fbs); `edgernn.flatbuffer` follows them.
"""

import struct
from collections.abc import Iterator
from contextlib import contextmanager

from edgernn import flatbuffer
from edgernn import tflite_schema as schema
from edgernn.errors import ArtifactError
from edgernn.records import record

STEP = "step"


@record(frozen=True)
class PortNames:
    """Names of a graph's inputs and outputs in a signature, in the graph's order."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@record(frozen=True)
class StepFile:
    """File whose first graph is the step.

    Attributes:
        data: the file's content.
        names: of that graph's inputs and outputs.
    """

    data: bytes
    names: PortNames


@record(frozen=True)
class StepSignature:
    """The signature `step` of a file.

    Attributes:
        graph_number: of its graph.
        names: of that graph's inputs and outputs.
    """

    graph_number: int
    names: PortNames


@contextmanager
def _reading() -> Iterator[None]:
    """Raise an ArtifactError if the file that is read in this block is damaged."""
    try:
        yield
    except flatbuffer.DAMAGE as error:
        raise ArtifactError(f"not a .tflite file that can be read: {flatbuffer.describe(error)}") from error


def step_signature(data: bytes) -> StepSignature | None:
    """Return the signature `step`; None if the file has none.

    Raises:
        ArtifactError: the file is damaged.
    """
    with _reading():
        step = next((each for each in _signatures(data) if each.key == STEP), None)
        return None if step is None else StepSignature(step.graph_number, _names(data, step))


def step_file(data: bytes) -> StepFile | None:
    """Return the file with its step in front; None if it has no signature `step`.

    Raises:
        ArtifactError: the file is damaged.
    """
    with _reading():
        return _step_file(data)


def sequence_names(data: bytes) -> PortNames | None:
    """Return the names of the first graph's inputs and outputs; None if no signature refers to it.

    Raises:
        ArtifactError: the file is damaged.
    """
    with _reading():
        return next((_names(data, each) for each in _signatures(data) if each.graph_number == 0), None)


def count_ports(data: bytes) -> tuple[int, int]:
    """Count the inputs and outputs of the first graph.

    Raises:
        ArtifactError: the file is damaged.
    """
    with _reading():
        subgraphs = flatbuffer.field(data, flatbuffer.unsigned(data, 0), schema.MODEL_SUBGRAPHS)
        graph = next(flatbuffer.tables(data, subgraphs), None) if subgraphs is not None else None
        lists = (
            [flatbuffer.field(data, graph, field) for field in (schema.SUBGRAPH_INPUTS, schema.SUBGRAPH_OUTPUTS)]
            if graph
            else []
        )
        inputs, outputs = (
            0 if place is None else len(flatbuffer.places(data, place)) for place in lists or (None, None)
        )
    return inputs, outputs


@record(frozen=True)
class _Signature:
    """A signature: its key, the offset of its table, and its graph's number and offset."""

    key: str
    place: int
    graph_number: int
    graph: int


def _find_lists(data: bytes) -> tuple[int, int] | None:
    """Return the places of the fields with the graphs and with the signatures; None if one is absent."""
    model = flatbuffer.unsigned(data, 0)
    subgraphs = flatbuffer.field(data, model, schema.MODEL_SUBGRAPHS)
    signatures = flatbuffer.field(data, model, schema.MODEL_SIGNATURES)
    return None if subgraphs is None or signatures is None else (subgraphs, signatures)


def _signatures(data: bytes) -> Iterator[_Signature]:
    if (lists := _find_lists(data)) is None:
        return
    subgraphs, signatures = lists
    graphs = list(flatbuffer.tables(data, subgraphs))
    for signature in flatbuffer.tables(data, signatures):
        key = flatbuffer.field(data, signature, schema.SIGNATURE_KEY)
        if key is None:
            continue
        name = flatbuffer.text(data, key)
        place = flatbuffer.field(data, signature, schema.SIGNATURE_SUBGRAPH)
        index = 0 if place is None else flatbuffer.unsigned(data, place)
        if not index < len(graphs):
            raise ArtifactError(f"damaged: signature {name!r} refers to graph {index}, which does not exist")
        yield _Signature(name, signature, index, graphs[index])


def _step_file(data: bytes) -> StepFile | None:
    lists = _find_lists(data)
    step = next((each for each in _signatures(data) if each.key == STEP), None)
    if lists is None or step is None:
        return None
    return StepFile(_exchanged(data, *lists, step.graph_number), _names(data, step))


def _exchanged(data: bytes, subgraphs: int, signatures: int, index: int) -> bytes:
    """Return the file with graph `index` in front, and without signatures, which would refer to the wrong graphs."""
    copy = bytearray(data)
    graphs = flatbuffer.follow(data, subgraphs)
    first, other = graphs + 4, graphs + 4 + 4 * index
    # Each offset is relative to its own place.
    for place, target in ((first, flatbuffer.follow(data, other)), (other, flatbuffer.follow(data, first))):
        struct.pack_into("<I", copy, place, target - place)
    struct.pack_into("<I", copy, flatbuffer.follow(data, signatures), 0)
    return bytes(copy)


def _names(data: bytes, signature: _Signature) -> PortNames:
    return PortNames(
        _ordered_names(data, signature, schema.SIGNATURE_INPUTS, schema.SUBGRAPH_INPUTS),
        _ordered_names(data, signature, schema.SIGNATURE_OUTPUTS, schema.SUBGRAPH_OUTPUTS),
    )


def _ordered_names(data: bytes, signature: _Signature, field: int, order: int) -> tuple[str, ...]:
    """Return a signature's names for a graph's inputs or outputs, in the graph's order."""
    named, ordered = flatbuffer.field(data, signature.place, field), flatbuffer.field(data, signature.graph, order)
    if named is None or ordered is None:
        raise ArtifactError(f"damaged: signature {signature.key!r} has no inputs or no outputs")
    # One tensor may have several names, if the answer is the state.
    names: dict[int, list[str]] = {}
    for entry in flatbuffer.tables(data, named):
        name, tensor = flatbuffer.field(data, entry, schema.MAP_NAME), flatbuffer.field(data, entry, schema.MAP_TENSOR)
        index = 0 if tensor is None else flatbuffer.unsigned(data, tensor)
        names.setdefault(index, []).append("" if name is None else flatbuffer.text(data, name))
    tensors = [flatbuffer.unsigned(data, place) for place in flatbuffer.places(data, ordered)]
    if sorted(tensors) != sorted(index for index, given in names.items() for _ in given):
        raise ArtifactError(
            f"damaged: signature {signature.key!r} names tensors {sorted(names)} of its graph's {tensors}"
        )
    return tuple(names[tensor].pop() for tensor in tensors)
