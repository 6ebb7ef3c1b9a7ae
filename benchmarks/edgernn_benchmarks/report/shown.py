"""Evidence in a report: the right and wrong decisions of each model, and pictures of the samples."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgernn.arrays import Int64, Uint8
from edgernn.data.samples import is_drawn_as_lines, is_wide
from edgernn.labels import find_fault
from edgernn_benchmarks.evidence import KERAS

# Classes of the largest matrix that is still readable.
MAX_CLASSES = 20


@dataclass(frozen=True)
class Share:
    """A cell: a share as text, and how dark it is drawn, from 0 to 1."""

    text: str
    heat: float


@dataclass(frozen=True)
class Classes:
    """Accuracy by class or by corruption: title and number of decisions of each column, and a line a subject."""

    columns: Sequence[tuple[str, int]]
    lines: Sequence[tuple[str, Sequence[Share]]]


@dataclass(frozen=True)
class Matrix:
    """A confusion matrix: a column a decision, a row a true class."""

    name: str
    shown: bool
    answers: Sequence[str]
    lines: Sequence[tuple[str, Sequence[tuple[int, bool, float]]]]


@dataclass(frozen=True)
class Disagreeing:
    """Number of different decisions of an artifact and the original, and which of them is right."""

    name: str
    count: int
    original: int
    artifact: int

    @property
    def neither(self) -> int:
        """Number of these decisions of which neither is right."""
        return self.count - self.original - self.artifact


@dataclass(frozen=True)
class Picture:
    """A sample: its picture as a data address or its lines, its truth, and the answers with True for right ones.

    `confidence` is the original's probability of its answer, as text; empty if it is not to be shown.
    `lines` has the name of each feature and the points of its line, for SVG: x is a step, y is from 0, the feature's
    highest value, to 255, its lowest.
    """

    address: str
    lines: Sequence[tuple[str, str]]
    text: str
    truth: str
    condition: str
    keras: str
    keras_right: bool
    confidence: str
    answers: Sequence[tuple[str, bool, Sequence[str]]]


@dataclass(frozen=True)
class Streamed:
    """An artifact's answers as rows arrive: the rows after which half and 90 % of the samples stay right."""

    name: str
    end: str
    half: str
    most: str


@dataclass(frozen=True)
class Shown:
    """The evidence in the form of a report; parts without evidence are empty.

    Attributes:
        classes: accuracy by class.
        matrices: confusion matrix of each artifact.
        disagreeing: decisions of each artifact that differ from the original's.
        decided: number of decisions.
        disagreed: number of decisions in which at least one artifact differs from the original.
        disagreements: samples of those, at most `evidence.MAX_DISAGREEMENTS`.
        mistakes: the original's wrong decisions with the highest probabilities.
        corruptions: accuracy under each corruption of the clean pictures.
        examples: samples by condition.
        scale: meaning of black and white in the pictures of samples.
        wide: True if time goes from left to right in a picture.
        as_lines: True if samples are drawn as a line for each feature, not as pictures.
        ranges: lowest and highest value of each line, with the feature's name.
        streamed: answers of each artifact as rows arrive.
        rows: the evidence of that name.
        rows_shown: name of the artifact that the text about rows describes.
    """

    classes: Classes | None = None
    matrices: Sequence[Matrix] = ()
    disagreeing: Sequence[Disagreeing] = ()
    decided: int = 0
    disagreed: int = 0
    disagreements: Sequence[Picture] = ()
    mistakes: Sequence[Picture] = ()
    corruptions: Classes | None = None
    examples: Mapping[str, Sequence[Picture]] = field(default_factory=dict)
    scale: str = ""
    wide: bool = False
    as_lines: bool = False
    ranges: Sequence[tuple[str, float, float]] = ()
    streamed: Sequence[Streamed] = ()
    rows: Mapping[str, Any] = field(default_factory=dict)
    rows_shown: str = ""


