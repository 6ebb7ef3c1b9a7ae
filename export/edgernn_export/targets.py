"""Targets: which artifacts there are, and which of them an export makes."""

from collections.abc import Sequence
from dataclasses import dataclass

from edgernn.errors import ExportError


@dataclass(frozen=True)
class Target:
    """One kind of artifact.

    Attributes:
        format: tflite or onnx; also its suffix.
        quantization: float32 or int8.
        layout: unrolled, or operator where the format has one of its own for the cell.
    """

    format: str
    quantization: str
    layout: str

    def file_name(self, name: str) -> str:
        """What the artifact of a model is called."""
        return f"{name}-{self.quantization}.{self.format}"


TARGETS = (
    Target("tflite", "float32", "unrolled"),
    Target("tflite", "int8", "unrolled"),
    Target("onnx", "float32", "operator"),
)
FORMATS = tuple(dict.fromkeys(target.format for target in TARGETS))
QUANTIZATIONS = tuple(dict.fromkeys(target.quantization for target in TARGETS))


def select_targets(formats: Sequence[str] = (), quantizations: Sequence[str] = ()) -> list[Target]:
    """The targets of these formats and quantizations; an empty choice means every one.

    Raises:
        ExportError: there is none for a format or a quantization that was asked for.
    """
    chosen = [
        target
        for target in TARGETS
        if target.format in (formats or FORMATS) and target.quantization in (quantizations or QUANTIZATIONS)
    ]
    for asked, key in ((formats, "format"), (quantizations, "quantization")):
        for value in asked:
            if not any(getattr(target, key) == value for target in chosen):
                there = ", ".join(f"{target.format} {target.quantization}" for target in TARGETS)
                raise ExportError(f"nothing to export for {key} {value!r}; there are {there}")
    return chosen
