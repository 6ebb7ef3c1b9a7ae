"""The proof: an artifact is loaded by the runtime and run beside the Keras model before it gets its name."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgernn import metrics
from edgernn.errors import ExportError
from edgernn.model import Model
from edgernn_export.targets import Target

Float32 = npt.NDArray[np.float32]
Int64 = npt.NDArray[np.int64]

# A stream is checked on so many time steps: 2,000 samples of 28 steps, fewer of longer ones.
STREAM_STEPS = 60_000


@dataclass(frozen=True)
class Bar:
    """What an artifact must hold over the test samples.

    Attributes:
        difference: the largest difference to the Keras model in any probability.
        agreement: the least share of samples with the same top class as the Keras model.
        drop: the most points (hundredths) of accuracy it may lose.
        golden: the largest difference in any probability that another machine may show to this one.
        stream_difference: the largest difference in any probability between a stream and the whole sequence.
        stream_agreement: the least share of samples where a stream ends in the same top class.
    """

    difference: float
    agreement: float
    drop: float
    golden: float
    stream_difference: float
    stream_agreement: float


# float: other kernels add in another order. float16: rounding the weights moves a probability by up to 1e-2; of the few
# models where it is a little more, that is said. Integers: a step of the softmax's output is 1/256 in int8, and the
# kernels of different backends differ by up to 3 steps inside. A dynamic file is rounded by the kernels as it runs, so
# a stream, which runs on other kernels, may round otherwise than a sequence.
BARS: Mapping[str, Bar] = {
    "float32": Bar(1e-5, 0.999, 0.1, 1e-4, 1e-5, 0.999),
    "float16": Bar(1e-2, 0.99, 0.3, 1e-3, 1e-5, 0.999),
    "dynamic": Bar(1.0, 0.985, 0.7, 0.1, 1.0, 0.99),
    "int8": Bar(1.0, 0.985, 0.7, 0.1, 0.0, 1.0),
    "int16x8": Bar(1.0, 0.985, 0.7, 0.1, 1.0, 0.99),
    # Its weights are multiplied out when it is loaded; what is computed is float32.
    "onnx int8": Bar(1.0, 0.985, 0.7, 1e-4, 1e-5, 0.999),
}


def bar_of(target: Target) -> Bar:
    """The bar of a target: its own where there is one, otherwise its quantization's."""
    return BARS.get(f"{target.format} {target.quantization}") or BARS[target.quantization]


@dataclass(frozen=True)
class Proof:
    """What the proof saw.

    Attributes:
        samples: how many test samples both models answered.
        keras_accuracy, accuracy: of the Keras model and of the artifact.
        agreement: share of samples with the same top class.
        largest_difference: in any probability.
        streamed: how many samples were also given row by row; 0 for an artifact that cannot stream.
        stream_agreement, stream_difference: of those answers with the ones to whole sequences.
    """

    samples: int
    keras_accuracy: float
    accuracy: float
    agreement: float
    largest_difference: float
    streamed: int = 0
    stream_agreement: float = 1.0
    stream_difference: float = 0.0

    @property
    def drop(self) -> float:
        """The points (hundredths) of accuracy lost."""
        return 100 * (self.keras_accuracy - self.accuracy)

    def check(self, bar: Bar, max_drop: float | None = None, min_agreement: float | None = None) -> None:
        """Check that the bar holds, with another drop or agreement where they are given.

        Raises:
            ExportError: it does not; the message gives both figures.
        """
        max_drop = bar.drop if max_drop is None else max_drop
        min_agreement = bar.agreement if min_agreement is None else min_agreement
        # Each written so that a NaN fails.
        if not self.largest_difference <= bar.difference:
            raise ExportError(
                f"differs from Keras by {self.largest_difference:.3g} in a probability, at most {bar.difference:.0e}"
            )
        if not self.agreement >= min_agreement:
            raise ExportError(f"agrees with Keras on {self.agreement:.2%} of the samples, at least {min_agreement:.2%}")
        if not self.drop <= max_drop:
            raise ExportError(f"loses {self.drop:.2f} points of accuracy against Keras, at most {max_drop:.2f}")
        if not (self.stream_difference <= bar.stream_difference and self.stream_agreement >= bar.stream_agreement):
            raise ExportError(
                f"streams otherwise than it predicts: {self.stream_difference:.2g} apart in a probability, the same "
                f"class on {self.stream_agreement:.2%}"
            )


def prove(model: Model, x: Float32, classes: Int64, reference: Float32, streams: bool) -> Proof:
    """Run an artifact beside the Keras model, and its stream beside its own answers.

    Args:
        model: the artifact, loaded by the runtime.
        x: test samples, float32 [samples, steps, features].
        classes: the right answers, int64 [samples].
        reference: the Keras model's answers, float32 [samples, classes].
        streams: whether the artifact has a step.
    """
    answers = model.predict(x)
    streamed = min(len(x), max(1, STREAM_STEPS // x.shape[1])) if streams else 0
    stream_answers = _stream(model, x[:streamed]) if streamed else answers[:0]
    return Proof(
        samples=len(x),
        keras_accuracy=metrics.accuracy(reference, classes),
        accuracy=metrics.accuracy(answers, classes),
        agreement=metrics.agreement(answers, reference),
        largest_difference=metrics.largest_difference(answers, reference),
        streamed=streamed,
        stream_agreement=metrics.agreement(stream_answers, answers[:streamed]) if streamed else 1.0,
        stream_difference=metrics.largest_difference(stream_answers, answers[:streamed]) if streamed else 0.0,
    )


def _stream(model: Model, x: Float32) -> Float32:
    """The answers after the last row of each sample, given row by row."""
    stream = model.stream()
    answers = []
    for sample in x:
        stream.reset()
        for row in sample:
            answer = stream.push(row)
        answers.append(answer)
    return np.stack(answers)
