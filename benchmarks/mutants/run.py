"""Damage every artifact of a folder in thousands of ways, and judge each result."""

import os

# Set before NumPy is imported: its threads would not survive a fork.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# Set before ONNX Runtime is imported, here before edgernn.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

# The backends are loaded once, before the workers are forked.
import ai_edge_litert.interpreter  # noqa: F401
import click
import onnxruntime  # noqa: F401

from common.bench_frame import json_option
from edgernn.arrays import Float32
from edgernn.backends import BACKENDS, open_artifact
from edgernn.data.datasets import read_samples
from edgernn.errors import ArtifactError
from edgernn.system.files import visible_files, write_bytes, write_json
from mutants.judging import Judge, Judgement
from mutants.mutations import IntactArtifact, kind_of, make
from mutants.report import KEPT, MODES, RESEALED, MutantResult, as_json, tables
from mutants.workers import verdicts

_TIMEOUT_SECONDS = 30.0
# Number of real samples that each artifact answers.
_SAMPLES = 48
_BACKENDS = ("native", "litert", "onnxruntime")


@click.command()
@click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--count",
    type=click.IntRange(min=1),
    default=3000,
    show_default=True,
    help="mutants of each artifact, with each digest",
)
@click.option("--artifacts", type=click.Path(exists=True, file_okay=False, path_type=Path), help="[default: RUN]")
@click.option(
    "--backend", "backends", multiple=True, type=click.Choice(_BACKENDS), help="only with this one  [default: all]"
)
@click.option("--only", metavar="FILE:kept|resealed:NUMBER", help="make only this mutant, and write it to --out")
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="file for the mutant of --only  [default: not kept]"
)
@json_option
def main(
    run: Path,
    count: int,
    artifacts: Path | None,
    backends: tuple[str, ...],
    only: str | None,
    out: Path | None,
    json_file: Path | None,
) -> None:
    """Damage each artifact of RUN, a run folder, and judge each mutant with each backend that runs the artifact.

    COUNT mutants keep the digest: each must be refused or right. COUNT mutants get a right digest: their wrong answers
    and crashes of the backend are only counted. Exit code 1 if an outcome is not allowed.

    \b
    Example:
        python -m benchmarks mutants runs/digits-robust --count 300
        python -m benchmarks mutants runs/digits-robust --only digits-int8.tflite:resealed:17
    """
    x = read_samples(run).x_test[:_SAMPLES]
    sources = _sources(artifacts or run)
    with tempfile.TemporaryDirectory() as folder:
        if only:
            sys.exit(_one(only, sources, x, Path(folder), out, backends))
        seen = list(_everything(sources, x, Path(folder), count, backends))
    for line in tables(seen):
        click.echo(line)
    if json_file:
        write_json(json_file, as_json(seen, {"count": count}))
    sys.exit(1 if any(each.failure for each in seen) else 0)


def _sources(folder: Path) -> dict[Path, IntactArtifact]:
    suffixes = (".tflite", ".onnx")
    contents = {path: path.read_bytes() for path in visible_files(folder, suffixes)}
    if len(contents) < 2:
        raise click.UsageError(f"{folder}: {len(contents)} artifacts, expected at least two, to swap their cards")
    return {
        path: IntactArtifact(path.name, data, tuple(other for each, other in contents.items() if each != path))
        for path, data in contents.items()
    }


def _everything(
    sources: dict[Path, IntactArtifact], x: Float32, folder: Path, count: int, backends: tuple[str, ...]
) -> Iterator[MutantResult]:
    for mode in MODES:
        for path, source in sources.items():
            for backend in _backends_of(path, backends):
                click.echo(f"{mode}: {path.name}, {backend}", err=True)
                judge = partial(_judge_maker, path, source, x, folder, mode, backend)
                for number, verdict in verdicts(range(count), judge, _TIMEOUT_SECONDS):
                    kind = kind_of(number, mode == RESEALED)
                    yield MutantResult(path.name, backend, mode=mode, number=number, kind=kind, verdict=verdict)


def _backends_of(path: Path, asked_for: tuple[str, ...]) -> list[str]:
    """Return the backends that run an artifact. Only native may lack operators; it starts no thread."""
    named = [info for info in BACKENDS if info.name in (asked_for or _BACKENDS) and info.suffix == path.suffix]
    return [info.name for info in named if not info.is_partial or (info.installed and _opens(path, info.name))]


def _opens(path: Path, backend: str) -> bool:
    try:
        open_artifact(path, path.read_bytes(), 1, backend)
    except ArtifactError:
        return False
    return True


def _judge_maker(
    path: Path, source: IntactArtifact, x: Float32, folder: Path, mode: str, backend: str
) -> Callable[[int], Judgement]:
    judge = Judge(path, x, folder / path.name, backend)
    return lambda number: judge.judge(make(source, number, mode == RESEALED).data)


def _one(
    only: str,
    sources: dict[Path, IntactArtifact],
    x: Float32,
    folder: Path,
    out: Path | None,
    backends: tuple[str, ...],
) -> int:
    """Make one mutant and judge it with each backend; return the exit code."""
    name, _, rest = only.partition(":")
    which, _, digits = rest.partition(":")
    path = next((path for path in sources if path.name == name), None)
    if path is None or which not in ("kept", "resealed") or not digits.isdecimal():
        raise click.UsageError(
            f"--only {only}, expected FILE:kept:NUMBER or FILE:resealed:NUMBER of a file in the folder"
        )
    mode, number = (RESEALED if which == "resealed" else KEPT), int(digits)
    mutant = make(sources[path], number, mode == RESEALED)
    if out:
        write_bytes(out, mutant.data)
    failed = False
    for backend in _backends_of(path, backends):
        judge = partial(_judge_maker, path, sources[path], x, folder, mode, backend)
        ((_, verdict),) = verdicts([number], judge, _TIMEOUT_SECONDS)
        seen = MutantResult(path.name, backend, mode=mode, number=number, kind=mutant.kind, verdict=verdict)
        click.echo(seen)
        failed |= seen.failure
    return int(failed)
