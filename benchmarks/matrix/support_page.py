"""The text of the support page: what works, layer by layer and format by format, from what the matrix saw."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from edgernn_export.targets import Target
from matrix.architectures import traits
from matrix.checking import MatrixResult, Outcome, faults
from matrix.tolerances import LIMITS_OF_INT8, TOLERANCES

_HEAD = """\
# What can be exported

Written by `python benchmarks/matrix/support.py {models}` (`make support N={models}`); do not edit it. The first
{models} models of `matrix.drawing`, small ones with random weights, were exported as every artifact there is, one in
twenty refined. Each of the {artifacts:,} artifacts was loaded by `edgernn.load` and run beside Keras on 20 samples,
whole and row by row. What is not on this page was not tried.

edgernn {edgernn} with Keras {keras}, TensorFlow {tensorflow}, litert-quantizer {litert-quantizer}, tf2onnx {tf2onnx},
LiteRT {ai-edge-litert}, ONNX Runtime {onnxruntime} and NumPy {numpy} on Python {python}, {machine}.

- **12**: so many models with it were exported, all that were tried.
- **9 of 12 (1)**: three were not, for the reasons of these numbers, below the tables. A model has more than one layer:
  what the reason names may be another one.
- **no (1)**: none was.
- **WRONG**: an artifact answers otherwise than its tolerance allows; a fault of edgernn.

*unrolled* and *loop* are layouts of TFLite's steps, *fused* is one operator for all of them. *stream* is whether the
float32 .tflite file also takes one row at a time, for models with it that Keras itself answers the same way row by row;
**no**: Keras looks ahead in all of them.
"""


@dataclass(frozen=True)
class _Column:
    title: str
    holds: Callable[[Target], bool]


def _of(quantization: str) -> Callable[[Target], bool]:
    return lambda target: (target.format, target.quantization, target.layout) == ("tflite", quantization, "unrolled")


def _onnx(quantization: str) -> Callable[[Target], bool]:
    return lambda target: (target.format, target.quantization) == ("onnx", quantization)


def _layout(layout: str) -> Callable[[Target], bool]:
    return lambda target: target.layout == layout


COLUMNS = (
    *(_Column(name, _of(name)) for name in ("float32", "float16", "dynamic", "int8", "int16x8")),
    _Column("loop", _layout("loop")),
    _Column("fused", _layout("fused")),
    _Column("ONNX float32", _onnx("float32")),
    _Column("ONNX int8", _onnx("int8")),
)


# What names one of many activations is one reason, and the layer's name is of no interest.
_OF_ONE_ACTIVATION = re.compile(r"(?<=no activation )'\w+'|(?<=sigmoid gates, not )\w+")
_OF_ONE_LAYER = re.compile(r"^layer '[^']+': ")


class _Reasons:
    """Reasons, numbered as they come; the same one has the same number."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def number(self, reason: str) -> int:
        reason = _OF_ONE_ACTIVATION.sub("…", _OF_ONE_LAYER.sub("", reason))
        return self._numbers.setdefault(reason, len(self._numbers) + 1)

    def lines(self) -> Iterator[str]:
        return (f"{number}. {reason}" for reason, number in self._numbers.items())


def describe(seen: Sequence[MatrixResult], refused: Mapping[str, str], versions: Mapping[str, str]) -> str:
    """The page, Markdown."""
    artifacts = sum(outcome.made for each in seen for outcome in each.outcomes)
    rows = list(dict.fromkeys(trait for each in seen for trait in traits(each.architecture)))
    reasons = _Reasons()
    parts = [_HEAD.format(models=len(seen), artifacts=artifacts, **versions)]
    for title, chosen in _sections(rows).items():
        parts += [f"## {title}\n", _support(chosen, seen, reasons)]
    parts += ["\n".join(["Why not:\n", *reasons.lines(), ""]), _differences(seen), _ELSEWHERE, _refusals(refused)]
    return "\n".join(parts).rstrip() + "\n"


def _sections(rows: Sequence[str]) -> Mapping[str, list[str]]:
    """The rows by what they are, each in order."""

    def section(row: str) -> str:
        if row.startswith(("activation=", "recurrent_activation=", "Dense activation=")):
            return "Activations"
        if row.endswith((" in front", " between", " behind")):
            return "Other layers, by where they are"
        if row.startswith(("head ", "an answer", "one answer", "Sequential", "functional", "nested")):
            return "Heads and forms"
        return "Recurrent layers"

    titles = ("Recurrent layers", "Heads and forms", "Other layers, by where they are", "Activations")
    grouped = {title: [row for row in rows if section(row) == title] for title in titles}
    return {title: sorted(chosen) if title != titles[0] else chosen for title, chosen in grouped.items() if chosen}


