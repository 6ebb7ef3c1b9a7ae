"""Backend native and C source beside LiteRT and other tools: answers, calls, batches, large models, starts, size."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import numpy as np

from bars.latency import CHECKED_SAMPLES
from common import exports
from common.bare_subjects import BareSubject
from common.bench_frame import Progress, finish, json_option, measuring
from common.checks import Check, environment
from edgernn.data.datasets import read_samples
from edgernn.errors import ArtifactError
from edgernn_export import export
from native import batch_times
from native.answer_bits import answer_checks, draw_samples
from native.batch_times import batch_check
from native.c_sizes import c_checks
from native.call_times import ModelFiles, call_checks
from native.native_limits import is_avx2_machine
from native.sizes import size_checks
from native.starts import extension_check, start_checks
from peers.contest import KINDS, LSTM, MODELS, SIMPLE_RNN, find_run
from peers.isolated_tools import make_isolated
from peers.registry import Peer
from peers.tools import emx, onnx_runtime

_TARGETS = (exports.INT8, exports.INT8_LOOP, exports.FLOAT32)


@click.command()
@click.option("--data", default="sample", show_default=True, help="Training data, as `edgernn train --data` takes it.")
@click.option(
    "--runs",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("runs"),
    show_default=True,
    help="Folder of the runs demo or robust-0, gru64-0 and lstm64-0; missing ones are trained.",
)
@click.option("--only", multiple=True, type=click.Choice(KINDS), help="Layer kinds to measure. [default: all]")
@click.option("--sizes/--no-sizes", default=True, help="Also measure 512 steps and 512 units. [default: sizes]")
@json_option
@click.pass_context
def main(
    context: click.Context, data: str, runs: Path, only: tuple[str, ...], sizes: bool, json_file: Path | None
) -> None:
    """Measure every check of backend native. Exit code 1 if one fails.

    \b
    Example:
        python -m benchmarks native --runs runs --json native.json
    """
    machine = environment()
    avx2 = is_avx2_machine(machine["flags"])
    checks, reasons = [extension_check()], []
    with measuring() as (folder, say):
        for kind in only or KINDS:
            run = find_run(runs, kind, data, say)
            found, missing = _measure(kind, run, folder / kind, say, avx2=avx2)
            checks += found
            reasons += [f"{MODELS[kind].title}: {name}: {reason}" for name, reason in missing.items()]
            if kind == SIMPLE_RNN:
                say(f"{MODELS[kind].title}: C source for Cortex-M")
                found, missing = c_checks(run, folder / f"{kind}-c")
                checks += found
                reasons += [f"{name}: {reason}" for name, reason in missing.items()]
            if sizes:
                checks += size_checks(kind, folder / f"{kind}-sizes", say, avx2=avx2)
    finish(context, json_file, machine, checks, reasons=reasons)


def _measure(kind: str, run: Path, folder: Path, say: Progress, *, avx2: bool) -> tuple[list[Check], Mapping[str, str]]:
    """Export a run, make other tools' files, and measure; return the checks, and reasons for missing files."""
    title = MODELS[kind].title
    say(f"{title}: exporting")
    rows = export(run, folder, targets=_TARGETS)
    failed = [row for row in rows if not row.passed]
    if failed:
        raise ArtifactError(f"{run}: {failed[0].target} was not exported: {failed[0].reason}")
    int8, loop, float32 = (row.path for row in rows)
    samples = read_samples(run)
    subjects, missing = _make_peers(kind, run, samples, lambda step: say(f"{title}: {step}"))
    x = draw_samples(samples.x_test)
    say(f"{title}: comparing answers")
    checks = answer_checks(title, [int8, loop], x)
    say(f"{title}: timing calls")
    single = {name: subject for name, subject in subjects.items() if name not in batch_times.PEERS}
    one = np.ascontiguousarray(x[:1])
    checks += call_checks(
        ModelFiles(kind=kind, title=title, int8=int8, float32=float32, peers=single, x=one), avx2=avx2
    )
    say(f"{title}: timing batches")
    several = {name: subject for name, subject in subjects.items() if name in batch_times.PEERS}
    checks.append(batch_check(kind, title, int8, several, x, avx2=avx2))
    say(f"{title}: starting processes")
    return [*checks, *start_checks(title, int8)], missing


def _make_peers(kind: str, run: Path, samples: Any, say: Progress) -> tuple[dict[str, BareSubject], Mapping[str, str]]:
    # LSTM is the only recurrent operator that ONNX Runtime quantizes.
    dynamic = {name: peer for name, peer in onnx_runtime.PEERS.items() if "dynamic" in name and kind == LSTM}
    peers: dict[str, Peer] = {**emx.PEERS, **dynamic, **batch_times.PEERS}
    x = np.ascontiguousarray(samples.x_test[:CHECKED_SAMPLES])
    reference = exports.predict_isolated(run / "model.keras", x)
    results, missing = make_isolated(
        peers, run / "model.keras", x_calibration=samples.x_calibration, x=x, reference=reference, progress=say
    )
    return {name: result.subject for name, result in results.items()}, missing
