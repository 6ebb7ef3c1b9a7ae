"""Facts about an .onnx file, read without the package onnx.

The file is a protobuf message: fields one after the other, each a key (its number and wire type) and a value. Field
numbers are those of onnx.proto3.
"""

import struct
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from edgernn.errors import ArtifactError, list_names
from edgernn.foreign.facts import MAX_NAME_BYTES, MAX_PORTS, Facts, TensorFacts, find_refusals
from edgernn.specs import is_state

_MODEL_VERSION, _MODEL_GRAPH, _MODEL_OPSETS = 1, 7, 8
_OPSET_DOMAIN, _OPSET_VERSION = 1, 2
_GRAPH_NODES, _GRAPH_INITIALIZERS, _GRAPH_INPUTS, _GRAPH_OUTPUTS = 1, 5, 11, 12
_NODE_OPERATOR, _NODE_ATTRIBUTES, _NODE_DOMAIN = 4, 5, 7
_ATTRIBUTE_GRAPHS = (6, 11)
_TENSOR_NAME, _TENSOR_LOCATION = 8, 14
_VALUE_NAME, _VALUE_TYPE = 1, 2
_TYPE_TENSOR, _TENSOR_TYPE_ELEMENT, _TENSOR_TYPE_SHAPE = 1, 1, 2
_SHAPE_AXIS, _AXIS_SIZE, _AXIS_NAME = 1, 1, 2
_VARINT, _EIGHT_BYTES, _BYTES, _FOUR_BYTES = 0, 1, 2, 5
_EXTERNAL = 1
MAX_NESTING = 32  # graphs in the attributes of a graph's nodes
MAX_AXES = 16
# TensorProto.DataType.
_TYPE_NAMES = """
undefined float32 uint8 int8 uint16 int16 int32 int64 string bool float16 float64 uint32 uint64 complex64 complex128
bfloat16 float8_e4m3fn float8_e4m3fnuz float8_e5m2 float8_e5m2fnuz uint4 int4 float4_e2m1
"""
_TYPES = tuple(_TYPE_NAMES.split())
_ACCEPTED_TYPES = ("float32",)
# Domains whose operators ONNX Runtime has built in.
_KNOWN_DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft")


class _Part(NamedTuple):
    """Range of a message in the file: its first byte, and the byte after its last one."""

    start: int
    end: int


class _DamageError(ValueError):
    """The content is not a message of this kind."""


def read_onnx(data: bytes) -> Facts:
    """Read the facts of an .onnx file.

    Raises:
        ArtifactError: it is not an .onnx file, or damaged.
    """
    try:
        return _read(data)
    except (_DamageError, struct.error) as error:
        raise ArtifactError(f"not an .onnx file, or a damaged one: {error}; copy the file again") from error


def _read(data: bytes) -> Facts:
    version, graph, opsets = 0, None, []
    for number, value in _fields(data, _Part(0, len(data))):
        if number == _MODEL_VERSION and isinstance(value, int):
            version = value
        elif number == _MODEL_GRAPH and isinstance(value, _Part):
            graph = value
        elif number == _MODEL_OPSETS and isinstance(value, _Part):
            opsets.append(_opset(data, value))
    if graph is None:
        raise _DamageError("no graph found")
    inside = dict.fromkeys(_names_inside(data, graph))
    operators = Counter[str]()
    external = _count(data, graph, operators)
    # Old writers list the weights among the inputs.
    inputs = tuple(port for port in _ports(data, graph, _GRAPH_INPUTS) if port.name not in inside)[:MAX_PORTS]
    outputs = tuple(_ports(data, graph, _GRAPH_OUTPUTS))[:MAX_PORTS]
    return Facts(
        format=f"ONNX, IR version {version}, opset {', '.join(opsets[:8]) or 'not known'}",
        inputs=inputs,
        outputs=outputs,
        operators=dict(operators.most_common()),
        missing=_missing(operators, external),
        refused=find_refusals(
            [port for port in inputs if not is_state(port.name)],
            [port for port in outputs if not is_state(port.name.removesuffix("_out"))],
            _ACCEPTED_TYPES,
        ),
    )


def _missing(operators: Counter[str], external: bool) -> tuple[str, ...]:
    foreign = sorted(name for name in operators if ":" in name and name.split(":")[0] not in _KNOWN_DOMAINS)
    reasons = []
    if foreign:
        reasons.append(
            f"needs operators ({list_names(foreign)}) that ONNX Runtime does not have; register the library "
            "that implements them"
        )
    if external:
        reasons.append("its weights are in another file; save it with `onnx.save(…, save_as_external_data=False)`")
    return tuple(reasons)


def _opset(data: bytes, part: _Part) -> str:
    domain, version = "", 0
    for number, value in _fields(data, part):
        if number == _OPSET_DOMAIN and isinstance(value, _Part):
            domain = _text(data, value)
        elif number == _OPSET_VERSION and isinstance(value, int):
            version = value
    return f"{version}" if domain in ("", "ai.onnx") else f"{version} of {domain}"


