"""Quantization: what is around the carriers by litert-quantizer, what is in them by the arithmetic of their cells."""

import contextlib
import io
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt

from edgernn.backends.litert import open_artifact
from edgernn.errors import ExportError
from edgernn_export.cells.ops import Sum
from edgernn_export.expand import MakeCellOps, expand
from edgernn_export.graph import Graph, Operator, Scale, read
from edgernn_export.layouts import preferred_layout
from edgernn_export.lowering import Carrier
from edgernn_export.ranges import FIXED, Range, measure, role_scales, span, with_headroom
from edgernn_export.tflite import Converted
from edgernn_export.tflite_ops import DynamicOps, Float16Ops, Float32Ops, IntegerOps

Float32 = npt.NDArray[np.float32]

# Ranges are measured on this many samples; more move the extremes of no activation that matters.
RANGE_SAMPLES = 500
# Candidates are judged on this many, so that the search takes about a second.
SEARCH_SAMPLES = 1000
# Where the sum in front of an activation may be cut off. Beyond ±4 tanh is flat to within a step of int8, sigmoid
# beyond ±6; nearer to 0 a cut costs what is beyond it and gives finer steps. For others, parts of what was measured.
LIMITS = {
    "tanh": (2.0, 2.25, 2.5, 2.75, 3.0, 3.25, 3.5, 3.75, 4.0),
    "sigmoid": (3.0, 3.5, 4.0, 4.5, 5.0, 5.5, 6.0),
}
PARTS = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
# Where there may be a cut: a role, and the activation that it is fed to.
Cut = tuple[str, str]


@dataclass(frozen=True)
class Quantized:
    """A converted model in one number format, its recurrent layers still carriers.

    Attributes:
        source: what it was made from.
        data: a .tflite file's content.
        make_ops: the arithmetic of the cells in this format.
    """

    source: Converted
    data: bytes
    make_ops: MakeCellOps

    def lay_out(self, layout: str) -> bytes:
        """The finished graph in a layout."""
        return expand(self.data, self.source.carriers, layout, self.make_ops)


def quantize(source: Converted, quantization: str, io_type: str, x: Float32, reference: Float32) -> Quantized:
    """Bring a converted model into a number format.

    Args:
        source: float32, with carriers.
        quantization: float32, float16, dynamic, int8 or int16x8.
        io_type: what goes in and comes out, float32 or, for int8, int8.
        x: the calibration set, float32 [samples, steps, features]; for int8 and int16x8 only.
        reference: the Keras model's answers to it.

    Raises:
        ExportError: the quantizer fails.
    """
    if quantization == "float32":
        return Quantized(source, source.data, lambda graph, _name: Float32Ops(graph))
    if quantization == "float16":
        return Quantized(source, _run_quantizer(source.data, _float16), lambda graph, _name: Float16Ops(graph))
    if quantization == "dynamic":
        return Quantized(source, _run_quantizer(source.data, _dynamic), lambda graph, _name: DynamicOps(graph))
    return _search(source, 8 if quantization == "int8" else 16, io_type, x, reference)


def _search(source: Converted, bits: int, io_type: str, x: Float32, reference: Float32) -> Quantized:
    """Full integers: of the candidates, the one whose answers are nearest to the reference.

    The candidates differ in where the sums in front of activations are cut off. They are looked through role by role,
    the same for all layers with one activation, with what was best for the roles before.
    """
    floats = expand(source.data, source.carriers, "unrolled", lambda graph, name: Float32Ops(graph, name))
    ranges = with_headroom(measure(floats, x[:RANGE_SAMPLES]), bits)
    x, reference = x[:SEARCH_SAMPLES], reference[:SEARCH_SAMPLES]
    # Every layout gives the same bits; this one is quickest to make and to run.
    layout = preferred_layout(x.shape[1], sum(carrier.cell.operators for carrier in source.carriers.values()))

    # Candidates differ in the cells; what is around them is the same for most.
    surround = cache(partial(_surround, source, bits, io_type))

    def make(cuts: Mapping[Cut, float]) -> Quantized:
        return _integers(source, bits, ranges, cuts, surround)

    def distance(candidate: Quantized) -> float:
        answers = open_artifact(candidate.lay_out(layout), threads=1).run(x)
        return float(np.abs(answers - reference).mean())

    best = make({})
    if bits == 16:  # steps so fine that there is nothing to win
        return best
    least, cuts = distance(best), dict[Cut, float]()
    for place, candidates in _cuts(source.carriers).items():
        tried = [{**cuts, place: cut} for cut in candidates]
        for trial in tried:
            candidate = make(trial)
            if (found := distance(candidate)) < least:
                best, least, cuts = candidate, found, trial
    return best