def read_evidence(evidence: Mapping[str, Any], shown: str) -> Shown:
    """Prepare evidence from `evidence.collect` for a report.

    Args:
        evidence: possibly from an untrusted file.
        shown: the artifact whose matrix is open.

    Raises:
        KeyError, TypeError, ValueError, IndexError: the evidence has not the form that `evidence` describes.
    """
    parts: dict[str, Any] = {}
    labels = [str(label) for label in evidence.get("labels", ())]
    if fault := find_fault(labels):
        raise ValueError(fault)
    if "decisions" in evidence:
        truth = np.array(evidence["truth"], np.int64)
        decisions = {str(name): np.array(each, np.int64) for name, each in evidence["decisions"].items()}
        _check_decisions(truth, decisions, len(labels))
        conditions = [str(condition) for condition in evidence.get("conditions", ())]
        parts["decided"] = len(truth)
        parts["disagreeing"] = _disagreeing(truth, decisions)
        differing = [each != decisions[KERAS] for each in decisions.values()]
        parts["disagreed"] = int(np.any(differing, axis=0).sum())
        if len(labels) <= MAX_CLASSES:
            parts["classes"] = _classes(truth, decisions, labels, conditions)
            parts["matrices"] = [_matrix(name, truth, each, labels, shown) for name, each in decisions.items()]
    if "pictures" in evidence:
        parts |= _pictures(evidence["pictures"], labels)
    if "corruptions" in evidence:
        parts["corruptions"] = _corruptions(evidence["corruptions"])
    if "rows" in evidence:
        parts["rows"] = evidence["rows"]
        parts["streamed"] = _streamed(evidence["rows"])
        names = [each.name for each in parts["streamed"]]
        parts["rows_shown"] = shown if shown in names else names[0]
    return Shown(**parts)


def _check_decisions(truth: Int64, decisions: Mapping[str, Int64], classes: int) -> None:
    if (truth < 0).any():
        raise ValueError("a truth below 0")
    for name, each in {"truth": truth, **decisions}.items():
        if each.shape != truth.shape or each.ndim != 1 or not len(each) or each.min() < -1 or each.max() >= classes:
            raise ValueError(f"decisions of {name} are not {len(truth)} classes from -1 to {classes - 1}")


def _classes(truth: Int64, decisions: Mapping[str, Int64], labels: Sequence[str], conditions: Sequence[str]) -> Classes:
    turns = np.arange(len(truth)) % max(1, len(conditions))
    # A single condition needs no column, because it has all samples.
    groups = [(name, turns == turn) for turn, name in enumerate(conditions) if len(conditions) > 1]
    groups += [(label, truth == index) for index, label in enumerate(labels) if (truth == index).any()]
    shares = {name: [float((each == truth)[group].mean()) for _, group in groups] for name, each in decisions.items()}
    return _heat([(name, int(group.sum())) for name, group in groups], shares)


def _corruptions(document: Mapping[str, Any]) -> Classes:
    samples, accuracy = int(document["samples"]), document["accuracy"]
    titles = [str(title) for title in next(iter(accuracy.values()))]
    shares = {str(name): [float(line[title]) for title in titles] for name, line in accuracy.items()}
    return _heat([(title, samples) for title in titles], shares)


def _heat(columns: Sequence[tuple[str, int]], shares: Mapping[str, Sequence[float]]) -> Classes:
    worst = max(0.02, *(1 - share for line in shares.values() for share in line))
    return Classes(
        columns,
        [(name, [Share(f"{100 * share:.1f}", (1 - share) / worst) for share in line]) for name, line in shares.items()],
    )


def _matrix(name: str, truth: Int64, decisions: Int64, labels: Sequence[str], shown: str) -> Matrix:
    classes = len(labels)
    counts = np.zeros((classes, classes + 1), np.int64)
    np.add.at(counts, (truth, np.where(decisions < 0, classes, decisions)), 1)
    # A column for answers of NaN, if there are any.
    columns = [*labels, "none"] if counts[:, -1].any() else list(labels)
    wrong = counts * (1 - np.eye(classes, classes + 1, dtype=np.int64))
    most, of_each = max(1, int(wrong.max())), np.maximum(1, counts.sum(axis=1))
    lines = [
        (
            label,
            [
                (int(count), row == column, float(count / of_each[row] if row == column else count / most))
                for column, count in enumerate(counts[row][: len(columns)])
            ],
        )
        for row, label in enumerate(labels)
    ]
    return Matrix(name=name, shown=name in (KERAS, shown), answers=columns, lines=lines)


