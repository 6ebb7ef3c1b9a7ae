"""Formats: the table of all formats, and what is selected from it.

Adding a format adds a folder, and its name to this table:

    base      what a format implements; `Target`, one kind of artifact
    tflite/   .tflite files: TensorFlow's converter, number formats, layouts, compact flatbuffers
    c/        C source for microcontrollers, from the program of a .tflite file
    onnx/     .onnx files: tf2onnx, ONNX's recurrent operators, int8 weights
"""

from typing import TYPE_CHECKING

from edgernn_export.formats.base import Format, Plan, Target
from edgernn_export.formats.c.format import CFormat
from edgernn_export.formats.onnx.format import OnnxFormat
from edgernn_export.formats.tflite.format import TfliteFormat
from edgernn_export.proof import Tolerance

if TYPE_CHECKING:
    from edgernn_export.source import Source

FORMATS: dict[str, Format] = {each.name: each for each in (TfliteFormat(), OnnxFormat(), CFormat())}


def format_of(target: Target) -> Format:
    """Return the format of a target."""
    return FORMATS[target.format]


def tolerance_of(target: Target) -> Tolerance:
    """Return the tolerance of a target."""
    return format_of(target).tolerances[target.quantization]


def plan_for(source: "Source") -> Plan:
    """Choose the targets of all formats that an export of a model makes without any choice."""
    plans = [each.plan(source) for each in FORMATS.values()]
    return Plan(
        tuple(target for plan in plans for target in plan.targets),
        tuple(target for plan in plans for target in plan.reserves),
        {target: reason for plan in plans for target, reason in plan.left_out.items()},
    )


def default_targets() -> tuple[Target, ...]:
    """Return the targets that an export chooses from without any choice of the user."""
    return tuple(target for each in FORMATS.values() for target in each.defaults)


def all_targets() -> tuple[Target, ...]:
    """Return all targets with float32 inputs and outputs; the default ones come first."""
    return (*default_targets(), *(target for each in FORMATS.values() for target in each.others))
