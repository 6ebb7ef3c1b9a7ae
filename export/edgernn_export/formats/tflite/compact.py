"""Compact: rewrite any .tflite file as small as possible, with the same answers bit for bit.

A .tflite file is a flatbuffer: one `Model` table whose children are reached through relative offsets.

    "TFL3"  Model ─► OperatorCode*      which operators, in which version; an operator refers to one by index
                  ─► SubGraph* ─► Tensor*    ─► shape, quantization ─► scales, zero points; a buffer by index
                               ─► Operator*  ─► input and output tensors by index, an option table
                  ─► Buffer* ─► the weights, aligned to 16 bytes
                  ─► SignatureDef*, Metadata* (an entry names a buffer)

In an unrolled recurrent layer every time step repeats some operators on tensors of the same shape, and converters write
every child of every step again: its name (often 100 bytes), shape, scales, option table, an empty buffer. But two
parents in a flatbuffer may refer to the same child. So every child is written once per content (`sharing_builder`).
Before that, everything that no runtime reads is dropped (`_drop_unread`). An operator then takes its table (12 to 24
bytes), its lists of tensors (8 bytes for one) and four bytes for each offset to it.

Unchanged: the order of operators, and the index of every tensor, because foreign metadata may refer to them.
"""

import struct
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from flatbuffers.number_types import SOffsetTFlags, VOffsetTFlags

from edgernn.errors import ArtifactError
from edgernn_export.formats.tflite.graph import take_in_weights
from edgernn_export.formats.tflite.sharing_builder import SharingBuilder, address_of
from edgernn_export.formats.tflite.unpacked_size import File, check_unpacked_size

_IDENTIFIER = b"TFL3"
_VERSION = 3
_BUFFER_ALIGNMENT = 16  # `force_align: 16` of Buffer.data in the schema; the generated Python drops it

# Exceptions of the flatbuffers reader if an offset or a length is damaged.
_DAMAGE = (struct.error, IndexError, ValueError, TypeError, OverflowError)

# Written by converters for people and tools; no runtime reads it.
_CONVERTER_METADATA = frozenset({b"min_runtime_version", b"CONVERSION_METADATA"})

# Subgraphs that a runtime finds by their name (IsValidationSubgraph in LiteRT's tflite/util.h).
_VALIDATION_PREFIX = b"VALIDATION:"

# Option tables that may be left out if all fields have their defaults: the parser (LiteRT's
# tflite/core/api/flatbuffer_conversions.cc, the same in TFLite Micro) then passes the kernel a struct of zeros, as for
# the defaults. Two exceptions matter to int16 tensors only (`pot_scale_int16` of ADD and SUB,
# `quantized_bias_type` of FULLY_CONNECTED), so those keep their table. Tables without fields are never read.
_ZEROS_WHEN_MISSING = frozenset(
    {
        schema.AddOptionsT,
        schema.BatchMatMulOptionsT,
        schema.ConcatenationOptionsT,
        schema.DivOptionsT,
        schema.FullyConnectedOptionsT,
        schema.GatherOptionsT,
        schema.MulOptionsT,
        schema.ReducerOptionsT,
        schema.ReshapeOptionsT,
        schema.StridedSliceOptionsT,
        schema.SubOptionsT,
    }
)


def compact(model: bytes, *, keep_names: bool = False, metadata: Mapping[str, bytes] | None = None) -> bytes:
    """Rewrite a .tflite file as small as possible; every signature still returns the same answers, bit for bit.

    The result is the same for the same arguments, and compacting it again changes nothing.

    Args:
        model: content of a .tflite file, of any origin.
        keep_names: whether to keep all that only people and tools read: all names of tensors and subgraphs, the
            description, and the converter's metadata. Otherwise only the names of inputs and outputs that a caller can
            reach stay, and metadata that the converter did not write.
        metadata: entries to add to `Model.metadata`, or to replace there. Each content is stored verbatim, once.

    Raises:
        ArtifactError: `model` is not a .tflite file, is damaged, has data outside its flatbuffer (as files of more than
            2 GB have), or has fields that are newer than the installed schema and would be lost.
    """
    return Compactor(model, keep_names=keep_names).write(metadata or {})


class Compactor:
    """A .tflite file, read once and written compact as often as its metadata changes; otherwise as `compact`."""

    def __init__(self, model: bytes, *, keep_names: bool = False) -> None:
        self._parsed = _read(model)
        if not keep_names:
            _drop_unread(self._parsed)
        _drop_defaults(self._parsed)

    def write(self, metadata: Mapping[str, bytes]) -> bytes:
        """Write the file with these entries in `Model.metadata`, and those of earlier calls."""
        _set_metadata(self._parsed, metadata)
        _share_operator_codes(self._parsed)
        _share_buffers(self._parsed)
        return _write(self._parsed)


