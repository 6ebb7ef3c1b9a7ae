"""The comparison: size, correctness, agreement and latency of artifacts, measured beside their Keras model."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

import edgernn
from edgernn.arrays import Float32
from edgernn.artifacts import find_artifacts
from edgernn.backends import SUFFIXES
from edgernn.bench.profiles import profile_named
from edgernn.bench.result import ORIGINAL, PEER, Measured, Result
from edgernn.bench.session import Candidate, OpenArtifact, check_baseline, open_artifacts, run_session
from edgernn.bench.stopwatch import Method, Turn
from edgernn.bench.subjects import ArtifactLoader
from edgernn.bench.verdict import MAX_DROP_POINTS, MIN_AGREEMENT
from edgernn.data.feature_scales import Scale
from edgernn.data.model_digest import model_digest
from edgernn.data.run_commit import MODEL
from edgernn.data.run_folder import Original, check_exists, read_original, read_run
from edgernn.errors import ArtifactError, DataError, EdgernnError, InputError, ModelError, SettingError
from edgernn.inputs import PIXELS, without_warnings
from edgernn.specs import PIXEL, FeatureScale, InputSpec
from edgernn.system.extras import require
from edgernn.system.files import sha256_of
from edgernn_benchmarks import conversions
from edgernn_benchmarks.evidence import collect
from edgernn_benchmarks.originals import FUNCTION, WAYS, KerasLoader
from edgernn_benchmarks.question import Question
from edgernn_export import early_checks, rules
from edgernn_export import keras_model as keras_models
from edgernn_export.task_inference import infer_task

# Usually the quickest way to run the original; speeds are relative to it.
BASELINE = f"Keras {FUNCTION}"


@dataclass(frozen=True)
class Progress:
    """Callbacks that report progress.

    Attributes:
        step: called with the next step, before it starts.
        turn: called before each model is timed in a round.
        note: called with a line of information, for instance why a peer is left out.
    """

    step: Callable[[str], None] = lambda _step: None
    turn: Callable[[Turn], None] = lambda _turn: None
    note: Callable[[str], None] = lambda _line: None


@without_warnings()
def compare(
    source: Path | str,
    artifacts: Sequence[Path | str] = (),
    *,
    samples: Path | str | None = None,
    scale: Scale | Path | None = None,
    method: Method | None = None,
    isolated: bool = False,
    threads: int = 1,
    unverified: bool = False,
    peers: bool = False,
    baseline: str | None = None,
    max_drop_points: float = MAX_DROP_POINTS,
    min_agreement: float = MIN_AGREEMENT,
    profile: str = "",
    progress: Progress | None = None,
) -> Result:
    """Measure artifacts and the Keras model they come from; `judge` recommends one of them.

    Times are of one prediction, from a float32 sample to its answer, and of the backend's call alone; see
    `edgernn.bench`.

    Args:
        source: a run folder, or a .keras or .h5 file.
        artifacts: .tflite and .onnx files; by default all that were exported from the model and are in its folder,
            except those that cannot be run, which `Result.left_out` names.
        samples: test samples, in place of the run folder's; required for a bare file. Without truths, agreement is
            measured and accuracy is not known.
        scale: scaling of a bare file's samples, as in `edgernn_export.export`; by default as in the artifacts' cards.
        method: how to time; 30 rounds and a second for each call by default.
        isolated: whether each artifact runs in its own process, which also measures its memory.
        threads: number of threads of each artifact.
        unverified: whether files without a card are also measured.
        peers: whether the stock TFLite and tf2onnx conversions are also measured.
        baseline: name of the model that speeds are relative to; "Keras tf.function" by default.
        max_drop_points: largest loss of a recommended artifact, in hundredths of the task's headline measure.
        min_agreement: lowest agreement of a recommended artifact, as a share, or R².
        profile: device that the recommended artifact is for, a name of `edgernn.bench.profiles`; any device by default.
        progress: receives messages about progress.

    Raises:
        ModelError: the Keras model cannot be read, or an artifact is given in its place.
        DataError: there are no samples, or they do not fit the model or an artifact.
        ArtifactError: an artifact cannot be loaded, or its answers have another shape than the model's, or NaN.
        SettingError: there is no artifact, one is given twice, no subject has the baseline's name, or the profile is
            unknown.
        MissingExtraError: the bench extra is not installed.
    """
    require("bench", "tensorflow", "keras", "rich", "ai_edge_litert", "onnxruntime")
    progress = progress or Progress()
    if profile:
        profile_named(profile)
    paths = [Path(path) for path in artifacts] or _artifacts_beside(Path(source))
    loaders = [ArtifactLoader(path, threads=threads, unverified=unverified) for path in paths]
    left_out = {} if artifacts else find_unusable(loaders)
    loaders = [loader for loader in loaders if loader.path.name not in left_out]
    original, ours = _open(Path(source), Path(samples) if samples else None, scale, loaders)
    progress.note(f"test samples: {original.require_samples().fed_test}")
    _check_baseline(baseline, ours, peers)
    limits = {"max_drop_points": max_drop_points, "min_agreement": min_agreement}
    loaded, question = _ask(original, limits, progress)
    answers = {
        each.facts.name: _answers(each.model, question.inputs_for(each.model), question.reference) for each in ours
    }
    progress.step("reading the test samples row by row")
    folder = Path(source) if Path(source).is_dir() else None
    evidence = collect(folder, question, answers, {each.facts.name: each.model for each in ours})
    with tempfile.TemporaryDirectory() as converted:
        foreign, failed = _open_peers(loaded.model, Path(converted), question, threads, progress) if peers else ([], {})
        left_out |= failed
        for name, reason in left_out.items():
            progress.note(f"left out: {name}: {reason}")
        judged = [
            each.candidate(question.inputs_for(each.model)[0], question.judge(answers[each.facts.name]))
            for each in ours
        ]
        result = run_session(
            [*_originals(original, question), *judged, *foreign],
            method or Method(),
            baseline=baseline or BASELINE,
            isolated=isolated,
            threads=threads,
            progress=progress.turn,
        )
    return replace(
        result,
        task=question.task,
        samples=len(question.x),
        limits=limits,
        profile=profile,
        left_out=left_out,
        evidence=evidence,
    )


def _artifacts_beside(source: Path) -> list[Path]:
    """Find the artifacts of a model in its folder.

    Raises:
        SettingError: there are none.
        ModelError: there are none, and no Keras model to export them from.
        DataError: there are none, and the run folder is incomplete.
    """
    check_exists(source)
    model = source / MODEL if source.is_dir() else source
    digest = model_digest(model) if model.is_file() else ""
    found = [path for path, card in find_artifacts(model.parent) if card.source_sha256 == digest]
    if not found:
        if source.is_dir():
            read_run(source)
        early_checks.check_model(model)
        raise SettingError(
            f"{model.parent}: no artifact of {model.name} there; give .tflite or .onnx files, or make them: "
            f"edgernn export {source}"
        )
    return found


def find_unusable(loaders: Sequence[ArtifactLoader]) -> dict[str, str]:
    """Return the reasons why artifacts cannot be run, by the names of their files.

    It is called for the artifacts in the model's folder; of artifacts that the user names, each must run.

    Raises:
        EdgernnError: none of them can be run; the error is that of the first.
    """
    errors: dict[Path, EdgernnError] = {}
    for loader in loaders:
        try:
            open_artifacts([loader])
        except EdgernnError as error:
            errors[loader.path] = error
    if len(errors) == len(loaders):
        raise next(iter(errors.values()))
    return {path.name: str(error).removeprefix(f"{path}: ") for path, error in errors.items()}


def _open(
    source: Path, samples: Path | None, scale: Scale | Path | None, loaders: Sequence[ArtifactLoader]
) -> tuple[Original, list[OpenArtifact]]:
    """Read the original and load the artifacts; check that they have the same labels and inputs."""
    _check_source(source, samples, loaders)
    artifacts = open_artifacts(loaders)
    original = _read_original(source, samples, scale, artifacts=artifacts)
    _check_labels(original, artifacts)
    early_checks.check_samples(early_checks.check_model(original.model), original)
    return original, artifacts


def _check_source(source: Path, samples: Path | None, loaders: Sequence[ArtifactLoader]) -> None:
    """Check that the first argument may be a Keras model, and the samples' header, before any more is read."""
    check_exists(source)
    if source.suffix in SUFFIXES:
        names = " ".join(str(path) for path in (source, *(each.path for each in loaders)))
        raise ModelError(
            f"{source}: an artifact; the first argument is the Keras model that it was exported from, a .keras or .h5 "
            f"file or a run folder. To compare artifacts without Keras: edgernn bench {names}"
        )
    if not source.is_dir():
        early_checks.check_header(early_checks.check_model(source), samples)