def _support(rows: Sequence[str], seen: Sequence[MatrixResult], reasons: _Reasons) -> str:
    table = []
    for row in rows:
        having = [each for each in seen if row in traits(each.architecture)]
        cells = [_cell(having, column, reasons) for column in COLUMNS]
        table.append([row, *cells, _streams(having)])
    return _table(["", *(column.title for column in COLUMNS), "stream"], table)


def _cell(seen: Sequence[MatrixResult], column: _Column, reasons: _Reasons) -> str:
    """How many of these models have the artifacts of a column; a model has them if it has all that can be of it."""
    made, why = 0, list[int]()
    for each in seen:
        outcomes = [outcome for outcome in each.outcomes if column.holds(outcome.target)]
        missing = [outcome.reason for outcome in outcomes if not outcome.made] or ([each.refused] * bool(each.refused))
        made += not missing
        why += [reasons.number(reason) for reason in missing]
    if _is_wrong(seen, column):
        return "**WRONG**"
    numbers = f"({', '.join(map(str, sorted(set(why))))})"
    if not why:
        return str(made)
    return f"{made} of {len(seen)} {numbers}" if made else f"no {numbers}"


def _is_wrong(seen: Sequence[MatrixResult], column: _Column) -> bool:
    return any(
        outcome.made and any(faults(each.architecture, outcome))
        for each in seen
        for outcome in each.outcomes
        if column.holds(outcome.target)
    )


def _streams(seen: Sequence[MatrixResult]) -> str:
    causal = [each for each in seen if each.architecture.causal]
    first = [next((outcome for outcome in each.outcomes if outcome.made), None) for each in causal]
    streaming = sum(outcome is not None and outcome.streams for outcome in first)
    if not causal:
        return "no"
    return str(streaming) if streaming == len(causal) else f"{streaming} of {len(causal)}"


def _differences(seen: Sequence[MatrixResult]) -> str:
    """What was the most that artifacts differed by, beside what they may."""
    text = (
        "## How near\n\n"
        "The largest difference in any number of an answer, relative to the largest number that Keras answers, or\n"
        "to 1 if that is less: over all models, and of half of them at most. *stream* is between an artifact's\n"
        "answers row by row and those to whole sequences; *may be* is the tolerance, which `make test-models` holds.\n"
    )
    outcomes = [outcome for each in seen for outcome in each.outcomes if outcome.made]
    rows = [
        _difference_row(kind, [each for each in outcomes if _tolerance_name(each.target) == kind])
        for kind in TOLERANCES
    ]
    table = _table(["", "to Keras, largest", "median", "may be", "stream, largest", "may be"], rows)
    limits = [f"- {trait}: {limit:g}, {why}" for trait, (limit, why) in LIMITS_OF_INT8.items()]
    return "\n".join([text, table, "Where int8 may differ by more:\n", *limits, ""] if limits else [text, table])


def _difference_row(kind: str, outcomes: Sequence[Outcome]) -> list[str]:
    tolerance = TOLERANCES[kind]
    differences = sorted(outcome.difference for outcome in outcomes) or [0.0]
    streams = [outcome.stream_difference for outcome in outcomes if outcome.streams] or [0.0]
    numbers = (differences[-1], differences[len(differences) // 2], tolerance.keras, max(streams), tolerance.stream)
    return [kind, *(f"{number:.1g}" if number else "0" for number in numbers)]


def _tolerance_name(target: Target) -> str:
    name = f"{target.format} {target.quantization}"
    return name if name in TOLERANCES else target.quantization


_ELSEWHERE = """\
## On other processors

Beside x86_64, as `make test-pi` holds it for the digits' SimpleRNN; [On a Raspberry Pi](raspberry-pi.md) has the
figures.

- **int8 with LiteRT: the same bits** on x86_64, Cortex-A76 (Pi 5), Cortex-A72 (Pi 4) and Cortex-A53 (Pi 3), unrolled
  and loop, whole and row by row. All of them run XNNPACK's integer kernels.
- **int16x8 with LiteRT** runs in TFLite's own kernels, and **dynamic** rounds what it computes in float32: near, and
  row by row the bits of whole.
- **float32, float16**: near, because sums are added up in another order; so is a stream to its own `predict`.
- **int8 and int16x8 with tflite-runtime 2.14** run in TFLite's own kernels, not in XNNPACK's: near. On Arm the one for
  one row rounds halves otherwise than the one for several, so that a stream is only near its own `predict`, too.
- **ONNX Runtime**: near; int8 is only how weights are stored there.
"""


def _refusals(refused: Mapping[str, str]) -> str:
    rows = [[name, message or "**not refused**"] for name, message in refused.items()]
    return f"## What is refused\n\n{_table(['model with', 'message'], rows)}"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
