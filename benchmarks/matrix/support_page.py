"""The text of the support page: support by layer and format, from the results of the matrix."""

import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from common.markdown import Reasons, table
from edgernn_export.targets import Target
from matrix.architectures import REBUILT, traits
from matrix.checking import MatrixResult, Outcome, faults
from matrix.tolerances import LIMITS_OF_INT8, TOLERANCES

_HEAD = """\
# What can be exported

Written by `python -m benchmarks support {models}` (`make support N={models}`); do not edit it. The first
{models} models of `matrix.draws`, small ones with random weights, were exported as every artifact; every twentieth
was refined. Each of the {artifacts:,} artifacts was loaded by `edgernn.load` and compared with Keras on 20 samples, as
whole sequences and row by row. Features that are not on this page were not tested.

edgernn {edgernn} with Keras {keras}, TensorFlow {tensorflow}, litert-quantizer {litert-quantizer}, tf2onnx {tf2onnx},
LiteRT {ai-edge-litert}, ONNX Runtime {onnxruntime} and NumPy {numpy} on Python {python}, {machine}.

- **12**: all 12 models with this feature were exported.
- **9 of 12 (1)**: three were not, for the numbered reasons below the tables. The cause may be another layer of these
  models.
- **no (1)**: none was.
- **WRONG**: the answers of an artifact are outside its tolerance, a bug of edgernn.

*unrolled* and *loop* are layouts of TFLite's steps, *fused* is one operator for all steps. *stream* is the number of
models whose float32 .tflite file also reads one row at a time, among models that do not look ahead; **no**: all look
ahead.
"""


# Titles of columns, and patterns of their targets.
COLUMNS: Mapping[str, str] = {
    **{name: f"tflite {name} unrolled*" for name in ("float32", "float16", "dynamic", "int8", "int16x8")},
    "loop": "* loop*",
    "fused": "* fused*",
    "ONNX float32": "onnx float32*",
    "ONNX int8": "onnx int8*",
}


# Reasons that differ only in the name of an activation or a layer count as one.
_OF_ONE_ACTIVATION = re.compile(r"(?<=no activation )'\w+'|(?<=sigmoid gates, not )\w+")
_OF_ONE_LAYER = re.compile(r"^layer '[^']+': ")


def _general(reason: str) -> str:
    return _OF_ONE_ACTIVATION.sub("…", _OF_ONE_LAYER.sub("", reason))


def describe(results: Sequence[MatrixResult], refused: Mapping[str, str], versions: Mapping[str, str]) -> str:
    """Return the page as Markdown."""
    artifacts = sum(outcome.made for each in results for outcome in each.outcomes)
    rows = list(dict.fromkeys(trait for each in results for trait in traits(each.architecture)))
    reasons = Reasons()
    parts = [_HEAD.format(models=len(results), artifacts=artifacts, **versions)]
    for title, chosen in _sections(rows).items():
        parts += [f"## {title}\n", _support(chosen, results, reasons)]
    parts += ["\n".join(["Why not:\n", *reasons.lines(), ""]), _differences(results), _ELSEWHERE, _refusals(refused)]
    return "\n".join(parts).rstrip() + "\n"


def _sections(rows: Sequence[str]) -> Mapping[str, list[str]]:
    """Group the rows by section; rows of a section are sorted, except the first section's."""

    def section(row: str) -> str:
        if row.startswith(("activation=", "recurrent_activation=", "Dense activation=")):
            return "Activations"
        if row.endswith((" in front", " between", " behind", " alone")):
            return "Other layers by position"
        if row in REBUILT:
            return "Rebuilt of plain float32 layers"
        if row.startswith(("input of ", "head ", "an answer", "one answer", "Sequential", "functional", "nested")):
            return "Inputs, heads and forms"
        return "Recurrent layers"

    titles = (
        "Recurrent layers",
        "Rebuilt of plain float32 layers",
        "Inputs, heads and forms",
        "Other layers by position",
        "Activations",
    )
    grouped = {title: [row for row in rows if section(row) == title] for title in titles}
    return {title: sorted(chosen) if title != titles[0] else chosen for title, chosen in grouped.items() if chosen}


def _support(rows: Sequence[str], results: Sequence[MatrixResult], reasons: Reasons) -> str:
    lines = []
    for row in rows:
        having = [each for each in results if row in traits(each.architecture)]
        cells = [_cell(having, column, reasons) for column in COLUMNS.values()]
        lines.append([row, *cells, _streams(having)])
    return table(["", *COLUMNS, "stream"], lines)


