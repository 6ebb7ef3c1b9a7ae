"""Ranges: the lowest and highest value of each activation of a float32 TFLite graph on the calibration set.

The quantizer's own calibration keeps a moving average of every tensor's extremes, which is not a range. Here the
true extremes are used, and tensors of one name (those of one role in a cell, at all steps) have one range.
"""

import math
from collections.abc import Mapping, Set

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from edgernn.arrays import Float32
from edgernn.specs import Range
from edgernn_export.cells.ops import PostActivation, Role
from edgernn_export.formats.tflite.graph import Operator, Scale, TensorType, read

# Scale and zero point that kernels require of their outputs, by operator and bits (LiteRT's quantization
# specification).
FIXED = {
    (Operator.TANH, 8): Scale((1 / 128,)),
    (Operator.LOGISTIC, 8): Scale((1 / 256,), -128),
    (Operator.SOFTMAX, 8): Scale((1 / 256,), -128),
    (Operator.TANH, 16): Scale((1 / 2**15,)),
    (Operator.LOGISTIC, 16): Scale((1 / 2**15,)),
    (Operator.SOFTMAX, 16): Scale((1 / 2**15,)),
}
# Measured ranges of 16-bit activations are multiplied by this. Values beyond the calibration set, which matter in
# forecasts and anomaly detection, are then not cut off. The headroom costs two of the 16 bits: a step is
# still 64 times as fine as one of int8, and the rounding of the int8 weights dominates. int8 has no bits to spare.
# Outputs of tanh, sigmoid and softmax need no headroom (`FIXED`), and squares and the like get none.
HEADROOM = 4.0
_OPERATORS = {"tanh": Operator.TANH, "sigmoid": Operator.LOGISTIC}
# The outputs of these have the scale of their inputs, so they need no rescaling.
_KEEP_SCALE = ("relu", "linear")


def measure(model: bytes, x: Float32) -> dict[str, Range]:
    """Measure the lowest and the highest value, 0 included, of every float32 activation that has a name.

    Args:
        model: a float32 .tflite file's content, whose first subgraph takes one input of batch 1.
        x: float32 [samples, *input_shape].
    """
    interpreter = Interpreter(
        model_content=model,
        experimental_preserve_all_tensors=True,
        # A delegate computes groups of operators at once and does not keep intermediate values.
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    interpreter.allocate_tensors()
    source = interpreter.get_input_details()[0]["index"]
    tensors = _activations(model)
    lows, highs = (dict.fromkeys(tensors, 0.0) for _ in range(2))
    for sample in x:
        interpreter.set_tensor(source, sample[np.newaxis])
        interpreter.invoke()
        for name, indexes in tensors.items():
            # Joined first: extremes of a hundred small arrays one by one take five times as long.
            values = np.concatenate([interpreter.get_tensor(index).reshape(-1) for index in indexes])
            lows[name], highs[name] = min(lows[name], float(values.min())), max(highs[name], float(values.max()))
    return {name: (lows[name], highs[name]) for name in tensors}


def with_headroom(ranges: Mapping[str, Range], exempt: Set[str]) -> dict[str, Range]:
    """Widen measured ranges by the `HEADROOM`, except those of the tensors in `exempt`."""
    factors = {name: 1.0 if name in exempt else HEADROOM for name in ranges}
    return {name: (low * factors[name], high * factors[name]) for name, (low, high) in ranges.items()}


def role_scales(roles: Mapping[str, Role], ranges: Mapping[str, Range], bits: int) -> dict[str, Scale]:
    """Return the scale of each role of a cell.

    Args:
        roles: of a cell.
        ranges: of each role; a role without a range was never computed.
        bits: of the integers, 8 or 16.
    """
    scales: dict[str, Scale] = {}
    for name, role in roles.items():
        if not isinstance(role, PostActivation):
            scales[name] = _symmetric(ranges.get(name, (0.0, 0.0)), bits)
    for name, role in roles.items():
        if isinstance(role, PostActivation):
            fixed = (
                scales[role.of]
                if role.activation in _KEEP_SCALE
                else FIXED.get((_OPERATORS.get(role.activation), bits))
            )
            scales[name] = fixed or _affine(ranges.get(name, (0.0, 0.0)), bits)
    return scales


def span(scale: Scale, bits: int) -> Range:
    """Return the lowest and the highest value that integers of a scale represent."""
    (step,) = scale.scales
    # int16 is symmetric: its lowest integer is not used.
    low, high = (-128, 127) if bits == 8 else (-32767, 32767)
    return (low - scale.zero_point) * step, (high - scale.zero_point) * step


def _symmetric(measured: Range, bits: int) -> Scale:
    return Scale((_short((max(map(abs, measured)) or 1.0) / 2 ** (bits - 1), bits),))


def _affine(measured: Range, bits: int) -> Scale:
    low, high = measured
    if bits == 16 or low == high:
        return _symmetric(measured, bits)
    step = _short((high - low) / 255, bits)
    return Scale((step,), round(-128 - low / step))


def _short(step: float, bits: int) -> float:
    """Round a step up to as few digits as make its multiples exact in float32.

    The quantizer gets the range of the integers and computes exactly this step from it. XNNPACK joins only tensors
    with exactly equal steps.
    """
    digits = 24 - bits  # of the 24 of float32's significand
    mantissa, exponent = math.frexp(step)
    significand = math.ceil(math.ldexp(mantissa, digits))
    # TFLite's int16 sums use other kernels for powers of two, and these refuse most of them.
    if bits == 16 and significand.bit_count() == 1:
        significand += 1
    return math.ldexp(significand, exponent - digits)


def _activations(model: bytes) -> dict[str, list[int]]:
    """Return the indexes of the float32 tensors of the first subgraph that are no constants, by their names."""
    flatbuffer = read(model)
    subgraph = flatbuffer.subgraphs[0]
    computed = {int(index) for operator in subgraph.operators for index in operator.outputs}
    computed.update(int(index) for index in subgraph.inputs)
    named: dict[str, list[int]] = {}
    for index in sorted(computed):
        tensor = subgraph.tensors[index]
        if tensor.type == TensorType.FLOAT32 and tensor.name:
            named.setdefault(tensor.name.decode(), []).append(index)
    return named
