"""The card: the JSON inside an artifact that says what it is, and its one reader and sealer.

The card lies verbatim in every container (TFLite metadata, ONNX metadata_props, later a C string). It starts
with a magic that occurs exactly once in a file, so it is found without knowing the container. It ends with
the SHA-256 of the whole file, taken while that field's own digits are zeros.
"""

import hashlib
import json
import math
import re
import reprlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from dataclasses import fields as fields_of
from functools import partial
from typing import Any, TypeVar

from edgernn.errors import ArtifactError, find_unusable
from edgernn.files import to_json
from edgernn.labels import find_fault
from edgernn.tasks import BINARY, Task

T = TypeVar("T")

FORMAT = 1
NAME = "edgernn.card"  # the key under which containers hold the card
MAX_BYTES = 64 << 10

# Limits of what a card may say. A digest keeps damage out; these keep out what somebody forged, or wrote with a bug,
# before it costs memory or makes a promise that promises nothing.
MAX_VALUES = 1 << 24  # in all golden inputs together, and in one answer
MAX_TOLERANCE = 0.1  # the widest that an exporter gives
MAX_RANGES = 32
SEED_DIGITS = 2
_MAX_SAMPLES = 64
_MAX_TEXT = 2_000
_MAX_AXES = 3  # of an input, of an answer
_MAX_NESTING = 8  # of what is only reported
_MAX_WHOLE = 1 << 53  # which a float holds exactly
_MAX_NUMBER = 1e38  # which a float32 holds
_LIMITS = ("input_limits", "output_limits")
_STATE_KINDS = ("float32", "int8", "int16")

_MAGIC = b'{"edgernn_card":'
_NO_DIGEST = "0" * 64
_DIGEST = re.compile("[0-9a-f]{64}")
_SHORT_DIGEST = re.compile("[0-9a-f]{8}")
_BASE64 = re.compile("[A-Za-z0-9+/]+")


@dataclass(frozen=True)
class Golden:
    """Inputs made by `edgernn.golden`, and the answers the exporter got for them.

    Texts are numbers in the digits of base64, the highest first, so that they take few bytes.

    Attributes:
        seeds: of the inputs, two digits each.
        outputs: of each answer what `edgernn.golden.spread` keeps, `edgernn.golden.digits_of` digits each.
        between: the values of the lowest and of the highest output that can be written.
        tolerance: the largest difference that another machine may show, as `edgernn.metrics.largest_difference`.
        ranges: the lowest and the highest input of each block of neighbouring features, all blocks of one size; none
            where that is the `input_range` of all. Left out of the JSON when there are none.
        kernels: the backend that gave the digests, and the digest of its answers to a probe (`edgernn.kernels`).
        digests: of the answers, rounded finely, as `edgernn.golden.digest` gives them: the first of whole sequences,
            the last of streams. Both are left out of the JSON when there are none.
    """

    seeds: str
    outputs: str
    between: tuple[float, float]
    tolerance: float
    ranges: tuple[tuple[float, float], ...] = ()
    kernels: str = ""
    digests: tuple[str, ...] = ()

    @property
    def samples(self) -> int:
        """How many there are."""
        return len(self.seeds) // SEED_DIGITS


