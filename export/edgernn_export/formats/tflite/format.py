"""The TFLite format: five number formats, unrolled, as a loop or with fused operators."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from edgernn.errors import UnsupportedError
from edgernn_export.formats.base import FLOAT32_TOLERANCE, Finished, Format, Plan, Target
from edgernn_export.proof import Tolerance

if TYPE_CHECKING:
    from edgernn_export.formats.tflite.convert import Converted
    from edgernn_export.formats.tflite.quantize import Quantized
    from edgernn_export.source import Source


class TfliteFormat(Format):
    """Files for LiteRT, tflite-runtime and tflite-micro."""

    name = "tflite"
    suffix = ".tflite"
    backend = "litert"
    defaults = (
        Target("tflite", "float32", "unrolled"),
        Target("tflite", "float16", "unrolled"),
        Target("tflite", "dynamic", "unrolled"),
        Target("tflite", "int8", "unrolled"),
        Target("tflite", "int16x8", "unrolled"),
        Target("tflite", "int8", "loop"),
        Target("tflite", "dynamic", "fused"),
    )
    others = (
        Target("tflite", "float32", "loop"),
        Target("tflite", "dynamic", "loop"),
        Target("tflite", "float32", "fused"),
    )
    # The narrowest tolerances; `Tolerance.for_model` widens them for a model that amplifies rounding.
    # float16: rounding the weights changes a probability by up to 1e-2; models with more fail, and the row shows it.
    # Integers: a step of the softmax's output is 1/256 in int8, and kernels of different backends differ by up to 3
    # steps inside; with 16 bits for an activation, no kernel of LiteRT, tflite-runtime or tflite-micro differed by more
    # than 0.004. dynamic: kernels round activations while they run, and a stream uses other kernels than a sequence, so
    # it may be rounded differently.
    tolerances: ClassVar[Mapping[str, Tolerance]] = {
        "float32": FLOAT32_TOLERANCE,
        "float16": Tolerance(
            difference=1e-2,
            agreement=0.99,
            drop=0.3,
            golden=1e-3,
            stream_difference=1e-5,
            stream_agreement=0.999,
            weight_coarseness=2**11,
        ),
        "dynamic": Tolerance(
            difference=1.0, agreement=0.985, drop=0.7, golden=0.1, stream_difference=1.0, stream_agreement=0.99
        ),
        "int8": Tolerance(
            difference=1.0, agreement=0.985, drop=0.7, golden=0.1, stream_difference=0.0, stream_agreement=1.0
        ),
        "int16x8": Tolerance(
            difference=1.0, agreement=0.985, drop=0.7, golden=9e-3, stream_difference=1.0, stream_agreement=0.99
        ),
    }

    def convert(self, source: "Source", target: Target, stream: bool) -> Finished:
        """See `Format.convert`."""
        from edgernn_export.formats.tflite import convert, limits

        if not source.is_recurrent and target.layout != _ONLY_LAYOUT:
            raise UnsupportedError(_NO_OTHER_LAYOUT)
        refined = source.refines and self.is_refined(target)
        quantized = source.shared(
            ("tflite", target.quantization, target.io, refined, stream),
            lambda: _quantize(source, target, refined, stream),
        )
        data = quantized.build(target.layout)
        found = limits.limits_of(data)
        return Finished(
            convert.card_embedder(data),
            input_limits=found.inputs,
            output_limits=found.outputs,
        )

    def variants(self, io_type: str, static: bool) -> tuple[Target, ...]:
        """See `Format.variants`; files of integers may also have integers as inputs and outputs."""
        if io_type == "int8" and not static:
            return tuple(replace(target, io="int8") for target in self.defaults if target.quantization == "int8")
        return super().variants(io_type, static)

    def is_refined(self, target: Target) -> bool:
        """See `Format.is_refined`.

        The fused operator has one scale per tensor: refined weights would be rounded once more, which costs 0.2 points
        of agreement.
        """
        return target.quantization in ("dynamic", "int8", "int16x8") and target.layout != "fused"

    def is_calibrated(self, target: Target) -> bool:
        """See `Format.is_calibrated`."""
        return target.quantization in ("int8", "int16x8")

    def plan(self, source: "Source") -> Plan:
        """See `Format.plan`; of unrolled and loop, one may be worse than the other in time and bytes."""
        from edgernn_export.formats.tflite.layouts import preferred_layout

        if not source.is_recurrent:
            others = [target for target in self.defaults if target.layout != _ONLY_LAYOUT]
            targets = tuple(target for target in self.defaults if target not in (*others, *_RESERVES))
            return Plan(targets, _RESERVES, dict.fromkeys(others, _NO_OTHER_LAYOUT))
        steps = source.input_shape[0]
        if preferred_layout(steps, source.cell_operators) == "unrolled":
            return Plan(tuple(target for target in self.defaults if target not in _RESERVES), _RESERVES)
        unrolled = [target for target in self.defaults if target.layout == "unrolled" and target not in _RESERVES]
        loops = tuple(replace(target, layout="loop") for target in unrolled)
        fused = tuple(target for target in self.defaults if target.layout == "fused")
        reason = f"{steps} steps one after the other are larger than a loop, and not faster"
        return Plan((*loops, *fused), _RESERVES, dict.fromkeys(unrolled, reason))


# Layouts arrange the time steps of recurrent layers. Files of a model without them have the plain names of this layout.
_ONLY_LAYOUT = "unrolled"
_NO_OTHER_LAYOUT = f"layouts are for recurrent layers, and the model has none; {_ONLY_LAYOUT} is its only layout"
# float16 takes the time of float32 and more bytes than int8, int16x8 takes many times the time of int8.
_RESERVES = (Target("tflite", "float16", "unrolled"), Target("tflite", "int16x8", "unrolled"))


def _quantize(source: "Source", target: Target, refined: bool, stream: bool) -> "Quantized":
    from edgernn_export.formats.tflite import convert
    from edgernn_export.formats.tflite.quantize import quantize

    converted: Converted = source.shared(
        ("tflite", refined, stream), lambda: convert.convert(source.load(refined), stream)
    )
    return quantize(converted, target.quantization, target.io, source.samples.x_calibration, source.calibration_answers)
