"""Checks of one model of `make bench-models`: sizes, fidelity, streams, operators, latency beside the peers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

import edgernn
from edgernn.arrays import Float32
from edgernn.data.datasets import Samples, read_samples
from edgernn.data.run_folder import read_settings
from edgernn.errors import EdgernnError
from edgernn_export import Target, export, keras_file, keras_model
from edgernn_export.targets import TARGETS
from peers import exports, stock
from peers.bare_subjects import CLASSIFIER, BareSubject, from_artifact
from peers.bench_frame import Progress
from peers.bench_runs import BenchModel
from peers.checks import Check
from peers.fidelity import Fidelity, count_differing, mean_fidelity, stream
from peers.isolated_tools import make_isolated
from peers.latency import CHECKED_SAMPLES, Timing, as_rows, ratio, time_cold, time_hot
from peers.operators import count_control_flow, count_custom

T = TypeVar("T")

MAX_DIFFERENCE, MAX_DROP_POINTS = 2e-5, 0.5
INT8_LAYOUTS = (exports.INT8, exports.INT8_LOOP)
FLOAT32_FILES = tuple(target for target in TARGETS if target.quantization == "float32")
FUSED = tuple(target for target in TARGETS if target.layout == "fused")
TIMED = (exports.FLOAT32, *INT8_LAYOUTS, exports.ONNX_FLOAT32)
EXPORTED = tuple(
    dict.fromkeys((*INT8_LAYOUTS, *FLOAT32_FILES, *FUSED, exports.DYNAMIC, exports.INT16X8, exports.ONNX_INT8))
)


@dataclass(frozen=True)
class Exported:
    """A run, Keras's answers, and the artifacts.

    Attributes:
        run: run folder.
        samples: samples of the run.
        reference: Keras's answers to the test samples, float32 [samples, classes].
        folder: folder of the artifacts.
        reasons: why artifacts are missing, one line each.
    """

    run: Path
    samples: Samples
    reference: Float32
    folder: Path
    reasons: tuple[str, ...]

    @cached_property
    def name(self) -> str:
        """Name of the artifacts."""
        return str(read_settings(self.run)["name"])

    def path(self, target: Target) -> Path:
        """Return the path of a target's artifact; the file may be missing."""
        return self.folder / target.file_name(self.name)


@dataclass
class Findings:
    """Results of one model.

    Attributes:
        checks: all checks.
        latencies: latencies by model and subject, as `latency.as_rows` returns them.
        reasons: why figures are missing, one line each.
    """

    checks: list[Check] = field(default_factory=list)
    latencies: dict[str, dict[str, Any]] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)


def measure_model(model: BenchModel, runs: Sequence[Path], folder: Path, say: Progress) -> Findings:
    """Measure every check of a model.

    Args:
        model: the model.
        runs: its run folders, one a seed; latency is measured on the first.
        folder: folder for the artifacts.
        say: called with the next step.
    """
    found = [export_run(run, folder / run.name, say) for run in runs]
    say(f"{model.name}: predicting and streaming")
    checks = [*_size_checks(model, found), *_fidelity_checks(model, found), *_stream_checks(model, found)]
    checks += _operator_checks(model, found)
    speed, latencies, missing = _latency_checks(model, found[0], say)
    reasons = [reason for each in found for reason in each.reasons]
    return Findings([*checks, *speed], {model.title: latencies}, [*reasons, *missing])


def export_run(run: Path, folder: Path, say: Progress) -> Exported:
    """Export a run's artifacts; a failed export becomes a reason, not an error."""
    samples = read_samples(run)
    reference = keras_model.predict(keras_file.read(run / "model.keras"), samples.x_test)
    say(f"exporting {run.name}")
    try:
        rows = export(run, folder, targets=EXPORTED)
        reasons = [f"{row.path.name}: {row.reason}" for row in rows if row.reason]
    except EdgernnError as error:
        reasons = [str(error)]
    return Exported(
        run=run,
        samples=samples,
        reference=reference,
        folder=folder,
        reasons=tuple(f"{run.name}: {reason}" for reason in reasons),
    )


def _size_checks(model: BenchModel, found: Sequence[Exported]) -> list[Check]:
    group = f"{model.title}: size with card"
    limits = {exports.INT8: model.limits.unrolled_bytes, exports.INT8_LOOP: model.limits.loop_bytes}

    def largest(target: Target) -> int | None:
        return _if_there(found, target, lambda: max(each.path(target).stat().st_size for each in found))

    checks = [
        Check(group, str(target), "bytes", figure=largest(target), limit=limit) for target, limit in limits.items()
    ]
    return checks + without_missing(
        [Check(group, str(target), "bytes", figure=largest(target)) for target in EXPORTED if target not in limits]
    )


def _fidelity_checks(model: BenchModel, found: Sequence[Exported]) -> list[Check]:
    group = f"{model.title}: against Keras, {len(found[0].reference):,} samples"
    accuracy = float(np.mean([CLASSIFIER.score(each.reference, each.samples.require_truth()) for each in found]))
    checks = [Check(group, "Keras: accuracy", "share", figure=accuracy)]
    for target in INT8_LAYOUTS:
        fidelity = _fidelity(found, target)
        drop, agreement = (fidelity.drop, fidelity.agreement) if fidelity else (None, None)
        checks.append(Check(group, f"{target}: accuracy lost", "points", figure=drop, limit=MAX_DROP_POINTS))
        checks.append(
            Check(
                group,
                f"{target}: agreement",
                "share",
                figure=agreement,
                limit=model.limits.int8_agreement,
                at_least=True,
            )
        )
    for target in FLOAT32_FILES:
        fidelity = _fidelity(found, target)
        # The others do not exist for every cell.
        if fidelity or target in (exports.FLOAT32, exports.ONNX_FLOAT32):
            difference = fidelity.difference if fidelity else None
            checks.append(
                Check(group, f"{target}: largest difference", "probability", figure=difference, limit=MAX_DIFFERENCE)
            )
    for target in (exports.DYNAMIC, exports.INT16X8, exports.ONNX_INT8):
        fidelity = _fidelity(found, target)
        checks += without_missing(
            [Check(group, f"{target}: agreement", "share", figure=fidelity.agreement if fidelity else None)]
        )
    return checks


