"""The models of `make bench-models`: layers, training, limits, and run folders."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgernn.data.datasets import Dataset
from edgernn.errors import ModelError
from edgernn.system.tensorflow_setup import quiet_tensorflow
from edgernn_export.cells.gru import GRU
from edgernn_export.formats.tflite.layouts import preferred_layout
from edgernn_train import Recipe, find_recipe, fit, load_dataset, open_run, write_run
from peers import sensors


@dataclass(frozen=True)
class ModelLimits:
    """Limits of a model's artifacts.

    Attributes:
        unrolled_bytes, loop_bytes: maximum size of int8 with its card and both signatures; None: only reported.
        int8_ratio: maximum latency of int8 in `layout`, as a multiple of the quicker of Keras's unrolled int8 files.
        layout: unrolled or loop.
        int8_agreement: minimum share of samples on which int8 and Keras give the same class.
        onnx_ratio: maximum latency of ONNX float32, as a multiple of tf2onnx's own; None: only reported.
    """

    unrolled_bytes: int | None
    loop_bytes: int | None
    int8_ratio: float
    int8_agreement: float
    onnx_ratio: float | None
    layout: str = "unrolled"


@dataclass(frozen=True)
class BenchModel:
    """A measured model.

    Attributes:
        title: description in the tables.
        name: name of its run folders, followed there by the seed.
        layers: function that makes its recurrent layers; Dense and softmax follow them.
        recipe: training recipe.
        epochs: number of epochs that brings it near its best accuracy, in 40 to 80 s on two cores.
        limits: limits of its artifacts.
        generate: function from a seed to its data set; None: it is trained on --data.
    """

    title: str
    name: str
    layers: Callable[[], Sequence[Any]]
    recipe: Recipe
    epochs: int
    limits: ModelLimits
    generate: Callable[[int], Dataset] | None = None

    def build(self, steps: int, features: int, classes: int, *, seed: int) -> Any:
        """Build the untrained model: float32 [batch, steps, features] to probabilities float32 [batch, classes]."""
        with quiet_tensorflow():
            import keras

        layers = [*self.layers(), keras.layers.Dense(classes, activation="softmax", name="probabilities")]
        return keras.Sequential([keras.Input((steps, features), name="sequence"), *layers], name=self.name)


def _gru() -> Sequence[Any]:
    import keras

    return [keras.layers.GRU(64)]


def _lstm() -> Sequence[Any]:
    import keras

    return [keras.layers.LSTM(64)]


def _rnn_stack() -> Sequence[Any]:
    import keras

    return [keras.layers.SimpleRNN(32, return_sequences=True), keras.layers.SimpleRNN(32)]


def _gru_stack() -> Sequence[Any]:
    import keras

    return [keras.layers.GRU(32, return_sequences=True), keras.layers.GRU(32)]


_ROBUST = find_recipe("robust")
# The sensor data has its own noise; the recipe's noise is for pixels.
_SENSORS = replace(_ROBUST, name="sensors", conditions=("clean",), fresh_noise=False)

MODELS = (
    BenchModel(
        title="GRU(64)",
        name="gru64",
        layers=_gru,
        recipe=_ROBUST,
        epochs=14,
        limits=ModelLimits(
            unrolled_bytes=43_500, loop_bytes=30_500, int8_ratio=0.8, int8_agreement=0.99, onnx_ratio=0.3
        ),
    ),
    BenchModel(
        title="LSTM(64)",
        name="lstm64",
        layers=_lstm,
        recipe=_ROBUST,
        epochs=14,
        limits=ModelLimits(
            unrolled_bytes=49_000, loop_bytes=37_500, int8_ratio=0.95, int8_agreement=0.985, onnx_ratio=0.3
        ),
    ),
    BenchModel(
        title="SimpleRNN(32) → SimpleRNN(32)",
        name="rnn32x2",
        layers=_rnn_stack,
        recipe=_ROBUST,
        epochs=18,
        limits=ModelLimits(
            unrolled_bytes=16_500, loop_bytes=13_500, int8_ratio=0.9, int8_agreement=0.99, onnx_ratio=0.3
        ),
    ),
    BenchModel(
        title=f"GRU(32) → GRU(32), {sensors.STEPS} steps of sensors",
        name="sensors-gru32x2",
        layers=_gru_stack,
        recipe=_SENSORS,
        epochs=11,
        limits=ModelLimits(
            unrolled_bytes=None,
            loop_bytes=30_000,
            int8_ratio=1.0,
            int8_agreement=0.99,
            onnx_ratio=None,
            layout=preferred_layout(sensors.STEPS, 2 * GRU.operators),
        ),
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
    if model.generate:
        dataset, source = model.generate(seed), "generated"
    elif data is not None:
        dataset, source = load_dataset(data), data
    else:
        raise ModelError(f"{run}: no such run folder; pass --data to train the model")
    progress(f"training {run.name}, {model.epochs} epochs")
    with open_run(run) as staging:
        trained = fit(dataset, model.recipe, build=model.build, epochs=model.epochs, seed=seed)
        write_run(staging, trained, source)
    return run
