"""The comparison: size, correctness, agreement and latency of artifacts, measured beside their Keras model."""

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
from edgernn.errors import ArtifactError, InputError
from edgernn.extras import require
from edgernn.run_folder import read_original
from edgernn.stopwatch import Latency, measure, summarize
from edgernn.tasks import Task
from edgernn_export import keras_model as keras_models
from edgernn_export.heads import find_task

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
        measures: how right the answers are, by the names of `edgernn.tasks.MEASURES`.
        agreement: with Keras, as `Task.agreement`: share of the same decisions, or R².
        largest_difference: from Keras in any number, as `metrics.largest_difference`.
        latency: of one inference, a float32 sample in and its answer out.
    """

    name: str
    backend: str
    size_bytes: int
    measures: Mapping[str, float]
    agreement: float
    largest_difference: float
    latency: Latency


@dataclass(frozen=True)
class Comparison:
    """Artifacts beside the Keras model.

    Attributes:
        task: the model's.
        samples: how many were answered for the measures and the agreement.
        keras: the model they come from.
        artifacts: in the order they were given.
        environment: the machine and the versions it was measured with.
    """

    task: Task
    samples: int
    keras: Subject
    artifacts: tuple[Subject, ...]
    environment: Mapping[str, Any]

    @property
    def recommended(self) -> Subject | None:
        """The quickest good artifact, or None.

        A good one loses at most 0.7 points of the task's headline measure and has an agreement of at least 0.985.
        """
        headline = self.task.headline
        good = [
            subject
            for subject in self.artifacts
            if 100 * (self.keras.measures[headline] - subject.measures[headline]) <= MAX_DROP_POINTS
            and subject.agreement >= MIN_AGREEMENT
        ]
        return min(good, key=lambda subject: subject.latency.median_us, default=None)

    def as_json(self) -> dict[str, Any]:
        """The comparison for programs."""
        best = self.recommended
        return {
            "format": FORMAT,
            "task": self.task.kind,
            "logits": self.task.logits,
            "samples": self.samples,
            "subjects": [_as_json(subject) for subject in (self.keras, *self.artifacts)],
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

    Latencies are of one float32 sample in and its answer out, on one thread for artifacts,
    interleaved. Keras is measured as a compiled `tf.function`, its quickest way to answer one sample.

    Args:
        source: a run folder, or a .keras file.
        artifacts: .tflite and .onnx files.
        samples: test samples with what they should be answered, in place of the run folder's; needed for a .keras file.
        progress: called with what is about to be done.

    Raises:
        ModelError: the Keras model cannot be read.
        DataError: there are no samples, or they do not fit the model or an artifact.
        ArtifactError: an artifact cannot be loaded, or answers with another shape than the model.
        MissingExtraError: the bench extra is not installed.
    """
    require("bench", "tensorflow", "keras", "rich", "ai_edge_litert", "onnxruntime")
    original = read_original(Path(source), Path(samples) if samples else None)
    models = [edgernn.load(path) for path in artifacts]
    test = original.require_samples()
    progress("loading the Keras model")
    keras_model = keras_models.load(original.model, free_steps=test.x_test.shape[1])
    x = test.x_test
    keras_models.check_samples(keras_model, test)
    progress("answering the test samples")
    reference = keras_models.predict(keras_model, x)
    task = find_task(reference, test, original.labels)
    answers = [_answers(model, x, reference) for model in models]
    progress("measuring latency")
    calls: dict[str, Callable[[], object]] = {"Keras": _bind(keras_models.compiled(keras_model), x[:1])}
    calls |= {str(model.path): _bind(model.predict, x[0]) for model in models}
    latencies = {name: summarize(durations) for name, durations in measure(calls).items()}

    def subject(name: str, key: str, backend: str, path: Path, answers: Float32) -> Subject:
        return Subject(
            name=name,
            backend=backend,
            size_bytes=path.stat().st_size,
            measures=task.measure(answers, test.y_test),
            agreement=task.agreement(answers, reference),
            largest_difference=metrics.largest_difference(answers, reference),
            latency=latencies[key],
        )

    keras = subject("Keras", "Keras", f"keras {version('keras')}", original.model, reference)
    rows = [
        subject(model.path.name, str(model.path), model.backend, model.path, answer)
        for model, answer in zip(models, answers, strict=True)
    ]
    return Comparison(task, len(x), keras, tuple(rows), _environment())


def _answers(model: edgernn.Model, x: Float32, reference: Float32) -> Float32:
    try:
        answers = model.predict(x)
    except InputError as error:
        raise ArtifactError(f"{model.path}: comes from another model: {error}") from error
    if answers.shape != reference.shape:
        raise ArtifactError(
            f"{model.path}: answers with shape {answers.shape}, the Keras model with {reference.shape}; it comes from "
            "another model"
        )
    return answers


def _as_json(subject: Subject) -> dict[str, Any]:
    fields = asdict(subject)
    measures = fields.pop("measures")
    return {**fields, **measures}


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
