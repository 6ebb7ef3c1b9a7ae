"""Long sequences: a model of 512 time steps, where unrolling may cost more than it saves."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bars.fidelity import count_differing
from bars.latency import find_quickest, ratio, time_calls
from common import exports
from common.bare_subjects import CLASSIFIER, BareSubject, answer_all, from_artifact
from common.checks import Check
from edgernn.data.run_folder import write_samples
from edgernn.data.samples import Samples
from edgernn.system.tensorflow_setup import quiet_tensorflow
from edgernn_export import Settings, export, keras_model, rebuilding
from edgernn_export.cells.simple_rnn import SimpleRNN
from edgernn_export.formats.tflite.layouts import preferred_layout

STEPS, FEATURES, CLASSES, UNITS = 512, 28, 10, 64
MAX_LOOP_BYTES, MAX_RATIO = 13_500, 1.05
# Training uses short pieces of the same waves: it takes a tenth of the time, and is no worse on long ones.
TRAINING_STEPS, TRAINING_SAMPLES, EPOCHS, BATCH_SIZE, LEARNING_RATE = 32, 4000, 15, 64, 3e-3
CALIBRATION_SAMPLES, TEST_SAMPLES = 300, 500
# Speed of the fastest class, in periods a step; the other speeds are spaced evenly down to its negative.
_FASTEST = 0.1125
_NOISE = 0.3
_UNROLLED, _LOOP = str(exports.INT8), str(exports.INT8_LOOP)


def waves(seed: int, samples: int, steps: int) -> tuple[Any, Any]:
    """Generate noisy waves that run along the features; the class is their speed, so no single row shows it.

    Returns:
        float32 [samples, steps, features] from 0 to 1, and the classes, int64 [samples].
    """
    random = np.random.default_rng(seed)
    classes = random.integers(0, CLASSES, samples)
    speed = np.linspace(-_FASTEST, _FASTEST, CLASSES)[classes][:, np.newaxis, np.newaxis]
    place = np.arange(FEATURES) / (FEATURES / 2) - speed * np.arange(steps)[:, np.newaxis]
    wave = np.sin(2 * np.pi * (place + random.uniform(size=(samples, 1, 1))))
    x = 0.5 + 0.3 * wave + random.normal(0, _NOISE, wave.shape)
    return np.clip(x, 0, 1).astype(np.float32), classes


def train() -> Any:
    """Train a SimpleRNN that classifies the waves, for sequences of 512 steps."""
    with quiet_tensorflow():
        import keras

    keras.utils.set_random_seed(0)
    x, classes = waves(0, TRAINING_SAMPLES, TRAINING_STEPS)
    layers = [keras.layers.SimpleRNN(UNITS), keras.layers.Dense(CLASSES, activation="softmax")]
    model = keras.Sequential([keras.Input((TRAINING_STEPS, FEATURES)), *layers])
    rate = keras.optimizers.schedules.CosineDecay(LEARNING_RATE, EPOCHS * len(x) // BATCH_SIZE)
    model.compile(keras.optimizers.Adam(rate, clipnorm=1.0), "sparse_categorical_crossentropy")
    model.fit(x, classes, epochs=EPOCHS, batch_size=BATCH_SIZE, verbose=0)
    long = rebuilding.with_steps(model, STEPS)
    free = rebuilding.with_steps(model, None)
    rebuilding.check_rebuilt(model, free, x)
    rebuilding.check_rebuilt(free, long, rebuilding.rows_of_length(x, STEPS))
    return long


def long_checks(folder: Path, progress: Callable[[str], None]) -> list[Check]:
    """Train, export int8 unrolled and as a loop, and measure both."""
    progress(f"{STEPS} steps: training")
    folder.mkdir()
    model = train()
    model.save(folder / "waves.keras")
    x_test, y_test = waves(2, TEST_SAMPLES, STEPS)
    write_samples(folder, Samples.unnamed(*waves(1, CALIBRATION_SAMPLES, STEPS), x_test, y_test))
    progress(f"{STEPS} steps: exporting")
    # Refining would take longer than the 30 s up to which an export refines by default.
    rows = export(
        folder / "waves.keras",
        targets=[exports.INT8, exports.INT8_LOOP],
        samples=folder / "samples.npz",
        settings=Settings(refine=False, keep_failed=True),
    )
    progress(f"{STEPS} steps: measuring")
    subjects = {str(row.target): from_artifact(row.path) for row in rows if row.path.is_file()}
    return _checks(subjects, model, x_test, y_test)


def _checks(subjects: dict[str, BareSubject], model: Any, x: Any, classes: Any) -> list[Check]:
    group = f"{STEPS} steps of {FEATURES} features"
    if len(subjects) < 2:
        return [Check(group, "int8 unrolled and loop exported", "bytes", figure=None)]
    hot, cold = (time_calls(subjects, x[:1], cold=cold) for cold in (False, True))
    quickest, quicker_cold = (find_quickest(latencies, subjects) for latencies in (hot, cold))
    preferred = _LOOP if preferred_layout(STEPS, SimpleRNN.operators) == "loop" else _UNROLLED
    reference = keras_model.predict(model, x)
    loop, unrolled = (answer_all(subjects[name], x) for name in (_LOOP, _UNROLLED))
    first = f"preferred ({preferred}) / faster of loop and unrolled, hot"
    return [
        Check(group, _LOOP, "bytes", figure=subjects[_LOOP].size_bytes, limit=MAX_LOOP_BYTES),
        Check(group, _UNROLLED, "bytes", figure=subjects[_UNROLLED].size_bytes),
        ratio(group, hot, preferred, quickest, limit=MAX_RATIO, label=first),
        ratio(group, hot, _LOOP, _UNROLLED, label="loop / unrolled, hot"),
        ratio(group, cold, _LOOP, _UNROLLED, label=f"loop / unrolled, cold: {quicker_cold} is faster"),
        Check(group, "Keras accuracy", "share", figure=CLASSIFIER.score(reference, classes)),
        Check(group, "int8 loop agrees with Keras", "share", figure=CLASSIFIER.agreement(loop, reference)),
        Check(group, "loop against unrolled", "answers", figure=count_differing(loop, unrolled)),
    ]
