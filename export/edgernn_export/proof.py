"""The proof: an artifact is loaded by the runtime and run beside the Keras model before it gets its name."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from edgernn import metrics
from edgernn.errors import ExportError
from edgernn.metrics import Truth
from edgernn.model import Model
from edgernn.tasks import MEASURES, Task
from edgernn_export.targets import Target

Float32 = npt.NDArray[np.float32]

# A stream is checked on so many time steps: 2,000 samples of 28 steps, fewer of longer ones.
STREAM_STEPS = 60_000


@dataclass(frozen=True)
class Bar:
    """What an artifact must hold over the test samples.

    Attributes:
        difference: the largest difference to the Keras model in any number, as `metrics.largest_difference`: that of
            logits and values is relative to the largest one.
        agreement: the least agreement with the Keras model, as `Task.agreement`: a share of decisions, or an R².
        drop: the most points (hundredths) of the task's headline measure that it may lose: accuracy, F1 or R².
        golden: the largest difference that another machine may show to this one, likewise.
        stream_difference: the largest difference between a stream and the whole sequence, likewise.
        stream_agreement: the least agreement of a stream with the whole sequence.
        rounding: how much coarser than in float32 the weights are rounded, of an artifact that computes in float32; 0
            for integers, whose bars do not depend on float32's rounding.
    """

    difference: float
    agreement: float
    drop: float
    golden: float
    stream_difference: float
    stream_agreement: float
    rounding: float = 0.0

    def for_model(self, rounding: float) -> "Bar":
        """The bar for a model whose answers the rounding of float32 moves so far, as `sensitivity.rounding_of`.

        Differences of ten times as much are rounding, never those of a wrong file: at most 1e-3 with weights of
        float32, and 0.1 with those of float16. The agreement must be the same.
        """
        if not self.rounding:
            return self
        allowed = min(ROUNDING_FACTOR * rounding, MAX_ROUNDING)
        of_weights = min(ROUNDING_FACTOR * rounding * self.rounding, MAX_ROUNDING * min(self.rounding, 100))
        return replace(
            self,
            difference=max(self.difference, of_weights),
            golden=max(self.golden, allowed),
            stream_difference=max(self.stream_difference, allowed),
        )


# How many times the measured rounding two right implementations may differ: up to 1.3 times was seen, and a few samples
# in a few random directions do not show the worst.
ROUNDING_FACTOR = 10.0
# Of a model that makes more of rounding, a right file cannot be told from a wrong one.
MAX_ROUNDING = 1e-3

# The least that each must hold; a bar is wider for a model that makes much of rounding (`Bar.for_model`).
# float: other kernels add in another order. float16: rounding the weights moves a probability by up to 1e-2; of the few
# models where it is a little more, that is said. Integers: a step of the softmax's output is 1/256 in int8, and the
# kernels of different backends differ by up to 3 steps inside; with 16 bits for an activation no kernel of LiteRT,
# tflite-runtime or tflite-micro was more than 0.004 off. A dynamic file is rounded by the kernels as it runs, so
# a stream, which runs on other kernels, may round otherwise than a sequence.
BARS: Mapping[str, Bar] = {
    "float32": Bar(2e-5, 0.999, 0.1, 1e-4, 1e-5, 0.999, rounding=1),
    "float16": Bar(1e-2, 0.99, 0.3, 1e-3, 1e-5, 0.999, rounding=2**11),
    "dynamic": Bar(1.0, 0.985, 0.7, 0.1, 1.0, 0.99),
    "int8": Bar(1.0, 0.985, 0.7, 0.1, 0.0, 1.0),
    "int16x8": Bar(1.0, 0.985, 0.7, 9e-3, 1.0, 0.99),
    # Its weights are multiplied out when it is loaded; what is computed is float32.
    "onnx int8": Bar(1.0, 0.985, 0.7, 1e-4, 1e-5, 0.999, rounding=1),
}


def bar_of(target: Target) -> Bar:
    """The bar of a target: its own where there is one, otherwise its quantization's."""
    return BARS.get(f"{target.format} {target.quantization}") or BARS[target.quantization]


