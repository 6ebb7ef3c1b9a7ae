"""The ONNX format: ONNX's own recurrent operators, with float32 or int8 weights."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from edgernn_export.formats.base import FLOAT32_TOLERANCE, Finished, Format, Target
from edgernn_export.proof import Tolerance

if TYPE_CHECKING:
    from edgernn_export.source import Source


class OnnxFormat(Format):
    """Files for ONNX Runtime and other programs that read ONNX."""

    name = "onnx"
    suffix = ".onnx"
    backend = "onnxruntime"
    defaults = (Target("onnx", "float32", "operator"), Target("onnx", "int8", "operator"))
    tolerances: ClassVar[Mapping[str, Tolerance]] = {
        "float32": FLOAT32_TOLERANCE,
        # Loading multiplies the int8 weights out; all arithmetic is float32.
        "int8": replace(FLOAT32_TOLERANCE, difference=1.0, agreement=0.985, drop=0.7),
    }

    def convert(self, source: "Source", target: Target, stream: bool) -> Finished:
        """See `Format.convert`."""
        from edgernn_export.formats.onnx import convert
        from edgernn_export.formats.onnx.int8_weights import quantize_weights

        refined = source.refines and self.is_refined(target)
        data = source.shared(
            ("onnx", refined, stream, target.static),
            lambda: convert.convert(source.load(refined), stream, static=target.static),
        )
        return Finished(partial(convert.embed_card, quantize_weights(data) if target.quantization == "int8" else data))

    def variants(self, io_type: str, static: bool) -> tuple[Target, ...]:
        """See `Format.variants`; a file of fixed dimensions has float32 inputs and outputs."""
        if static and io_type == "float32":
            return tuple(replace(target, static=True) for target in self.defaults)
        return super().variants(io_type, static)

    def is_refined(self, target: Target) -> bool:
        """See `Format.is_refined`."""
        return target.quantization == "int8"
