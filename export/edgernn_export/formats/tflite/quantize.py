"""Quantization: litert-quantizer outside the placeholders, the arithmetic of the cells inside them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from edgernn.arrays import Float32
from edgernn.backends import open_artifact
from edgernn.errors import UnsupportedError
from edgernn.specs import Range
from edgernn_export.cells.ops import PreActivation
from edgernn_export.formats.tflite.arithmetic import DynamicOps, Float16Ops, Float32Ops, IntegerOps
from edgernn_export.formats.tflite.convert import Converted
from edgernn_export.formats.tflite.graph import Graph, Scale, read
from edgernn_export.formats.tflite.insert_cells import MakeCellOps, has_mask, insert_cells
from edgernn_export.formats.tflite.layouts import preferred_layout
from edgernn_export.formats.tflite.litert_quantizer import dynamic, float16, run_quantizer
from edgernn_export.formats.tflite.ranges import measure, role_scales, span, with_headroom
from edgernn_export.formats.tflite.static_quantization import find_bent, quantize_around
from edgernn_export.lowering import RecurrentPlaceholder

# Ranges are measured on this many samples; more move the extremes of no activation that matters.
RANGE_SAMPLES = 500
# Candidates are compared on this many samples, so that the search takes about a second.
SEARCH_SAMPLES = 1000
# Limits to try for the sum in front of an activation. Beyond ±4 tanh is flat to within a step of int8, sigmoid beyond
# ±6. A lower limit cuts values off but makes finer steps. For other activations, shares of the measured range.
LIMITS = {
    "tanh": (2.0, 2.25, 2.5, 2.75, 3.0, 3.25, 3.5, 3.75, 4.0),
    "sigmoid": (3.0, 3.5, 4.0, 4.5, 5.0, 5.5, 6.0),
}
PARTS = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
# Path that messages quote for a candidate, which is not written.
_CANDIDATE = Path("candidate.tflite")
# The place of a cut: a role, and the activation that gets its values.
Cut = tuple[str, str]
# The scale of each role, by the names of the placeholders.
CellScales = Mapping[str, Mapping[str, Scale]]


@dataclass(frozen=True)
class Quantized:
    """A converted model in one number format, its recurrent layers still placeholders.

    Attributes:
        converted: the model in float32.
        data: a .tflite file's content.
        make_ops: the arithmetic of the cells in this format.
    """

    converted: Converted
    data: bytes
    make_ops: MakeCellOps

    def build(self, layout: str) -> bytes:
        """Build the finished graph in a layout."""
        return insert_cells(self.data, self.converted.placeholders, layout, self.make_ops)


def quantize(converted: Converted, quantization: str, io_type: str, x: Float32, reference: Float32) -> Quantized:
    """Convert a model to a number format.

    Args:
        converted: float32, with placeholders.
        quantization: float32, float16, dynamic, int8 or int16x8.
        io_type: type of inputs and outputs, float32 or, for int8, int8.
        x: the calibration set, float32 [samples, steps, features]; for int8 and int16x8 only.
        reference: the Keras model's answers to the calibration set.

    Raises:
        ExportError: the quantizer fails.
        UnsupportedError: the model masks rows, but its inputs are to be integers.
    """
    if quantization == "float32":
        return Quantized(converted, converted.data, lambda graph, _name: Float32Ops(graph))
    if quantization == "float16":
        return Quantized(converted, run_quantizer(converted.data, float16), lambda graph, _name: Float16Ops(graph))
    if quantization == "dynamic":
        return Quantized(converted, run_quantizer(converted.data, dynamic), lambda graph, _name: DynamicOps(graph))
    if io_type != "float32" and has_mask(converted.data):
        raise UnsupportedError(
            f"a mask compares rows before they are rounded, so the input cannot be {io_type}; leave out --io"
        )
    return _search(converted, 8 if quantization == "int8" else 16, io_type, x, reference)


def _search(converted: Converted, bits: int, io_type: str, x: Float32, reference: Float32) -> Quantized:
    """Quantize to full integers; return the candidate whose answers are nearest to the reference.

    The candidates differ in the limits at which the sums in front of activations are cut off. The search goes role by
    role, with one limit for all layers with the same activation, and keeps the best limits of earlier roles.
    """
    floats = insert_cells(
        converted.data, converted.placeholders, "unrolled", lambda graph, name: Float32Ops(graph, name)
    )
    ranges = measure(floats, x[:RANGE_SAMPLES])
    if bits == 16:
        ranges = with_headroom(ranges, exempt=find_bent(converted.data))
    x, reference = x[:SEARCH_SAMPLES], reference[:SEARCH_SAMPLES]
    # Every layout returns the same bits; this one is fastest to build and to run.
    layout = preferred_layout(
        x.shape[1], sum(placeholder.cell.operators for placeholder in converted.placeholders.values())
    )

    # Candidates differ in the cells; most share the rest of the model.
    @cache
    def around(known: tuple[tuple[str, Range], ...]) -> bytes:
        return quantize_around(converted, bits, io_type, dict(known))

    def make(scales: CellScales) -> Quantized:
        return _integers(converted, bits, ranges, scales, around)

    def distance(candidate: Quantized) -> float:
        # Native kernels are several times as fast, with LiteRT's bits; where they lack an operator, LiteRT answers.
        (answers,) = open_artifact(_CANDIDATE, candidate.build(layout), threads=1).run((x,))
        return float(np.abs(answers - reference).mean())

    tried = [_cell_scales(converted.placeholders, bits, ranges, {})]
    best = make(tried[0])
    if bits == 16:  # the steps are fine enough without a cut
        return best
    min_distance, cuts = distance(best), dict[Cut, float]()
    for place, candidates in _cuts(converted.placeholders).items():
        for trial in [{**cuts, place: cut} for cut in candidates]:
            scales = _cell_scales(converted.placeholders, bits, ranges, trial)
            if scales in tried:  # a limit beyond the measured range cuts nothing off
                continue
            tried.append(scales)
            candidate = make(scales)
            if (found := distance(candidate)) < min_distance:
                best, min_distance, cuts = candidate, found, trial
    return best


def _cuts(placeholders: Mapping[str, RecurrentPlaceholder]) -> dict[Cut, Sequence[float]]:
    """List the candidates of each possible cut: limits for a flat activation, shares of the range otherwise."""
    return {
        (role, kind.feeds): LIMITS.get(kind.feeds, PARTS)
        for placeholder in placeholders.values()
        for role, kind in placeholder.cell.roles.items()
        if isinstance(kind, PreActivation)
    }


def _cut_off(
    placeholder: RecurrentPlaceholder, ranges: Mapping[str, Range], cuts: Mapping[Cut, float]
) -> dict[str, Range]:
    """Return the ranges of a placeholder's roles, with the sums cut off."""
    cut_off = {}
    for role, kind in placeholder.cell.roles.items():
        low, high = ranges.get(f"{placeholder.name}/{role}", (0.0, 0.0))
        cut = cuts.get((role, kind.feeds)) if isinstance(kind, PreActivation) else None
        if cut is not None and isinstance(kind, PreActivation):
            largest = max(-low, high)
            limit = min(cut, largest) if kind.feeds in LIMITS else cut * largest
            low, high = -limit, limit
        cut_off[role] = low, high
    return cut_off


