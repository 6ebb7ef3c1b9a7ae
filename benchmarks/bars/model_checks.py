"""Checks of one model: sizes, fidelity, streams, operators, latency beside the peers, cost of the export."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import edgernn
from bars.fidelity import MISSING, Fidelity, count_differing, mean_fidelity, pair_steps, stream
from bars.latency import CHECKED_SAMPLES, find_quickest, ratio, time_calls
from bars.operator_counts import count_control_flow, count_custom
from common import exports
from common.bare_subjects import CLASSIFIER, from_artifact
from common.bench_frame import Progress
from common.bench_runs import BenchModel
from common.checks import Check, without_missing
from common.exports import Exported, export_run
from edgernn.arrays import Float32, Int64
from edgernn_export import Target, select_targets
from edgernn_export.targets import RUNTIME_TARGETS
from peers import stock
from peers.isolated_tools import make_isolated

MAX_DIFFERENCE, MAX_STREAM_DIFFERENCE, MIN_STREAM_AGREEMENT = 2e-5, 1e-5, 0.99
INT8_LAYOUTS = (exports.INT8, exports.INT8_LOOP)
FLOAT32_FILES = tuple(target for target in RUNTIME_TARGETS if target.quantization == "float32")
ROUNDED = (exports.DYNAMIC, exports.INT16X8, exports.ONNX_INT8)
TIMED = (exports.FLOAT32, *INT8_LAYOUTS, exports.ONNX_FLOAT32, exports.ONNX_INT8)
_FUSED = tuple(target for target in RUNTIME_TARGETS if target.layout == "fused")
EXPORTED = tuple(dict.fromkeys((*INT8_LAYOUTS, *FLOAT32_FILES, *_FUSED, *ROUNDED)))
EVERY_TARGET = (*RUNTIME_TARGETS, *select_targets(io_type="int8"))


@dataclass(frozen=True)
class Findings:
    """Results of one model.

    Attributes:
        checks: all checks.
        latencies: latencies by subject, as `latency.time_calls` returns them.
        reasons: why figures are missing, one line each.
    """

    checks: list[Check]
    latencies: dict[str, Any]
    reasons: list[str]


def measure_model(model: BenchModel, runs: Sequence[Path], folder: Path, say: Progress) -> Findings:
    """Measure every check of a model.

    Args:
        model: the model.
        runs: its run folders, one a seed; latency is measured on the first.
        folder: folder for the artifacts.
        say: called with the next step.
    """
    limits = model.limits
    targets = EVERY_TARGET if model.every_step else EXPORTED
    cost, unrefined = limits.export_s is not None, limits.unrefined is not None
    found = [export_run(run, folder / run.name, targets, say, cost=cost, unrefined=unrefined) for run in runs]
    speed = _latency_checks(model, found[0], say)
    say(f"{model.name}: predicting and streaming")
    checks = [*_size_checks(model, found, targets), *speed.checks, *_fidelity_checks(model, found)]
    checks += [*_stream_checks(model, found), *_operator_checks(model, found)]
    if cost:
        group = f"{model.title}: `edgernn export RUN`, the default set, worst of {len(found)}"
        seconds, peaks = ([getattr(each, name) for each in found] for name in ("seconds", "peak_gb"))
        checks += [
            Check(group, "wall clock", "s", figure=None if None in seconds else max(seconds), limit=limits.export_s),
            Check(group, "peak memory", "GB", figure=None if None in peaks else max(peaks), limit=limits.export_gb),
        ]
    return Findings(checks, speed.latencies, [*(reason for each in found for reason in each.reasons), *speed.reasons])


def _size_checks(model: BenchModel, found: Sequence[Exported], targets: Sequence[Target]) -> list[Check]:
    group = f"{model.title}: size with card, largest of {len(found)}"

    def check(target: Target) -> Check:
        sizes = [each.path(target).stat().st_size for each in found] if _is_there(found, target) else []
        size = max(sizes, default=None)
        return Check(group, str(target), "bytes", figure=size, limit=model.limits.bytes_of.get(target))

    required = dict.fromkeys((*INT8_LAYOUTS, *model.limits.bytes_of))
    return [*map(check, required), *without_missing(check(each) for each in targets if each not in required)]


def _fidelity_checks(model: BenchModel, found: Sequence[Exported]) -> list[Check]:
    limits, group = model.limits, f"{model.title}: against Keras, {len(found[0].reference):,} samples"

    def measure(target: Target, *, refined: bool = True) -> Fidelity:
        if not _is_there(found, target, refined=refined):
            return MISSING
        answers = [edgernn.load(each.path(target, refined=refined)).predict(each.samples.x_test) for each in found]
        return mean_fidelity(
            [(a, each.reference, each.samples.require_truth()) for a, each in zip(answers, found, strict=True)]
        )

    def losses(name: str, fidelity: Fidelity, limit: float) -> list[Check]:
        return [
            Check(group, f"{name}: accuracy lost", "points", figure=fidelity.drop, limit=limits.drop),
            Check(group, f"{name}: agreement", "share", figure=fidelity.agreement, limit=limit, at_least=True),
        ]

    accuracy = float(np.mean([CLASSIFIER.score(each.reference, each.samples.require_truth()) for each in found]))
    checks = [Check(group, "Keras: accuracy", "share", figure=accuracy)]
    if limits.unrefined is not None:
        unrefined = measure(exports.INT8, refined=False)
        checks += losses(f"{exports.INT8}, not refined", unrefined, limits.unrefined)
    for target, limit in limits.agreements.items():
        checks += losses(str(target), measure(target), limit)
    differences = dict.fromkeys(FLOAT32_FILES, MAX_DIFFERENCE) | dict(limits.differences)
    # The others do not exist for every cell.
    required = {exports.FLOAT32, exports.ONNX_FLOAT32, *limits.differences}
    for target, limit in differences.items():
        figure = measure(target).difference
        check = Check(group, f"{target}: largest difference", "probability", figure=figure, limit=limit)
        checks += [check] if target in required else without_missing([check])
    reported = [target for target in (*INT8_LAYOUTS, *ROUNDED) if target not in limits.agreements]
    agreements = ((target, measure(target).agreement) for target in reported)
    return checks + without_missing(Check(group, f"{target}: agreement", "share", figure=a) for target, a in agreements)


def _stream_checks(model: BenchModel, found: Sequence[Exported]) -> list[Check]:
    """Compare streams with `predict`, and the two separately built layouts after every row."""
    group = f"{model.title}: streaming against predicting, every sample"
    when = "after every row" if model.every_step else "after the last row"
    streams: dict[Target, list[Float32]] = {}
    checks = []
    for target in EVERY_TARGET if model.every_step else INT8_LAYOUTS:
        fidelity = MISSING
        if _is_there(found, target):
            streamed = [stream(each.path(target), each.samples.x_test) for each in found]
            fidelity = mean_fidelity(
                [
                    pair
                    for each, a in zip(found, streamed, strict=True)
                    for pair in _stream_pairs(model, each, target, a)
                ]
            )
            if target in INT8_LAYOUTS:
                streams[target] = streamed
        checks.append(_stream_check(group, target, when, fidelity))
    differing = None
    if len(streams) == len(INT8_LAYOUTS):
        unrolled, loop = (
            [*streams[target], *(edgernn.load(each.path(target)).predict(each.samples.x_test) for each in found)]
            for target in INT8_LAYOUTS
        )
        differing = sum(map(count_differing, unrolled, loop))
    name = "int8 loop against unrolled, after every row and predicted"
    return [*checks, Check(group, name, "answers", figure=differing, limit=0)]


def _stream_pairs(
    model: BenchModel, export: Exported, target: Target, streamed: Float32
) -> Iterator[tuple[Float32, Float32, Int64]]:
    """Yield a stream's answers, the file's, and the right classes."""
    path, x = export.path(target), export.samples.x_test
    last = [(streamed[-1], edgernn.load(path).predict(x))]
    for answers, expected in pair_steps(path, x, streamed) if model.every_step else last:
        yield answers, expected, export.samples.require_truth()


def _stream_check(group: str, target: Target, when: str, found: Fidelity) -> Check:
    # TFLite int8 has exact kernels, other integers are rounded as they run; ONNX int8 becomes float32 when loaded.
    if target.format == "tflite" and target.quantization == "int8":
        return Check(group, f"{target}: {when}", "answers", figure=found.differing, limit=0)
    if target.quantization in ("dynamic", "int16x8"):
        name = f"{target}: agreement"
        return Check(group, name, "share", figure=found.agreement, limit=MIN_STREAM_AGREEMENT, at_least=True)
    name = f"{target}: difference"
    return Check(group, name, "probability", figure=found.difference, limit=MAX_STREAM_DIFFERENCE)


def _operator_checks(model: BenchModel, found: Sequence[Exported]) -> list[Check]:
    group = f"{model.title}: operators, all files together"

    def count(file_format: str, count_in: Callable[[bytes], int]) -> int | None:
        files = [path for each in found for path in sorted(each.folder.glob(f"*.{file_format}"))]
        return sum(count_in(path.read_bytes()) for path in files) if files else None

    return [
        Check(group, "custom (Flex included) in .tflite", "operators", figure=count("tflite", count_custom), limit=0),
        Check(group, "Loop, Scan and If in .onnx", "operators", figure=count("onnx", count_control_flow), limit=0),
    ]


def _latency_checks(model: BenchModel, export: Exported, say: Progress) -> Findings:
    samples, limits = export.samples, model.limits
    x = np.ascontiguousarray(samples.x_test[:CHECKED_SAMPLES])
    file, reference = export.run / "model.keras", export.reference[: len(x)]
    peers, missing = make_isolated(
        stock.PEERS,
        file,
        x_calibration=samples.x_calibration,
        x=x,
        reference=reference,
        progress=lambda step: say(f"{model.name}: {step}"),
    )
    say(f"{model.name}: measuring latencies")
    ours = {str(target): from_artifact(export.path(target)) for target in TIMED if export.path(target).is_file()}
    subjects = {**ours, **{name: peer.subject for name, peer in peers.items()}}
    hot = time_calls(subjects, x[:1])
    unrolled, loop = map(str, INT8_LAYOUTS)
    cold = time_calls({name: ours[name] for name in (unrolled, loop) if name in ours}, x[:1], cold=True)
    group = f"{model.title}: latency, ratio of medians"
    int8 = loop if limits.layout == "loop" else unrolled
    float32, onnx, onnx_int8 = map(str, (exports.FLOAT32, exports.ONNX_FLOAT32, exports.ONNX_INT8))
    quickest = find_quickest(hot, stock.UNROLLED_INT8) or "no Keras file"
    agreement = peers[quickest].agreement if quickest in peers else None
    checks = [
        ratio(group, hot, int8, float32, limit=limits.float32_ratio),
        ratio(group, hot, int8, quickest, limit=limits.int8_ratio),
        Check(group, f"{quickest}: agreement", "share", figure=agreement),
        ratio(group, hot, int8, stock.STOCK_FLOAT32, limit=limits.stock_ratio),
        ratio(group, hot, onnx, stock.TF2ONNX, limit=limits.onnx_ratio),
        ratio(group, hot, onnx_int8, onnx, limit=limits.onnx_int8_ratio),
        ratio(group, hot, loop, unrolled),
        ratio(group, cold, loop, unrolled, label="the same with cold caches"),
    ]
    reasons = [f"{export.run.name}: {name}: {reason}" for name, reason in missing.items()]
    return Findings([each for each in checks if each.limit is not None or each.figure is not None], hot, reasons)


def _is_there(found: Sequence[Exported], target: Target, *, refined: bool = True) -> bool:
    return all(each.path(target, refined=refined).is_file() for each in found)