@dataclass(frozen=True)
class Card:
    """What an artifact says of itself.

    Attributes:
        edgernn: the version that exported it.
        name: the model's name.
        task: what its answers are; in JSON two fields, `task` with its kind and `logits`, left out if they are none.
        labels: the names of the classes, of yes and no behind no, or of the outputs; empty when nobody said them.
        input_shape: one sample without the batch, (steps, features).
        input_meaning: what an input value is, for instance "pixel / 255"; empty when it is not known. Of those in
            `edgernn.inputs.PIXELS` it also says how uint8 inputs are scaled.
        input_range: the lowest and the highest input of the calibration set.
        output_shape: one answer without the batch, (outputs,) or (steps, outputs).
        states: size and number type of each state that a stream keeps; empty for one that cannot stream.
        quantization: float32, float16, dynamic, int8 or int16x8.
        layout: unrolled, loop or fused for TFLite, operator for ONNX.
        io: the type that goes in and comes out.
        source_sha256: of the Keras file that it was exported from.
        parameters: how many weights and biases that model has.
        calibration: how the calibration samples were chosen and how many there were; empty without.
        measured: what the proof saw: samples, the measures of Keras and of the artifact, agreement, differences.
        golden: answers that are checked at every load; None only while the artifact is being made.
        inverted: whether the training images have dark ink on light ground; left out of the JSON when they do not,
            or when the inputs are no pixels.
        input_limits: lowest and highest input that the file's integers can hold; what lies beyond is cut off. Left out
            of the JSON where inputs are not rounded to integers of a fixed scale.
        output_limits: lowest and highest answer that the file's integers can hold. Left out of the JSON where answers
            are not computed in integers, and of probabilities, which have no other values.
        unknown: what a later version of edgernn has written into a card of this format; kept, and not used.
    """

    edgernn: str
    name: str
    task: Task
    labels: tuple[str, ...]
    input_shape: tuple[int, ...]
    input_meaning: str
    input_range: tuple[float, float]
    output_shape: tuple[int, ...]
    states: tuple[tuple[int, str], ...]
    quantization: str
    layout: str
    io: str
    source_sha256: str
    parameters: int
    calibration: Mapping[str, Any]
    measured: Mapping[str, Any]
    golden: Golden | None
    inverted: bool = False
    input_limits: tuple[float, float] | None = None
    output_limits: tuple[float, float] | None = None
    unknown: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The card's fields for programs."""
        fields = {**asdict(self), "task": self.task.kind, "logits": self.task.logits}
        return fields if self.unknown else {name: each for name, each in fields.items() if name != "unknown"}

    def encode(self) -> bytes:
        """The card as ASCII JSON, its digest still zeros: embed it, then `seal` the file."""
        fields = {"edgernn_card": FORMAT, **_shortened(self.as_json())}
        if not self.task.logits:
            del fields["logits"]
        if not self.inverted:
            del fields["inverted"]
        for name in _LIMITS:
            if fields[name] is None:
                del fields[name]
        fields |= fields.pop("unknown", {})
        if self.golden is not None:
            fields["golden"] = {name: value for name, value in fields["golden"].items() if value not in ("", [])}
        fields["sha256"] = _NO_DIGEST
        return to_json(fields, separators=(",", ":")).encode("ascii")


# The names of the fields that this version reads.
_KNOWN = {"edgernn_card", "logits", *(each.name for each in fields_of(Card) if each.name != "unknown")}


def has_card(data: bytes) -> bool:
    """Whether the file's content holds a card, good or bad."""
    return _MAGIC in data


def read_card(data: bytes) -> Card:
    """Read the card out of an artifact's content, and check the file's digest.

    Raises:
        ArtifactError: there is no card or more than one, it is damaged, of another format, or the
            digest is not that of the content.
    """
    fields, end = _find(data)
    if fields.get("edgernn_card") != FORMAT:
        raise ArtifactError(
            f"a card of format {_shown(fields.get('edgernn_card'))}; this edgernn reads format {FORMAT}: "
            "export the model again, or use the edgernn that wrote it"
        )
    digest = fields.pop("sha256", None)
    expected = _digest(data, end)
    if digest != expected:
        says = f"{digest[:12]}…" if isinstance(digest, str) and _DIGEST.fullmatch(digest) else _shown(digest)
        raise ArtifactError(
            f"damaged: SHA-256 {expected[:12]}… where the card says {says}; copy the file again or export it again"
        )
    return _decode(fields)


def seal(data: bytes) -> bytes:
    """Fill in the digest of a file whose card is still unsealed.

    Raises:
        ArtifactError: there is not exactly one card in it.
    """
    _, end = _find(data)
    digest = _digest(data, end).encode()
    start = _digest_start(end)
    return data[:start] + digest + data[start + len(digest) :]


