"""Settings: what a user chose for an export."""

from dataclasses import dataclass

# Processor time for one artifact. One takes seconds; the first one also loads TensorFlow, and the first one with int8
# weights refines them.
TIME_LIMIT_S = 600.0


@dataclass(frozen=True)
class Settings:
    """What a user chose for an export.

    Attributes:
        steps: for a model that takes any number of them; None for one that says it.
        refine: whether int8 weights are tuned; None: if it takes under 30 s.
        max_drop: points of accuracy, F1 or R² an artifact may lose; None: the quantization's own bar.
        min_agreement: with Keras, a share of decisions or R²; None: the quantization's own bar.
        keep_failed: whether an artifact that fails its bar is written all the same.
        time_limit_s: seconds of processor time for one artifact; on the clock ten times as long.
    """

    steps: int | None = None
    refine: bool | None = None
    max_drop: float | None = None
    min_agreement: float | None = None
    keep_failed: bool = False
    time_limit_s: float = TIME_LIMIT_S