def _fidelity(found: Sequence[Exported], target: Target) -> Fidelity | None:
    def measure() -> Fidelity:
        return mean_fidelity(
            [
                (
                    edgernn.load(each.path(target)).predict(each.samples.x_test),
                    each.reference,
                    each.samples.require_truth(),
                )
                for each in found
            ]
        )

    return _if_there(found, target, measure)


def _stream_checks(model: BenchModel, found: Sequence[Exported]) -> list[Check]:
    """Compare streams with `predict` after the last row, and the two separately built layouts after every row."""
    group = f"{model.title}: int8 streaming, every sample"
    streams = {target: _if_there(found, target, partial(_streams, found, target)) for target in INT8_LAYOUTS}
    checks = []
    for target, answers in streams.items():
        differing = None
        if answers:
            predicted = (edgernn.load(each.path(target)).predict(each.samples.x_test) for each in found)
            differing = sum(count_differing(a[-1], b) for a, b in zip(answers, predicted, strict=True))
        checks.append(
            Check(group, f"{target}: after the last row against predict", "answers", figure=differing, limit=0)
        )
    unrolled, loop = streams.values()
    differing = sum(map(count_differing, unrolled, loop)) if unrolled and loop else None
    return [*checks, Check(group, "loop against unrolled, after every row", "answers", figure=differing, limit=0)]


def _streams(found: Sequence[Exported], target: Target) -> list[Float32]:
    """Stream with the artifact of each run: float32 [steps, samples, classes]."""
    return [stream(each.path(target), each.samples.x_test) for each in found]


def _operator_checks(model: BenchModel, found: Sequence[Exported]) -> list[Check]:
    group = f"{model.title}: operators, all files together"

    def count(file_format: str, count_in: Callable[[bytes], int]) -> int | None:
        files = [path for each in found for path in sorted(each.folder.glob(f"*.{file_format}"))]
        return sum(count_in(path.read_bytes()) for path in files) if files else None

    return [
        Check(group, "custom (Flex included) in .tflite", "operators", figure=count("tflite", count_custom), limit=0),
        Check(group, "Loop, Scan and If in .onnx", "operators", figure=count("onnx", count_control_flow), limit=0),
    ]


def _latency_checks(
    model: BenchModel, export: Exported, say: Progress
) -> tuple[list[Check], dict[str, Any], list[str]]:
    """Return the checks, all latencies by subject, and the reasons why peers are missing."""
    x = np.ascontiguousarray(export.samples.x_test[:CHECKED_SAMPLES])
    peers, agreements, reasons = _peers(export, x, partial(_prefixed, say, model.name))
    ours = {str(target): from_artifact(export.path(target)) for target in TIMED if export.path(target).is_file()}
    say(f"{model.name}: measuring latencies")
    hot = time_hot({**ours, **peers}, x[:1])
    cold = time_cold({name: ours[name] for name in map(str, INT8_LAYOUTS) if name in ours}, x[:1])
    group = f"{model.title}: latency, ratio of medians"
    unrolled, loop = map(str, INT8_LAYOUTS)
    shipped = loop if model.limits.layout == "loop" else unrolled
    quickest = min(set(stock.UNROLLED_INT8) & set(hot), key=lambda name: hot[name].median_us, default="no Keras file")
    checks = [
        ratio(group, hot, shipped, quickest, model.limits.int8_ratio),
        *without_missing([Check(group, f"{quickest}: agreement", "share", figure=agreements.get(quickest))]),
        *_onnx_checks(group, hot, model.limits.onnx_ratio),
        *without_missing([ratio(group, hot, loop, unrolled)]),
        *without_missing([ratio(group, cold, loop, unrolled, label="the same with cold caches")]),
    ]
    return checks, as_rows({**ours, **peers}, hot), [f"{export.run.name}: {reason}" for reason in reasons]


def _onnx_checks(group: str, hot: Mapping[str, Timing], limit: float | None) -> list[Check]:
    check = ratio(group, hot, str(exports.ONNX_FLOAT32), stock.TF2ONNX, limit)
    return [check] if limit is not None else without_missing([check])


def _peers(
    export: Exported, x: Float32, progress: Progress
) -> tuple[dict[str, BareSubject], dict[str, float], list[str]]:
    """Return the peers that answer as Keras does, their agreement, and the reasons why others are missing."""
    model, samples = export.run / "model.keras", export.samples
    results, reasons = make_isolated(stock.PEERS, model, samples.x_calibration, x, export.reference[: len(x)], progress)
    subjects = {name: each.subject for name, each in results.items()}
    agreements = {name: each.agreement for name, each in results.items()}
    return subjects, agreements, [f"{name}: {reason}" for name, reason in reasons.items()]


def _prefixed(say: Progress, name: str, step: str) -> None:
    say(f"{name}: {step}")


def _if_there(found: Sequence[Exported], target: Target, measure: Callable[[], T]) -> T | None:
    """Return the measurement if every run has the artifact, else None."""
    return measure() if all(each.path(target).is_file() for each in found) else None


def without_missing(checks: Sequence[Check]) -> list[Check]:
    """Leave out checks without a figure, which would fail; for checks that have no limit."""
    return [check for check in checks if check.figure is not None]
