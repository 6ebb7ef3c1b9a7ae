"""Settings: the user's choices for an export."""

from dataclasses import dataclass

# Processor time for one artifact. Most take seconds. The first one also loads TensorFlow, and the first one with int8
# weights also refines them.
TIME_LIMIT_S = 600.0


@dataclass(frozen=True)
class Settings:
    """The user's choices for an export.

    Attributes:
        steps: number of time steps, for a model that takes any number; None for the model's own or the samples'.
        refine: whether int8 weights are tuned; None tunes them if that takes less than 30 s.
        max_drop: largest loss of accuracy, F1 or R² in points (hundredths); None for the quantization's own limit.
        min_agreement: lowest agreement with Keras, a share of decisions or R²; None for the quantization's own limit.
        keep_failed: whether an artifact that fails the proof is written.
        time_limit_s: processor time for one artifact, in seconds; the limit of elapsed time is ten times as long.
    """

    steps: int | None = None
    refine: bool | None = None
    max_drop: float | None = None
    min_agreement: float | None = None
    keep_failed: bool = False
    time_limit_s: float = TIME_LIMIT_S
