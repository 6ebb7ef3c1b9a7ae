"""TFLite: convert a Keras model by TensorFlow's converter; its recurrent layers become placeholders."""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgernn.card import NAME as CARD_NAME
from edgernn.card import has_card, read_card, seal
from edgernn.errors import ExportError
from edgernn.specs import INPUT, OUTPUT
from edgernn_export import lowering
from edgernn_export.converter_errors import ours_in, reason_of
from edgernn_export.formats.tflite.compact import Compactor, compact
from edgernn_export.formats.tflite.graph import Operator, read
from edgernn_export.formats.tflite.insert_cells import SEQUENCE, STEP, disguise
from edgernn_export.lowering import RecurrentPlaceholder
from edgernn_export.rebuilding import with_steps
from edgernn_export.streaming import streams


@dataclass(frozen=True)
class Converted:
    """A converted model whose recurrent layers are still placeholders.

    Attributes:
        data: a .tflite file's content, float32, with signature `sequence` and, if it streams, `step`.
        placeholders: by the names of their outputs.
    """

    data: bytes
    placeholders: Mapping[str, RecurrentPlaceholder]


def convert(model: Any, stream: bool | None = None) -> Converted:
    """Convert a Keras model to TFLite, float32, for a batch of one.

    Args:
        model: as `keras_model.load` returns it; unusable afterwards, because its recurrent layers are rebound.
        stream: whether to make signature `step`; None if the model streams.

    Raises:
        ModelError: the model is not supported, or cannot run on one step although `stream` is True.
        ExportError: the converter fails, or the model needs more than built-in operators.
    """
    import tensorflow as tf

    traced = {SEQUENCE: model}
    if streams(model) if stream is None else stream:
        traced[STEP] = with_steps(model, 1)
    placeholders = {key: lowering.put_composites(each) for key, each in traced.items()}[SEQUENCE]
    module = tf.Module()
    for key, each in traced.items():
        spec = tf.TensorSpec([1, *each.inputs[0].shape[1:]], tf.float32, name=INPUT)
        setattr(module, key, tf.function(_on_constants(each), input_signature=[spec], autograph=False))
    try:
        data = _run_converter(module, list(traced))
    except Exception as error:  # the converter raises whatever its stages raise
        ours = ours_in(error)
        raise ours or ExportError(f"TensorFlow's converter fails: {reason_of(error)}") from error
    _check_operators(data, placeholders)
    return Converted(disguise(data, placeholders), placeholders)


def card_embedder(data: bytes) -> Callable[[bytes], bytes]:
    """Return a function from an encoded card to the compact file with this card in its metadata."""
    compactor = Compactor(data)
    return lambda card: compactor.write({CARD_NAME: card})


def compact_file(data: bytes, keep_names: bool) -> bytes:
    """Compact any file; the card of an edgernn artifact is sealed again.

    Raises:
        ArtifactError: it is no .tflite file, or cannot be compacted.
    """
    if not has_card(data):
        return compact(data, keep_names=keep_names)
    card = read_card(data)
    return seal(compact(data, keep_names=keep_names, metadata={CARD_NAME: card.encode()}))


def _run_converter(module: Any, keys: list[str]) -> bytes:
    import tensorflow as tf

    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(module, folder, signatures={key: getattr(module, key) for key in keys})
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=keys)
        converter.allow_custom_ops = True  # the placeholders; others are refused afterwards
        data: bytes = converter.convert()
        return data


def _on_constants(model: Any) -> Callable[[Any], dict[str, Any]]:
    """Make a function of the input alone, with the model's variables as constants.

    For a Keras model's variables the converter leaves READ_VARIABLE operators in the file; such a file loads and
    answers with 9 % accuracy.
    """
    import tensorflow as tf

    groups = (model.trainable_variables, model.non_trainable_variables)
    values = [[np.asarray(variable) for variable in group] for group in groups]

    def call(x: Any) -> dict[str, Any]:
        constants = [[tf.constant(value) for value in group] for group in values]
        answer, _ = model.stateless_call(*constants, x, training=False)
        return {OUTPUT: answer}

    return call


def _check_operators(data: bytes, placeholders: Mapping[str, RecurrentPlaceholder]) -> None:
    custom = {
        code.customCode.decode() for code in read(data).operatorCodes if code.builtinCode == Operator.CUSTOM
    } - placeholders.keys()
    if custom:
        raise ExportError(f"needs operators that no light runtime has: {', '.join(sorted(custom))}")
