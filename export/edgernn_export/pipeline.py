"""The export: convert, quantize, prove and write the artifacts of one Keras model."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from edgernn.backends import SUFFIXES
from edgernn.data.feature_scales import Scale
from edgernn.data.run_folder import read_original
from edgernn.errors import ArtifactError, ExportError, OutputError, SettingError, UnsupportedError
from edgernn.system.extras import require
from edgernn.system.files import find_name_fault, made_folder, write_bytes
from edgernn.system.locks import alone_in
from edgernn_export import early_checks
from edgernn_export.formats import format_of
from edgernn_export.formats.base import DeviceFacts, Plan
from edgernn_export.proof import Proof
from edgernn_export.settings import Settings
from edgernn_export.targets import Target, select_targets
from edgernn_export.worker import Worker

_PACKAGES = (
    *("tensorflow", "keras", "litert_quantizer", "tf2onnx", "onnx", "flatbuffers", "rich"),
    *("ai_edge_litert", "onnxruntime"),
)
PASSED, FAILED, NOT_EXPORTED, NOT_POSSIBLE, LEFT_OUT = (
    *("passed", "failed", "not exported", "not possible"),
    "left out",
)
# Number formats with int8 weights: where one of them passes, the larger or slower reserves are not needed.
_INT8_WEIGHTS = ("int8", "dynamic")
_NOT_NEEDED = "only needed where all files with int8 weights fail the proof"


@dataclass(frozen=True)
class TargetResult:
    """Export result of one target.

    Attributes:
        target: the requested artifact.
        path: path of the artifact, even if it was not written.
        status: "passed"; "failed" the proof, so it was written only with `keep_failed`; "not exported", because a
            converter failed; "not possible" with this model; or "left out" of the default targets, because it cannot
            be the best file for this model.
        reason: why it did not pass; empty if it did.
        size_bytes: of the artifact; 0 if it was not exported.
        proof: results of the proof; None if it was not exported.
        steps: number of time steps of a sample.
        fed: the samples that the model got and their scaling, in words.
        device: its needs on a device; None for artifacts that the runtime runs.
    """

    target: Target
    path: Path
    status: str
    reason: str = ""
    size_bytes: int = 0
    proof: Proof | None = None
    steps: int = 0
    fed: str = ""
    device: DeviceFacts | None = None

    @property
    def passed(self) -> bool:
        """True if the artifact exists and is proven."""
        return self.status == PASSED

    @property
    def runs_here(self) -> bool:
        """True if it passed and the runtime runs such files; C source is for other machines."""
        return self.passed and self.path.suffix in SUFFIXES


def export(
    source: Path | str,
    out: Path | str | None = None,
    *,
    targets: Sequence[Target] | None = None,
    samples: Path | str | None = None,
    scale: Scale | Path | None = None,
    features: Sequence[str] = (),
    labels: Sequence[str] = (),
    name: str | None = None,
    settings: Settings | None = None,
    overwrite: bool = False,
    progress: Callable[[str], None] = lambda _step: None,
) -> list[TargetResult]:
    """Export a Keras model to artifacts and prove each one.

    The work is done in a child process, which ends with this one.

    Args:
        source: a run folder, or a .keras or .h5 file.
        out: the folder for the artifacts; the run folder, or the file's own, by default.
        targets: from `select_targets`; if None, those of the default targets that can be the best for this model.
        samples: real inputs, in place of the run folder's; required for a bare file. Without truths, agreement is
            measured and accuracy is unknown.
        scale: scaling of a bare file's samples: "pixels" divides by 255; the path of an .npz file has the mean and the
            standard deviation, or the minimum and the maximum, of each feature, which then go into the card, so that
            the artifacts take raw numbers. By default samples are not scaled.
        name: of the artifacts; the run's or the file's by default.
        features: the names of the input's features for the card. If the columns of a CSV file are named, they must have
            these names, here and on the device.
        labels: the names of the classes or outputs for the card; the run's or the samples' by default.
        settings: the user's choices; defaults if None.
        overwrite: whether existing artifacts are replaced.
        progress: called with a description of each next step.

    Returns:
        One row a target, also for one that failed. Without `targets`, the last rows are the default targets that were
        left out.

    Raises:
        ModelError: the Keras model cannot be read or is not supported.
        DataError: there are no samples, they or the labels do not fit the model, or the scale cannot be read.
        SettingError: the name, or that of a feature, cannot be used; the scale is unknown, or given for a run folder,
            whose settings decide it.
        OutputError: the folder cannot be written, an artifact exists already, or another process writes there.
        MissingExtraError: the export extra is not installed.
    """
    require("export", *_PACKAGES)
    settings = settings or Settings()
    source = Path(source)
    # A bare file first: its samples may have the shape that an unsupported model asks for.
    outline = early_checks.check_model(source) if source.is_file() else None
    path = Path(samples) if samples else None
    early_checks.check_header(outline, path, settings)
    shape = outline.sample_shape if outline is not None else None
    original = read_original(source, path, scale, features=features, labels=labels, shape=shape)
    if name is not None:
        if fault := find_name_fault(name):
            raise SettingError(f"name {name!r} {fault}; give a name that a file can have")
        original = replace(original, name=name)
    outline = outline or early_checks.check_model(original.model)
    early_checks.check_samples(outline, original, settings)
    chosen = original.require_samples()
    steps = chosen.x_test.shape[1]
    folder = Path(out) if out else original.model.parent
    with _alone_in(folder), Worker(original, settings) as worker:
        if not overwrite:
            _check_free(folder, original.name, select_targets() if targets is None else targets)
        if targets is None:
            progress("reading the model")
            plan = worker.plan()
        else:
            plan = Plan(tuple(targets))
        rows = _export_all(worker, plan, folder / original.name, settings.keep_failed, progress)
    return [replace(row, steps=steps, fed=chosen.fed) for row in rows]


def _export_all(
    worker: Worker, plan: Plan, name: Path, keep_failed: bool, progress: Callable[[str], None]
) -> list[TargetResult]:
    """Export the targets of a plan, and its reserves if they are needed; `name` is a folder with the model's name."""

    def path_of(target: Target) -> Path:
        return name.with_name(target.file_name(name.name))

    def export_each(targets: Sequence[Target]) -> list[TargetResult]:
        rows = []
        for number, target in enumerate(targets, start=1):
            progress(f"exporting {number} of {len(targets)}: {target}")
            rows.append(_export_one(worker, target, path_of(target), keep_failed))
        return rows

    rows, left_out = export_each(plan.targets), dict(plan.left_out)
    if any(row.passed and row.target.quantization in _INT8_WEIGHTS for row in rows):
        left_out |= dict.fromkeys(plan.reserves, _NOT_NEEDED)
    else:
        rows += export_each(plan.reserves)
    return rows + [
        TargetResult(target, path_of(target), LEFT_OUT, reason=reason) for target, reason in left_out.items()
    ]


def _export_one(worker: Worker, target: Target, path: Path, keep_failed: bool) -> TargetResult:
    try:
        result = worker.make(target)
    except UnsupportedError as error:
        return TargetResult(target, path, NOT_POSSIBLE, reason=str(error))
    except (ExportError, ArtifactError) as error:
        return TargetResult(target, path, NOT_EXPORTED, reason=str(error))
    if not result.reason or keep_failed:
        # The artifact comes last, so that the files beside it are complete when it exists.
        for name, content in result.companions:
            write_bytes(path.with_name(name), content)
        write_bytes(path, result.data)
    status = FAILED if result.reason else PASSED
    return TargetResult(
        target,
        path,
        status,
        reason=result.reason,
        size_bytes=len(result.data),
        proof=result.proof,
        device=result.device,
    )


def _check_free(folder: Path, name: str, targets: Sequence[Target]) -> None:
    files = [file for target in targets for file in format_of(target).files(target, name)]
    existing = [file for file in files if (folder / file).exists()]
    if existing:
        raise OutputError(f"{folder.absolute()}: {', '.join(existing)} already there; --overwrite replaces them")


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Create a folder and keep other processes from writing there; remove it if it is new and stays empty."""
    with made_folder(folder), alone_in(folder):
        yield
