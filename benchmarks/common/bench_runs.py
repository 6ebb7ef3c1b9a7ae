"""The models of `make bench-export` and `make bench-models`: layers, training, limits, and run folders."""

import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from common import exports, sensors
from edgernn.data.datasets import Dataset
from edgernn.errors import ModelError
from edgernn.system.tensorflow_setup import quiet_tensorflow
from edgernn_export import Target
from edgernn_export.cells.gru import GRU
from edgernn_export.formats.tflite.layouts import preferred_layout
from edgernn_train import Recipe, find_recipe, fit, load_dataset, open_run, write_run

_ROBUST = find_recipe("robust")


@dataclass(frozen=True)
class ModelLimits:
    """Limits of a model's artifacts; a figure without a limit is only reported.

    Attributes:
        bytes_of: maximum size with its card and both signatures.
        agreements: minimum share of samples on which an artifact and Keras give the same class.
        drop: maximum accuracy that artifacts with a limit of agreement lose, in points.
        differences: maximum difference in any probability to Keras, instead of 2e-5 for float32 files.
        unrefined: minimum agreement of int8 without refinement; None: it is not made.
        layout: unrolled or loop; `int8` below is the file in this layout.
        int8_ratio: maximum latency of int8 as a multiple of the quicker of Keras's unrolled int8 files.
        onnx_ratio: the same of ONNX float32 and tf2onnx's own.
        float32_ratio: the same of int8 and float32.
        stock_ratio: the same of int8 and the stock TFLite file.
        onnx_int8_ratio: the same of ONNX int8 and ONNX float32.
        export_s, export_gb: maximum time and memory of the command that exports the default set; None: it is not run.
    """

    bytes_of: Mapping[Target, int]
    agreements: Mapping[Target, float]
    int8_ratio: float
    onnx_ratio: float | None = 0.3
    drop: float = 0.5
    differences: Mapping[Target, float] = field(default_factory=dict)
    unrefined: float | None = None
    layout: str = "unrolled"
    float32_ratio: float | None = None
    stock_ratio: float | None = None
    onnx_int8_ratio: float | None = None
    export_s: float | None = None
    export_gb: float | None = None


@dataclass(frozen=True)
class BenchModel:
    """A measured model.

    Attributes:
        title: description in the tables.
        name: name of its run folders, followed there by the seed.
        layers: its recurrent layers, each with its number of units; Dense and softmax follow them. Empty: the model
            of `edgernn train --recipe robust`.
        limits: limits of its artifacts.
        recipe: training recipe.
        epochs: number of epochs that brings it near its best accuracy, in 40 to 80 s on two cores.
        generate: function from a seed to its data set; None: it is trained on --data.
        every_step: True to export every target, and to check its stream after every step.
    """

    title: str
    name: str
    layers: tuple[tuple[str, int], ...]
    limits: ModelLimits
    recipe: Recipe = _ROBUST
    epochs: int = 0
    generate: Callable[[int], Dataset] | None = None
    every_step: bool = False

    def build(self, steps: int, features: int, classes: int, *, seed: int) -> Any:
        """Build the untrained model: float32 [batch, steps, features] to probabilities float32 [batch, classes]."""
        with quiet_tensorflow():
            import keras

        *first, (last, units) = self.layers
        layers = [getattr(keras.layers, kind)(size, return_sequences=True) for kind, size in first]
        layers += [
            getattr(keras.layers, last)(units),
            keras.layers.Dense(classes, activation="softmax", name="probabilities"),
        ]
        return keras.Sequential([keras.Input((steps, features), name="sequence"), *layers], name=self.name)


def _int8(unrolled_bytes: int | None, loop_bytes: int, agreement: float, ratio: float, **others: Any) -> ModelLimits:
    sizes = {exports.INT8: unrolled_bytes, exports.INT8_LOOP: loop_bytes}
    return ModelLimits(
        bytes_of={target: size for target, size in sizes.items() if size is not None},
        agreements=dict.fromkeys(sizes, agreement),
        int8_ratio=ratio,
        **others,
    )


DIGITS = BenchModel(
    title="SimpleRNN(64)",
    name="robust",
    layers=(),
    every_step=True,
    limits=ModelLimits(
        bytes_of={
            exports.INT8: 16_200,
            exports.INT8_LOOP: 12_900,
            exports.DYNAMIC_FUSED: 10_400,
            exports.FLOAT32: 34_000,
            exports.ONNX_INT8: 9_500,
        },
        agreements={exports.INT8: 0.994, exports.DYNAMIC: 0.992, exports.INT16X8: 0.992, exports.ONNX_INT8: 0.992},
        int8_ratio=0.85,
        drop=0.3,
        differences={exports.FLOAT32: 1e-5, exports.FLOAT16: 1e-2},
        unrefined=0.992,
        float32_ratio=0.65,
        stock_ratio=0.25,
        onnx_int8_ratio=1.1,
        export_s=60,
        export_gb=3,
    ),
)
GRU64 = BenchModel("GRU(64)", "gru64", (("GRU", 64),), _int8(43_500, 30_500, 0.99, 0.8), epochs=14)
LSTM64 = BenchModel("LSTM(64)", "lstm64", (("LSTM", 64),), _int8(49_000, 37_500, 0.985, 0.95), epochs=14)
# The digits first: the peak memory of their export would include that of TensorFlow in this process.
MODELS = (
    DIGITS,
    GRU64,
    LSTM64,
    BenchModel(
        title="SimpleRNN(32) → SimpleRNN(32)",
        name="rnn32x2",
        layers=(("SimpleRNN", 32), ("SimpleRNN", 32)),
        limits=_int8(16_500, 13_500, 0.99, 0.9),
        epochs=18,
    ),
    BenchModel(
        title=f"GRU(32) → GRU(32), {sensors.STEPS} steps of sensors",
        name="sensors-gru32x2",
        layers=(("GRU", 32), ("GRU", 32)),
        limits=_int8(
            None, 30_000, 0.99, 1.0, onnx_ratio=None, layout=preferred_layout(sensors.STEPS, 2 * GRU.operators)
        ),
        # The sensor data has its own noise; the recipe's noise is for pixels.
        recipe=replace(_ROBUST, name="sensors", conditions=("clean",), augmentation=None),
        epochs=11,
        generate=sensors.make_dataset,
    ),
)


def find_run(folder: Path, model: BenchModel, seed: int, data: str | None, progress: Callable[[str], None]) -> Path:
    """Return the run folder of a model and a seed; train the model if the folder is missing.

    Raises:
        ModelError: the folder is missing, and there is no data to train with.
    """
    run = folder / f"{model.name}-{seed}"
    if (run / "model.keras").is_file():
        return run
    if data is None and not model.generate:
        raise ModelError(f"{run}: no such run folder; pass --data to train the model")
    progress(f"training {run.name}")
    if not model.layers:
        words = ["train", "--data", str(data), "--recipe", "robust", "--seed", str(seed), "--out", str(run), "--quiet"]
        words += ["--name", "digits"]
        subprocess.run([sys.executable, "-m", "edgernn", *words], check=True)  # noqa: S603  ourselves
        return run
    dataset, source = (model.generate(seed), "generated") if model.generate else (load_dataset(str(data)), str(data))
    with open_run(run) as staging:
        trained = fit(dataset, model.recipe, build=model.build, epochs=model.epochs, seed=seed)
        write_run(staging, trained, source, "digits")
    return run
