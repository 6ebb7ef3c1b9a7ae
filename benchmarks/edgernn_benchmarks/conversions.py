"""Stock conversions of a Keras model, as their documentation describes them: the alternatives to edgernn."""

import contextlib
import io
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgernn.arrays import Float32
from edgernn.errors import first_line
from edgernn.system.extras import require
from edgernn_export import rebuilding, synthetic_inputs

TFLITE, TF2ONNX = "stock-tflite.tflite", "stock-tf2onnx.onnx"


def convert(model: Any, folder: Path, progress: Callable[[str], None]) -> tuple[list[Path], dict[str, str]]:
    """Convert a Keras model by the stock tools.

    Args:
        model: the Keras model; it is unchanged.
        folder: folder of the files.
        progress: called with the next step, before it starts.

    Returns:
        The files, and the reasons of missing ones, by name.

    Raises:
        MissingExtraError: the export extra is not installed.
    """
    require("export", "tf2onnx", "onnx")
    paths, reasons = [], {}
    for name, make in _TOOLS.items():
        progress(f"converting to {name}")
        try:
            with quiet_converters():
                data = make(model)
        except Exception as error:  # noqa: BLE001 - any error of a converter is the reason of a missing peer
            reasons[name] = f"{type(error).__name__}: {first_line(error)}"
            continue
        (folder / name).write_bytes(data)
        paths.append(folder / name)
    return paths, reasons


def stock_tflite(model: Any, *, unroll: bool = False, dynamic: bool = False, integers: Float32 | None = None) -> bytes:
    """Convert by `TFLiteConverter.from_keras_model`, for a batch of one; a free batch fails on TensorList.

    https://ai.google.dev/edge/litert/conversion/tensorflow/convert_tf

    Args:
        model: the Keras model.
        unroll: True for Keras's own unrolling.
        dynamic: True for int8 weights.
        integers: calibration set for full integers, float32 [samples, steps, features]; in and out stay float32.
    """
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(rebuild(model, unroll))
    if dynamic or integers is not None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if integers is not None:
        converter.representative_dataset = lambda: ([x[np.newaxis]] for x in integers)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    data: bytes = converter.convert()
    return data


def stock_onnx(model: Any) -> bytes:
    """Convert by `tf2onnx.convert.from_function`; `from_keras` fails on a model of Keras 3 with a KeyError.

    https://github.com/onnx/tensorflow-onnx#python-api-reference
    """
    import tensorflow as tf
    import tf2onnx

    signature = [tf.TensorSpec([1, *model.inputs[0].shape[1:]], tf.float32, name="input")]
    function = tf.function(lambda x: model(x, training=False), input_signature=signature)
    proto, _ = tf2onnx.convert.from_function(function, input_signature=signature)
    data: bytes = proto.SerializeToString()
    return data


def rebuild(model: Any, unroll: bool) -> Any:
    """Rebuild a model for a batch of one, and check that its answers are the same.

    Raises:
        ModelError: a layer cannot be rebuilt, or the rebuilt model's answers differ.
    """
    rebuilt = rebuilding.for_one_sample(model, unroll)
    rebuilding.check_rebuilt(model, rebuilt, synthetic_inputs.sequences(*model.inputs[0].shape[1:])[:1])
    return rebuilt


_TOOLS: Mapping[str, Callable[[Any], bytes]] = {TFLITE: stock_tflite, TF2ONNX: stock_onnx}


@contextlib.contextmanager
def quiet_converters() -> Iterator[None]:
    """Suppress the tools' standard output and warnings; the command redirects standard error."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