def _check_baseline(baseline: str | None, artifacts: Sequence[OpenArtifact], peers: bool) -> None:
    names = [f"Keras {way}" for way in WAYS] + [each.facts.name for each in artifacts]
    check_baseline(baseline, [*names, conversions.TFLITE, conversions.TF2ONNX] if peers else names)


def _read_original(
    source: Path, samples: Path | None, scale: Scale | Path | None, artifacts: Sequence[OpenArtifact]
) -> Original:
    """Read the original, with samples scaled as for the export of the artifacts, and classes in their order."""
    scales = {each.loader.path: found for each in artifacts if (found := _scale_of(each.model))}
    is_file = samples is not None and not source.is_dir()
    if scales and is_file and scale is None:
        scale = next(iter(scales.values()))
    meanings = {
        each.loader.path: each.model.card.input_meaning
        for each in artifacts
        if each.model.card and each.model.card.input_meaning in PIXELS
    }
    first, meaning = next(iter(meanings.items()), (source, ""))
    features = next((card.inputs[0].features for each in artifacts if (card := each.model.card)), ())
    labels = next((card.labels for each in artifacts if (card := each.model.card) and card.labels), ())
    outline = None if source.is_dir() else early_checks.check_model(source)
    shape = outline.sample_shape if outline is not None else None

    def read(scale: Scale | Path | None, meaning: str = "", labels: Sequence[str] = ()) -> Original:
        return read_original(source, samples, scale, meaning, features=features, labels=labels, shape=shape)

    original = read(scale, meaning)
    # The export's `--labels` may have the samples' names in another order.
    reordered = is_file and labels != original.labels and sorted(labels) == sorted(original.labels)
    labels = labels if reordered else ()
    if reordered:
        original = read(scale, meaning, labels)
    _check_scales(original, scales)
    if is_file and scale is None and meaning == PIXEL and original.require_samples().x_test.max() > 1:
        original = read("pixels", labels=labels)
    if original.input_meaning in PIXELS:
        first, meaning = source, original.input_meaning
    for path, other in meanings.items():
        if other != meaning:
            raise ArtifactError(
                f"{path}: its inputs are {other!r}, expected {meaning!r} as in {first}; compare artifacts with the "
                "same scale, or export it again"
            )
    return original