def _read(model: bytes) -> Any:
    if len(model) < 8 or model[4:8] != _IDENTIFIER:
        raise ArtifactError(f"not a .tflite file: no identifier TFL3 at byte 4 ({len(model)} bytes)")
    file = File(model)
    try:
        check_unpacked_size(model)
        root = schema.Model.GetRootAs(file)
        parsed = schema.ModelT.InitFromObj(root)
        unknown = sorted(set(_unknown_parts(parsed, root, file)))
        file.reach(take_in_weights(parsed, file))
    except _DAMAGE as error:
        raise ArtifactError(f"damaged .tflite file: {error}") from error
    if parsed.version != _VERSION or not parsed.subgraphs:
        raise ArtifactError(
            f"not a .tflite model of schema version {_VERSION}: "
            f"version {parsed.version} with {len(parsed.subgraphs or ())} subgraphs"
        )
    if unknown:
        raise ArtifactError(f"newer than the installed ai-edge-litert, which does not have {', '.join(unknown)}")
    _refuse_outside_data(parsed, file)
    return parsed


def _unknown_parts(parsed: Any, table: Any, file: File) -> Iterator[str]:
    """Compare the file with the parsed tree; yield the fields and unions that the schema does not have."""
    kind, tab = type(table).__name__, table._tab
    vtable = tab.Pos - tab.Get(SOffsetTFlags, tab.Pos)
    vtable_end = vtable + tab.Get(VOffsetTFlags, vtable)
    file.reach(max(vtable_end, tab.Pos + tab.Get(VOffsetTFlags, vtable + 2)))
    if any(tab.Get(VOffsetTFlags, slot) for slot in range(vtable + 4 + 2 * _slot_count(kind), vtable_end, 2)):
        yield f"a field of {kind}"
    for attribute, value in vars(parsed).items():
        name = attribute[0].upper() + attribute[1:]
        accessor = getattr(table, name)
        if isinstance(value, np.ndarray) and value.size:
            file.reach(address_of(value) - address_of(np.frombuffer(file, np.uint8)) + value.nbytes)
        elif isinstance(value, list):
            for position, element in enumerate(value):
                if hasattr(element, "InitFromObj"):
                    yield from _unknown_parts(element, accessor(position), file)
        elif hasattr(value, "InitFromObj"):
            yield from _unknown_parts(value, _typed(accessor(), value), file)
        elif value is None and not hasattr(table, f"{name}Length") and accessor() is not None:
            yield f"the type of {kind}.{attribute}"


@cache
def _slot_count(table_name: str) -> int:
    builder = flatbuffers.Builder(0)
    getattr(schema, f"{table_name}Start")(builder)
    return len(builder.current_vtable)


def _typed(table: Any, parsed: Any) -> Any:
    """Cast a union, which is read as an untyped table, to the type it was parsed as."""
    if not isinstance(table, flatbuffers.table.Table):
        return table
    typed = getattr(schema, type(parsed).__name__.removesuffix("T"))()
    typed.Init(table.Bytes, table.Pos)
    return typed


def _at(items: Sequence[Any] | None, index: int, what: str) -> Any:
    if not 0 <= index < len(items or ()):
        raise ArtifactError(f"damaged .tflite file: {what} {index} of {len(items or ())}")
    return (items or ())[index]


def _refuse_outside_data(model: Any, file: File) -> None:
    """Refuse data outside the flatbuffer: their offsets count from the file's start and would become wrong."""
    tensors = [tensor for subgraph in model.subgraphs for tensor in subgraph.tensors or ()]
    operators = [op for subgraph in model.subgraphs for op in subgraph.operators or ()]
    outside = {
        "external buffers": model.externalBuffers or model.externalBufferGroups,
        "external tensors": any(tensor.externalBuffer for tensor in tensors),
        "large custom options": any(op.largeCustomOptionsOffset or op.largeCustomOptionsSize for op in operators),
        # Label files that TFLite Metadata appends as a zip, or programs for an NPU. Old writers left an unused table
        # of up to 16 bytes at the end; the smallest zip has 22.
        "data after the flatbuffer": len(bytes(memoryview(file)[file.end :]).rstrip(b"\0")) > 16,
    }
    found = [what for what, present in outside.items() if present]
    if found:
        raise ArtifactError(f"a .tflite file with {' and '.join(found)} cannot be compacted")


def _drop_unread(model: Any) -> None:
    """Drop all that no runtime reads: most names, the description, the converter's metadata."""
    model.description = None
    model.metadata = [entry for entry in model.metadata or () if entry.name not in _CONVERTER_METADATA]
    # The body of a loop is not included, because callers cannot reach its tensors.
    entries = {0} | {signature.subgraphIndex for signature in model.signatureDefs or ()}
    for number, subgraph in enumerate(model.subgraphs):
        if not (subgraph.name or b"").startswith(_VALIDATION_PREFIX):
            subgraph.name = None
        ends = {*_indices(subgraph.inputs), *_indices(subgraph.outputs)} if number in entries else set()
        for index, tensor in enumerate(subgraph.tensors or ()):
            if index not in ends:
                tensor.name = None


