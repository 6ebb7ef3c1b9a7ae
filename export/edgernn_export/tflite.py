"""TFLite: the lowered model through TensorFlow's converter to a float32 flatbuffer."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ai_edge_litert import schema_py_generated as schema

from edgernn.card import NAME as CARD_NAME
from edgernn.errors import ExportError
from edgernn_export import keras_model, lowering
from edgernn_export.compact import compact

SIGNATURE = "sequence"
INPUT, OUTPUT = "input", "output"


def convert(path: Path) -> bytes:
    """Convert a .keras file to float32 TFLite, unrolled, with one signature.

    Raises:
        ModelError: the model is not supported.
        ExportError: the converter fails, or the model needs more than built-in operators.
    """
    import tensorflow as tf

    model = keras_model.load(path)
    lowering.unroll(model)
    spec = tf.TensorSpec([1, *model.inputs[0].shape[1:]], tf.float32, name=INPUT)
    sequence = tf.function(_frozen(model, spec), input_signature=[spec])
    module = tf.Module()
    module.sequence = sequence
    try:
        with tempfile.TemporaryDirectory() as folder:
            tf.saved_model.save(module, folder, signatures={SIGNATURE: sequence})
            converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=[SIGNATURE])
            data: bytes = converter.convert()
    except Exception as error:  # the converter raises whatever its stages raise
        raise ExportError(f"TensorFlow's converter fails: {str(error).strip().splitlines()[0]}") from error
    _check_operators(data)
    return data


def embed_card(data: bytes, card: bytes) -> bytes:
    """Compact a file and put a card into its metadata, in place of the one that is there."""
    return compact(data, metadata={CARD_NAME: card})


def _frozen(model: Any, spec: Any) -> Callable[[Any], dict[str, Any]]:
    """The model as a function on constants.

    The converter leaves READ_VARIABLE operators behind for a Keras model's variables; such a file loads and
    answers with 9 % accuracy.
    """
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    traced = tf.function(lambda x: model(x, training=False)).get_concrete_function(spec)
    frozen = convert_variables_to_constants_v2(traced)
    return lambda x: {OUTPUT: frozen(x)[0]}


def _check_operators(data: bytes) -> None:
    model = schema.ModelT.InitFromPackedBuf(data, 0)
    custom = [
        code.customCode.decode() for code in model.operatorCodes if code.builtinCode == schema.BuiltinOperator.CUSTOM
    ]
    if custom:
        raise ExportError(f"needs operators that no light runtime has: {', '.join(custom)}")