def _shortened(value: Any) -> Any:
    """A JSON value with 0 in place of 0.0 and the like: every byte of a card lies on a device."""
    if isinstance(value, dict):
        return {name: _shortened(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_shortened(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _find(data: bytes) -> tuple[dict[str, Any], int]:
    """The card's fields and the offset behind its closing brace."""
    count = data.count(_MAGIC)
    if count != 1:
        raise ArtifactError(f"{count or 'no'} card{'s' if count > 1 else ''} in the file, expected one")
    start = data.index(_MAGIC)
    text = data[start : start + MAX_BYTES].decode("ascii", errors="replace")
    try:
        fields, length = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"the card is damaged: {error}") from error
    return fields, start + length


def _digest_start(end: int) -> int:
    # The digest is the card's last field: …"sha256":"<64 digits>"}
    return end - len('"}') - len(_NO_DIGEST)


def _digest(data: bytes, end: int) -> str:
    start = _digest_start(end)
    if data[start - len('"sha256":"') : start] != b'"sha256":"':
        raise ArtifactError("the card is damaged: it does not end with its digest")
    view = memoryview(data)
    sha = hashlib.sha256(view[:start])
    sha.update(_NO_DIGEST.encode())
    sha.update(view[start + len(_NO_DIGEST) :])
    return sha.hexdigest()


def _decode(fields: Mapping[str, Any]) -> Card:
    """The digest is right, so the fields are what the exporter wrote; anything else is a forged card."""

    def read(name: str, reader: Callable[[Any], T]) -> T:
        if name not in fields:
            raise ArtifactError(f"the card is damaged: it has no {name!r}")
        try:
            return reader(fields[name])
        except ValueError as error:
            raise ArtifactError(f"the card is damaged: {name}: {error}") from error

    logits, inverted = (name in fields and read(name, _flag) for name in ("logits", "inverted"))
    card = Card(
        edgernn=read("edgernn", _text),
        name=read("name", _text),
        task=read("task", lambda kind: Task(_text(kind), logits)),
        labels=read("labels", _labels),
        input_shape=read("input_shape", _shape),
        input_meaning=read("input_meaning", _text),
        input_range=read("input_range", _range),
        output_shape=read("output_shape", _shape),
        states=read("states", lambda states: tuple(_state(state) for state in _list(states))),
        quantization=read("quantization", _text),
        layout=read("layout", _text),
        io=read("io", _text),
        source_sha256=read("source_sha256", _text),
        parameters=read("parameters", partial(_whole, lowest=0)),
        calibration=read("calibration", lambda value: _reported(_dict(value))),
        measured=read("measured", lambda value: _reported(_dict(value))),
        golden=read("golden", lambda golden: None if golden is None else _golden(golden)),
        inverted=inverted,
        **{name: read(name, _range) for name in _LIMITS if name in fields},
        unknown={name: read(name, partial(_named, name)) for name in fields if name not in _KNOWN},
    )
    _check_sizes(card)
    return card


def _check_sizes(card: Card) -> None:
    names = 2 if card.task.kind == BINARY else card.output_shape[-1]
    if len(card.labels) not in (0, names):
        raise ArtifactError(f"the card is damaged: {len(card.labels)} labels, expected {names} or none")
    samples = card.golden.samples if card.golden else 0
    if samples * math.prod(card.input_shape) > MAX_VALUES:
        raise ArtifactError(f"{samples} golden samples of shape {card.input_shape}, more than {MAX_VALUES:,} values")


def _golden(value: Any) -> Golden:
    fields = _dict(value)
    if missing := {"seeds", "outputs", "between", "tolerance"} - fields.keys():
        raise ValueError(f"no {', '.join(sorted(missing))}; export the model again")
    golden = Golden(
        seeds=_base64(fields["seeds"]),
        outputs=_base64(fields["outputs"]),
        between=_range(fields["between"]),
        tolerance=_above_zero(fields["tolerance"], MAX_TOLERANCE),
        ranges=tuple(_range(each) for each in _list(fields.get("ranges", []))),
        kernels=_text(fields.get("kernels", "")),
        digests=_digests(fields.get("digests", [])),
    )
    if len(golden.seeds) % SEED_DIGITS or not 1 <= golden.samples <= _MAX_SAMPLES:
        raise ValueError(
            f"seeds of {len(golden.seeds)} digits, expected {SEED_DIGITS} for each of 1 to {_MAX_SAMPLES} samples"
        )
    if len(golden.outputs) % golden.samples:
        raise ValueError(f"outputs of {len(golden.outputs)} digits, expected a multiple of {golden.samples} samples")
    if len(golden.ranges) > MAX_RANGES:
        raise ValueError(f"{len(golden.ranges)} ranges, expected at most {MAX_RANGES}")
    return golden


def _base64(value: Any) -> str:
    if not isinstance(value, str) or len(value) > _MAX_TEXT or not _BASE64.fullmatch(value):
        raise ValueError(f"{_shown(value)}, expected digits of base64")
    return value


def _digests(value: Any) -> tuple[str, ...]:
    digests = tuple(_text(each) for each in _list(value))
    if len(digests) > 2 or not all(_SHORT_DIGEST.fullmatch(each) for each in digests):
        raise ValueError(f"digests {_shown(value)}, expected at most 2 of 8 hexadecimal digits")
    return digests


def _shape(value: Any) -> tuple[int, ...]:
    shape = tuple(_whole(size, 1) for size in _list(value))
    if not 1 <= len(shape) <= _MAX_AXES or math.prod(shape) > MAX_VALUES:
        raise ValueError(f"shape {_shown(value)}, expected 1 to {_MAX_AXES} sizes and at most {MAX_VALUES:,} values")
    return shape


def _range(value: Any) -> tuple[float, float]:
    ends = [_number(end, -_MAX_NUMBER, _MAX_NUMBER) for end in _list(value)]
    if len(ends) != 2 or ends[0] > ends[1]:
        raise ValueError(f"range {_shown(value)}, expected the lowest and the highest input")
    return ends[0], ends[1]


def _state(value: Any) -> tuple[int, str]:
    state = _list(value)
    if len(state) != 2 or state[1] not in _STATE_KINDS:
        raise ValueError(f"state {_shown(value)}, expected its size and {', '.join(_STATE_KINDS)}")
    return _whole(state[0], 1), state[1]


def _labels(value: Any) -> tuple[str, ...]:
    labels = tuple(_text(label) for label in _list(value))
    if fault := find_fault(labels):
        raise ValueError(fault)
    return labels


def _reported(value: Any, depth: int = _MAX_NESTING) -> Any:
    """A value that is only shown to people and programs: any JSON, of bounded depth; None for NaN and infinity."""
    if isinstance(value, dict | list):
        if not depth:
            raise ValueError(f"nested more than {_MAX_NESTING} deep")
        if isinstance(value, list):
            return [_reported(each, depth - 1) for each in value]
        return {_text(name): _reported(each, depth - 1) for name, each in value.items()}
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, bool | None) else _whole(value, -_MAX_WHOLE)


def _named(name: str, value: Any) -> Any:
    return _reported({name: value})[name]


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > _MAX_TEXT or find_unusable(value):
        raise ValueError(f"{_shown(value)}, expected a text without control characters")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{_shown(value)}, expected true or false")  # noqa: TRY004 - all that a card may have wrong
    return value


def _whole(value: Any, lowest: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not lowest <= value <= _MAX_WHOLE:
        raise ValueError(f"{_shown(value)}, expected a whole number from {lowest}")
    return value


def _number(value: Any, lowest: float, highest: float) -> float:
    # Compared before it is converted: a whole number may be too large for a float. A NaN is in no range.
    if not isinstance(value, int | float) or isinstance(value, bool) or not lowest <= value <= highest:
        raise ValueError(f"{_shown(value)}, expected a number from {lowest:g} to {highest:g}")
    return float(value)


def _above_zero(value: Any, highest: float) -> float:
    number = _number(value, 0, highest)
    if not number:
        raise ValueError("0, expected a number above it")
    return number


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"{_shown(value)}, expected a list")  # noqa: TRY004
    return value


def _dict(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{_shown(value)}, expected names with values")  # noqa: TRY004
    return value


def _shown(value: Any) -> str:
    """A value of any size in a few characters, with nothing that acts on a terminal."""
    return reprlib.repr(value)
