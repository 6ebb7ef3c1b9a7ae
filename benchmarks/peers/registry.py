"""Peers: files of other tools, how they are registered, built, and checked before they are timed."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from common.bare_subjects import CLASSIFIER, BareSubject, answer_all, from_onnx, from_tflite
from common.programs import run_program
from edgernn.arrays import Float32
from edgernn.errors import ModelError, first_line
from edgernn_benchmarks.conversions import quiet_converters

# Calibration samples for other tools' int8: TensorFlow's guide says 100 to 500.
CALIBRATION_SAMPLES = 200
# Minimum agreement with Keras. A float file gives Keras's class except for ties; stock int8 loses some points; a
# misread graph agrees on 10 to 70 %.
SAME, ROUNDED = 0.999, 0.9

# Less than TIME_LIMIT_S of `isolated_tools`, so that no program outlives the check of its peer.
MAX_TOOL_SECONDS = 280.0
run_tool = partial(run_program, time_limit_s=MAX_TOOL_SECONDS)


@dataclass(frozen=True)
class Peer:
    """One file that another tool makes of a Keras model, and the library that runs it.

    Attributes:
        name: name in the tables.
        tool: tool that makes it; of several files of one tool the quickest counts.
        agreement: minimum share of samples with Keras's class; below it, the file is not timed.
        make: function of the Keras model and the calibration set, float32 [samples, steps, features]; with `convert`,
            of its result, the model and the set. A child process must be able to import it.
        page: address of the documentation of this way.
        convert: function that converts the model to an ONNX graph or a .tflite file, from which the file is made.
    """

    name: str
    tool: str
    agreement: float
    make: Callable[..., BareSubject]
    page: str
    convert: Callable[[Any], bytes] | None = None

    def build(self, model: Any, x_calibration: Float32) -> BareSubject:
        """Build the subject.

        Args:
            model: the Keras model; it is not changed.
            x_calibration: calibration samples, float32 [samples, steps, features]; the first 200 are used.
        """
        with quiet_converters():
            converted = (self.convert(model),) if self.convert else ()
            return self.make(*converted, model, x_calibration[:CALIBRATION_SAMPLES])

    def check(self, subject: BareSubject, x: Float32, reference: Float32) -> float:
        """Return the share of samples on which it gives Keras's class.

        Args:
            subject: result of `build`.
            x: samples to check on, float32 [samples, steps, features].
            reference: Keras's answers to `x`, float32 [samples, classes].

        Raises:
            ModelError: it does not run, or answers differently from Keras, so that its time would mean nothing.
        """
        try:
            agreement = CLASSIFIER.agreement(answer_all(subject, x), reference)
        except (RuntimeError, ValueError) as error:
            raise ModelError(f"does not run: {first_line(error)}") from error
        if agreement < self.agreement:
            raise ModelError(
                f"agrees with Keras on {agreement:.1%} of the samples, expected at least {self.agreement:.1%}"
            )
        return agreement


def by_name(*peers: Peer) -> dict[str, Peer]:
    """Return a table of peers by name."""
    return {peer.name: peer for peer in peers}


def as_converted(
    data: bytes, _model: Any, _x_calibration: Float32, *, subject: Callable[[bytes], BareSubject]
) -> BareSubject:
    """Return the subject of a file that is timed as it was converted."""
    return subject(data)


as_tflite, as_onnx = (partial(as_converted, subject=subject) for subject in (from_tflite, from_onnx))


@contextmanager
def temporary_file(name: str, content: bytes) -> Iterator[Path]:
    """Yield a file of this name and content, alone in a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        yield path