@dataclass(frozen=True)
class Proof:
    """What the proof saw.

    Attributes:
        task: the model's.
        samples: how many test samples both models answered.
        keras, artifact: how right they are, by the names of `edgernn.tasks.MEASURES`; empty where that is not known.
        agreement: of the artifact with Keras, as `Task.agreement`.
        difference: the largest in any number, as `metrics.largest_difference`.
        streamed: how many samples were also given row by row; 0 for an artifact that cannot stream.
        stream_agreement, stream_difference: of those answers with the ones to whole sequences.
        no_stream: why it cannot stream; empty if it can.
    """

    task: Task
    samples: int
    keras: Mapping[str, float]
    artifact: Mapping[str, float]
    agreement: float
    difference: float
    streamed: int = 0
    stream_agreement: float = 1.0
    stream_difference: float = 0.0
    no_stream: str = ""

    @property
    def drop(self) -> float:
        """The points (hundredths) of the headline measure lost; 0 where it is not known how right answers are."""
        if not self.keras:
            return 0.0
        return 100 * (self.keras[self.task.headline] - self.artifact[self.task.headline])

    def check(self, bar: Bar, max_drop: float | None = None, min_agreement: float | None = None) -> None:
        """Check that the bar holds, with another drop or agreement where they are given.

        Raises:
            ExportError: it does not; the message gives both figures.
        """
        max_drop = bar.drop if max_drop is None else max_drop
        min_agreement = bar.agreement if min_agreement is None else min_agreement
        task, show = self.task, self.task.show_agreement
        # Each written so that a NaN fails.
        if not self.difference <= bar.difference:
            raise ExportError(
                f"differs from Keras by {self.difference:.3g} {task.differing}, at most {bar.difference:.0e}"
            )
        if not self.agreement >= min_agreement:
            raise ExportError(
                f"agreement with Keras is {show(self.agreement)}, expected at least {show(min_agreement)}"
            )
        if not round(self.drop, 9) <= max_drop:  # whatever binary fractions make of 7 of 1,000
            measure = MEASURES[task.headline]
            raise ExportError(f"loses {self.drop:.2f} points of {measure} against Keras, at most {max_drop:.2f}")
        self.check_stream(bar)

    def check_stream(self, bar: Bar) -> None:
        """Check that the stream answers as whole sequences do.

        Raises:
            ExportError: it does not; the message gives both figures.
        """
        if not (self.stream_difference <= bar.stream_difference and self.stream_agreement >= bar.stream_agreement):
            raise ExportError(
                f"streams otherwise than it predicts: {self.stream_difference:.2g} {self.task.differing} apart, "
                f"agreement {self.task.show_agreement(self.stream_agreement)}"
            )


def prove(model: Model, x: Float32, truth: Truth | None, reference: Float32, streams: bool) -> Proof:
    """Run an artifact beside the Keras model, and its stream beside its own answers.

    Where there is an answer a step, every one is compared, of Keras and of the stream.

    Args:
        model: the artifact, loaded by the runtime.
        x: test samples, float32 [samples, steps, features].
        truth: what it should answer, as `Task.measure` takes it; None when it is not known.
        reference: the Keras model's answers, float32 [samples, outputs] or [samples, steps, outputs].
        streams: whether the artifact has a step.
    """
    task, answers = model.task, model.predict(x)
    proof = Proof(
        task=task,
        samples=len(x),
        keras=task.measure(reference, truth),
        artifact=task.measure(answers, truth),
        agreement=task.agreement(answers, reference),
        difference=metrics.largest_difference(answers, reference),
    )
    if not streams:
        return proof
    streamed = min(len(x), max(1, STREAM_STEPS // x.shape[1]))
    whole = answers[:streamed]
    pushed = _stream(model, x[:streamed], whole.shape[1:])
    return replace(
        proof,
        streamed=streamed,
        stream_agreement=task.agreement(pushed, whole),
        stream_difference=metrics.largest_difference(pushed, whole),
    )


def _stream(model: Model, x: Float32, shape: tuple[int, ...]) -> Float32:
    """The answers to samples given row by row, [samples, *shape]: of every row, if there is one a step, or the last."""
    stream = model.stream()
    answers = []
    for sample in x:
        stream.reset()
        pushed = [stream.push(row) for row in sample]
        every_step = shape == (len(sample), *pushed[-1].shape)
        answers.append(np.stack(pushed) if every_step else pushed[-1])
    return np.stack(answers)