def _cuts(carriers: Mapping[str, Carrier]) -> dict[Cut, Sequence[float]]:
    """The candidates wherever there may be a cut: limits for a flat activation, parts of the range otherwise."""
    return {
        (role, kind.feeds): LIMITS.get(kind.feeds, PARTS)
        for carrier in carriers.values()
        for role, kind in carrier.cell.roles.items()
        if isinstance(kind, Sum)
    }


def _cut_off(carrier: Carrier, ranges: Mapping[str, Range], cuts: Mapping[Cut, float]) -> dict[str, Range]:
    """The ranges of a carrier's roles, the sums cut off."""
    cut_off = {}
    for role, kind in carrier.cell.roles.items():
        low, high = ranges.get(f"{carrier.name}/{role}", (0.0, 0.0))
        cut = cuts.get((role, kind.feeds)) if isinstance(kind, Sum) else None
        if cut is not None and isinstance(kind, Sum):
            largest = max(-low, high)
            limit = min(cut, largest) if kind.feeds in LIMITS else cut * largest
            low, high = -limit, limit
        cut_off[role] = low, high
    return cut_off


def _integers(
    source: Converted,
    bits: int,
    ranges: Mapping[str, Range],
    cuts: Mapping[Cut, float],
    surround: Callable[[tuple[tuple[str, Range], ...]], bytes],
) -> Quantized:
    scales = {
        name: role_scales(carrier.cell.roles, _cut_off(carrier, ranges, cuts), bits)
        for name, carrier in source.carriers.items()
    }

    def make_ops(graph: Graph, name: str) -> Float32Ops:
        return IntegerOps(graph, bits, scales[name])

    known = {
        # What is always 0, as the norm of one feature, may have any range but none: LiteRT aborts over a scale of 0.
        name: (low, high) if low < high else (-1.0, 1.0)
        for name, (low, high) in ranges.items()
        if name.partition("/")[0] not in source.carriers
    }
    known |= _fixed(source, bits) | _outputs(source, scales, bits)
    return Quantized(source, surround(tuple(known.items())), make_ops)


def _surround(source: Converted, bits: int, io_type: str, known: tuple[tuple[str, Range], ...]) -> bytes:
    """Quantize what is around the carriers, with these ranges of the sequence's tensors."""
    statistics = {
        name: {"min": np.array([[low]], np.float32), "max": np.array([[high]], np.float32)}
        for name, (low, high) in _for_every_signature(source, _with_joined(source, dict(known))).items()
    }
    recipe = _static8 if bits == 8 else _static16
    return _run_quantizer(source.data, recipe, statistics, float_io=io_type == "float32")


def _fixed(source: Converted, bits: int) -> dict[str, Range]:
    """The outputs whose range the kernels demand."""
    model = read(source.data)
    return {
        subgraph.tensors[int(operator.outputs[0])].name.decode(): span(FIXED[code, bits], bits)
        for subgraph in model.subgraphs
        for operator in subgraph.operators
        if ((code := model.operatorCodes[operator.opcodeIndex].builtinCode), bits) in FIXED
    }


def _outputs(source: Converted, scales: Mapping[str, Mapping[str, Scale]], bits: int) -> dict[str, Range]:
    """The carriers' outputs, which have the range of their cell's state."""
    names = (tensor.name.decode() for tensor in read(source.data).subgraphs[0].tensors if tensor.name)
    return {
        name: span(scales[carrier.name][carrier.cell.states[0]], bits)
        for name in names
        if "@" in name and "/" not in name and (carrier := source.carriers.get(name.partition("@")[0]))
    }