def _disagreeing(truth: Int64, decisions: Mapping[str, Int64]) -> list[Disagreeing]:
    keras = decisions[KERAS]
    found = []
    for name, each in decisions.items():
        if name != KERAS:
            other = each != keras
            original, artifact = (int((other & (one == truth)).sum()) for one in (keras, each))
            found.append(Disagreeing(name=name, count=int(other.sum()), original=original, artifact=artifact))
    return found


def _pictures(document: Mapping[str, Any], labels: Sequence[str]) -> dict[str, Any]:
    shape = int(document["steps"]), int(document["features"])
    wide = is_wide(*shape)
    names = [str(name) for name in document.get("names", ())] or [f"feature {n}" for n in range(1, shape[1] + 1)]
    ranges = list(zip(names, document.get("low", ()), document.get("high", ()), strict=False))
    lines = names if is_drawn_as_lines(*shape, pixels=not ranges) else []
    examples: dict[str, list[Picture]] = {}
    for each in document["examples"]:
        picture = _picture(each, shape, wide, lines, labels)
        examples.setdefault(picture.condition or "samples", []).append(picture)
    return {
        "examples": examples,
        "disagreements": [_picture(each, shape, wide, lines, labels) for each in document["disagreements"]],
        # Results of older versions have none.
        "mistakes": [_picture(each, shape, wide, lines, labels) for each in document.get("mistakes", ())],
        "scale": str(document["scale"]),
        "wide": wide,
        "ranges": [(name, float(low), float(high)) for name, low, high in ranges] if lines else (),
        "as_lines": bool(lines),
    }


def _picture(
    document: Mapping[str, Any], shape: tuple[int, int], wide: bool, lines: Sequence[str], labels: Sequence[str]
) -> Picture:
    """Read a sample.

    Args:
        document: of the sample, from the evidence.
        shape: steps and features of its pixels.
        wide: whether time is to the right in a picture.
        lines: names of the features of a sample that is drawn as lines; empty for a picture.
        labels: of the classes.
    """
    values = np.frombuffer(base64.b64decode(document["pixels"], validate=True), np.uint8).reshape(shape)
    truth, keras = int(document["truth"]), int(document["keras"])
    condition = str(document.get("condition", ""))
    answers: dict[int, list[str]] = {}
    for name, decision in document["answers"].items():
        answers.setdefault(int(decision), []).append(str(name))
    return Picture(
        address="" if lines else _address(values.T if wide else values),
        lines=[(name, _points(column)) for name, column in zip(lines, values.T, strict=True)] if lines else (),
        text=f"test sample {int(document['sample']):,}" + (f", {condition}" if condition else ""),
        truth=_label(labels, truth),
        condition=condition,
        keras=_label(labels, keras),
        keras_right=keras == truth,
        confidence=f"{float(document['confidence']):.1%}" if "confidence" in document else "",
        answers=[(_label(labels, each), each == truth, names) for each, names in answers.items()],
    )


def _label(labels: Sequence[str], decision: int) -> str:
    return labels[decision] if 0 <= decision < len(labels) else "nothing (NaN)"


def _points(values: Uint8) -> str:
    """Return the points of a line for SVG, whose y axis points down."""
    return " ".join(f"{step},{255 - value}" for step, value in enumerate(values.tolist()))


def _address(pixels: Uint8) -> str:
    """Return a picture as a data address."""
    from PIL import Image

    content = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(content, "png", optimize=True)
    return "data:image/png;base64," + base64.b64encode(content.getvalue()).decode("ascii")


def _streamed(document: Mapping[str, Any]) -> list[Streamed]:
    def after(line: Sequence[float], share: float) -> str:
        reached = np.flatnonzero(np.array(line, np.float64) >= share)
        return str(int(reached[0]) + 1) if len(reached) else "never"

    return [
        Streamed(
            name=str(name),
            end=f"{float(line[-1]):.1%}",
            half=after(document["settled"][name], 0.5) if document["settled"] else "",
            most=after(document["settled"][name], 0.9) if document["settled"] else "",
        )
        for name, line in document["accuracy"].items()
    ]
