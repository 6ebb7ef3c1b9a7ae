"""`edgernn demo` on a device: predicts, streams and measures latency with the sample artifact."""

import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from edgernn.arrays import Float32, Uint8
from edgernn.bench.statistics import Latency, summarize
from edgernn.bench.stopwatch import Method, measure_calls
from edgernn.console.terminal import say
from edgernn.console.text_drawing import draw_small, halves_for
from edgernn.inputs import scale_pixels
from edgernn.metrics import largest_difference
from edgernn.model import Model, load
from edgernn.samples import sample
from edgernn.samples.drawing import draw_digits
from edgernn.system.extras import wheel_install
from edgernn.system.quiet import standard_error_aside

Pixels = Uint8

_STREAMED = 8  # index of the streamed digit: its upper half resembles other digits, so the answer changes
_A_LINE = 5  # pictures in a line
_MARGIN = 2  # pixels of a picture that are cut off at each edge where it is shown small
_BAR = 20  # characters for a probability of 1
_METHOD = Method(rounds=10, seconds=0.2)  # short, for a demo


def show_device_demo() -> None:
    """Predict, stream and measure with the sample artifact, and print what to do next.

    Raises:
        MissingExtraError: no backend for it is installed.
        ArtifactError: it is damaged, or the backend misreads it.
    """
    path, digits = sample(), draw_digits()
    with standard_error_aside():
        model = load(path)
        answers = model.predict(digits)
        so_far = _stream(model, digits[_STREAMED])
        latencies = _measure(model, digits[_STREAMED])
    say(f"{path.name}, {path.stat().st_size:,} bytes, loaded and checked.", f"Backend: {model.backend}", "")
    _show_answers(model, digits, answers)
    _show_stream(model, digits[_STREAMED], so_far, answers[_STREAMED])
    _show_latencies(latencies)
    _show_next_steps(path)


def _stream(model: Model, digit: Pixels) -> Float32:
    """Return the answer after each row, float32 [rows, classes]."""
    with model.stream() as stream:
        return np.stack([stream.push(row) for row in digit])


def _measure(model: Model, digit: Pixels) -> Mapping[str, Latency]:
    x = scale_pixels(digit)
    with model.stream() as stream:
        rounds = measure_calls(
            {"predict, 28 rows": lambda: model.predict(x), "push, one row": lambda: stream.push(x[len(x) // 2])},
            _METHOD,
        )
    return {name: summarize(each) for name, each in rounds.items()}


def _show_answers(model: Model, digits: Pixels, answers: Float32) -> None:
    say("Digits drawn by edgernn, and the model's answers:", "")
    halves = halves_for(sys.stdout.encoding)
    small = [draw_small(_halve(digit), halves) for digit in digits]
    texts = ["{0.label}  {0.probability:.0%}".format(model.guess(answer, 1)[0]) for answer in answers]
    for first in range(0, len(digits), _A_LINE):
        several = slice(first, first + _A_LINE)
        width = len(small[first][0])
        for line in (*zip(*small[several], strict=True), [text.center(width) for text in texts[several]]):
            say(("  " + "   ".join(line)).rstrip())
        say()


def _halve(picture: Pixels) -> Pixels:
    """Cut the margin off and halve the picture: each pixel is the mean of four."""
    inner = picture[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN]
    rows, columns = inner.shape
    halved: Pixels = inner.reshape(rows // 2, 2, columns // 2, 2).mean(axis=(1, 3)).astype(np.uint8)
    return halved


def _show_stream(model: Model, digit: Pixels, so_far: Float32, whole: Float32) -> None:
    say("One of them as a stream, row by row; the answer after every second row:", "")
    halves = halves_for(sys.stdout.encoding)
    for line, picture in enumerate(draw_small(digit, halves)):
        best = model.guess(so_far[2 * line + 1], 1)[0]
        bar = halves[-1] * round(best.probability * _BAR)
        say(f"  {2 * line + 2:>2} {picture}  {best.label} {best.probability:>4.0%} {bar}".rstrip())
    same = np.array_equal(so_far[-1], whole)
    agreement = "bit for bit" if same else f"up to {largest_difference(so_far[-1:], whole[np.newaxis]):.0e}"
    say("", f"The last answer equals the answer to the whole picture, {agreement}.", "")


def _show_latencies(latencies: Mapping[str, Latency]) -> None:
    say("Latency from Python, one thread: median and 95th percentile:", "")
    for name, latency in latencies.items():
        say(f"  {name:<18}{latency.median_us:>9,.1f} µs {latency.p95_us:>9,.1f} µs")


def _show_next_steps(path: Path) -> None:
    picture = "digit-3.png" if find_spec("PIL") else "digits.npy"  # pictures need Pillow
    lines = f"""
Try it yourself:

  cd "{path.parent}"
  edgernn info {path.name}
  edgernn predict {path.name} {picture}

Your own model: export it on a workstation, and copy the file to this device:

  {wheel_install("all")}
  edgernn export model.keras --samples data.npz
  scp model-int8.tflite DEVICE:"""
    say(*lines.split("\n"))
