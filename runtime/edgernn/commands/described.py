"""A card in words for `edgernn info`.

A card's measures and calibration are whatever its exporter wrote, perhaps a later version or one with a bug. What this
version does not understand is left out here; `info --json` has all of it.
"""

import math
from collections.abc import Mapping
from typing import Any

from edgernn.card import Card
from edgernn.tasks import MEASURES, Task, show

_NOT_KNOWN = "not known"


def describe_card(card: Card) -> dict[str, str]:
    """What a card says, by the words in front of each line."""
    low, high = card.input_range
    meaning = f", {card.input_meaning}" if card.input_meaning else ""
    ink = ", dark ink on light ground" if card.inverted else ""
    failed = {"FAILED": str(card.measured["failed"])} if "failed" in card.measured else {}
    unknown = {"unknown": f"{', '.join(card.unknown)}: of a later edgernn; --json shows them"} if card.unknown else {}
    return {
        **failed,
        "name": card.name,
        "task": f"{card.task.kind}: {', '.join(card.labels) or 'no names'}",
        "input": f"{card.io} {list(card.input_shape)}{meaning}, {low:g} to {high:g}{ink}{_cut_off(card.input_limits)}",
        "output": f"{card.io} {list(card.output_shape)}, {card.task.numbers}{_cut_off(card.output_limits)}",
        "quantization": f"{card.quantization}, {card.layout}",
        "parameters": f"{card.parameters:,}",
        "calibration": _calibration(card.calibration),
        **_measures(card.task, card.measured),
        "agreement": _agreement(card),
        "difference": _difference(card),
        "golden": f"{card.golden.samples} samples, tolerance {card.golden.tolerance:g}" if card.golden else "none",
        "source": f"SHA-256 {card.source_sha256}",
        "exported by": f"edgernn {card.edgernn}",
        **unknown,
    }


def _cut_off(limits: tuple[float, float] | None) -> str:
    return f"; cut off at {limits[0]:.4g} and {limits[1]:.4g}" if limits else ""


def _calibration(calibration: Mapping[str, Any]) -> str:
    if not calibration:
        return "none needed"
    samples, chosen = _number(calibration, "samples"), calibration.get("chosen")
    if samples is None:
        return _NOT_KNOWN
    return " ".join([f"{samples:,}", *([chosen] if isinstance(chosen, str) else []), "samples"])


def _measures(task: Task, measured: Mapping[str, Any]) -> dict[str, str]:
    keras, artifact = (_mapping(measured, name) for name in ("keras", "artifact"))
    lines = {}
    for name, words in MEASURES.items():
        value, original = _number(artifact, name), _number(keras, name)
        if value is not None:
            lines[words] = f"{show(name, value)} (Keras {_NOT_KNOWN if original is None else show(name, original)})"
    return lines or {MEASURES[task.headline]: f"{_NOT_KNOWN}: the samples of the proof had no truth"}


def _agreement(card: Card) -> str:
    agreement, samples = (_number(card.measured, name) for name in ("agreement", "samples"))
    if agreement is None:
        return _NOT_KNOWN
    return card.task.show_agreement(agreement) + ("" if samples is None else f" on {samples:,} samples")


def _difference(card: Card) -> str:
    difference = _number(card.measured, "difference")
    return _NOT_KNOWN if difference is None else f"at most {difference:.1e} {card.task.differing}"


def _number(values: Mapping[str, Any], name: str) -> float | None:
    value = values.get(name)
    known = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return value if known else None


def _mapping(values: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = values.get(name)
    return value if isinstance(value, Mapping) else {}
