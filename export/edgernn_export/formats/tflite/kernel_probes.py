"""Kernel probes: small files whose answers distinguish one set of kernels from another (see `edgernn.kernels`).

`python -m edgernn_export.formats.tflite.kernel_probes`, a part of `make sample`, writes them into `edgernn.samples`.
Golden digests are compared only if a probe is answered with the same bits. After a change of the probes, artifacts of
older exports are checked by tolerance alone.
"""

from typing import Any

import numpy as np

from edgernn import golden, kernels
from edgernn.system.files import write_bytes
from edgernn_export import keras_model
from edgernn_export.formats.tflite import convert as tflite
from edgernn_export.formats.tflite.compact import compact
from edgernn_export.formats.tflite.quantize import quantize

# Odd sizes, so that vector kernels have a remainder to process.
_UNITS, _CLASSES = 19, 5
_CALIBRATION_SAMPLES = 200


def make_probe(quantization: str) -> bytes:
    """Make a .tflite file in this quantization whose answer is its last state and a softmax of it.

    The answer is float32 [units + classes]. The state goes through products, tanh, sigmoid and sums at every step, so
    a single bit that kernels round differently becomes visible. The product and the softmax after it are not fed back.
    """
    model = _model()
    x = golden.golden_inputs(range(_CALIBRATION_SAMPLES), kernels.PROBE_SHAPE, *kernels.PROBE_RANGE)
    answers = keras_model.predict(model, x)
    converted = tflite.convert(model)
    return compact(quantize(converted, quantization, "float32", x, answers).build("unrolled"))


def _model() -> Any:
    import keras

    inputs = keras.Input(kernels.PROBE_SHAPE)
    state = keras.layers.GRU(_UNITS)(inputs)
    answer = keras.layers.Dense(_CLASSES, activation="softmax")(state)
    model = keras.Model(inputs, keras.layers.Concatenate()([state, answer]))
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(0, 0.6, weight.shape).astype(np.float32) for weight in model.get_weights()])
    return model


def main() -> None:
    """Write the probes into `edgernn.samples`."""
    for quantization in kernels.PROBED:
        write_bytes(kernels.probe_path(quantization), make_probe(quantization))


if __name__ == "__main__":
    main()