def _scale_of(model: edgernn.Model) -> FeatureScale | None:
    """Return the scale of features in a model's card; None if it has none."""
    spec = model.card.inputs[0] if model.card else InputSpec()
    return FeatureScale(spec.offset, spec.factor, spec.meaning) if spec.factor else None


def _check_scales(original: Original, scales: Mapping[Path, FeatureScale]) -> None:
    """Check that the artifacts with a scale of features have that of the samples."""
    expected = original.require_samples().scale
    for path, found in scales.items():
        if found != expected:
            other = f"another one, {expected.meaning!r}" if expected else "none"
            raise ArtifactError(
                f"{path}: it scales raw inputs, {found.meaning!r}, and the samples of {original.name} have "
                f"{other}; compare artifacts of one scale, with --samples of raw numbers, or export it again"
            )


def _ask(
    original: Original, limits: Mapping[str, float], progress: Progress
) -> tuple[keras_models.LoadedModel, Question]:
    """Load the Keras model and let it answer the test samples."""
    test = original.require_samples()
    progress.step("loading the Keras model")
    loaded = keras_models.load_both(original.model, x=test.x_test)
    rules.check_sample_shapes(test, tuple(loaded.model.inputs[0].shape[1:]))
    progress.step("answering the test samples")
    answers = loaded.answer(test.x_test)
    task = infer_task(loaded.exact_answers(test.x_test, answers), test, original.labels)
    question = Question(
        test.x_test,
        test.y_test,
        task,
        reference=answers,
        labels=original.labels,
        limits=limits,
        raw=test.raw_inputs("x_test") if test.scale else None,
    )
    return loaded, question


