"""Descriptions of files for `edgernn info`: lines for people, JSON for programs.

The measures and the calibration in a card come from its exporter, perhaps a later or a faulty version. Fields that this
version does not know are left out of the lines; `info --json` prints all of them.
"""

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from edgernn.card import Card
from edgernn.data.run_commit import SETTINGS
from edgernn.data.run_settings import read_settings
from edgernn.errors import DataError
from edgernn.foreign import Facts, TensorFacts
from edgernn.specs import InputSpec, OutputSpec
from edgernn.tasks import MEASURES, Task, show

_NOT_KNOWN = "not known"
_SHOWN_PORTS = 8
_SHOWN_OPERATORS = 12
_SCALED = "; add --scale if the model was trained on scaled inputs"
_SHOWN_FEATURES = 12
_SHOWN_REASONS = 3


class Described(Protocol):
    """Description of a file."""

    def lines(self) -> Mapping[str, str]:
        """Lines for people: values by the words in front of them."""

    def as_json(self) -> Mapping[str, Any]:
        """Values for programs."""


@dataclass(frozen=True)
class CardDescription:
    """Description of an artifact, from its card.

    Attributes:
        card: its card.
        golden_note: what is to be said about its golden samples, behind their number; may be empty.
    """

    card: Card
    golden_note: str = ""

    def lines(self) -> Mapping[str, str]:
        """See `Described`."""
        lines = describe_card(self.card)
        return lines | {"golden": f"{lines['golden']}{self.golden_note}"}

    def as_json(self) -> Mapping[str, Any]:
        """See `Described`."""
        return self.card.as_json()


@dataclass(frozen=True)
class FileDescription:
    """Description of a file without a card, from its inputs, outputs and operators."""

    facts: Facts

    def lines(self) -> Mapping[str, str]:
        """See `Described`."""
        facts = self.facts
        names = [f"{count} × {name}" for name, count in facts.operators.items()]
        more = f", and {len(names) - _SHOWN_OPERATORS:,} other kinds" if len(names) > _SHOWN_OPERATORS else ""
        signatures = {"signatures": ", ".join(facts.signatures)} if facts.signatures else {}
        return {
            "format": facts.format,
            "card": "none: edgernn did not make it, so its answers cannot be verified",
            **_ports("input", facts.inputs),
            **_ports("output", facts.outputs),
            **signatures,
            "operators": f"{sum(facts.operators.values()):,}: {', '.join(names[:_SHOWN_OPERATORS])}{more}",
            "light runtime": "; ".join(facts.missing) or "has all of its operators",
            **({} if facts.missing else {"edgernn": _use(facts)}),
        }

    def as_json(self) -> Mapping[str, Any]:
        """See `Described`."""
        return {"card": None, **asdict(self.facts)}


@dataclass(frozen=True)
class SourceDescription:
    """Description of a Keras file or a run folder, which artifacts are made from.

    Attributes:
        kind: of file or folder.
        next_step: what to do with it.
        facts: more lines, by the words in front of them.
    """

    kind: str
    next_step: str
    facts: Mapping[str, str]

    def lines(self) -> Mapping[str, str]:
        """See `Described`."""
        return {"is": self.kind, **self.facts, "next": self.next_step}

    def as_json(self) -> Mapping[str, Any]:
        """See `Described`."""
        return {"card": None, "kind": self.kind, **self.facts, "next": self.next_step}


def describe_keras(path: Path) -> SourceDescription:
    """Describe a Keras file without reading it."""
    export = shlex.join(["edgernn", "export", str(path), "--samples", "SAMPLES"])
    return SourceDescription("a Keras model, not an artifact", f"{export} makes artifacts from it{_SCALED}", {})


def describe_folder(path: Path) -> SourceDescription:
    """Describe a run folder.

    Raises:
        DataError: it is not a run folder, or its settings cannot be read.
    """
    if not (path / SETTINGS).is_file():
        raise DataError(f"{path}: a folder without {SETTINGS}, expected a run folder; give the artifacts in it by name")
    settings = read_settings(path)
    facts = {"name": settings["name"], "labels": ", ".join(map(str, settings["labels"])), "input": settings["input"]}
    export = shlex.join(["edgernn", "export", str(path)])
    return SourceDescription("a run folder, as `edgernn train` leaves it", f"{export} makes artifacts from it", facts)