def _with_joined(source: Converted, ranges: Mapping[str, Range]) -> dict[str, Range]:
    """The ranges with those of CONCATENATION: its inputs must have its scale, and those of the cells are given."""
    known = dict(ranges)
    model = read(source.data)
    first = model.subgraphs[0]
    for operator in first.operators:
        if model.operatorCodes[operator.opcodeIndex].builtinCode == Operator.CONCATENATION:
            names = [first.tensors[int(index)].name.decode() for index in (*operator.inputs, *operator.outputs)]
            found = [known[name] for name in names[:-1] if name in known]
            if found:
                known[names[-1]] = min(low for low, _ in found), max(high for _, high in found)
    return known


def _for_every_signature(source: Converted, ranges: Mapping[str, Range]) -> dict[str, Range]:
    """The step's tensors have the ranges of the sequence's: the same layers made both, in the same order."""
    model = read(source.data)

    def codes(subgraph: Any) -> list[int]:
        return [model.operatorCodes[operator.opcodeIndex].builtinCode for operator in subgraph.operators]

    first, *others = (model.subgraphs[signature.subgraphIndex] for signature in model.signatureDefs)
    everywhere = dict(ranges)
    for other in others:
        if codes(other) != codes(first):
            raise ExportError("the step is made of other operators than the sequence; their ranges cannot be shared")
        for ours, theirs in zip(first.operators, other.operators, strict=True):
            for a, b in zip((*ours.inputs, *ours.outputs), (*theirs.inputs, *theirs.outputs), strict=True):
                name = first.tensors[int(a)].name.decode() if a >= 0 else ""
                if name in ranges:
                    everywhere[other.tensors[int(b)].name.decode()] = ranges[name]
    return everywhere


def _run_quantizer(
    data: bytes,
    make_recipe: Callable[[], Sequence[Any]],
    statistics: Mapping[str, Any] | None = None,
    float_io: bool = True,
) -> bytes:
    from litert_quantizer import quantizer
    from litert_quantizer.algorithm_manager import AlgorithmName
    from litert_quantizer.qtyping import TFLOperationName

    try:
        # It prints its progress to standard error and has no switch that silences all of it.
        with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
            # It looks into a graph by an interpreter made for debugging, which warns of its own memory use.
            warnings.filterwarnings("ignore", "Warning: Enabling `experimental_preserve_all_tensors`", UserWarning)
            work = quantizer.Quantizer(data, make_recipe())
            for side in (TFLOperationName.INPUT, TFLOperationName.OUTPUT) if float_io else ():
                work.update_quantization_recipe(".*", side, algorithm_key=AlgorithmName.NO_QUANTIZE)
            result = work.quantize(statistics, enable_progress_bar=False, enable_progress_report=False)
    except (ValueError, RuntimeError, KeyError) as error:
        raise ExportError(f"the quantizer fails: {error}") from error
    return bytes(result.quantized_model)


def _static8() -> Any:
    from litert_quantizer import recipe

    return recipe.static_wi8_ai8()


def _static16() -> Any:
    from litert_quantizer import recipe

    return recipe.static_wi8_ai16()


def _dynamic() -> Any:
    from litert_quantizer import recipe

    return recipe.dynamic_wi8_afp32()


def _float16() -> Any:
    from litert_quantizer import qtyping, recipe_manager
    from litert_quantizer.algorithm_manager import AlgorithmName

    manager = recipe_manager.RecipeManager()
    manager.add_quantization_config(
        ".*",
        qtyping.TFLOperationName.ALL_SUPPORTED,
        qtyping.OpQuantizationConfig(
            weight_tensor_config=qtyping.TensorQuantizationConfig(16, dtype=qtyping.TensorDataType.FLOAT),
            compute_precision=qtyping.ComputePrecision.FLOAT,
            explicit_dequantize=True,
        ),
        AlgorithmName.FLOAT_CASTING,
    )
    return manager.get_quantization_recipe()
