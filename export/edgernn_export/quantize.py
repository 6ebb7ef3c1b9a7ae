"""Quantization: what is around the carriers by litert-quantizer, what is in them by the arithmetic of their cells."""

import contextlib
import io
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgernn.backends.litert import open_artifact
from edgernn.errors import ExportError
from edgernn_export.expand import MakeCellOps, expand
from edgernn_export.graph import Graph, read
from edgernn_export.ranges import FIXED, Range, measure
from edgernn_export.tflite import Converted
from edgernn_export.tflite_ops import DynamicOps, Float16Ops, Float32Ops, IntegerOps

Float32 = npt.NDArray[np.float32]

# Ranges are measured on this many samples; more move the extremes of no activation that matters.
RANGE_SAMPLES = 500
# Candidates are judged on this many, so that the search takes about a second.
SEARCH_SAMPLES = 1000
# Where the sum in front of tanh or sigmoid is cut off: beyond ±4 they are flat to within a step of int8; below ±2
# too much is lost. For relu and linear, parts of what was measured.
LIMITS = (2.0, 2.25, 2.5, 2.75, 3.0, 3.25, 3.5, 3.75, 4.0)
LEAST_PART = 0.5


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
    """Full integers: of the candidates, the one whose answers are nearest to the reference."""
    floats = expand(source.data, source.carriers, "unrolled", lambda graph, name: Float32Ops(graph, _sum(name)))
    ranges = measure(floats, x[:RANGE_SAMPLES])
    x, reference = x[:SEARCH_SAMPLES], reference[:SEARCH_SAMPLES]
    candidates = [
        _integers(source, bits, io_type, ranges, limits) for limits in _limit_candidates(source, ranges, bits)
    ]

    def distance(candidate: Quantized) -> float:
        answers = open_artifact(candidate.lay_out("unrolled"), threads=1).run(x)
        return float(np.abs(answers - reference).mean())

    return min(candidates, key=distance)


def _limit_candidates(source: Converted, ranges: Mapping[str, Range], bits: int) -> Iterator[dict[str, float]]:
    """For each candidate the limit of every carrier's sum."""
    measured = {name: max(map(abs, ranges[_sum(name)])) or 1.0 for name in source.carriers}
    if bits == 16:  # steps so fine that there is nothing to win
        yield measured
        return
    for limit, part in zip(LIMITS, np.linspace(LEAST_PART, 1.0, len(LIMITS)), strict=True):
        yield {
            name: min(limit, measured[name])
            if carrier.cell.activation in ("tanh", "sigmoid")
            else float(part) * measured[name]
            for name, carrier in source.carriers.items()
        }


def _integers(
    source: Converted, bits: int, io_type: str, ranges: Mapping[str, Range], limits: Mapping[str, float]
) -> Quantized:
    def make_ops(graph: Graph, name: str) -> Float32Ops:
        return IntegerOps(graph, bits, limits[name])

    known = {name: value for name, value in ranges.items() if "/" not in name or name.partition("/")[0] not in limits}
    known |= _fixed(source)
    for name, carrier in source.carriers.items():
        known[f"{name}@0"] = _output_range(carrier.cell.activation, bits, limits[name])
    statistics = {
        name: {"min": np.array([[low]], np.float32), "max": np.array([[high]], np.float32)}
        for name, (low, high) in _for_every_signature(source, known).items()
    }
    recipe = _static8 if bits == 8 else _static16
    data = _run_quantizer(source.data, recipe, statistics, float_io=io_type == "float32")
    return Quantized(source, data, make_ops)


def _output_range(activation: str, bits: int, limit: float) -> Range:
    """The range that gives a carrier's output the scale its cell writes it in."""
    if activation == "sigmoid" and bits == 8:
        return 0.0, 255 / 256
    bound = 1.0 if activation in ("tanh", "sigmoid") else limit
    top = bound * (1 - 2.0 ** (1 - bits))
    # int16 is symmetric: its lowest integer is not used.
    return (-bound, top) if bits == 8 else (-top, top)


def _fixed(source: Converted) -> dict[str, Range]:
    """The outputs whose range the int8 kernels demand."""
    model = read(source.data)
    return {
        subgraph.tensors[int(operator.outputs[0])].name.decode(): FIXED[code]
        for subgraph in model.subgraphs
        for operator in subgraph.operators
        if (code := model.operatorCodes[operator.opcodeIndex].builtinCode) in FIXED
    }


def _for_every_signature(source: Converted, ranges: Mapping[str, Range]) -> dict[str, Range]:
    """The step's tensors have the ranges of the sequence's: the same layers made both, in the same order."""
    first, *others = read(source.data).subgraphs
    everywhere = dict(ranges)
    for other in others:
        if len(other.operators) != len(first.operators):
            raise ExportError("the step is made of other operators than the sequence; their ranges cannot be shared")
        for ours, theirs in zip(first.operators, other.operators, strict=True):
            for a, b in zip((*ours.inputs, *ours.outputs), (*theirs.inputs, *theirs.outputs), strict=True):
                name = first.tensors[int(a)].name.decode() if a >= 0 else ""
                if name in ranges:
                    everywhere[other.tensors[int(b)].name.decode()] = ranges[name]
    return everywhere


def _sum(name: str) -> str:
    """What the sums of a carrier's cell are called while they are measured."""
    return f"{name}/sum"


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
