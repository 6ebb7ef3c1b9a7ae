"""The models of bench-models: what each is, what it must hold, and its run folder, trained where there is none."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgernn.datasets import Dataset
from edgernn.errors import ModelError
from edgernn.tensorflow_setup import quiet_tensorflow
from edgernn_export.cells.gru import GRU
from edgernn_export.layouts import preferred_layout
from edgernn_train import Recipe, find_recipe, fit, load_dataset, open_run, write_run
from peers import sensors


@dataclass(frozen=True)
class ModelLimits:
    """What a model's artifacts must hold.

    Attributes:
        unrolled_bytes, loop_bytes: at most, of int8 with its card and both signatures; None: only told.
        int8_ratio: the latency of int8 in `layout`, at most so many times the quicker of Keras's unrolled int8 files.
        layout: unrolled or loop.
        int8_agreement: the least share of samples on which int8 names Keras's class.
        onnx_ratio: the latency of ONNX float32, at most so many times tf2onnx's own; None: only told.
    """

    unrolled_bytes: int | None
    loop_bytes: int | None
    int8_ratio: float
    int8_agreement: float
    onnx_ratio: float | None
    layout: str = "unrolled"


@dataclass(frozen=True)
class BenchModel:
    """A model that is measured.

    Attributes:
        title: what it is, for the tables.
        name: of its run folders, which have the seed behind it.
        layers: makes its recurrent layers; Dense and softmax come behind them.
        recipe: how it is trained.
        epochs: as many as bring it near to what it can, in 40 to 80 s on two cores.
        limits: what it must hold.
        generate: makes its data set of a seed; None: it learns what --data says.
    """

    title: str
    name: str
    layers: Callable[[], Sequence[Any]]
    recipe: Recipe
    epochs: int
    limits: ModelLimits
    generate: Callable[[int], Dataset] | None = None

    def build(self, steps: int, features: int, classes: int, *, seed: int) -> Any:
        """The untrained model: float32 [batch, steps, features] to probabilities float32 [batch, classes]."""
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
# The sensors bring their own noise; that of the recipe is for pixels.
_SENSORS = replace(_ROBUST, name="sensors", conditions=("clean",), fresh_noise=False)

MODELS = (
    BenchModel("GRU(64)", "gru64", _gru, _ROBUST, 14, ModelLimits(43_500, 30_500, 0.8, 0.99, 0.3)),
    BenchModel("LSTM(64)", "lstm64", _lstm, _ROBUST, 14, ModelLimits(49_000, 37_500, 0.95, 0.985, 0.3)),
    BenchModel(
        "SimpleRNN(32) → SimpleRNN(32)", "rnn32x2", _rnn_stack, _ROBUST, 18, ModelLimits(16_500, 13_500, 0.9, 0.99, 0.3)
    ),
    BenchModel(
        f"GRU(32) → GRU(32), {sensors.STEPS} steps of sensors",
        "sensors-gru32x2",
        _gru_stack,
        _SENSORS,
        11,
        ModelLimits(None, 30_000, 1.0, 0.99, None, preferred_layout(sensors.STEPS, 2 * GRU.operators)),
        sensors.make_dataset,
    ),
)


def find_run(folder: Path, model: BenchModel, seed: int, data: str | None, progress: Callable[[str], None]) -> Path:
    """The run folder of a model and a seed, trained if it is not there.

    Raises:
        ModelError: it is not there, and there is no data to train with.
    """
    run = folder / f"{model.name}-{seed}"
    if (run / "model.keras").is_file():
        return run
    if model.generate:
        dataset, source = model.generate(seed), "generated"
    elif data is not None:
        dataset, source = load_dataset(data), data
    else:
        raise ModelError(f"{run}: no run there; --data says what to train one with")
    progress(f"training {run.name}, {model.epochs} epochs")
    with open_run(run) as staging:
        trained = fit(dataset, model.recipe, build=model.build, epochs=model.epochs, seed=seed)
        write_run(staging, trained, source)
    return run
