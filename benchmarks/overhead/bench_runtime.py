"""Cost of the runtime beside the bare backends: calls, steps, cold starts, memory, threads, long runs."""

from pathlib import Path

import click

from common.bench_frame import finish, json_option, measuring
from common.checks import environment
from edgernn.errors import ArtifactError
from overhead.calls import overhead_checks
from overhead.cold_start import cold_start_checks
from overhead.endurance import endurance_checks
from overhead.threads import thread_checks

ARTIFACTS = ("int8.tflite", "float32.tflite", "float32.onnx", "int8.onnx")


@click.command()
@click.argument("run", metavar="RUN", type=click.Path(exists=True, file_okay=False, path_type=Path))
@json_option
@click.option(
    "--calls", type=click.IntRange(min=1000), default=200_000, show_default=True, help="Calls of each long run."
)
@click.pass_context
def main(context: click.Context, run: Path, json_file: Path | None, calls: int) -> None:
    """Measure every check of the runtime on the artifacts in RUN. Exit code 1 if one fails.

    \b
    Example:
        python -m benchmarks runtime runs/demo
    """
    machine = environment()
    with measuring() as (_folder, say):
        paths = [_find(run, ending) for ending in ARTIFACTS]
        checks = []
        for path in paths:
            say(f"{path.name}: calls beside the bare backend's")
            checks += overhead_checks(path)
            say(f"{path.name}: cold starts")
            checks += cold_start_checks(path)
        for path in (paths[0], paths[2]):
            say(f"{path.name}: threads")
            checks += thread_checks(path)
        for path, backend in ((paths[0], "native"), (paths[0], "litert"), (paths[2], "onnxruntime")):
            say(f"{path.name}, {backend}: {calls:,} predictions and {calls:,} steps")
            checks += endurance_checks(path, backend, calls)
    finish(context, json_file, machine, checks)


def _find(run: Path, ending: str) -> Path:
    found = sorted(run.glob(f"*-{ending}"))
    if not found:
        raise ArtifactError(f"{run}: no artifact …-{ending}; make it with `edgernn export`")
    return found[0]
