"""Count operators that a light runtime lacks, or that hide time steps in a loop."""

from edgernn.foreign.onnx_facts import read_onnx
from edgernn.foreign.tflite_facts import read_tflite

_CONTROL_FLOW = ("Loop", "Scan", "If")


def count_custom(data: bytes) -> int:
    """Count the custom operators in a .tflite file, TensorFlow's own (Flex) included."""
    return sum(count for name, count in read_tflite(data).operators.items() if name.startswith(("custom ", "Flex")))


def count_control_flow(data: bytes) -> int:
    """Count the operators Loop, Scan and If in an .onnx file, also in the graphs inside them."""
    operators = read_onnx(data).operators
    return sum(operators.get(name, 0) for name in _CONTROL_FLOW)
