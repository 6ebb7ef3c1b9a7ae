"""Facts about files that edgernn did not export: inputs, outputs and operators of .tflite and .onnx files.

Both are read without the packages of their formats, because a device has neither. Every offset and length is checked
against the end of the file, and every part is read only once, even if the file refers to it several times.
"""

from edgernn.foreign.facts import Facts, TensorFacts
from edgernn.foreign.onnx_facts import read_onnx
from edgernn.foreign.tflite_facts import read_tflite

__all__ = ["Facts", "TensorFacts", "check_content", "read_onnx", "read_tflite"]


def check_content(suffix: str, data: bytes) -> Facts:
    """Check that the content is what the suffix says, .tflite or .onnx; return its facts.

    Raises:
        ArtifactError: it is of another kind, or damaged.
    """
    return (read_onnx if suffix == ".onnx" else read_tflite)(data)
