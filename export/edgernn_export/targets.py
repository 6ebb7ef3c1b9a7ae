"""Targets: the kinds of artifacts, and the selection for an export."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from edgernn.errors import SettingError


@dataclass(frozen=True)
class Target:
    """One kind of artifact.

    Attributes:
        format: tflite or onnx; also the file's suffix.
        quantization: float32, float16, dynamic, int8 or int16x8.
        layout: unrolled, loop or fused; operator if the format has an operator for the cell.
        io: type of inputs and outputs: float32, or int8 with quantization int8.
        static: whether an .onnx file has fixed dimensions, a batch of one and no states; False for .tflite files.
    """

    format: str
    quantization: str
    layout: str
    io: str = "float32"
    static: bool = False

    def __str__(self) -> str:
        parts = [self.format, self.quantization, self.layout]
        parts += ["int8 I/O"] * (self.io == "int8") + ["static"] * self.static
        return " ".join(parts)

    @property
    def wants_refined(self) -> bool:
        """True if its weights are rounded as `refine` rounds them, with one scale a channel.

        The fused operator has one scale a tensor: refined weights would be rounded once more, which costs 0.2 points
        of agreement.
        """
        return self.quantization in ("dynamic", "int8", "int16x8") and self.layout != "fused"

    @property
    def needs_calibration(self) -> bool:
        """True if activation ranges must be measured for it."""
        return self.quantization in ("int8", "int16x8") and self.format == "tflite"

    def file_name(self, name: str) -> str:
        """Return the file name of a model's artifact."""
        parts = [name, self.quantization]
        if self.layout not in ("unrolled", "operator"):
            parts.append(self.layout)
        if self.io == "int8":
            parts.append("io8")
        if self.static:
            parts.append("static")
        return f"{'-'.join(parts)}.{self.format}"


# All targets; those that an export makes by default come first.
DEFAULT_TARGETS = (
    Target("tflite", "float32", "unrolled"),
    Target("tflite", "float16", "unrolled"),
    Target("tflite", "dynamic", "unrolled"),
    Target("tflite", "int8", "unrolled"),
    Target("tflite", "int16x8", "unrolled"),
    Target("tflite", "int8", "loop"),
    Target("tflite", "dynamic", "fused"),
    Target("onnx", "float32", "operator"),
    Target("onnx", "int8", "operator"),
)
TARGETS = (
    *DEFAULT_TARGETS,
    Target("tflite", "float32", "loop"),
    Target("tflite", "dynamic", "loop"),
    Target("tflite", "float32", "fused"),
)
FORMATS = tuple(dict.fromkeys(target.format for target in TARGETS))
QUANTIZATIONS = tuple(dict.fromkeys(target.quantization for target in TARGETS))
LAYOUTS = ("unrolled", "loop", "fused")
IO_TYPES = ("float32", "int8")


def select_targets(
    formats: Sequence[str] = (),
    quantizations: Sequence[str] = (),
    layouts: Sequence[str] = (),
    io_type: str = "float32",
    static: bool = False,
) -> list[Target]:
    """Select the targets of these formats, quantizations and layouts; an empty choice means all of them.

    Without any choice these are the default targets; with `io_type` int8 or `static`, all targets that can have it.

    Raises:
        SettingError: a choice matches no target.
    """
    if static:
        if io_type != "float32":
            raise SettingError("--static makes .onnx files, whose inputs and outputs are float32; leave out --io int8")
        known = tuple(replace(target, static=True) for target in TARGETS if target.format == "onnx")
    elif io_type == "int8":
        known = tuple(
            replace(target, io=io_type)
            for target in TARGETS
            if target.format == "tflite" and target.quantization == "int8"
        )
    else:
        known = TARGETS if formats or quantizations or layouts else DEFAULT_TARGETS
    chosen = [
        target
        for target in known
        if target.format in (formats or FORMATS)
        and target.quantization in (quantizations or QUANTIZATIONS)
        and (not layouts or target.layout in layouts)
    ]
    for asked, attribute in ((formats, "format"), (quantizations, "quantization"), (layouts, "layout")):
        for value in asked:
            if not any(getattr(target, attribute) == value for target in chosen):
                possible = ", ".join(str(target) for target in known)
                raise SettingError(
                    f"nothing to export for {attribute} {value!r} with the other options; possible: {possible}"
                )
    return chosen
