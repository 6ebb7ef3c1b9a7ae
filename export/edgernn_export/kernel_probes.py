"""Kernel probes: two small .tflite files whose answers identify the kernels that run them.

`python -m edgernn_export.kernel_probes` writes them into runtime/edgernn/probes, where the runtime reads them. If the
probes answer as on the exporter's machine, golden samples must be answered with the same bits (see `edgernn.golden`).
New probes therefore subject the files of older exports to the looser rule.
"""

from pathlib import Path
from typing import Any

import numpy as np

from edgernn import golden, kernels
from edgernn.files import write_bytes
from edgernn_export import keras_model, tflite
from edgernn_export.compact import compact
from edgernn_export.quantize import quantize

# Odd sizes, so that vector kernels have a remainder to treat.
_UNITS, _CLASSES = 19, 5
_CALIBRATION_SAMPLES = 200


def make_probe(quantization: str) -> bytes:
    """A .tflite file that shows every number of its last state, float32 [units + classes], in this quantization.

    A state goes through products, tanh, sigmoid and sums at every step, so a single bit that kernels round otherwise
    is seen in it. Behind it come a product and a softmax, which are not fed back.
    """
    model = _model()
    x = golden.golden_inputs(range(_CALIBRATION_SAMPLES), kernels.PROBE_SHAPE, *kernels.PROBE_RANGE)
    answers = keras_model.predict(model, x)
    converted = tflite.convert(model)
    return compact(quantize(converted, quantization, "float32", x, answers).lay_out("unrolled"))


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
    """Write the probes."""
    for quantization in kernels.PROBED:
        write_bytes(Path(kernels.__file__).parent / "probes" / f"{quantization}.tflite", make_probe(quantization))


if __name__ == "__main__":
    main()
