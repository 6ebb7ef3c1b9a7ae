"""The command `edgernn info`."""

import re
from pathlib import Path

import click

from edgernn.artifacts import read_artifact
from edgernn.backends import BACKENDS, KERAS_SUFFIXES, check_suffix
from edgernn.card import has_card, read_card
from edgernn.console.described import (
    CardDescription,
    Described,
    FileDescription,
    describe_folder,
    describe_keras,
)
from edgernn.console.terminal import say, say_json
from edgernn.data.run_commit import MAX_MODEL_BYTES
from edgernn.errors import ArtifactError, ModelError
from edgernn.foreign import check_content
from edgernn.system.files import check_file

_MAX_TEST_BYTES = 1 << 20  # NAME_test.c of the C export is smaller


@click.command()
@click.argument("artifacts", metavar="[ARTIFACT...]", nargs=-1, type=click.Path(path_type=Path))
@click.option("--backends", is_flag=True, help="List the backends that can run artifacts, with their versions.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def info(artifacts: tuple[Path, ...], backends: bool, as_json: bool) -> None:
    """Describe artifacts and other model files; no backend is needed.

    For an artifact of edgernn, shows the card: inputs, outputs, accuracy and source. For any other .tflite or .onnx
    file, shows inputs, outputs and operators, and whether a light runtime and edgernn can run it. For a Keras file or a
    run folder, shows the command that exports artifacts from it.

    \b
    Example:
        edgernn info digits-int8.tflite
        edgernn info theirs.onnx --json
        edgernn info --backends
    """
    if backends == bool(artifacts):
        raise click.UsageError("expected either artifacts or --backends")
    if backends:
        _show_backends(as_json)
        return
    found = {str(path): _look(path) for path in artifacts}
    if as_json:
        say_json([{"path": path, **each.as_json()} for path, each in found.items()], indent=2)
        return
    for path, each in found.items():
        size = "" if Path(path).is_dir() else f"  {Path(path).stat().st_size:,} bytes"
        say(f"{path}{size}", *(f"  {name:<14}{value}" for name, value in each.lines().items()))


def _show_backends(as_json: bool) -> None:
    versions = {known.name: known.version if known.installed else None for known in BACKENDS}
    instruction_sets = {"native": _instruction_set()} if versions["native"] else {}
    if as_json:
        documents = [
            {
                "backend": known.name,
                "reads": known.suffix,
                "version": versions[known.name],
                "instruction_set": instruction_sets.get(known.name),
                "extra": known.extra,
                "no_wheel": known.no_wheel() or None,
            }
            for known in BACKENDS
        ]
        say_json(documents, indent=2)
        return
    for known in BACKENDS:
        install = known.no_wheel() or known.install_command
        found = versions[known.name] or f"not installed: {install}"
        asked = "  (used only with --backend)" if known.only_asked_for and known.installed else ""
        kernels = f" {instruction_sets[known.name]}" if known.name in instruction_sets else ""
        say(f"{known.name:<16}{known.suffix:<9}{found}{kernels}{asked}")


def _instruction_set() -> str:
    from edgernn.backends.native import choose_instruction_set  # late: it imports NumPy

    return choose_instruction_set()


def _note_of_test(path: Path) -> str:
    """Describe which golden samples of a C source the program beside it tests; empty for other files."""
    if path.suffix != ".c":
        return ""
    program = path.with_name(f"{path.stem}_test.c")
    found = None
    if program.is_file() and program.stat().st_size <= _MAX_TEST_BYTES:
        found = re.search(rb"^#define SAMPLES (\d{1,3})$", program.read_bytes(), re.MULTILINE)
    tested = f"; {program.name} has the first {int(found[1])}" if found else ""
    return f", checked at export{tested}"


def _look(path: Path) -> Described:
    if path.is_dir():
        return describe_folder(path)
    if path.suffix in KERAS_SUFFIXES:
        check_file(path, ModelError, MAX_MODEL_BYTES)
        return describe_keras(path)
    data = read_artifact(path)
    if not has_card(data):
        check_suffix(path)
    try:
        if has_card(data):
            return CardDescription(read_card(data), golden_note=_note_of_test(path))
        return FileDescription(check_content(path.suffix, data))
    except ArtifactError as error:
        raise ArtifactError(f"{path}: {error}") from error
