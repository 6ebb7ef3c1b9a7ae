"""Activations that are no single TFLite operator: Keras's own function, through TensorFlow's converter, in float32."""

from functools import cache
from typing import Any

from ai_edge_litert import schema_py_generated as schema

from edgernn.errors import UnsupportedError, first_line
from edgernn_export.cells.ops import keras_activation
from edgernn_export.formats.tflite.graph import Graph, read


def append_activation(graph: Graph, name: str, x: int) -> int:
    """Append the operators of a Keras activation to a graph.

    Args:
        graph: where the operators are added.
        name: the activation's Keras name.
        x: a float32 tensor [rows, units].

    Returns:
        The tensor of the result, of the same shape.

    Raises:
        UnsupportedError: the converter needs more than built-in operators for it.
    """
    return graph.append(_converted(name, graph.shape(x)), x)


@cache
def _converted(name: str, shape: tuple[int, ...]) -> schema.ModelT:
    import tensorflow as tf

    function = tf.function(keras_activation(name), input_signature=[tf.TensorSpec(shape, tf.float32)])
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()])
    try:
        data: Any = converter.convert()
    except Exception as error:  # the converter raises whatever its stages raise
        raise UnsupportedError(f"TFLite has no operators for activation {name!r}: {first_line(error)}") from error
    return read(bytes(data))
