"""Facts about a .tflite file, read without the package of its schema."""

import math
import struct
from collections import Counter
from collections.abc import Iterator

from edgernn import flatbuffer
from edgernn import tflite_schema as schema
from edgernn.errors import ArtifactError, list_names
from edgernn.foreign.facts import MAX_NAME_BYTES, MAX_PORTS, Facts, TensorFacts, find_refusals

_IDENTIFIER = b"TFL3"
_CUSTOM = 32
_FLEX = "Flex"
MAX_AXES = 16
_ACCEPTED_TYPES = ("float32", "int8", "int16")


def read_tflite(data: bytes) -> Facts:
    """Read the facts of a .tflite file.

    Raises:
        ArtifactError: it is not a .tflite file, or damaged.
    """
    if data[4:8] != _IDENTIFIER:
        raise ArtifactError(f"not a .tflite file: found {data[4:8]!r} at byte 4, expected {_IDENTIFIER!r}")
    try:
        return _read(data)
    except flatbuffer.DAMAGE as error:
        raise ArtifactError(f"a damaged .tflite file: {flatbuffer.describe(error)}; copy the file again") from error


def _read(data: bytes) -> Facts:
    model = flatbuffer.unsigned(data, 0)
    graphs = list(_tables(data, model, schema.MODEL_SUBGRAPHS))
    if not graphs:
        raise ArtifactError("a .tflite file without a graph, expected at least one; copy the file again")
    names = [_operator_name(data, code) for code in _tables(data, model, schema.MODEL_CODES)]
    operators = Counter[str]()
    for numbers in _operator_numbers(data, graphs):
        for number, count in numbers.items():
            if number >= len(names):
                raise IndexError(f"operator {number} of {len(names)}")
            operators[names[number]] += count
    version = flatbuffer.field(data, model, schema.MODEL_VERSION)
    inputs, outputs = (
        tuple(_ports(data, graphs[0], which)) for which in (schema.SUBGRAPH_INPUTS, schema.SUBGRAPH_OUTPUTS)
    )
    return Facts(
        format=f"TFLite, schema version {0 if version is None else flatbuffer.unsigned(data, version)}",
        inputs=inputs,
        outputs=outputs,
        operators=dict(operators.most_common()),
        missing=_missing(operators),
        refused=find_refusals(inputs, outputs, _ACCEPTED_TYPES),
        signatures=tuple(_keys(data, model)),
    )


def _missing(operators: Counter[str]) -> tuple[str, ...]:
    flex = sorted(name for name in operators if name.startswith(_FLEX))
    custom = sorted(name.removeprefix("custom ") for name in operators if name.startswith("custom "))
    reasons = []
    if flex:
        reasons.append(
            f"needs TensorFlow's own operators ({list_names(flex)}), which no light runtime has; convert the model "
            "without SELECT_TF_OPS, or export the Keras model with `edgernn export`"
        )
    if custom:
        reasons.append(
            f"needs custom operators ({list_names(custom)}), which no light runtime has; convert the model without them"
        )
    return tuple(reasons)


def _operator_name(data: bytes, code: int) -> str:
    number = schema.operator_number(data, code)
    if number != _CUSTOM:
        return schema.OPERATORS[number] if number < len(schema.OPERATORS) else f"operator {number}"
    custom = flatbuffer.field(data, code, schema.CODE_CUSTOM)
    name = "without a name" if custom is None else flatbuffer.text(data, custom, MAX_NAME_BYTES)
    return name if name.startswith(_FLEX) else f"custom {name}"


def _operator_numbers(data: bytes, graphs: list[int]) -> Iterator[Counter[int]]:
    """Count the operator codes in each graph; a list that several graphs share is read once."""
    known: dict[int, Counter[int]] = {}
    for graph in graphs:
        operators = flatbuffer.field(data, graph, schema.SUBGRAPH_OPERATORS)
        if operators is not None:
            place = flatbuffer.follow(data, operators)
            if place not in known:
                known[place] = Counter(_number(data, each, 0) for each in flatbuffer.tables(data, operators))
            yield known[place]


def _ports(data: bytes, graph: int, which: int) -> Iterator[TensorFacts]:
    listed, tensors = flatbuffer.field(data, graph, which), flatbuffer.field(data, graph, schema.SUBGRAPH_TENSORS)
    if listed is None or tensors is None:
        return
    places = flatbuffer.places(data, tensors)
    for place in flatbuffer.places(data, listed)[:MAX_PORTS]:
        index = flatbuffer.unsigned(data, place)
        if index >= len(places):
            raise IndexError(f"tensor {index} of {len(places)}")
        yield _port(data, flatbuffer.follow(data, places[index]))


def _port(data: bytes, tensor: int) -> TensorFacts:
    name, kind = flatbuffer.field(data, tensor, schema.TENSOR_NAME), flatbuffer.field(data, tensor, schema.TENSOR_TYPE)
    number = 0 if kind is None else data[kind]
    shape = flatbuffer.field(data, tensor, schema.TENSOR_SIGNATURE)  # with -1 for free sizes
    if shape is None or not len(flatbuffer.places(data, shape)):
        shape = flatbuffer.field(data, tensor, schema.TENSOR_SHAPE)
    quantization = flatbuffer.field(data, tensor, schema.TENSOR_QUANTIZATION)
    scale, zero_point = (None, None) if quantization is None else _scale(data, flatbuffer.follow(data, quantization))
    return TensorFacts(
        name="" if name is None else flatbuffer.text(data, name, MAX_NAME_BYTES),
        dtype=schema.TYPES[number] if number < len(schema.TYPES) else f"type {number}",
        shape=() if shape is None else _sizes(data, shape),
        scale=scale,
        zero_point=zero_point,
    )


def _sizes(data: bytes, shape: int) -> tuple[int, ...]:
    places = flatbuffer.places(data, shape)
    if len(places) > MAX_AXES:
        raise IndexError(f"a tensor of {len(places)} axes")
    return tuple(struct.unpack_from("<i", data, place)[0] for place in places)


def _scale(data: bytes, table: int) -> tuple[float | None, int | None]:
    scales, zero_points = (
        flatbuffer.field(data, table, number)
        for number in (schema.QUANTIZATION_SCALES, schema.QUANTIZATION_ZERO_POINTS)
    )
    if scales is None or len(flatbuffer.places(data, scales)) != 1:
        return None, None
    scale = float(struct.unpack_from("<f", data, flatbuffer.places(data, scales)[0])[0])
    has_zero_point = zero_points is not None and len(flatbuffer.places(data, zero_points)) == 1
    place = flatbuffer.places(data, zero_points)[0] if has_zero_point and zero_points is not None else None
    zero_point = 0 if place is None else struct.unpack_from("<q", data, place)[0]
    return (scale, zero_point) if math.isfinite(scale) else (None, None)


def _keys(data: bytes, model: int) -> Iterator[str]:
    for number, signature in enumerate(_tables(data, model, schema.MODEL_SIGNATURES)):
        key = flatbuffer.field(data, signature, schema.SIGNATURE_KEY)
        if key is not None and number < MAX_PORTS:
            yield flatbuffer.text(data, key, MAX_NAME_BYTES)


def _tables(data: bytes, table: int, number: int) -> Iterator[int]:
    return (flatbuffer.follow(data, place) for place in flatbuffer.table_places(data, table, number))


def _number(data: bytes, table: int, field: int) -> int:
    place = flatbuffer.field(data, table, field)
    return 0 if place is None else flatbuffer.unsigned(data, place)