def _originals(original: Original, question: Question) -> list[Candidate]:
    sha256 = sha256_of(original.model)
    original.check_unchanged(sha256)
    facts = Measured(
        name="",
        role=ORIGINAL,
        backend=f"keras {version('keras')}",
        size_bytes=original.model.stat().st_size,
        sha256=sha256,
        quantization="float32",
        layout="",
        verified=True,
        input_shape=question.x.shape[1:],
        turns={},
        answers=question.judge(question.reference),
        source_sha256=model_digest(original.model),
    )
    return [
        Candidate(replace(facts, name=f"Keras {way}"), KerasLoader(original.model, question.x[0], way), reload=False)
        for way in WAYS
    ]


def _open_peers(
    model: Any, folder: Path, question: Question, threads: int, progress: Progress
) -> tuple[list[Candidate], dict[str, str]]:
    """Open the stock conversions that can be made and run; return them, and why others are left out, by name."""
    paths, reasons = conversions.convert(model, folder, progress.step)
    x, peers = question.x, []
    for path in paths:
        try:
            (peer,) = open_artifacts([ArtifactLoader(path, threads=threads, unverified=True, x=x[0])], PEER)
            answers = np.stack([_answers(peer.model, one[np.newaxis], question.reference[:1])[0] for one in x])
        except EdgernnError as error:
            reasons[path.name] = str(error).removeprefix(f"{path}: ")
            continue
        peers.append(peer.candidate(x[0], question.judge(answers)))
    return peers, reasons


def _answers(model: edgernn.Model, x: Float32, reference: Float32) -> Float32:
    try:
        answers = model.predict(x)
    except InputError as error:
        raise ArtifactError(f"{model.path}: it comes from another model: {error}") from error
    if answers.shape != reference.shape:
        raise ArtifactError(
            f"{model.path}: answers of shape {answers.shape}, expected the Keras model's {reference.shape}; "
            "it comes from another model"
        )
    broken = ~np.isfinite(answers).reshape(len(answers), -1).all(axis=1)
    if broken.any():
        raise ArtifactError(
            f"{model.path}: answers {int(broken.sum()):,} of {len(answers):,} samples with NaN or infinity, expected "
            "numbers, as Keras answers; export it again"
        )
    return answers


def _check_labels(original: Original, artifacts: Sequence[OpenArtifact]) -> None:
    test = original.require_samples()
    if test.labels and original.labels and test.labels != original.labels:
        raise DataError(
            f"the samples' labels are {', '.join(test.labels)}, expected the original's: {', '.join(original.labels)}"
        )
    for artifact in artifacts:
        labels = artifact.model.card.labels if artifact.model.card else ()
        if labels and original.labels and labels != original.labels:
            raise ArtifactError(
                f"{artifact.loader.path}: labels {', '.join(labels)}, expected the original's: "
                f"{', '.join(original.labels)}; it comes from another model"
            )
