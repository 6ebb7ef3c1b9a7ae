"""Load good files with a backend: those it reads correctly must be accepted, those it misreads refused.

Only NumPy, click, the backend and edgernn are needed, so this also runs where an export cannot.
"""

import sys
from collections import Counter
from contextlib import suppress
from functools import partial
from pathlib import Path

import click
import numpy as np

from edgernn.backends import open_artifact
from edgernn.card import read_card
from edgernn.errors import ArtifactError, NoStepError
from edgernn.metrics import scale_of
from edgernn.model import load_bytes
from edgernn.system.files import write_json

# A backend reads a file correctly if the median difference of its answers from LiteRT's is at most this.
_RIGHT = 0.1
RIGHT_ACCEPTED, RIGHT_REFUSED = "right, accepted", "right, refused"
WRONG_ACCEPTED, WRONG_REFUSED, NOT_RUN = "misread, accepted", "misread, refused", "cannot be run"


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--backend", help="[default: the first that is installed]")
@click.option("--plain", is_flag=True, help="LiteRT without XNNPACK")
@click.option("--only", default="*", show_default=True, help="pattern of file names")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="write every file here")
def main(folder: Path, backend: str | None, plain: bool, only: str, json_file: Path | None) -> None:
    """Load and stream every file of FOLDER, from `good-make`.

    The exit code is 1 if a file that is read correctly is refused, or a misread one is accepted.

    \b
    Example:
        python -m benchmarks good-try build/good --backend tflite-micro
    """
    if plain:
        _without_xnnpack()
    suffixes = (".onnx",) if backend == "onnxruntime" else (".tflite",) if backend or plain else (".tflite", ".onnx")
    paths = sorted(path for path in folder.glob(only) if path.suffix in suffixes)
    seen = {path.name: _try(path, backend) for path in paths}
    counts = Counter((path.suffix, seen[path.name][2], seen[path.name][0]) for path in paths)
    for (suffix, quantization, outcome), count in sorted(counts.items()):
        click.echo(f"{suffix:<9}{quantization:<12}{outcome:<20}{count:>6,}")
    for name, (outcome, why, _, off) in seen.items():
        if outcome in (RIGHT_REFUSED, WRONG_ACCEPTED):
            click.echo(f"{outcome}: {name}, median difference {off:.3g}: {why}")
    if json_file:
        write_json(json_file, seen)
    sys.exit(int(any(outcome in (RIGHT_REFUSED, WRONG_ACCEPTED) for outcome, *_ in seen.values())))


def _try(path: Path, backend: str | None) -> tuple[str, str, str, float]:
    """Load a file; return the outcome, the reason of a refusal, the quantization and the median difference."""
    data = path.read_bytes()
    quantization = read_card(data).quantization
    with np.load(f"{path}.npz") as beside:
        x, right = beside["x"], beside["answers"]
    try:
        answers = open_artifact(path, data, 1, backend).run(x)
    except ArtifactError as error:
        return NOT_RUN, str(error), quantization, 0.0
    off = float(np.median(np.abs(answers - right).reshape(len(x), -1).max(axis=1))) / scale_of(right)
    reads = off <= _RIGHT
    try:
        model = load_bytes(path, data, backend=backend)
        with suppress(NoStepError):
            model.stream()
    except ArtifactError as error:
        return (RIGHT_REFUSED if reads else WRONG_REFUSED), str(error), quantization, off
    return (RIGHT_ACCEPTED if reads else WRONG_ACCEPTED), "", quantization, off


def _without_xnnpack() -> None:
    from ai_edge_litert import interpreter

    plain = interpreter.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter.Interpreter = partial(interpreter.Interpreter, experimental_op_resolver_type=plain)
