"""Inputs and outputs of a model, as its card describes them; this module needs no NumPy.

A card can describe up to 16 of each. This version exports and runs models with one of each.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields as fields_of
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

from edgernn.json_values import (
    as_each,
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
from edgernn.records import record
from edgernn.sample_shape import SampleShape
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
# Meanings of values that `FeatureScale` scales.
STANDARDIZED = "standardized: (x - mean) / std"
MIN_MAX = "min-max: (x - min) / (max - min)"

Range = tuple[float, float]
# Magnitude of a number in a card, a third of the largest float32; infinity and NaN are refused.
MAX_NUMBER = 1e38
# Limit of inputs as a multiple of the integers' limits. The sum of squares detects a single larger value among a
# million. QUANTIZE kernels compute in 32 bits, which int16 values overflow at 65,536 times their limits.
_CUT_OFF = 64.0
_MAX_AXES = 3
# Smallest factor of a scale: far from the denormal numbers of float32, which some devices treat as 0.
MIN_FACTOR = 1e-30
# Features with a scale, a range or a name each in a card, which has at most 64 KiB.
MAX_DESCRIBED_FEATURES = 512
_DTYPES = ("float32", "int8")
# Usual values of fields, by the card's lists: such a field is omitted from the JSON, because every byte of a card takes
# memory of a device.
USUAL: Mapping[str, Mapping[str, Any]] = {
    "inputs": {
        "name": INPUT,
        "dtype": "float32",
        "meaning": "",
        "limits": None,
        "inverted": False,
        "offset": [],
        "factor": [],
        "ranges": [],
        "features": [],
        "layers": [],
        "own_shape": [],
        "mask_value": None,
    },
    "outputs": {"name": OUTPUT, "dtype": "float32", "labels": [], "logits": False, "limits": None},
}


@record(frozen=True)
class FeatureScale:
    """Scale between the numbers that a user passes and those that a file takes: (number - offset) * factor.

    Both are computed and rounded in float32, first the difference, then the product, so that every implementation
    gets the same bits.

    Attributes:
        offset, factor: one number for each feature, or one for all; factors are positive.
        meaning: what a scaled value is, `STANDARDIZED` or `MIN_MAX`.
    """

    offset: tuple[float, ...]
    factor: tuple[float, ...]
    meaning: str


@record(frozen=True)
class InputSpec:
    """An input of a model, and the values that it accepts.

    With a scale, a user passes raw numbers, in the units of `ranges`; the file takes (number - offset) * factor, see
    `FeatureScale`. `meaning`, `range`, `limits` and golden samples are of the values that the file takes.

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
        offset, factor: of the scale, one number for each feature or one for all; empty without a scale.
        ranges: the lowest and the highest raw number of the calibration set, for each feature or once for all; empty
            if not known.
        features: the names of the features; empty if not known.
        layers: the layers in front of the model that scale its inputs, "Normalization" or "Rescaling"; they are part of
            the file.
        own_shape: shape of one sample as the Keras model takes it, such as (28, 28, 1) for rows of 28 features; empty
            if that is `shape`.
        mask_value: the number that fills the rows which the model masks, as the file takes it; None if it masks none.
            Shorter sequences are padded with such rows.
    """

    name: str = INPUT
    shape: tuple[int, ...] = ()
    dtype: str = "float32"
    meaning: str = ""
    range: Range = (-math.inf, math.inf)
    limits: Range | None = None
    inverted: bool = False
    offset: tuple[float, ...] = ()
    factor: tuple[float, ...] = ()
    ranges: tuple[Range, ...] = ()
    features: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()
    own_shape: tuple[int, ...] = ()
    mask_value: float | None = None

    @cached_property
    def sample_shape(self) -> SampleShape:
        """Both forms of a sample's shape."""
        return SampleShape(self.shape, self.own_shape)

    @cached_property
    def usual_square(self) -> float:
        """Mean square of values above which `edgernn.inputs` checks them one by one."""
        if self.meaning in SCALED:
            return max(map(abs, self.plausible)) ** 2
        return MAX_NUMBER if self.limits is None else self.largest**2

    @property
    def plausible(self) -> Range:
        """The range, wider by its width on both sides: noise exceeds it a little, unscaled pixels by far."""
        return widened(self.range)

    @property
    def raw_ranges(self) -> tuple[Range, ...]:
        """The lowest and the highest raw number of the calibration set, for each feature or once for all."""
        if self.ranges or not self.factor:
            return self.ranges or (self.range,)
        low, high = self.range
        scale = zip(self.offset, self.factor, strict=True)
        return tuple((low / factor + offset, high / factor + offset) for offset, factor in scale)

    @property
    def without_scale(self) -> "InputSpec":
        """The same input for values as the file takes them, such as golden samples."""
        return replace(self, offset=(), factor=(), ranges=())

    @property
    def largest(self) -> float:
        """Magnitude that values are clipped to: far beyond `limits`, far below the overflow of kernels."""
        return math.inf if self.limits is None else _CUT_OFF * max(map(abs, self.limits))


