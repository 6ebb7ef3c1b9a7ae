"""Static quantization: quantize everything outside the placeholders by litert-quantizer, with ranges from `ranges`."""

from collections.abc import Mapping, Sequence

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgernn.arrays import Float32
from edgernn.errors import ExportError
from edgernn.specs import Range
from edgernn_export.formats.tflite.arithmetic import min_scales, quantize_bias
from edgernn_export.formats.tflite.convert import Converted
from edgernn_export.formats.tflite.graph import Graph, Operator, Scale, read, write
from edgernn_export.formats.tflite.litert_quantizer import run_quantizer, static8, static16
from edgernn_export.formats.tflite.ranges import FIXED, span
from edgernn_export.formats.tflite.tensor_matching import JOINING, MOVING, computed_from, is_constant, match_ranges

# Arithmetic without weights: elementwise, means and sums. In front of the first product it stays float32: integers have
# one scale for all features, and raw features of different size, such as pressure and temperature, get similar ranges
# only in the model's normalization.
_WEIGHTLESS = (
    *(Operator.ADD, Operator.SUB, Operator.MUL, Operator.DIV, Operator.MAXIMUM, Operator.MINIMUM, Operator.NEG),
    *(Operator.ABS, Operator.SQUARE, Operator.SQRT, Operator.RSQRT, Operator.EXP, Operator.LOG, Operator.POW),
    *(Operator.SQUARED_DIFFERENCE, Operator.FLOOR, Operator.ROUND, Operator.CEIL, Operator.SIGN, Operator.SIN),
    *(Operator.COS, Operator.RELU, Operator.RELU6, Operator.RELU_N1_TO_1, Operator.RELU_0_TO_1, Operator.LEAKY_RELU),
    *(
        Operator.MEAN,
        Operator.SUM,
        Operator.PRELU,
        Operator.ELU,
        Operator.TANH,
        Operator.LOGISTIC,
        Operator.HARD_SWISH,
        Operator.GELU,
    ),
)
# Operators whose outputs do not grow in proportion to their inputs. A product of two computed values does not either.
_BENDING = (
    *(Operator.SQUARE, Operator.SQUARED_DIFFERENCE, Operator.POW, Operator.EXP, Operator.LOG),
    *(Operator.SQRT, Operator.RSQRT, Operator.DIV),
)
# Operators of a Masking layer, which compares rows before they are rounded: otherwise small numbers would equal 0.
_MASKING = (Operator.NOT_EQUAL, Operator.REDUCE_ANY, Operator.SELECT_V2, Operator.CAST)
# Operators with a bias, each with the axis of its kernel's units.
_PRODUCTS = {Operator.FULLY_CONNECTED: 0, Operator.CONV_2D: 0, Operator.DEPTHWISE_CONV_2D: 3}


def quantize_around(converted: Converted, bits: int, io_type: str, known: Mapping[str, Range]) -> bytes:
    """Quantize everything outside the placeholders.

    Args:
        converted: float32.
        bits: of activations, 8 or 16.
        io_type: of inputs and outputs, float32 or int8. With int8 inputs nothing stays float32.
        known: ranges of the tensors of signature `sequence`, by name.

    Raises:
        ExportError: the quantizer fails, or the step computes something that the sequence does not.
    """
    model = read(converted.data)
    ranges, unlike = match_ranges(
        model, list(converted.placeholders), _with_joined(model, {**known, **_fixed(model, bits)})
    )
    if unlike:
        raise ExportError(
            f"tensor {unlike[0]!r} of signature step matches none of signature sequence, so it has no range"
        )
    statistics = {
        name: {"min": np.array([[low]], np.float32), "max": np.array([[high]], np.float32)}
        for name, (low, high) in ranges.items()
    }
    float_io = io_type == "float32"
    front = _front(model) if float_io else []
    data = run_quantizer(converted.data, static8 if bits == 8 else static16, statistics, float_io, front)
    result = read(data)
    for float_graph, integer_graph in zip(model.subgraphs, result.subgraphs, strict=True):
        _keep_biases(Graph(model, float_graph), Graph(result, integer_graph))
        _clamp(Graph(result, integer_graph), front, bits)
    return write(result)


def find_bent(data: bytes) -> set[str]:
    """Find the tensors of signature `sequence` that do not grow in proportion to the input, up to the next product.

    Headroom does not suit them. Squares of values that are four times as large are sixteen times as large, and the
    steps of a variance with such a range are larger than many variances: LayerNormalization in int16x8 was off by 0.9.

    Args:
        data: content of a float32 .tflite file.

    Returns:
        Their names.
    """
    model = read(data)
    graph = model.subgraphs[0]
    spreading = {*_WEIGHTLESS, *MOVING, *JOINING}
    bent: set[int] = set()
    for operator in graph.operators:
        code = model.operatorCodes[operator.opcodeIndex].builtinCode
        computed = [int(index) for index in operator.inputs if index >= 0 and not is_constant(model, graph, int(index))]
        is_bending = code in _BENDING or (code == Operator.MUL and len(computed) > 1)
        if is_bending or (code in spreading and not bent.isdisjoint(computed)):
            bent.update(map(int, operator.outputs))
    return {(graph.tensors[index].name or b"").decode() for index in bent}


