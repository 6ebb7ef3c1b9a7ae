"""The command `edgernn demo`: train, export and compare, one after the other, as a person would type them."""

import json
from pathlib import Path

import click

from edgernn.errors import ArtifactError

TABLE = "table.json"
# An upright stroke, which is how most people write a 1.
_SNIPPET = (
    'python -c "import edgernn, numpy as np; x = np.zeros((28, 28)); x[4:24, 13:15] = 1; '
    "print(edgernn.load('{name}').classify(x, top=1))\""
)


@click.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("runs/demo"),
    show_default=True,
    metavar="DIR",
    help="The folder for everything.",
)
@click.pass_context
def demo(ctx: click.Context, out: Path) -> None:
    """Train on real digits, export, prove and compare; takes one to two minutes, no network.

    Leaves the run folder, the artifacts and the table in DIR; what an earlier demo left there is replaced.

    \b
    Example:
        edgernn demo
        edgernn demo --out /tmp/demo
    """
    group = ctx.find_root().command

    def run(*arguments: str) -> None:
        click.secho(f"$ edgernn {' '.join(arguments)}", bold=True)
        with group.make_context("edgernn", list(arguments), parent=None) as context:
            group.invoke(context)
        click.echo()

    run("train", "--data", "sample", "--recipe", "robust", "--out", str(out), "--overwrite")
    for left in (*out.glob("digits-*.tflite"), *out.glob("digits-*.onnx")):
        left.unlink()
    run("export", str(out))
    artifacts = sorted(str(path) for path in out.glob("digits-*") if path.suffix in (".tflite", ".onnx"))
    run("compare", str(out), *artifacts, "--json", str(out / TABLE))
    name = json.loads((out / TABLE).read_text(encoding="utf-8"))["recommended"]
    if name is None:
        raise ArtifactError(f"no artifact in {out} keeps the accuracy of the original")
    click.echo(f"Everything is in {out}. Copy this file to the device:\n\n    {out / name}\n")
    extra = "litert" if name.endswith(".tflite") else "onnx"
    click.echo(f'There, after pip install "edgernn[{extra}]", this line runs it:\n\n    {_SNIPPET.format(name=name)}')
