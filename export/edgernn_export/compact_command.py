"""The command `edgernn compact`."""

from pathlib import Path

import click

from edgernn.artifacts import read_artifact
from edgernn.console.terminal import say
from edgernn.errors import ArtifactError, OutputError
from edgernn.system.extras import require
from edgernn.system.files import write_bytes


@click.command("compact")
@click.argument("file", metavar="FILE.tflite", type=click.Path(path_type=Path))
@click.option("--keep-names", is_flag=True, help="Keep the names that Netron and Model Explorer show.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The file to write. [default: FILE-compact.tflite, beside it]",
)
@click.option("--overwrite", is_flag=True, help="Replace an existing file.")
def command(file: Path, keep_names: bool, out: Path | None, overwrite: bool) -> None:
    """Rewrite any .tflite file as small as possible; its answers stay the same, bit for bit.

    An edgernn artifact keeps its card, with a new digest.

    \b
    Example:
        edgernn compact model.tflite
        edgernn compact model.tflite --keep-names --out smaller.tflite
    """
    require("export", "ai_edge_litert", "flatbuffers")
    from edgernn_export.formats.tflite.convert import compact_file

    target = out or file.with_name(f"{file.stem}-compact.tflite")
    if target.suffix != ".tflite":
        raise click.UsageError(f"--out: file {target}, expected a name that ends with .tflite")
    if target.exists() and not overwrite:
        raise OutputError(f"{target} exists already; --overwrite replaces it, --out names another")
    before = read_artifact(file)
    try:
        after = compact_file(before, keep_names)
    except ArtifactError as error:
        raise ArtifactError(f"{file}: {error}") from error
    write_bytes(target, after)
    smaller = len(after) < len(before)
    gain = f", {len(after) / len(before):.0%} of {len(before):,}" if smaller else f"; {file} was as small already"
    say(f"{target}  {len(after):,} bytes{gain}")
