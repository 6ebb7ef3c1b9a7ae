"""Write docs/compatibility.md: the answers of every artifact on every runtime."""

import sys
from collections.abc import Mapping
from pathlib import Path

import click
import numpy as np

import edgernn
from common.bench_frame import Progress, measuring
from common.versions import versions
from compatibility.compatibility_page import Host, describe, faults
from compatibility.environments import ROOT, RUNTIMES, Runtime, RuntimeResult, check_python, try_artifacts
from compatibility.probe import STREAMED
from edgernn.data.run_folder import read_original
from edgernn.errors import ModelError
from edgernn.system.files import write_bytes
from edgernn_export import export, select_targets
from edgernn_export.targets import RUNTIME_TARGETS

PAGE = ROOT / "docs" / "compatibility.md"


@click.command()
@click.argument("run", type=click.Path(exists=True, file_okay=False, resolve_path=True, path_type=Path))
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=PAGE,
    help="Page to write. [default: docs/compatibility.md]",
)
def main(run: Path, out: Path) -> None:
    """Export RUN as every kind of artifact, run each on every runtime, and write the page.

    Exit code 1 if a runtime misreads an artifact and edgernn does not notice, or if edgernn refuses an artifact that
    is read correctly. Takes about five minutes; each runtime is installed into a separate environment.

    \b
    Example:
        python -m benchmarks compatibility runs/digits-robust
    """
    check_python()
    found: dict[Runtime, Mapping[str, RuntimeResult]] = {}
    with measuring() as (folder, say):
        artifacts = _export(run, folder, say)
        hosts = {artifact.name: _host(artifact, run) for artifact in artifacts}
        for runtime in RUNTIMES:
            say(runtime.title)
            chosen = [artifact for artifact in artifacts if artifact.suffix == runtime.suffix]
            found[runtime] = try_artifacts(runtime, chosen, run / "samples.npz")
    write_bytes(out, describe(hosts, found, versions()).encode())
    click.echo(f"{out} written")
    problems = faults(hosts, found)
    for problem in problems:
        click.echo(f"problem: {problem}", err=True)
    sys.exit(1 if problems else 0)


def _export(run: Path, folder: Path, say: Progress) -> list[Path]:
    targets = (*RUNTIME_TARGETS, *select_targets(io_type="int8"))
    rows = export(run, folder, targets=targets, progress=say)
    missing = [f"{row.path.name}: {row.reason}" for row in rows if not row.passed]
    if missing:
        raise ModelError("; ".join(missing))
    return [row.path for row in rows]


def _host(artifact: Path, run: Path) -> Host:
    """Predict with edgernn on this machine."""
    samples = read_original(run).require_samples()
    model = edgernn.load(artifact)
    if model.card is None:
        raise ModelError(f"{artifact}: no card, expected one with Keras's accuracy")
    # One sample a call, as on the runtimes: a batch adds in another order.
    answers = np.stack([model.predict(sample) for sample in samples.x_test])
    stream = model.stream()
    return Host(
        classes=samples.require_truth(),
        keras_accuracy=model.card.measured["keras"]["accuracy"],
        answers=answers,
        streams=np.stack([stream.answer(sample) for sample in samples.x_test[:STREAMED]]),
    )
