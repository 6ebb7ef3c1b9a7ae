"""The command `edgernn info`."""

from pathlib import Path

import click

from edgernn.backends import KNOWN
from edgernn.card import Card, read_card
from edgernn.commands.described import describe_card
from edgernn.errors import ArtifactError
from edgernn.model import read_artifact
from edgernn.terminal import say, say_json


@click.command()
@click.argument("artifacts", metavar="[ARTIFACT...]", nargs=-1, type=click.Path(path_type=Path))
@click.option("--backends", is_flag=True, help="List what can run artifacts here, with versions.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def info(artifacts: tuple[Path, ...], backends: bool, as_json: bool) -> None:
    """Show what artifacts say of themselves; no backend is needed.

    \b
    Example:
        edgernn info digits-int8.tflite
        edgernn info --backends
    """
    if backends == bool(artifacts):
        raise click.UsageError("expected either artifacts or --backends")
    if backends:
        _show_backends(as_json)
        return
    cards = {str(path): _read(path) for path in artifacts}
    if as_json:
        documents = [{"path": path, **card.as_json()} for path, card in cards.items()]
        say_json(documents, indent=2)
        return
    for path, card in cards.items():
        say(f"{path}  {Path(path).stat().st_size:,} bytes")
        for name, value in describe_card(card).items():
            say(f"  {name:<14}{value}")


def _show_backends(as_json: bool) -> None:
    versions = {known.name: known.version if known.installed else None for known in KNOWN}
    if as_json:
        documents = [
            {
                "backend": known.name,
                "reads": known.suffix,
                "version": versions[known.name],
                "extra": known.extra,
                "no_wheel": known.no_wheel() or None,
            }
            for known in KNOWN
        ]
        say_json(documents, indent=2)
        return
    for known in KNOWN:
        install = known.no_wheel() or f'pip install "edgernn[{known.extra}]"'
        found = versions[known.name] or f"not installed: {install}"
        asked = "  (only when asked for: --backend)" if known.only_asked_for and known.installed else ""
        say(f"{known.name:<16}{known.suffix:<9}{found}{asked}")


def _read(path: Path) -> Card:
    data = read_artifact(path)
    try:
        return read_card(data)
    except ArtifactError as error:
        raise ArtifactError(f"{path}: {error}") from error