def _count(data: bytes, graph: _Part, operators: Counter[str]) -> bool:
    """Count the operators of a graph and of the graphs inside it; return True if weights are in other files."""
    waiting = [(graph, 0)]
    external = False
    while waiting:
        part, depth = waiting.pop()
        if depth > MAX_NESTING:
            raise _DamageError(f"graphs nested more than {MAX_NESTING} deep")
        for number, value in _fields(data, part):
            if not isinstance(value, _Part):
                continue
            if number == _GRAPH_NODES:
                waiting += [(inner, depth + 1) for inner in _count_node(data, value, operators)]
            elif number == _GRAPH_INITIALIZERS:
                external |= (_TENSOR_LOCATION, _EXTERNAL) in _fields(data, value)
    return external


def _count_node(data: bytes, node: _Part, operators: Counter[str]) -> Iterator[_Part]:
    """Count a node; yields the graphs in its attributes, such as the body of a Loop."""
    name, domain = "", ""
    for number, value in _fields(data, node):
        if not isinstance(value, _Part):
            continue
        if number == _NODE_OPERATOR:
            name = _text(data, value)
        elif number == _NODE_DOMAIN:
            domain = _text(data, value)
        elif number == _NODE_ATTRIBUTES:
            for inner, graph in _fields(data, value):
                if inner in _ATTRIBUTE_GRAPHS and isinstance(graph, _Part):
                    yield graph
    operators[name if domain in ("", "ai.onnx") else f"{domain}:{name}"] += 1


def _names_inside(data: bytes, graph: _Part) -> Iterator[str]:
    """Find the names of the weights."""
    for number, value in _fields(data, graph):
        if number == _GRAPH_INITIALIZERS and isinstance(value, _Part):
            for inner, name in _fields(data, value):
                if inner == _TENSOR_NAME and isinstance(name, _Part):
                    yield _text(data, name)


def _ports(data: bytes, graph: _Part, which: int) -> Iterator[TensorFacts]:
    for number, value in _fields(data, graph):
        if number == which and isinstance(value, _Part):
            yield _port(data, value)


def _port(data: bytes, part: _Part) -> TensorFacts:
    name, dtype, shape = "", "undefined", None
    for number, value in _fields(data, part):
        if number == _VALUE_NAME and isinstance(value, _Part):
            name = _text(data, value)
        elif number == _VALUE_TYPE and isinstance(value, _Part):
            dtype, shape = _type(data, value)
    return TensorFacts(name, dtype, shape)


def _type(data: bytes, part: _Part) -> tuple[str, tuple[int | str, ...] | None]:
    tensor = next((value for number, value in _fields(data, part) if number == _TYPE_TENSOR), None)
    if not isinstance(tensor, _Part):
        return "no tensor", None
    element, shape = 0, None
    for number, value in _fields(data, tensor):
        if number == _TENSOR_TYPE_ELEMENT and isinstance(value, int):
            element = value
        elif number == _TENSOR_TYPE_SHAPE and isinstance(value, _Part):
            axes = [axis for inner, axis in _fields(data, value) if inner == _SHAPE_AXIS]
            if len(axes) > MAX_AXES:
                raise _DamageError(f"a tensor of {len(axes)} axes")
            shape = tuple(_axis(data, axis) for axis in axes if isinstance(axis, _Part))
    return _TYPES[element] if element < len(_TYPES) else f"type {element}", shape


def _axis(data: bytes, part: _Part) -> int | str:
    for number, value in _fields(data, part):
        if number == _AXIS_SIZE and isinstance(value, int):
            return value if value < 1 << 63 else value - (1 << 64)
        if number == _AXIS_NAME and isinstance(value, _Part):
            return _text(data, value) or -1
    return -1


def _fields(data: bytes, part: _Part) -> Iterator[tuple[int, int | _Part | None]]:
    """Read the fields of a message: number and value; a value is an int, a `_Part`, or None for fixed-size numbers."""
    place, end = part
    while place < end:
        key, place = _varint(data, place, end)
        number, wire = key >> 3, key & 7
        if not number:
            raise _DamageError(f"a field without a number at byte {place}")
        value: int | _Part | None = None
        if wire == _VARINT:
            value, place = _varint(data, place, end)
        elif wire == _BYTES:
            size, place = _varint(data, place, end)
            value, place = _Part(place, place + size), place + size
        elif wire in (_EIGHT_BYTES, _FOUR_BYTES):
            place += 8 if wire == _EIGHT_BYTES else 4
        else:
            raise _DamageError(f"wire type {wire} at byte {place}")
        if place > end:
            raise _DamageError(f"a field that ends at byte {place}, its message at {end}")
        yield number, value


def _varint(data: bytes, place: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while place < end and shift < 64:
        byte = data[place]
        value |= (byte & 0x7F) << shift
        place += 1
        if byte < 0x80:
            return value & ((1 << 64) - 1), place
        shift += 7
    raise _DamageError(f"a number without an end at byte {place}")


def _text(data: bytes, part: _Part) -> str:
    return data[part.start : min(part.end, part.start + MAX_NAME_BYTES)].decode(errors="replace")
