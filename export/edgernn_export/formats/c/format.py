"""The C format: int8 and float32 source for microcontrollers, made from the program of a .tflite file."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from edgernn.errors import UnknownOperatorError, UnsupportedError
from edgernn_export.formats.base import FLOAT32_TOLERANCE, Finished, Format, Target
from edgernn_export.proof import Tolerance

if TYPE_CHECKING:
    from edgernn_export.source import Source

# The .tflite file of each quantization that the source is made from. Only its step is read, which is the same in both
# layouts; the loop layout takes less time to make for long sequences.
_PROGRAMS = {each: Target("tflite", each, "loop") for each in ("int8", "float32")}
# Maximum number of layers that a refusal names.
_MAX_NAMED = 3


class CFormat(Format):
    """C99 source files, a header and a test for each, for a microcontroller's own compiler."""

    name = "c"
    suffix = ".c"
    backend = "litert"
    defaults = ()
    others = tuple(Target("c", each, "step") for each in _PROGRAMS)
    companion_names = ("{}.h", "{}_test.c")
    tolerances: ClassVar[Mapping[str, Tolerance]] = {
        "float32": FLOAT32_TOLERANCE,
        "int8": Tolerance(
            difference=1.0, agreement=0.985, drop=0.7, golden=0.1, stream_difference=0.0, stream_agreement=1.0
        ),
    }

    def convert(self, source: "Source", target: Target, stream: bool) -> Finished:
        """See `Format.convert`."""
        from edgernn.program.reader import read_program
        from edgernn_export.formats.c.c_files import CFiles

        if not stream and source.is_recurrent:
            why = f": {source.no_stream}" if source.no_stream else ""
            raise UnsupportedError(
                f"C source answers row by row, which this model cannot{why}; --to tflite makes a file for tflite-micro"
            )
        origin = (
            _PROGRAMS[target.quantization]
            if source.is_recurrent
            else replace(target, format="tflite", layout="unrolled")
        )
        finished = _format_of(origin).convert(source, origin, stream)
        data = finished.embed_card(b"{}")
        try:
            files = CFiles(read_program(data), data, Path(self.file_name(target, source.original.name)).stem)
        except UnsupportedError as error:
            layers = find_origins(str(error), source.special_layers)
            more = f" and {len(layers) - _MAX_NAMED} more" if len(layers) > _MAX_NAMED else ""
            origin_of = f"; this may come from layer {', '.join(layers[:_MAX_NAMED])}{more}" if layers else ""
            float32_may_help = target.quantization == "int8" and not isinstance(error, UnknownOperatorError)
            way_out = "; try --quantize float32" if float32_may_help else ""
            raise UnsupportedError(f"C source does not support {error}{origin_of}{way_out}") from error
        return replace(
            finished,
            embed_card=files.embed_card,
            open=files.open,
            companions=files.companions,
            describe=files.describe,
        )

    def file_name(self, target: Target, name: str) -> str:
        """See `Format.file_name`; characters that an #include cannot contain are replaced."""
        return super().file_name(target, name).translate({ord('"'): "_", ord("\\"): "_"})

    def is_refined(self, target: Target) -> bool:
        """See `Format.is_refined`."""
        origin = _PROGRAMS[target.quantization]
        return _format_of(origin).is_refined(origin)

    def is_calibrated(self, target: Target) -> bool:
        """See `Format.is_calibrated`."""
        origin = _PROGRAMS[target.quantization]
        return _format_of(origin).is_calibrated(origin)


def find_origins(reason: str, layers: Sequence[str]) -> Sequence[str]:
    """Find the layers from which a refused operator may come: those that the reason names, otherwise all.

    Args:
        reason: why a program is refused, for instance "operator PRELU".
        layers: descriptions in the form of `Source.special_layers`, for instance "'p_re_lu' (PReLU)" or "'dense'
            (activation celu)".
    """
    words = {word.replace("_", "").lower() for word in re.findall(r"\w+", reason)}
    return [each for each in layers if re.findall(r"\w+", each)[-1].replace("_", "").lower() in words] or layers


def _format_of(target: Target) -> Format:
    from edgernn_export.formats import format_of  # late: the table needs this module

    return format_of(target)
