"""The export: one Keras model to artifacts, each converted, quantized, proven and written."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgernn import __version__
from edgernn.card import Card
from edgernn.datasets import Samples
from edgernn.errors import ArtifactError, DataError, ExportError, OutputError
from edgernn.extras import require
from edgernn.files import make_folder
from edgernn.run_folder import Original, read_original
from edgernn_export.proof import Proof
from edgernn_export.targets import Target, select_targets

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Row:
    """What became of one target.

    Attributes:
        target: which artifact was asked for.
        path: where it lies, if it passed.
        reason: why it does not exist; empty if it passed.
        size_bytes: of the file; 0 if there is none.
        proof: what the proof saw; None if it does not exist.
    """

    target: Target
    path: Path
    reason: str = ""
    size_bytes: int = 0
    proof: Proof | None = None

    @property
    def passed(self) -> bool:
        """Whether the artifact exists, proven."""
        return self.proof is not None


def export(
    source: Path | str,
    out: Path | str | None = None,
    *,
    formats: Sequence[str] = (),
    quantizations: Sequence[str] = (),
    samples: Path | str | None = None,
    overwrite: bool = False,
    progress: Callable[[str], None] = lambda _step: None,
) -> list[Row]:
    """Export a Keras model to artifacts and prove each one.

    Args:
        source: a run folder, or a .keras file.
        out: the folder for the artifacts; the run folder, or the .keras file's own, by default.
        formats: tflite, onnx; all by default.
        quantizations: float32, int8; all by default.
        samples: real inputs with their classes, in place of the run folder's; needed for a .keras file.
        overwrite: replace artifacts that are there.
        progress: called with what is about to be done.

    Returns:
        One row a target, also for one that failed.

    Raises:
        ModelError: the Keras model cannot be read or is not supported.
        DataError: there are no samples, or they do not fit the model.
        OutputError: the folder cannot be written, or an artifact is there already.
        MissingExtraError: the export extra is not installed.
    """
    require(
        "export",
        "tensorflow",
        "keras",
        "litert_quantizer",
        "tf2onnx",
        "onnx",
        "ai_edge_litert",
        "onnxruntime",
    )
    source = Path(source)
    targets = select_targets(formats, quantizations)
    original = read_original(source, Path(samples) if samples else None)
    folder = Path(out) if out else original.model.parent
    paths = [folder / target.file_name(original.name) for target in targets]
    if not overwrite:
        _check_free(paths)
    make_folder(folder)
    progress("loading TensorFlow and the model")
    subject = _read_subject(original)
    rows = []
    for target, path in zip(targets, paths, strict=True):
        progress(f"exporting {target.format} {target.quantization}")
        rows.append(_export_one(subject, target, path))
    return rows


@dataclass(frozen=True)
class _Subject:
    """The Keras model under export, with its own answers to the samples."""

    original: Original
    samples: Samples
    input_shape: tuple[int, ...]
    parameters: int
    calibration_answers: Float32
    test_answers: Float32

    @cached_property
    def float32_tflite(self) -> bytes:
        """What every quantization of TFLite starts from."""
        from edgernn_export import tflite

        return tflite.convert(self.original.model)


def _export_one(subject: _Subject, target: Target, path: Path) -> Row:
    from edgernn_export.artifact import write_artifact

    samples = subject.samples
    try:
        embed = _convert(subject, target)
        card = _card(subject, target)
        proof = write_artifact(path, card, embed, samples.x_test, samples.y_test, subject.test_answers)
    except (ExportError, ArtifactError) as error:
        return Row(target, path, reason=str(error))
    return Row(target, path, size_bytes=path.stat().st_size, proof=proof)


def _convert(subject: _Subject, target: Target) -> Callable[[bytes], bytes]:
    """The converted file, as a function that puts a card into it."""
    from edgernn_export import onnx, tflite
    from edgernn_export.quantize import quantize_int8

    if target.format == "onnx":
        return partial(onnx.embed_card, onnx.convert(subject.original.model))
    data = subject.float32_tflite
    if target.quantization == "int8":
        data = quantize_int8(data, subject.samples.x_calibration, subject.calibration_answers)
    return partial(tflite.embed_card, data)


def _card(subject: _Subject, target: Target) -> Card:
    x = subject.samples.x_calibration
    calibrated = target.quantization == "int8"
    return Card(
        edgernn=__version__,
        name=subject.original.name,
        task="classification",
        labels=subject.original.labels,
        input_shape=subject.input_shape,
        input_meaning=subject.original.input_meaning,
        input_range=(float(x.min()), float(x.max())),
        output_shape=subject.test_answers.shape[1:],
        quantization=target.quantization,
        layout=target.layout,
        io="float32",
        source_sha256=hashlib.sha256(subject.original.model.read_bytes()).hexdigest(),
        parameters=subject.parameters,
        calibration={"samples": len(x), "chosen": "training samples"} if calibrated else {},
        measured={},
        golden=None,
    )


def _read_subject(original: Original) -> _Subject:
    from edgernn_export import keras_model

    model = keras_model.load(original.model)
    if original.samples is None:
        raise DataError(
            f"{original.model}: no samples to prove the artifacts with; pass --samples, a data set or a "
            "run's samples.npz"
        )
    samples = original.samples
    for x, y in ((samples.x_calibration, samples.y_calibration), (samples.x_test, samples.y_test)):
        keras_model.check_samples(model, x, y, original.labels)
    return _Subject(
        original=original,
        samples=samples,
        input_shape=tuple(model.inputs[0].shape[1:]),
        parameters=model.count_params(),
        calibration_answers=keras_model.probabilities(model, samples.x_calibration),
        test_answers=keras_model.probabilities(model, samples.x_test),
    )


def _check_free(paths: Sequence[Path]) -> None:
    there = [path.name for path in paths if path.exists()]
    if there:
        raise OutputError(f"{paths[0].parent}: {', '.join(there)} already there; --overwrite replaces them")