def _cell(results: Sequence[MatrixResult], column: str, reasons: Reasons) -> str:
    """Count the models that have all artifacts of a column, and add the reasons of the others."""
    made, why = 0, list[int]()
    for each in results:
        outcomes = [outcome for outcome in each.outcomes if fnmatchcase(str(outcome.target), column)]
        missing = [outcome.reason for outcome in outcomes if not outcome.made] or ([each.refused] * bool(each.refused))
        made += not missing
        why += [reasons.number(_general(reason)) for reason in missing]
    if _is_wrong(results, column):
        return "**WRONG**"
    numbers = f"({', '.join(map(str, sorted(set(why))))})"
    if not why:
        return str(made)
    return f"{made} of {len(results)} {numbers}" if made else f"no {numbers}"


def _is_wrong(results: Sequence[MatrixResult], column: str) -> bool:
    return any(
        outcome.made and any(faults(each.architecture, outcome))
        for each in results
        for outcome in each.outcomes
        if fnmatchcase(str(outcome.target), column)
    )


def _streams(results: Sequence[MatrixResult]) -> str:
    causal = [each for each in results if each.architecture.causal]
    first = [next((outcome for outcome in each.outcomes if outcome.made), None) for each in causal]
    streaming = sum(outcome is not None and outcome.streams for outcome in first)
    if not causal:
        return "no"
    return str(streaming) if streaming == len(causal) else f"{streaming} of {len(causal)}"


def _differences(results: Sequence[MatrixResult]) -> str:
    """Return the table of the largest differences beside the tolerances."""
    text = (
        "## Differences\n\n"
        "The largest difference in any number of an answer, relative to the largest number of Keras's answers, or to\n"
        "1 if that is less: the maximum and the median over all models, except those in float16 and bfloat16, whose\n"
        "own answers have only three or two digits. *stream* is the difference between an artifact's answers row by\n"
        "row and to whole sequences. `make test-models` checks the tolerances.\n"
    )
    outcomes = [outcome for each in results for outcome in each.outcomes if outcome.made and not outcome.precision_gap]
    rows = [
        _difference_row(kind, [each for each in outcomes if _tolerance_name(each.target) == kind])
        for kind in TOLERANCES
    ]
    numbers = table(["", "to Keras, largest", "median", "tolerance", "stream, largest", "tolerance"], rows)
    limits = [f"- {trait}: {limit:g}, {why}" for trait, (limit, why) in LIMITS_OF_INT8.items()]
    return "\n".join([text, numbers, "Larger tolerances of int8:\n", *limits, ""] if limits else [text, numbers])


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

Compared with x86_64, as `make test-pi` checks with models of the digits; [On a Raspberry Pi](raspberry-pi.md) has the
figures.

- **int8 with native: the same bits** on Cortex-A76 (Pi 5), Cortex-A72 (Pi 4), Cortex-A53 (Pi 3), Cortex-A7 (Pi 2) and
  ARM1176 (Pi Zero), for SimpleRNN, GRU and LSTM, unrolled and loop, whole, one by one, and row by row.
- **int8 with LiteRT 2.3.0 rounds differently on 64-bit Arm**, in two operators. XNNPACK's product of two arrays (MUL)
  is rounded in fixed point there, halves up; on x86_64 it is rounded in float32, halves to even. This changes the
  states of an LSTM. TFLite's softmax rounds some probabilities near a half otherwise, by 1/256. The table counts the
  answers that differ from native's on the same processor, of 1,000 digits and of 1,000 samples of random numbers:

| int8, 64 units | digits | largest difference | same class | random | largest difference | same class |
| --- | --- | --- | --- | --- | --- | --- |
| SimpleRNN | 5 of 1,000 | 1/256 | 100 % | 21 of 1,000 | 1/256 | 100 % |
| GRU | 1 of 1,000 | 1/256 | 100 % | 13 of 1,000 | 1/256 | 100 % |
| LSTM | 299 of 1,000 | 52/256 | 99.4 % | 993 of 1,000 | 45/256 | 92.9 % |

- The numbers of this table are the same on Cortex-A76 and Cortex-A72. States differ only in the LSTM. Computed in NumPy
  with products rounded in this way, the LSTM's answers are LiteRT's on Arm, bit for bit (200 samples).
- **int16x8 with LiteRT** runs in TFLite's kernels, and **dynamic** rounds its float32 values: within the tolerance.
  Streams have the bits of whole sequences.
- **float32, float16**: within the tolerance, because sums are computed in a different order; so are streams compared
  with `predict`.
- **int8 and int16x8 with tflite-runtime 2.14** run in TFLite's kernels, not in XNNPACK's: within the tolerance. On Arm
  the kernel for one row rounds halves differently from the kernel for several, so that streams, too, are only within
  the tolerance of `predict`.
- **ONNX Runtime**: within the tolerance; int8 is only the storage format of weights.
"""


def _refusals(refused: Mapping[str, str]) -> str:
    rows = [[name, message or "**not refused**"] for name, message in refused.items()]
    return f"## What is refused\n\n{table(['model with', 'message'], rows)}"