def _drop_defaults(model: Any) -> None:
    """Drop calibration ranges, and tables and lists that mean the same when they are missing."""
    for subgraph in model.subgraphs:
        for tensor in subgraph.tensors or ():
            quantization = tensor.quantization
            if quantization is None:
                continue
            quantization.min = quantization.max = None
            # Without scales and details a tensor is not quantized. Zero points must stay, even if they are zeros.
            if not len(_indices(quantization.scale)) and not quantization.detailsType:
                tensor.quantization = None
        for op in subgraph.operators or ():
            if not len(_indices(op.intermediates)):
                op.intermediates = None
            if not len(_indices(op.mutatingVariableInputs)):
                op.mutatingVariableInputs = None
            if op.builtinOptions is not None and _may_be_missing(op, subgraph):
                op.builtinOptionsType, op.builtinOptions = schema.BuiltinOptions.NONE, None


def _may_be_missing(op: Any, subgraph: Any) -> bool:
    """Return True if an operator does the same without its option table; see _ZEROS_WHEN_MISSING."""
    kind = type(op.builtinOptions)
    fields, defaults = vars(op.builtinOptions), vars(kind())
    if not fields:
        return True
    if kind not in _ZEROS_WHEN_MISSING:
        return False
    if any(isinstance(value, np.ndarray) or value != defaults[name] for name, value in fields.items()):
        return False
    operands = {*_indices(op.inputs), *_indices(op.outputs)} - {-1}  # -1: an optional input that is not given
    types = {_at(subgraph.tensors, index, "tensor").type for index in operands}
    return schema.TensorType.INT16 not in types


def _indices(vector: Any) -> Any:
    """Return a vector of the file, or an empty list for a missing one."""
    return [] if vector is None else vector


def _set_metadata(model: Any, metadata: Mapping[str, bytes]) -> None:
    new = {name.encode(): content for name, content in metadata.items()}
    kept = [entry for entry in model.metadata or () if entry.name not in new]
    model.buffers = list(model.buffers or ())
    for name, content in new.items():
        kept.append(schema.MetadataT(name, len(model.buffers)))
        model.buffers.append(schema.BufferT(np.frombuffer(content, np.uint8)))
    model.metadata = kept or None


def _share_operator_codes(model: Any) -> None:
    """Keep one operator code a content; the most frequent is first, because index 0, a default, takes no bytes."""

    def content(op: Any) -> tuple[Any, ...]:
        return tuple(vars(_at(model.operatorCodes, op.opcodeIndex, "operator code")).values())

    ops = [op for subgraph in model.subgraphs for op in subgraph.operators or ()]
    codes = [code for code, _ in Counter(map(content, ops)).most_common()]
    positions = {code: position for position, code in enumerate(codes)}
    for op in ops:
        op.opcodeIndex = positions[content(op)]
    model.operatorCodes = [schema.OperatorCodeT(*code) for code in codes]


def _share_buffers(model: Any) -> None:
    """Keep one buffer a content, and only buffers that are used.

    Buffer 0 is empty and marks a computed tensor. A buffer with data of 0 bytes is different: it is a constant.
    """
    shared = [schema.BufferT()]
    positions: dict[bytes, int] = {}
    # Many tensors may refer to one buffer, and many buffers to one place in the file. Hash each place only once.
    known: dict[tuple[int, int], int] = {}

    def place(index: int) -> int:
        data = _at(model.buffers, index, "buffer").data
        if data is None:
            return 0
        memory = (address_of(data), data.nbytes)
        if memory not in known:
            known[memory] = positions.setdefault(data.tobytes(), len(shared))
            if known[memory] == len(shared):
                shared.append(schema.BufferT(data))
        return known[memory]

    for subgraph in model.subgraphs:
        for tensor in subgraph.tensors or ():
            tensor.buffer = tensor.buffer and place(tensor.buffer)
    for entry in model.metadata or ():
        entry.buffer = place(entry.buffer)
    if model.metadataBuffer is not None:
        model.metadataBuffer = np.array([place(index) for index in model.metadataBuffer], np.int32)
    model.buffers = shared


def _write(model: Any) -> bytes:
    data = [buffer.data for buffer in model.buffers if buffer.data is not None]
    builder = SharingBuilder(sum(map(len, data)) + 1024)
    # Buffers first and one by one: the table of each then fits into the padding before the data of the next.
    for buffer in model.buffers:
        if buffer.data is not None:
            builder.CreateNumpyVector(buffer.data, _BUFFER_ALIGNMENT)
            buffer.Pack(builder)
    builder.Finish(model.Pack(builder), _IDENTIFIER)
    return bytes(builder.Output())
