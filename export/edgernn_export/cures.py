"""Cures: what to do about an artifact that fails its proof, the cheapest change first."""

from typing import TYPE_CHECKING

from edgernn.data.datasets import MAX_CALIBRATION_SAMPLES
from edgernn_export.formats import FORMATS, format_of
from edgernn_export.formats.base import Target
from edgernn_export.proof import BrokenLimit
from edgernn_export.rules import MIN_REFINE_SAMPLES

if TYPE_CHECKING:
    from edgernn_export.source import Source

# From the coarsest number format to the finest.
_FINER = ("int8", "int16x8", "dynamic", "float16", "float32")


def describe_failure(broken: BrokenLimit, source: "Source", target: Target) -> str:
    """Describe a failed proof: the figure and its limit, the cheapest cure, and the options that change the limit.

    Args:
        broken: the limit that is exceeded.
        source: of the export.
        target: the artifact that failed.
    """
    limit = f"{broken.option} sets this limit" if broken.option else "this limit has no option"
    parts = (broken.reason, _cheapest_cure(source, target), f"{limit}, --keep-failed writes the file anyway")
    return "; ".join(part for part in parts if part)


def _cheapest_cure(source: "Source", target: Target) -> str:
    """Name the cheapest change that makes an artifact more exact; empty if there is none."""
    kind, samples = format_of(target), len(source.samples.x_calibration)
    refinable = kind.is_refined(target)
    if refinable and not source.refines and samples >= MIN_REFINE_SAMPLES:
        return "leave out --no-refine" if source.settings.refine is False else "tune the weights with --refine"
    used = kind.is_calibrated(target) or refinable
    if used and samples < MAX_CALIBRATION_SAMPLES:
        to_refine = f", {MIN_REFINE_SAMPLES} are enough to refine" if samples < MIN_REFINE_SAMPLES else ""
        return f"give more calibration samples: {samples:,} given{to_refine}"
    made = {each.quantization for each in (*FORMATS[target.format].defaults, *FORMATS[target.format].others)}
    finer = [name for name in _FINER[_FINER.index(target.quantization) + 1 :] if name in made]
    return f"choose a finer format with --quantize {finer[0]}" if finer else ""
