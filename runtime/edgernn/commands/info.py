"""The command `edgernn info`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from edgernn.backends import KNOWN
from edgernn.card import Card, read_card
from edgernn.errors import ArtifactError
from edgernn.model import read_artifact
from edgernn.tasks import MEASURES, show
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
        for name, value in _describe(card).items():
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


def _describe(card: Card) -> dict[str, Any]:
    measured = card.measured
    low, high = card.input_range
    meaning = f", {card.input_meaning}" if card.input_meaning else ""
    ink = ", dark ink on light ground" if card.inverted else ""
    failed = {"FAILED": measured["failed"]} if "failed" in measured else {}
    return failed | {
        "name": card.name,
        "task": f"{card.task.kind}: {', '.join(card.labels) or 'no names'}",
        "input": f"{card.io} {list(card.input_shape)}{meaning}, {low:g} to {high:g}{ink}{_cut_off(card.input_limits)}",
        "output": f"{card.io} {list(card.output_shape)}, {card.task.numbers}{_cut_off(card.output_limits)}",
        "quantization": f"{card.quantization}, {card.layout}",
        "parameters": f"{card.parameters:,}",
        "calibration": _calibration(card),
        **(_measures(measured) or {MEASURES[card.task.headline]: "not known: the samples of the proof had no truth"}),
        "agreement": f"{card.task.show_agreement(measured['agreement'])} on {measured['samples']:,} samples",
        "difference": f"at most {measured['difference']:.1e} {card.task.differing}",
        "golden": f"{len(card.golden.outputs)} samples, tolerance {card.golden.tolerance:g}" if card.golden else "none",
        "source": f"SHA-256 {card.source_sha256}",
        "exported by": f"edgernn {card.edgernn}",
    }


def _cut_off(limits: tuple[float, float] | None) -> str:
    return f"; cut off at {limits[0]:.4g} and {limits[1]:.4g}" if limits else ""


def _measures(measured: Mapping[str, Any]) -> dict[str, str]:
    return {
        MEASURES[name]: f"{show(name, value)} (Keras {show(name, measured['keras'][name])})"
        for name, value in measured.get("artifact", {}).items()
    }


def _calibration(card: Card) -> str:
    if not card.calibration:
        return "none needed"
    return f"{card.calibration['samples']:,} {card.calibration['chosen']} samples"