def _cell_scales(
    placeholders: Mapping[str, RecurrentPlaceholder], bits: int, ranges: Mapping[str, Range], cuts: Mapping[Cut, float]
) -> CellScales:
    return {
        name: role_scales(placeholder.cell.roles, _cut_off(placeholder, ranges, cuts), bits)
        for name, placeholder in placeholders.items()
    }


def _integers(
    converted: Converted,
    bits: int,
    ranges: Mapping[str, Range],
    scales: CellScales,
    around: Callable[[tuple[tuple[str, Range], ...]], bytes],
) -> Quantized:
    def make_ops(graph: Graph, name: str) -> Float32Ops:
        return IntegerOps(graph, bits, scales[name])

    known = {
        # A value that is always 0, such as the norm of one feature, needs a range: LiteRT aborts on a scale of 0.
        name: (low, high) if low < high else (-1.0, 1.0)
        for name, (low, high) in ranges.items()
        if name.partition("/")[0] not in converted.placeholders
    }
    known |= _outputs(converted, scales, bits)
    return Quantized(converted, around(tuple(known.items())), make_ops)


def _outputs(converted: Converted, scales: CellScales, bits: int) -> dict[str, Range]:
    """Return the ranges of the placeholders' outputs, which are those of their cells' states."""
    names = (tensor.name.decode() for tensor in read(converted.data).subgraphs[0].tensors if tensor.name)
    return {
        name: span(scales[placeholder.name][placeholder.cell.states[0]], bits)
        for name in names
        if "@" in name and "/" not in name and (placeholder := converted.placeholders.get(name.partition("@")[0]))
    }