def _use(facts: Facts) -> str:
    """Return whether edgernn runs a file without a card."""
    if not facts.refused:
        return "pass --unverified to run it"
    more = f"; and {len(facts.refused) - _SHOWN_REASONS} more" if len(facts.refused) > _SHOWN_REASONS else ""
    return f"does not run it: {'; '.join(facts.refused[:_SHOWN_REASONS])}{more}"


def _ports(word: str, ports: Sequence[TensorFacts]) -> dict[str, str]:
    lines = _numbered(word, [_port(port) for port in ports])
    return dict(list(lines.items())[:_SHOWN_PORTS]) | (
        {"": f"… and {len(ports) - _SHOWN_PORTS} more; --json shows them"} if len(ports) > _SHOWN_PORTS else {}
    )


def _numbered(word: str, values: Sequence[str]) -> dict[str, str]:
    """Put a word in front of each value, with a number if there are several."""
    return {word if len(values) == 1 else f"{word} {number}": value for number, value in enumerate(values)}


def _port(port: TensorFacts) -> str:
    shape = "of unknown shape" if port.shape is None else f"({', '.join(map(str, port.shape))})"
    scale = "" if port.scale is None else f", real = {port.scale:g} × (integer - {port.zero_point})"
    return f"{port.dtype} {shape}{scale}, {port.name or 'no name'}"


def describe_card(card: Card) -> dict[str, str]:
    """Describe a card: values by the words in front of each line."""
    failed = {"FAILED": str(card.measured["failed"])} if "failed" in card.measured else {}
    unknown = (
        {"unknown": f"{', '.join(card.unknown)}: written by a later version of edgernn; --json shows them"}
        if card.unknown
        else {}
    )
    return {
        **failed,
        "name": card.name,
        "task": f"{card.task.kind}: {', '.join(card.labels) or 'no names'}",
        **_numbered("input", [_input(spec) + _name(spec.name, card.inputs) for spec in card.inputs]),
        **_features(card.inputs),
        **_numbered("output", [_output(spec) + _name(spec.name, card.outputs) for spec in card.outputs]),
        "quantization": f"{card.quantization}, {card.layout}",
        "parameters": f"{card.parameters:,}",
        "calibration": _calibration(card.calibration),
        **_measures(card.task, card.measured),
        "agreement": _agreement(card),
        "difference": _difference(card),
        "golden": f"{card.golden.samples} samples, tolerance {card.golden.tolerance:g}" if card.golden else "none",
        "source": f"model {card.source_sha256}",
        "exported by": f"edgernn {card.edgernn}",
        **unknown,
    }


def _name(name: str, ports: Sequence[object]) -> str:
    """Return the name of an input or output where there are several."""
    return f", {name}" if len(ports) > 1 else ""


def _input(spec: InputSpec) -> str:
    low, high = spec.range
    meaning = f", {spec.meaning}" if spec.meaning else ""
    ink = ", dark ink on light ground" if spec.inverted else ""
    own = f", samples of shape {list(spec.own_shape)}" if spec.own_shape else ""
    return f"{spec.dtype} {list(spec.shape)}{own}{meaning}, {low:g} to {high:g}{ink}{_cut_off(spec.limits)}"


def _features(inputs: Sequence[InputSpec]) -> dict[str, str]:
    """Describe the raw numbers of each feature and how they are scaled; nothing if the card says nothing about them."""
    described = {
        "features": [_describe_features(spec) for spec in inputs],
        "scale": [
            f"edgernn takes raw numbers; the file takes them {spec.meaning}" if spec.factor else "" for spec in inputs
        ],
        "scaled by": [f"{' and '.join(spec.layers)} in the model" if spec.layers else "" for spec in inputs],
    }
    return {
        word: value for words, values in described.items() for word, value in _numbered(words, values).items() if value
    }


def _describe_features(spec: InputSpec) -> str:
    count = len(spec.features) or len(spec.ranges)
    more = f", … and {count - _SHOWN_FEATURES:,} more; --json shows them" if count > _SHOWN_FEATURES else ""
    return ", ".join(_feature(spec, place) for place in range(min(count, _SHOWN_FEATURES))) + more


def _feature(spec: InputSpec, place: int) -> str:
    name = f"{spec.features[place]} " if spec.features else ""
    low, high = spec.raw_ranges[place if len(spec.raw_ranges) > 1 else 0]
    return f"{name}{low:g} to {high:g}"


def _output(spec: OutputSpec) -> str:
    return f"{spec.dtype} {list(spec.shape)}, {spec.task.numbers}{_cut_off(spec.limits)}"


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
    return lines or {MEASURES[task.headline]: f"{_NOT_KNOWN}: the samples of the proof had no right answers (y)"}


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
