"""The proof: an artifact is loaded by the runtime and run beside the Keras model before it gets its name."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgernn import metrics
from edgernn.errors import ExportError
from edgernn.model import Model

Float32 = npt.NDArray[np.float32]
Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Bar:
    """What an artifact must hold against the Keras model, over the test samples.

    Attributes:
        difference: the largest difference in any probability.
        agreement: the least share of samples with the same top class.
        drop: the most points (hundredths) of accuracy it may lose.
        golden: the largest difference in any probability that another machine may show to this one.
    """

    difference: float
    agreement: float
    drop: float
    golden: float


# float32: other kernels add in another order. int8: a step of the softmax's output is 1/256, and kernels of
# different backends differ by up to 3 steps inside.
BARS: Mapping[str, Bar] = {
    "float32": Bar(difference=1e-5, agreement=0.999, drop=0.1, golden=1e-4),
    "int8": Bar(difference=1.0, agreement=0.985, drop=0.7, golden=0.1),
}


@dataclass(frozen=True)
class Proof:
    """What the proof saw.

    Attributes:
        samples: how many test samples both models answered.
        keras_accuracy, accuracy: of the Keras model and of the artifact.
        agreement: share of samples with the same top class.
        largest_difference: in any probability.
    """

    samples: int
    keras_accuracy: float
    accuracy: float
    agreement: float
    largest_difference: float

    def check(self, bar: Bar) -> None:
        """Check that the bar holds.

        Raises:
            ExportError: it does not; the message gives both figures.
        """
        drop = 100 * (self.keras_accuracy - self.accuracy)
        # Each written so that a NaN fails.
        if not self.largest_difference <= bar.difference:
            raise ExportError(
                f"differs from Keras by {self.largest_difference:.2g} in a probability, at most {bar.difference:.0e}"
            )
        if not self.agreement >= bar.agreement:
            raise ExportError(f"agrees with Keras on {self.agreement:.1%} of the samples, at least {bar.agreement:.1%}")
        if not drop <= bar.drop:
            raise ExportError(f"loses {drop:.1f} points of accuracy against Keras, at most {bar.drop:.1f}")


def prove(model: Model, x: Float32, classes: Int64, reference: Float32) -> Proof:
    """Run an artifact beside the Keras model.

    Args:
        model: the artifact, loaded by the runtime.
        x: test samples, float32 [samples, steps, features].
        classes: the right answers, int64 [samples].
        reference: the Keras model's answers, float32 [samples, classes].
    """
    answers = model.predict(x)
    return Proof(
        samples=len(x),
        keras_accuracy=metrics.accuracy(reference, classes),
        accuracy=metrics.accuracy(answers, classes),
        agreement=metrics.agreement(answers, reference),
        largest_difference=metrics.largest_difference(answers, reference),
    )
