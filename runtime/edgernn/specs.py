"""Inputs and outputs of a model, as its card describes them; this module needs no NumPy.

A card can describe up to 16 of each. This version exports and runs models with one of each.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import fields as fields_of
from functools import cached_property, partial
from typing import Any

from edgernn.json_values import (
    as_flag,
    as_list,
    as_mapping,
    as_number,
    as_optional,
    as_text,
    as_whole,
    read_field,
    shorten,
)
from edgernn.labels import find_fault
from edgernn.tasks import BINARY, Task

# Names in the files that edgernn exports.
INPUT, OUTPUT = "input", "output"
MAX_PORTS = 16  # inputs, and outputs, of a card
MAX_VALUES = 1 << 24  # in one input or output

PIXEL = "pixel / 255"
CLIPPED_PIXEL = "pixel, at most 1"
UNSCALED = "number from 0 to 255"
# Meanings whose values are small, so that unscaled pixels are recognized by their size.
SCALED = frozenset((PIXEL, CLIPPED_PIXEL))

Range = tuple[float, float]
# Magnitude of a number in a card, a third of the largest float32; infinity and NaN are refused.
_MAX_NUMBER = 1e38
# Limit of inputs as a multiple of the integers' limits. The sum of squares detects a single larger value among a
# million. QUANTIZE kernels compute in 32 bits, which int16 values overflow at 65,536 times their limits.
_CUT_OFF = 64.0
_MAX_AXES = 3
_DTYPES = ("float32", "int8")
# Usual values of fields, by the card's lists: such a field is omitted from the JSON, because every byte of a card takes
# memory of a device.
USUAL: Mapping[str, Mapping[str, Any]] = {
    "inputs": {"name": INPUT, "dtype": "float32", "meaning": "", "limits": None, "inverted": False},
    "outputs": {"name": OUTPUT, "dtype": "float32", "labels": [], "logits": False, "limits": None},
}


@dataclass(frozen=True)
class InputSpec:
    """An input of a model, and the values that it accepts.

    Attributes:
        name: its name in the file.
        shape: shape of one sample without the batch, (steps, features).
        dtype: number type in the file, float32 or int8.
        meaning: what a value is, for instance "pixel / 255"; empty if it is not known. One of `edgernn.inputs.PIXELS`
            also says how uint8 inputs are scaled.
        range: the lowest and the highest value of the calibration set.
        limits: the lowest and the highest value that the file's integers can represent; other values are clipped. None
            if inputs are not rounded to integers of a fixed scale.
        inverted: True if the training images have dark ink on light ground.
    """

    name: str = INPUT
    shape: tuple[int, ...] = ()
    dtype: str = "float32"
    meaning: str = ""
    range: Range = (-math.inf, math.inf)
    limits: Range | None = None
    inverted: bool = False

    @cached_property
    def usual_square(self) -> float:
        """Mean square of values above which `edgernn.inputs` checks them one by one."""
        if self.meaning in SCALED:
            return max(map(abs, self.plausible)) ** 2
        return _MAX_NUMBER if self.limits is None else self.largest**2

    @property
    def plausible(self) -> Range:
        """The range, wider by its width on both sides: noise exceeds it a little, unscaled pixels by far."""
        low, high = self.range
        return low - (high - low), high + (high - low)

    @property
    def largest(self) -> float:
        """Magnitude that values are clipped to: far beyond `limits`, far below the overflow of kernels."""
        return math.inf if self.limits is None else _CUT_OFF * max(map(abs, self.limits))


@dataclass(frozen=True)
class OutputSpec:
    """An output of a model, and what its answers stand for.

    Attributes:
        name: its name in the file.
        shape: shape of one answer without the batch, (outputs,) or (steps, outputs).
        task: the kind of the answers; in JSON the fields `task` with the kind, and `logits`.
        labels: the names of the classes (no before yes for a binary task) or of the outputs; empty if not known.
        dtype: number type in the file, float32 or int8.
        limits: the lowest and the highest answer that the file's integers can represent. None if answers are not
            computed in integers, and for probabilities, which are always within the limits.
    """

    name: str
    shape: tuple[int, ...]
    task: Task
    labels: tuple[str, ...] = ()
    dtype: str = "float32"
    limits: Range | None = None


def is_state(name: str) -> bool:
    """Return True if an input of a file with this name is a state, not an input of the model."""
    return name.startswith("state_") and name.removeprefix("state_").isdecimal()


def explain_count(inputs: int, outputs: int) -> str:
    """Explain why a file with these numbers of inputs and outputs, beside the states, is refused; empty if it is not.

    Cards and backends allow several; `Model` and the commands do not.
    """
    if (inputs, outputs) == (1, 1):
        return ""
    return (
        f"found inputs: {inputs}, outputs: {outputs}, beside the states; this version of edgernn runs models with one "
        "input and one output"
    )


def spec_to_json(spec: InputSpec | OutputSpec) -> dict[str, Any]:
    """Return a spec's fields as a JSON object, all of them."""
    values = {field.name: getattr(spec, field.name) for field in fields_of(spec)}
    fields = {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
    if isinstance(spec, OutputSpec):
        fields |= {"task": spec.task.kind, "logits": spec.task.logits}
    return fields


def shorten_spec(fields: Mapping[str, Any], usual: Mapping[str, Any]) -> dict[str, Any]:
    """Return a spec's JSON fields without those that have their usual values, see `USUAL`."""
    return {name: value for name, value in fields.items() if name not in usual or value != usual[name]}


def read_inputs(value: Any) -> tuple[InputSpec, ...]:
    """Read the inputs of a card's JSON.

    Raises:
        ValueError: a value is missing or wrong.
    """
    return tuple(
        InputSpec(
            name=read_field(fields, "name", as_text),
            shape=read_field(fields, "shape", _shape),
            dtype=read_field(fields, "dtype", _dtype),
            meaning=read_field(fields, "meaning", as_text),
            range=read_field(fields, "range", read_range),
            limits=read_field(fields, "limits", partial(as_optional, reader=read_range)),
            inverted=read_field(fields, "inverted", as_flag),
        )
        for fields in _ports(value, USUAL["inputs"])
    )


def read_outputs(value: Any) -> tuple[OutputSpec, ...]:
    """Read the outputs of a card's JSON.

    Raises:
        ValueError: a value is missing or wrong.
    """
    return tuple(_output(fields) for fields in _ports(value, USUAL["outputs"]))


def read_range(value: Any) -> Range:
    """Read a list of the lowest and the highest value."""
    ends = [as_number(end, -_MAX_NUMBER, _MAX_NUMBER) for end in as_list(value)]
    if len(ends) != 2 or ends[0] > ends[1]:
        raise ValueError(f"range {shorten(value)}, expected the lowest and the highest value")
    return ends[0], ends[1]


def _ports(value: Any, usual: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Return the fields of each input or output, complete with those that were omitted."""
    ports = [{**usual, **as_mapping(port)} for port in as_list(value)]
    if not 1 <= len(ports) <= MAX_PORTS:
        raise ValueError(f"found {len(ports)}, expected 1 to {MAX_PORTS}")
    names = [read_field(port, "name", as_text) for port in ports]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ValueError(f"found the name {shorten(twice)} twice, expected different ones")
    return ports


def _output(fields: Mapping[str, Any]) -> OutputSpec:
    logits = read_field(fields, "logits", as_flag)
    spec = OutputSpec(
        name=read_field(fields, "name", as_text),
        shape=read_field(fields, "shape", _shape),
        task=read_field(fields, "task", lambda kind: Task(as_text(kind), logits)),
        labels=read_field(fields, "labels", _labels),
        dtype=read_field(fields, "dtype", _dtype),
        limits=read_field(fields, "limits", partial(as_optional, reader=read_range)),
    )
    binary = spec.task.kind == BINARY
    if binary and spec.shape[-1] != 1:
        raise ValueError(f"{BINARY} with answers of shape {spec.shape}, expected one output")
    names = 2 if binary else spec.shape[-1]
    if len(spec.labels) not in (0, names):
        raise ValueError(f"{len(spec.labels)} labels, expected {names} or none")
    return spec


def _shape(value: Any) -> tuple[int, ...]:
    shape = tuple(as_whole(size, 1) for size in as_list(value))
    if not 1 <= len(shape) <= _MAX_AXES or math.prod(shape) > MAX_VALUES:
        raise ValueError(f"shape {shorten(value)}, expected 1 to {_MAX_AXES} sizes and at most {MAX_VALUES:,} values")
    return shape


def _dtype(value: Any) -> str:
    if value not in _DTYPES:
        raise ValueError(f"found {shorten(value)}, expected {' or '.join(_DTYPES)}")
    return str(value)


def _labels(value: Any) -> tuple[str, ...]:
    labels = tuple(as_text(label) for label in as_list(value))
    if fault := find_fault(labels):
        raise ValueError(fault)
    return labels
