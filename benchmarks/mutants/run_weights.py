"""Edit the weights of artifacts, make their digests right, and see what `load` accepts that decides otherwise."""

import sys
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt

from edgernn.backends import open_artifact
from edgernn.card import read_card
from edgernn.datasets import read_samples
from edgernn.errors import ArtifactError, EdgernnError
from edgernn.files import write_json
from edgernn.kernels import PROBED
from edgernn.model import load_bytes
from mutants.weights import class_damages, random_edit, tensor_damages, weights_of

Float32 = npt.NDArray[np.float32]
# A file may decide so many of the samples otherwise and be accepted.
_MAX_CHANGED = 0.01
# Of the random edits that change more, so many may be accepted.
_MAX_ACCEPTED = 0.01
_KINDS = {"zeroed": "a class zeroed", "exchanged": "two classes exchanged"}


@click.command()
@click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("names", nargs=-1)
@click.option("--samples", type=click.Path(exists=True, path_type=Path), help="what to decide on  [default: RUN]")
@click.option("--count", type=click.IntRange(min=0), default=2000, show_default=True, help="random edits of each file")
@click.option("--backend", help="what loads them  [default: the first that is installed]")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="write every file here")
def main(
    run: Path, names: tuple[str, ...], samples: Path | None, count: int, backend: str | None, json_file: Path | None
) -> None:
    """Edit the weights of NAMES, .tflite files of RUN; by default those in int8 and dynamic.

    Exit code 1 if more is accepted than may be: of damaged classes and tensors nothing that decides more than 1 % of
    the test samples otherwise, of random edits 1 % of them.
    --samples are a run folder or a data set, for instance a folder of MNIST's IDX files.

    \b
    Example:
        python benchmarks/mutants/run_weights.py runs/demo --count 500
    """
    try:
        x = read_samples(samples or run).x_test
        paths = [run / name for name in names] if names else _rounded_files(run)
        seen = {path.name: list(_seen(path, x, count, backend)) for path in paths}
    except EdgernnError as error:
        raise click.ClickException(str(error)) from error
    failed = False
    for name, edits in seen.items():
        click.echo(f"\n{name:<36}{'files':>8}{'> 1 %':>8}{'accepted':>10}{'of those':>10}")
        for kind in dict.fromkeys(kind for kind, *_ in edits):
            of_kind = [edit for edit in edits if edit[0] == kind]
            changed = [edit for edit in of_kind if edit[3] > _MAX_CHANGED]
            accepted = Counter(edit in changed for edit in of_kind if edit[2])
            allowed = _MAX_ACCEPTED * len(changed) if kind.startswith("random") else 0
            failed |= accepted[True] > allowed
            click.echo(
                f"{kind:<36}{len(of_kind):>8,}{len(changed):>8,}{sum(accepted.values()):>10}{accepted[True]:>10}"
            )
            for _, edit, _, share in (each for each in changed if each[2]):
                click.echo(f"  accepted: {edit}, {share:.1%} decided otherwise")
    if json_file:
        write_json(json_file, seen)
    sys.exit(int(failed))


def _rounded_files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.glob("*.tflite")) if read_card(path.read_bytes()).quantization in PROBED]


def _seen(path: Path, x: Float32, count: int, backend: str | None) -> Iterator[tuple[str, str, bool, float]]:
    """Of each edit its kind, its name, whether the file is accepted, and the share that it decides otherwise."""
    data = path.read_bytes()
    task = read_card(data).task
    weights, last = weights_of(data)
    right = task.decide(open_artifact(path, data, 1, backend).run(x))
    edits = chain(
        (
            (next(kind for word, kind in _KINDS.items() if word in name), name, file)
            for name, file in class_damages(data, last)
        ),
        (("a tensor edited", *edit) for edit in tensor_damages(data, weights)),
        (("random edit of a tensor", *random_edit(data, weights, number)) for number in range(count)),
    )
    for kind, name, file in edits:
        answers = open_artifact(path, file, 1, backend).run(x)
        changed = float(np.mean(task.decide(answers) != right))
        yield kind, name, _is_accepted(path, file, backend), changed


def _is_accepted(path: Path, data: bytes, backend: str | None) -> bool:
    try:
        load_bytes(path, data, backend=backend)
    except ArtifactError:
        return False
    return True


if __name__ == "__main__":
    main()
