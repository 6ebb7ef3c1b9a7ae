"""Text of docs/compatibility.md, and the faults in its results."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from common.bare_subjects import CLASSIFIER
from common.markdown import Reasons, table
from compatibility.environments import Runtime, RuntimeResult
from compatibility.probe import STREAMED
from edgernn import metrics
from edgernn.arrays import Float32, Int64

Found = Mapping[Runtime, Mapping[str, RuntimeResult]]

# Below this agreement with the host, a runtime does not merely round differently: it computes something else.
MIN_AGREEMENT = 0.95

_HEAD = """\
# Which artifact runs where

Written by `python -m benchmarks compatibility RUN` (`make compatibility RUN=…`); do not edit it. Each runtime
opened every artifact that `edgernn export` makes of one SimpleRNN model, in a separate environment of Python {python}:
with the runtime's own API, and with `edgernn.load` where edgernn has a backend for the runtime. Each artifact answered
{samples:,} test samples on {machine}; the Keras model classifies {correct} of them correctly.

The host is edgernn {edgernn} with LiteRT {ai-edge-litert} and ONNX Runtime {onnxruntime} on NumPy {numpy}; the
artifacts were made with TensorFlow {tensorflow}, litert-quantizer {litert-quantizer} and tf2onnx {tf2onnx}.
Every runtime had its default settings, one thread and one sample at a time.

- **same bits**: the answers equal the host's, bit for bit.
- **99.90 %, 0.004**: share of samples with the host's class, and largest difference in any probability.
- **misreads**: the answers are wrong; edgernn checks the golden samples there and refuses the artifact.
- **refuses**: the runtime does not open the artifact; the number refers to the reasons below the table.
"""


@dataclass(frozen=True)
class Host:
    """Answers of the host for one artifact.

    Attributes:
        classes: the correct classes, int64 [samples].
        keras_accuracy: accuracy of the Keras model.
        answers: float32 [samples, classes].
        streams: last answers to the first samples, streamed row by row, float32 [samples, classes].
    """

    classes: Int64
    keras_accuracy: float
    answers: Float32
    streams: Float32


def describe(hosts: Mapping[str, Host], found: Found, versions: Mapping[str, str]) -> str:
    """Return the page as Markdown."""
    host = next(iter(hosts.values()))
    head = _HEAD.format(samples=len(host.classes), correct=_percent(host.keras_accuracy, 2), **versions)
    parts = [head]
    for suffix, title in ((".tflite", "TFLite"), (".onnx", "ONNX")):
        some = {runtime: results for runtime, results in found.items() if runtime.suffix == suffix}
        names = [name for name in hosts if name.endswith(suffix)]
        parts += [f"## {title}\n", _runtimes(some), _answers(names, hosts, some), _streams(names, hosts, some)]
    parts.append(_arenas(found))
    return "\n".join(parts)


def faults(hosts: Mapping[str, Host], found: Found) -> list[str]:
    """List artifacts that edgernn accepts though they are misread, or refuses though they are read correctly."""
    problems = []
    for runtime, results in found.items():
        for name, result in results.items():
            if result.refuses or result.edgernn_refuses is None:
                continue
            if _misreads(hosts[name], result) and not result.edgernn_refuses:
                problems.append(f"{runtime.title} misreads {name}, and edgernn does not notice")
            elif result.edgernn_refuses and not _misreads(hosts[name], result):
                problems.append(
                    f"{runtime.title} reads {name} correctly, but edgernn refuses it: {result.edgernn_refuses}"
                )
    return problems


def _runtimes(found: Found) -> str:
    rows = []
    for runtime, results in found.items():
        numpy = next((result.numpy for result in results.values() if result.numpy), "")
        rows.append([runtime.title, runtime.distribution, runtime.version, numpy, runtime.note])
    return table(["runtime", "package", "version", "NumPy", "why tested"], rows)


def _answers(names: Sequence[str], hosts: Mapping[str, Host], found: Found) -> str:
    reasons = Reasons()
    text = _table("whole sequences", names, found, lambda name, result: _answer(hosts[name], result, reasons))
    return "\n".join([text, *reasons.lines(), ""]) if reasons.lines() else text


def _table(title: str, names: Sequence[str], found: Found, say: Callable[[str, RuntimeResult], str]) -> str:
    """Return a table with one artifact a line, and one runtime a column."""
    rows = [[f"`{name}`", *(say(name, results[name]) for results in found.values())] for name in names]
    return table([title, *(runtime.title for runtime in found)], rows)


def _answer(host: Host, result: RuntimeResult, reasons: Reasons) -> str:
    if result.refuses:
        return f"refuses ({reasons.number(result.refuses)})"
    misreads = _misreads(host, result)
    text = _likeness(host.answers, result.answers)
    if misreads:
        text = f"**misreads**: accuracy {_percent(CLASSIFIER.score(result.answers, host.classes), 1)}"
    if result.edgernn_refuses:
        return f"{text}; edgernn refuses ({reasons.number(result.edgernn_refuses)})"
    return f"{text}, unnoticed by edgernn" if misreads and result.edgernn_refuses == "" else text


def _streams(names: Sequence[str], hosts: Mapping[str, Host], found: Found) -> str:
    """Return the table of streams where edgernn can stream: the first samples, row by row."""
    some = {
        runtime: results
        for runtime, results in found.items()
        if any(result.edgernn_refuses is not None for result in results.values())
    }
    title = f"streams, {STREAMED} samples"
    return _table(title, names, some, lambda name, result: _likeness(hosts[name].streams, result.streams))


def _arenas(found: Found) -> str:
    """Return the section on the memory that runtimes for microcontrollers need."""
    rows = [
        [f"`{name}`", f"{result.arena:,}"]
        for results in found.values()
        for name, result in results.items()
        if result.arena is not None
    ]
    text = (
        "## The arena of tflite-micro\n\n"
        "The smallest arena, in steps of 16 bytes, with which it still answers, on a 64-bit machine; pointers of a\n"
        "microcontroller are half as long. Both signatures, `sequence` and `step`, use it; it excludes the file.\n"
    )
    return f"{text}\n{table(['artifact', 'bytes'], rows)}".rstrip() + "\n"


def _misreads(host: Host, result: RuntimeResult) -> bool:
    return CLASSIFIER.agreement(result.answers, host.answers) < MIN_AGREEMENT


def _likeness(host: Float32, answers: Float32) -> str:
    if not answers.size:
        return "–"
    if np.array_equal(host, answers):
        return "same bits"
    difference = metrics.largest_difference(answers, host)
    return f"{_percent(CLASSIFIER.agreement(answers, host), 2)}, {difference:.1g}"


def _percent(share: float, digits: int) -> str:
    return f"{100 * share:.{digits}f} %"