@record(frozen=True)
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


def widened(span: Range) -> Range:
    """Return a range that is wider by its width on both sides: measured values exceed the calibrated range a little."""
    low, high = span
    return low - (high - low), high + (high - low)


def is_state(name: str) -> bool:
    """Return True if an input of a file with this name is a state, not an input of the model."""
    return name.startswith("state_") and name.removeprefix("state_").isdecimal()


def order_states(names: Iterable[str]) -> list[str]:
    """Return those of the names that are states, in the order of their numbers."""
    return sorted(filter(is_state, names), key=lambda name: int(name.removeprefix("state_")))


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
    fields = {name: _as_lists(value) for name, value in values.items()}
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
    return tuple(_input(fields) for fields in _ports(value, USUAL["inputs"]))


def read_outputs(value: Any) -> tuple[OutputSpec, ...]:
    """Read the outputs of a card's JSON.

    Raises:
        ValueError: a value is missing or wrong.
    """
    return tuple(_output(fields) for fields in _ports(value, USUAL["outputs"]))


def read_range(value: Any) -> Range:
    """Read a list of the lowest and the highest value."""
    ends = as_each(partial(_bounded, lowest=-MAX_NUMBER), value)
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


def _input(fields: Mapping[str, Any]) -> InputSpec:
    spec = InputSpec(
        name=read_field(fields, "name", as_text),
        shape=read_field(fields, "shape", _shape),
        dtype=read_field(fields, "dtype", _dtype),
        meaning=read_field(fields, "meaning", as_text),
        range=read_field(fields, "range", read_range),
        limits=read_field(fields, "limits", partial(as_optional, reader=read_range)),
        inverted=read_field(fields, "inverted", as_flag),
        offset=read_field(fields, "offset", partial(as_each, partial(_bounded, lowest=-MAX_NUMBER))),
        factor=read_field(fields, "factor", partial(as_each, partial(_bounded, lowest=MIN_FACTOR))),
        ranges=read_field(fields, "ranges", partial(as_each, read_range)),
        features=read_field(fields, "features", partial(_names, kind="feature")),
        layers=read_field(fields, "layers", partial(as_each, as_text)),
        own_shape=read_field(fields, "own_shape", partial(as_each, partial(as_whole, lowest=1))),
        mask_value=read_field(fields, "mask_value", partial(as_optional, reader=partial(_bounded, lowest=-MAX_NUMBER))),
    )
    count = spec.shape[-1]
    for name in ("offset", "factor", "ranges"):
        if (found := len(getattr(spec, name))) not in (0, 1, count):
            raise ValueError(
                f"{name}: {found} for {count} features, expected one for each feature, one for all or none"
            )
    if len(spec.offset) != len(spec.factor):
        raise ValueError(f"{len(spec.offset)} offsets and {len(spec.factor)} factors, expected as many of both")
    if spec.own_shape and (len(spec.shape) != 2 or math.prod(spec.own_shape) != math.prod(spec.shape)):
        raise ValueError(
            f"own_shape {list(spec.own_shape)} for shape {list(spec.shape)}, expected as many values in both"
        )
    if len(spec.features) not in (0, count):
        raise ValueError(f"{len(spec.features)} names for {count} features, expected {count} or none")
    return spec


def _output(fields: Mapping[str, Any]) -> OutputSpec:
    logits = read_field(fields, "logits", as_flag)
    spec = OutputSpec(
        name=read_field(fields, "name", as_text),
        shape=read_field(fields, "shape", _shape),
        task=read_field(fields, "task", lambda kind: Task(as_text(kind), logits)),
        labels=read_field(fields, "labels", partial(_names, kind="label")),
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


def _names(value: Any, kind: str) -> tuple[str, ...]:
    names = as_each(as_text, value)
    if fault := find_fault(names, kind):
        raise ValueError(fault)
    return names


def _bounded(value: Any, lowest: float) -> float:
    return as_number(value, lowest, MAX_NUMBER)


def _as_lists(value: Any) -> Any:
    return [_as_lists(each) for each in value] if isinstance(value, tuple) else value
