"""Peers: what one is, and how it is entered among others, built, and checked before it is timed."""

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgernn.arrays import Float32
from edgernn.errors import ModelError, first_line
from edgernn_benchmarks.conversions import quiet_converters
from peers.bare_subjects import CLASSIFIER, BareSubject, answer_all

Make = Callable[[Any, Float32], BareSubject]

# What the stock tools calibrate int8 with: TensorFlow's guide says 100 to 500 samples.
CALIBRATION_SAMPLES = 200
# A float file gives Keras's class but for ties; stock int8 loses some points; a misread graph is at 10 to 70 %.
SAME, ROUNDED = 0.999, 0.9

# Less than `apart` gives a peer, so that nothing goes on behind it.
TOOL_SECONDS = 280.0


@dataclass(frozen=True)
class Peer:
    """One file that another tool makes of a Keras model, and the library that runs it.

    Attributes:
        name: what tables call it.
        tool: whose it is; of several files of one tool the quickest counts.
        agreement: the least share of samples with Keras's class for it to be timed at all.
        make: a function of a module, so that a child process finds it.
    """

    name: str
    tool: str
    agreement: float
    make: Make

    def build(self, model: Any, x_calibration: Float32) -> BareSubject:
        """Build it.

        Args:
            model: the Keras model; it stays as it is.
            x_calibration: for those that calibrate, float32 [samples, steps, features]; the first 200 are used.
        """
        with quiet_converters():
            return self.make(model, x_calibration[:CALIBRATION_SAMPLES])

    def check(self, subject: BareSubject, x: Float32, reference: Float32) -> float:
        """The share of samples on which it names Keras's class.

        Args:
            subject: what `build` made of it.
            x: what it is checked on, float32 [samples, steps, features].
            reference: Keras's answers to `x`, float32 [samples, classes].

        Raises:
            ModelError: it does not run, or answers otherwise than Keras; to time it would tell nothing.
        """
        try:
            agreement = CLASSIFIER.agreement(answer_all(subject, x), reference)
        except (RuntimeError, ValueError) as error:
            raise ModelError(f"does not run: {first_line(error)}") from error
        if agreement < self.agreement:
            raise ModelError(f"agrees with Keras on {agreement:.1%} of the samples, at least {self.agreement:.1%}")
        return agreement


def enter(peers: dict[str, Peer], name: str, agreement: float, *, tool: str = "") -> Callable[[Make], Make]:
    """Enter a function of the Keras model and the calibration set, float32 [samples, steps, features], among peers.

    Args:
        peers: where to.
        name, agreement: as in `Peer`.
        tool: likewise; by default it is called as its only file.
    """

    def decorate(make: Make) -> Make:
        peers[name] = Peer(name, tool or name, agreement, make)
        return make

    return decorate


def run_tool(command: Sequence[str | Path], folder: Path | None = None) -> None:
    """Run a tool's program.

    Args:
        command: its words.
        folder: where it works.

    Raises:
        ModelError: it takes too long, or ends with an error.
    """
    name = Path(command[0]).name
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=TOOL_SECONDS)  # noqa: S603
    except subprocess.TimeoutExpired as error:
        raise ModelError(f"{name} took longer than {TOOL_SECONDS:g} s and was stopped") from error
    if done.returncode:
        raise ModelError(f"{name}: {(done.stderr.strip().splitlines() or [f'exit code {done.returncode}'])[-1]}")
