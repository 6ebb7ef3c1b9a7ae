"""The comparison: size, accuracy, agreement and latency of artifacts, measured beside their Keras model."""

import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import edgernn
from edgernn import metrics
from edgernn.datasets import Samples
from edgernn.errors import DataError
from edgernn.extras import require
from edgernn.run_folder import Original, read_original
from edgernn.stopwatch import Latency, measure, summarize
from edgernn_export import keras_model as keras_models

Float32 = npt.NDArray[np.float32]

FORMAT = 1
# What an artifact may lose to be recommended; the export's own bar for int8.
MAX_DROP_POINTS = 0.7
MIN_AGREEMENT = 0.985


@dataclass(frozen=True)
class Subject:
    """One line of the table.

    Attributes:
        name: the file's name, or "Keras".
        backend: what executes it.
        size_bytes: of the file.
        accuracy: share of right answers.
        agreement: share of samples with Keras's top class.
        largest_difference: from Keras in any probability.
        latency: of one inference, a float32 sample in and probabilities out.
    """

    name: str
    backend: str
    size_bytes: int
    accuracy: float
    agreement: float
    largest_difference: float
    latency: Latency


@dataclass(frozen=True)
class Comparison:
    """Artifacts beside the Keras model.

    Attributes:
        samples: how many were answered for accuracy and agreement.
        keras: the model they come from.
        artifacts: in the order they were given.
        environment: the machine and the versions it was measured with.
    """

    samples: int
    keras: Subject
    artifacts: tuple[Subject, ...]
    environment: Mapping[str, Any]

    @property
    def recommended(self) -> Subject | None:
        """The quickest artifact that loses at most 0.7 points of accuracy and agrees on 98.5 %; None without one."""
        good = [
            subject
            for subject in self.artifacts
            if 100 * (self.keras.accuracy - subject.accuracy) <= MAX_DROP_POINTS and subject.agreement >= MIN_AGREEMENT
        ]
        return min(good, key=lambda subject: subject.latency.median_us, default=None)

    def as_json(self) -> dict[str, Any]:
        """The comparison for programs."""
        best = self.recommended
        return {
            "format": FORMAT,
            "samples": self.samples,
            "subjects": [asdict(subject) for subject in (self.keras, *self.artifacts)],
            "recommended": best.name if best else None,
            "environment": dict(self.environment),
        }


def compare(
    source: Path | str,
    artifacts: Sequence[Path | str],
    *,
    samples: Path | str | None = None,
    progress: Callable[[str], None] = lambda _step: None,
) -> Comparison:
    """Measure artifacts beside the Keras model they come from.

    Latencies are of one float32 sample in and its probabilities out, on one thread for artifacts,
    interleaved. Keras is measured as a compiled `tf.function`, its quickest way to answer one sample.

    Args:
        source: a run folder, or a .keras file.
        artifacts: .tflite and .onnx files.
        samples: test samples with their classes, in place of the run folder's; needed for a .keras file.
        progress: called with what is about to be done.

    Raises:
        ModelError: the Keras model cannot be read.
        DataError: there are no samples, or they do not fit the model or an artifact.
        ArtifactError: an artifact cannot be loaded.
        MissingExtraError: the bench extra is not installed.
    """
    require("bench", "tensorflow", "keras", "rich", "ai_edge_litert", "onnxruntime")
    original = read_original(Path(source), Path(samples) if samples else None)
    models = [edgernn.load(path) for path in artifacts]
    test = _test_samples(original)
    progress("loading the Keras model")
    keras_model = keras_models.load(original.model)
    x = test.x_test
    keras_models.check_samples(keras_model, x, test.y_test, original.labels)
    progress("answering the test samples")
    reference = keras_models.probabilities(keras_model, x)
    answers = [model.predict(x) for model in models]
    progress("measuring latency")
    calls: dict[str, Callable[[], object]] = {"Keras": _bind(keras_models.compiled(keras_model), x[:1])}
    calls |= {str(model.path): _bind(model.predict, x[0]) for model in models}
    latencies = {name: summarize(durations) for name, durations in measure(calls).items()}

    def subject(name: str, key: str, backend: str, path: Path, probabilities: Float32) -> Subject:
        return Subject(
            name=name,
            backend=backend,
            size_bytes=path.stat().st_size,
            accuracy=metrics.accuracy(probabilities, test.y_test),
            agreement=metrics.agreement(probabilities, reference),
            largest_difference=metrics.largest_difference(probabilities, reference),
            latency=latencies[key],
        )

    keras = subject("Keras", "Keras", f"keras {version('keras')}", original.model, reference)
    rows = [
        subject(model.path.name, str(model.path), model.backend, model.path, probabilities)
        for model, probabilities in zip(models, answers, strict=True)
    ]
    return Comparison(len(x), keras, tuple(rows), _environment())


def _test_samples(original: Original) -> Samples:
    if original.samples is None:
        raise DataError(
            f"{original.model}: no samples to compare with; pass --samples, a data set or a run's samples.npz"
        )
    return original.samples


def _bind(predict: Callable[[Float32], object], x: Float32) -> Callable[[], object]:
    return lambda: predict(x)


def _environment() -> dict[str, Any]:
    versions = {}
    for package in ("edgernn", "numpy", "tensorflow", "keras", "ai-edge-litert", "onnxruntime"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return {
        "machine": platform.machine(),
        "system": platform.system(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": versions,
    }
