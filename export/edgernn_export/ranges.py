"""Ranges: what each activation of a float32 TFLite graph may be, measured on the calibration set.

The quantizer's own calibration keeps a moving average of every tensor's extremes, which is not a range. Here the
extremes are the extremes, and tensors of one name (the sums of all steps of a cell) have one range.
"""

import numpy as np
import numpy.typing as npt
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from edgernn_export.graph import Operator, TensorType, read

Float32 = npt.NDArray[np.float32]
Range = tuple[float, float]

# Scale and zero point that the int8 kernels demand of their outputs (LiteRT's 8-bit quantization specification).
FIXED = {Operator.TANH: (-1.0, 127 / 128), Operator.LOGISTIC: (0.0, 255 / 256), Operator.SOFTMAX: (0.0, 255 / 256)}


def measure(model: bytes, x: Float32) -> dict[str, Range]:
    """The lowest and the highest value, 0 included, of every float32 activation that has a name.

    Args:
        model: a float32 .tflite file's content, whose first subgraph takes one input of batch 1.
        x: float32 [samples, *input_shape].
    """
    interpreter = Interpreter(
        model_content=model,
        experimental_preserve_all_tensors=True,
        # A delegate computes groups of operators at once and keeps nothing in between.
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    interpreter.allocate_tensors()
    source = interpreter.get_input_details()[0]["index"]
    names = _activations(model)
    ranges = dict.fromkeys(names.values(), (0.0, 0.0))
    for sample in x:
        interpreter.set_tensor(source, sample[np.newaxis])
        interpreter.invoke()
        for index, name in names.items():
            values = interpreter.get_tensor(index)
            low, high = ranges[name]
            ranges[name] = min(low, float(values.min())), max(high, float(values.max()))
    return ranges


def _activations(model: bytes) -> dict[int, str]:
    """The index and name of every named float32 tensor of the first subgraph that is not a constant."""
    flatbuffer = read(model)
    subgraph = flatbuffer.subgraphs[0]
    computed = {int(index) for operator in subgraph.operators for index in operator.outputs}
    computed.update(int(index) for index in subgraph.inputs)
    return {
        index: subgraph.tensors[index].name.decode()
        for index in sorted(computed)
        if subgraph.tensors[index].type == TensorType.FLOAT32 and subgraph.tensors[index].name
    }
