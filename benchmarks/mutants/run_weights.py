"""Edit the weights of artifacts, renew their digests, and count the changed files that `load` accepts."""

import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path

import click
import numpy as np

from common.bench_frame import json_option
from edgernn.arrays import Float32
from edgernn.backends import open_artifact
from edgernn.card import read_card
from edgernn.data.datasets import read_samples
from edgernn.errors import ArtifactError
from edgernn.kernels import PROBED
from edgernn.model import load_bytes
from edgernn.system.files import write_json
from mutants.weights import exchanged_classes, random_edit, tensor_damages, weights_of, zeroed_classes

# Share of decisions that an accepted file may change.
_MAX_CHANGED = 0.01
# Share of the random edits that may be accepted although they change more decisions.
_MAX_ACCEPTED = 0.01
_RANDOM = "1 to 100 % of a random tensor's values drawn"


@dataclass(frozen=True)
class Edit:
    """A file with edited weights.

    Attributes:
        kind: kind of edit.
        name: the edited tensor or class, and the edit.
        changed: share of the decisions that changed; None if the file is refused.
    """

    kind: str
    name: str
    changed: float | None


@click.command()
@click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("names", nargs=-1)
@click.option("--samples", type=click.Path(exists=True, path_type=Path), help="test samples  [default: RUN]")
@click.option("--count", type=click.IntRange(min=0), default=2000, show_default=True, help="random edits of each file")
@click.option("--backend", help="backend to load them with  [default: the first that is installed]")
@json_option
def main(
    run: Path, names: tuple[str, ...], samples: Path | None, count: int, backend: str | None, json_file: Path | None
) -> None:
    """Edit the weights of NAMES, .tflite files of RUN; by default those in int8 and dynamic.

    An edit counts if it changes more than 1 % of the decisions on the test samples. The exit code is 1 if such an edit
    of a class or a whole tensor is accepted, or more than 1 % of the random edits are.
    --samples is a run folder or a data set, for instance a folder of MNIST's IDX files.

    \b
    Example:
        python -m benchmarks weights runs/demo --count 500
    """
    x = read_samples(samples or run).x_test
    paths = [run / name for name in names] if names else _rounded_files(run)
    seen = {path.name: list(_seen(path, x, count, backend)) for path in paths}
    failed = False
    for name, edits in seen.items():
        click.echo(f"\n{name:<44}{'files':>8}{'refused':>10}{'accepted':>10}{'> 1 %':>8}")
        for kind in dict.fromkeys(edit.kind for edit in edits):
            of_kind = [edit for edit in edits if edit.kind == kind]
            accepted = [edit for edit in of_kind if edit.changed is not None]
            changed = [edit for edit in accepted if edit.changed is not None and edit.changed > _MAX_CHANGED]
            failed |= len(changed) > (_MAX_ACCEPTED * len(of_kind) if kind == _RANDOM else 0)
            counts = f"{len(of_kind) - len(accepted):>10,}{len(accepted):>10,}{len(changed):>8,}"
            click.echo(f"{kind:<44}{len(of_kind):>8,}{counts}")
            for edit in changed:
                click.echo(f"  accepted: {edit.name}, {edit.changed:.1%} of the decisions changed")
    if json_file:
        write_json(json_file, {name: [asdict(edit) for edit in edits] for name, edits in seen.items()})
    sys.exit(int(failed))


def _rounded_files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.glob("*.tflite")) if read_card(path.read_bytes()).quantization in PROBED]


def _seen(path: Path, x: Float32, count: int, backend: str | None) -> Iterator[Edit]:
    """Make every edit of a file, and load the result."""
    data = path.read_bytes()
    task = read_card(data).task
    weights, last = weights_of(data)
    right = task.decide(open_artifact(path, data, 1, backend).run((x,))[0])
    edits = chain(
        (("a class's weights zeroed", *edit) for edit in zeroed_classes(data, last)),
        (("two classes exchanged", *edit) for edit in exchanged_classes(data, last)),
        (("a tensor edited", *edit) for edit in tensor_damages(data, weights)),
        ((_RANDOM, *random_edit(data, weights, number)) for number in range(count)),
    )
    for kind, name, file in edits:
        try:
            load_bytes(path, file, backend=backend)
        except ArtifactError:
            yield Edit(kind, name, None)
            continue
        (answers,) = open_artifact(path, file, 1, backend).run((x,))
        yield Edit(kind, name, float(np.mean(task.decide(answers) != right)))