def _fixed(model: schema.ModelT, bits: int) -> dict[str, Range]:
    """Return the ranges of outputs that kernels prescribe."""
    return {
        subgraph.tensors[int(operator.outputs[0])].name.decode(): span(FIXED[code, bits], bits)
        for subgraph in model.subgraphs
        for operator in subgraph.operators
        if ((code := model.operatorCodes[operator.opcodeIndex].builtinCode), bits) in FIXED
    }


def _with_joined(model: schema.ModelT, ranges: Mapping[str, Range]) -> dict[str, Range]:
    """Add the ranges of CONCATENATION outputs: they cover the known ranges of the inputs, which share their scale."""
    known = dict(ranges)
    first = model.subgraphs[0]
    for operator in first.operators:
        if model.operatorCodes[operator.opcodeIndex].builtinCode == Operator.CONCATENATION:
            names = [first.tensors[int(index)].name.decode() for index in (*operator.inputs, *operator.outputs)]
            found = [known[name] for name in names[:-1] if name in known]
            if found:
                known[names[-1]] = min(low for low, _ in found), max(high for _, high in found)
    return known


def _front(model: schema.ModelT) -> list[str]:
    """List the tensors that stay float32 between the input and the first product, in all signatures.

    The list is empty if nothing is computed there; then the input itself is rounded.
    """
    names = []
    masked = any(code.builtinCode == Operator.NOT_EQUAL for code in model.operatorCodes)
    codes = (*_WEIGHTLESS, *MOVING, *JOINING, *(_MASKING if masked else ()))
    for graph in model.subgraphs:
        start = int(graph.inputs[0])
        indices = computed_from(model, graph, start, codes)
        if set(indices) - set(computed_from(model, graph, start, (*MOVING, *JOINING))):
            names += [graph.tensors[index].name.decode() for index in indices]
    return names


def _clamp(graph: Graph, front: Sequence[str], bits: int) -> None:
    """Clip values of the float32 front to the range of the integers before they are rounded.

    QUANTIZE kernels compute in 32 bits; a value that overflows them may change its sign. The runtime clips only the
    graph's inputs, not the values computed from them.
    """
    for operator in list(graph.subgraph.operators):
        code = graph.model.operatorCodes[operator.opcodeIndex].builtinCode
        value = int(operator.inputs[0]) if len(operator.inputs) else -1
        name = (graph.subgraph.tensors[value].name or b"").decode()
        if code == Operator.QUANTIZE and name in front:
            low, high = span(graph.scale(int(operator.outputs[0])), bits)
            for limiting, limit in ((Operator.MINIMUM, high), (Operator.MAXIMUM, low)):
                limited = graph.tensor(graph.shape(value), graph.type(value))
                options = schema.MaximumMinimumOptionsT()
                graph.operator(limiting, (value, graph.constant(np.array(limit, np.float32))), (limited,), options)
                value = limited
            operator.inputs = [value]
        graph.operators.append(operator)
    graph.subgraph.operators = graph.operators


def _keep_biases(floats: Graph, integers: Graph) -> None:
    """Give a unit coarser weights if its bias or its multiplier is outside of the kernels' range; see `min_scales`.

    litert-quantizer cuts such a bias off: a unit with zero weights and a bias of 0.5 would answer 0.0001. It gives zero
    weights a scale of about 1e-11, so a pruned unit has a multiplier that kernels refuse.
    """
    given = {tensor.name: index for index, tensor in enumerate(floats.subgraph.tensors)}
    for operator in integers.subgraph.operators:
        code = integers.model.operatorCodes[operator.opcodeIndex].builtinCode
        if code not in _PRODUCTS:
            continue
        x, kernel, bias = (int(index) for index in (*operator.inputs, -1)[:3])
        if any(integers.scale_or_none(each) is None for each in (x, kernel, int(operator.outputs[0]))):
            continue
        real = given.get(integers.subgraph.tensors[bias].name) if bias >= 0 else None
        if (bias >= 0 and real is None) or not is_constant(integers.model, integers.subgraph, kernel):
            continue
        operator.inputs = _coarser(integers, operator, code, None if real is None else floats.values(real))


def _coarser(graph: Graph, operator: schema.OperatorT, code: int, bias: Float32 | None) -> list[int]:
    """Return the inputs of a product, with a coarser kernel and its bias as new constants if that is needed."""
    x, kernel = (int(index) for index in operator.inputs[:2])
    (step,), (out_step,) = graph.scale(x).scales, graph.scale(int(operator.outputs[0])).scales
    scales = np.array(graph.subgraph.tensors[kernel].quantization.scale, np.float32)
    needed = np.maximum(scales, min_scales(np.zeros_like(scales) if bias is None else bias, step, out_step))
    if (needed == scales).all():
        return list(operator.inputs)
    axis = _PRODUCTS[code]
    units = np.moveaxis(graph.values(kernel).astype(np.float32), axis, -1)
    integers = np.moveaxis(np.round(units * scales / needed).astype(np.int8), -1, axis)
    found = [x, graph.constant(integers, Scale(tuple(needed), axis=axis))]
    return found if bias is None else [*found, graph.constant(*quantize_bias(bias, needed, step, graph.dtype(x)))]
