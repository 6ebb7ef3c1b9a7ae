"""The command `edgernn demo`: runs train, export and compare one after the other, as a user would type them.

On a device, where training is not possible, it runs the sample artifact.
"""

from pathlib import Path

import click

from edgernn.artifacts import find_artifacts, remove_artifacts_of
from edgernn.bench.document import read_result
from edgernn.bench.profiles import install_command
from edgernn.bench.verdict import judge
from edgernn.console.device_demo import show_device_demo
from edgernn.console.terminal import say
from edgernn.data.model_digest import model_digest
from edgernn.data.run_commit import MODEL
from edgernn.errors import ArtifactError, MissingExtraError
from edgernn.system.extras import require

OUT = Path("runs/demo")
RESULT, REPORT = "result.json", "report.html"
# The input is an upright stroke, a handwritten 1.
_SNIPPET = (
    'python -c "import edgernn, numpy as np; x = np.zeros((28, 28)); x[4:24, 13:15] = 1; '
    "print(edgernn.load('{name}').classify(x, top=1))\""
)


@click.command()
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="Output folder.  [default: runs/demo]")
@click.option("--device", is_flag=True, help="Run the sample artifact, as on a device; trains and writes nothing.")
@click.pass_context
def demo(ctx: click.Context, out: Path | None, device: bool) -> None:
    """Train on real digits, export, prove and compare.

    Takes about 90 seconds on two cores, and needs no network. Writes the run folder, the artifacts and a report to DIR.
    Each file of an earlier demo is replaced only when the new one is complete.

    Without TensorFlow, as on a device, it takes seconds: the sample artifact of edgernn predicts digits, answers one of
    them row by row, and its latency is measured.

    \b
    Example:
        edgernn demo
        edgernn demo --out /tmp/demo
        edgernn demo --device
    """
    if device and out:
        raise click.UsageError("--device writes nothing; give either --device or --out")
    # --out asks for training; if packages for it are missing, the error names the extra to install.
    if device or (out is None and not _can_train()):
        show_device_demo()
    else:
        _train_export_compare(ctx, out or OUT)


def _can_train() -> bool:
    try:
        require("train", "tensorflow", "keras", "mlxtend")
    except MissingExtraError:
        return False
    return True


def _train_export_compare(ctx: click.Context, out: Path) -> None:
    group = ctx.find_root().command

    def run(*arguments: str) -> None:
        say(f"$ edgernn {' '.join(arguments)}", bold=True)
        with group.make_context("edgernn", list(arguments), parent=None) as context:
            group.invoke(context)
        say()

    earlier = model_digest(out / MODEL) if (out / MODEL).is_file() else ""
    run("train", "--data", "sample", "--recipe", "robust", "--out", str(out), "--overwrite")
    # The comparison measures longer and recommends; a second recommendation could differ.
    run("export", str(out), "--no-measure", "--overwrite")
    model = model_digest(out / MODEL)
    if model != earlier:  # the new artifacts are complete; remove old ones that the export did not replace
        remove_artifacts_of(out, earlier)
    artifacts = [str(path) for path, card in find_artifacts(out) if card.source_sha256 == model]
    run("compare", str(out), *artifacts, "--json", str(out / RESULT), "--html", str(out / REPORT))
    best = judge(read_result(out / RESULT)).recommended
    if best is None:
        raise ArtifactError(
            f"no artifact in {out} keeps the accuracy of the original; see {out / REPORT} for the differences"
        )
    name = best.name
    say(f"All files are in {out}. Open the report in a browser:", "", f"    {out / REPORT}", "")
    say("Copy this file to the device:", "", f"    {out / name}", "")
    say(
        "On a 64-bit Raspberry Pi, copy edgernn's wheel to it, too (docs/install.md has the wheels of other machines). "
        "These commands run the file there:",
        "",
        f"    {install_command(name, best.backend)}",
        f"    {_SNIPPET.format(name=name)}",
    )
