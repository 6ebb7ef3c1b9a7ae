"""The card: the JSON inside an artifact that describes it; read, checked and sealed here only.

Every container stores the card verbatim (TFLite metadata, ONNX metadata_props, later a C string). It starts
with a magic that occurs exactly once in a file, so it is found without parsing the container. It ends with
the SHA-256 of the whole file, computed with zeros in place of that field's digits.
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, field
from dataclasses import fields as fields_of
from functools import partial
from typing import Any, TypeVar

from edgernn.digests import sha256
from edgernn.errors import ArtifactError
from edgernn.json_values import (
    MAX_TEXT,
    as_each,
    as_list,
    as_mapping,
    as_optional,
    as_positive,
    as_reported,
    as_text,
    as_whole,
    read_field,
    shorten,
)
from edgernn.records import record
from edgernn.specs import (
    USUAL,
    InputSpec,
    OutputSpec,
    Range,
    read_inputs,
    read_outputs,
    read_range,
    shorten_spec,
    spec_to_json,
)
from edgernn.system.files import to_json
from edgernn.tasks import Task

T = TypeVar("T")

# 1: one input and one output, in fields such as `input_shape`. 2: lists of named inputs and outputs.
FORMAT = 2
NAME = "edgernn.card"  # the card's key in the container
MAX_BYTES = 64 << 10

# A digest detects damage. These limits refuse forged cards and cards of a faulty exporter before they cost memory or
# promise a tolerance that accepts any answer.
MAX_GOLDEN_VALUES = 1 << 22  # in all golden inputs together: 16 MB
MAX_GOLDEN_ROWS = 1 << 17  # a stream's check takes at most some seconds
MAX_TOLERANCE = 0.1  # the largest that the exporter writes
MAX_RANGES = 32
SEED_DIGITS = 2
_MAX_SAMPLES = 64
_STATE_KINDS = ("float32", "int8", "int16")

# Name in `Card.measured` of the largest difference between a stream and `predict`; omitted if they have the same bits.
STREAM_DIFFERENCE = "stream_difference"
_PORTS = ("inputs", "outputs")
_MAGIC = b'{"edgernn_card":'
_NO_DIGEST = "0" * 64
# Not regular expressions: compiling them would take longer at every start.
_HEX = frozenset("0123456789abcdef")
BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_BASE64_DIGITS = frozenset(BASE64)
_SHORT_DIGEST_LENGTH = 8


@record(frozen=True)
class Golden:
    """Golden samples: inputs that `edgernn.golden` generates from seeds, and the exporter's answers to them.

    `seeds` and `outputs` are whole numbers in base64 digits, the highest digit first, to save bytes.

    Attributes:
        seeds: seeds of the samples, two digits each.
        outputs: for each output of the card, the numbers of each answer that `edgernn.golden.spread` selects, in
            `edgernn.golden.digits_of` digits.
        between: for each output, the lowest and the highest value that `outputs` can express.
        tolerance: the largest `edgernn.metrics.largest_difference` allowed on another machine.
        ranges: for each input of the card, the lowest and the highest value of each block of neighbouring features; all
            blocks of an input have one size. Empty, and omitted from the JSON, if the inputs' own ranges apply to all
            features.
        kernels: the backend that computed the digests, and the digest of its answers to a probe (`edgernn.kernels`).
            Omitted from the JSON together with `digests`.
        digests: digests of the finely rounded answers (`edgernn.golden.digest`): the first for whole sequences, the
            last for streams. Empty, and omitted from the JSON, if kernels cannot be identified.
    """

    seeds: str
    outputs: tuple[str, ...]
    between: tuple[Range, ...]
    tolerance: float
    ranges: tuple[tuple[Range, ...], ...] = ()
    kernels: str = ""
    digests: tuple[str, ...] = ()

    @property
    def samples(self) -> int:
        """Number of golden samples."""
        return len(self.seeds) // SEED_DIGITS


@record(frozen=True)
class Card:
    """Description of an artifact, stored in the artifact.

    The properties from `task` on are those of the first input and output; cards of this version have one of each.

    Attributes:
        edgernn: version of edgernn that exported it.
        name: the model's name.
        inputs, outputs: their specs, in the order of the file.
        states: size and number type of each state that a stream keeps; empty if the artifact cannot stream.
        quantization: float32, float16, dynamic, int8 or int16x8.
        layout: unrolled, loop or fused for TFLite, operator for ONNX.
        source_sha256: digest of the Keras model that it was exported from, see `edgernn.data.model_digest`.
        parameters: count of the model's weights and biases.
        calibration: the choice and the count of the calibration samples; empty without calibration.
        measured: results of the proof: samples, the measures of Keras and of the artifact, agreement, differences.
        golden: samples whose answers are checked at every load; None only during the export.
        unknown: fields that a later version of edgernn wrote into a card of this format; kept, not used.
    """

    edgernn: str
    name: str
    inputs: tuple[InputSpec, ...]
    outputs: tuple[OutputSpec, ...]
    states: tuple[tuple[int, str], ...]
    quantization: str
    layout: str
    source_sha256: str
    parameters: int
    calibration: Mapping[str, Any]
    measured: Mapping[str, Any]
    golden: Golden | None
    unknown: Mapping[str, Any] = field(default_factory=dict)

    @property
    def task(self) -> Task:
        """The kind of the answers."""
        return self.outputs[0].task

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the classes or outputs; empty if not known."""
        return self.outputs[0].labels

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one sample without the batch, (steps, features)."""
        return self.inputs[0].shape

    @property
    def input_meaning(self) -> str:
        """The meaning of an input value; empty if it is not known."""
        return self.inputs[0].meaning

    @property
    def input_range(self) -> Range:
        """The lowest and the highest input of the calibration set, as the file takes it."""
        return self.inputs[0].range

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of one answer without the batch, (outputs,) or (steps, outputs)."""
        return self.outputs[0].shape

    @property
    def exact_stream(self) -> bool:
        """True if a stream had the same bits as `predict` when the artifact was proven."""
        return bool(self.states) and not self.measured.get(STREAM_DIFFERENCE)

    def as_json(self) -> dict[str, Any]:
        """Return the card's fields as a JSON object."""
        fields = asdict(self) | {name: [spec_to_json(spec) for spec in getattr(self, name)] for name in _PORTS}
        return fields if self.unknown else {name: each for name, each in fields.items() if name != "unknown"}

    def encode(self) -> bytes:
        """Write the card as ASCII JSON with a digest of zeros; embed it in the file, then `seal` the file."""
        fields = {"edgernn_card": FORMAT, **_shortened(self.as_json())}
        for name in _PORTS:
            fields[name] = [shorten_spec(spec, USUAL[name]) for spec in fields[name]]
        fields |= fields.pop("unknown", {})
        if self.golden is not None:
            fields["golden"] = {name: value for name, value in fields["golden"].items() if value not in ("", [])}
        fields["sha256"] = _NO_DIGEST
        return to_json(fields, separators=(",", ":")).encode("ascii")


# The names of the fields that this version reads.
_KNOWN = {"edgernn_card", *(each.name for each in fields_of(Card) if each.name != "unknown")}


def has_card(data: bytes) -> bool:
    """Return True if the file's content contains a card, valid or not."""
    return _MAGIC in data


def read_card(data: bytes) -> Card:
    """Read the card out of an artifact's content, and check the file's digest.

    Raises:
        ArtifactError: there is no card or more than one; it is damaged or of another format; or its digest does not
            match the content.
    """
    fields, end = _find(data)
    if (found := fields.get("edgernn_card")) != FORMAT:
        raise ArtifactError(f"the card has format {shorten(found)}, expected {FORMAT}; {_remedy(found)}")
    digest = fields.pop("sha256", None)
    expected = _digest(data, end)
    if digest != expected:
        promised = f"{digest[:12]}…" if _is_hex(digest, len(_NO_DIGEST)) else shorten(digest)
        raise ArtifactError(
            f"damaged: the file has SHA-256 {expected[:12]}…, its card expects {promised}; copy the file again or "
            "export it again"
        )
    return _decode(fields)


def _remedy(found: object) -> str:
    """Say what to do with a card of another format."""
    if isinstance(found, int) and found > FORMAT:
        return "use the version of edgernn that exported it, or a later one"
    from edgernn import __version__

    return f"export it again with edgernn {__version__}"


def damaged(reason: object) -> ArtifactError:
    """Return the error for a card whose content is wrong."""
    return ArtifactError(f"the card is damaged: {reason}; copy the file again or export it again")


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
    """Convert whole floats to integers, 0.0 to 0: every byte of a card occupies memory of a device."""
    if isinstance(value, dict):
        return {name: _shortened(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_shortened(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _find(data: bytes) -> tuple[dict[str, Any], int]:
    """Return the card's fields and the offset after its closing brace."""
    count = data.count(_MAGIC)
    if count != 1:
        raise ArtifactError(
            f"{count or 'no'} card{'s' if count > 1 else ''} in the file, expected one; export it again"
        )
    start = data.index(_MAGIC)
    text = data[start : start + MAX_BYTES].decode("ascii", errors="replace")
    try:
        fields, length = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError) as error:
        raise damaged(error) from error
    return fields, start + length


def _is_hex(value: object, length: int) -> bool:
    return isinstance(value, str) and len(value) == length and _HEX.issuperset(value)


def _digest_start(end: int) -> int:
    # The digest is the card's last field: …"sha256":"<64 digits>"}
    return end - len('"}') - len(_NO_DIGEST)


def _digest(data: bytes, end: int) -> str:
    start = _digest_start(end)
    if data[start - len('"sha256":"') : start] != b'"sha256":"':
        raise damaged("it does not end with its digest")
    view = memoryview(data)
    sha = sha256(view[:start])
    sha.update(_NO_DIGEST.encode())
    sha.update(view[start + len(_NO_DIGEST) :])
    return sha.hexdigest()


def _decode(fields: Mapping[str, Any]) -> Card:
    """Check the fields of a card whose digest matches: a wrong value means a forged card or a faulty exporter."""

    def read(name: str, reader: Callable[[Any], T]) -> T:
        try:
            return read_field(fields, name, reader)
        except ValueError as error:
            raise damaged(error) from error

    card = Card(
        edgernn=read("edgernn", as_text),
        name=read("name", as_text),
        inputs=read("inputs", read_inputs),
        outputs=read("outputs", read_outputs),
        states=read("states", lambda states: tuple(_state(state) for state in as_list(states))),
        quantization=read("quantization", as_text),
        layout=read("layout", as_text),
        source_sha256=read("source_sha256", as_text),
        parameters=read("parameters", partial(as_whole, lowest=0)),
        calibration=read("calibration", lambda value: as_reported(as_mapping(value))),
        measured=read("measured", lambda value: as_reported(as_mapping(value))),
        golden=read("golden", partial(as_optional, reader=_golden)),
        unknown={name: read(name, partial(_unknown, name)) for name in fields if name not in _KNOWN},
    )
    if card.golden:
        _check_golden_size(card, card.golden)
    return card


def _check_golden_size(card: Card, golden: Golden) -> None:
    if len(golden.outputs) != len(card.outputs) or len(golden.ranges) not in (0, len(card.inputs)):
        raise damaged(
            f"golden: ranges of {len(golden.ranges)} inputs and {len(golden.outputs)} outputs, expected ranges of "
            f"{len(card.inputs)} inputs or none, and {len(card.outputs)} outputs"
        )
    values = golden.samples * sum(math.prod(spec.shape) for spec in card.inputs)
    rows = golden.samples * max(spec.shape[0] for spec in card.inputs)
    if values > MAX_GOLDEN_VALUES or rows > MAX_GOLDEN_ROWS:
        shapes = ", ".join(str(spec.shape) for spec in card.inputs)
        raise damaged(
            f"{golden.samples} golden samples of shape {shapes}, expected at most {MAX_GOLDEN_VALUES:,} "
            f"values and {MAX_GOLDEN_ROWS:,} rows"
        )


def _golden(value: Any) -> Golden:
    fields = {"ranges": [], "kernels": "", "digests": [], **as_mapping(value)}
    golden = Golden(
        seeds=read_field(fields, "seeds", _base64),
        outputs=read_field(fields, "outputs", partial(as_each, _base64)),
        between=read_field(fields, "between", partial(as_each, read_range)),
        tolerance=read_field(fields, "tolerance", partial(as_positive, highest=MAX_TOLERANCE)),
        ranges=read_field(fields, "ranges", partial(as_each, _ranges)),
        kernels=read_field(fields, "kernels", as_text),
        digests=read_field(fields, "digests", _digests),
    )
    if len(golden.seeds) % SEED_DIGITS or not 1 <= golden.samples <= _MAX_SAMPLES:
        raise ValueError(
            f"seeds of {len(golden.seeds)} digits, expected {SEED_DIGITS} for each of 1 to {_MAX_SAMPLES} samples"
        )
    if len(golden.between) != len(golden.outputs):
        raise ValueError(f"between: {len(golden.between)} ranges, expected {len(golden.outputs)}, one for each output")
    for digits in golden.outputs:
        if len(digits) % golden.samples:
            raise ValueError(f"outputs of {len(digits)} digits, expected a multiple of {golden.samples} samples")
    return golden


def _base64(value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= MAX_TEXT or not _BASE64_DIGITS.issuperset(value):
        raise ValueError(f"found {shorten(value)}, expected base64 digits")
    return value


def _digests(value: Any) -> tuple[str, ...]:
    digests = tuple(as_text(each) for each in as_list(value))
    if len(digests) > 2 or not all(_is_hex(each, _SHORT_DIGEST_LENGTH) for each in digests):
        raise ValueError(f"found {shorten(value)}, expected at most 2 of 8 hexadecimal digits")
    return digests


def _ranges(value: Any) -> tuple[Range, ...]:
    ranges = as_list(value)
    if not 1 <= len(ranges) <= MAX_RANGES:
        raise ValueError(f"{len(ranges)} ranges of an input, expected 1 to {MAX_RANGES}")
    return tuple(read_range(each) for each in ranges)


def _state(value: Any) -> tuple[int, str]:
    state = as_list(value)
    if len(state) != 2 or state[1] not in _STATE_KINDS:
        raise ValueError(f"state {shorten(value)}, expected its size and {', '.join(_STATE_KINDS)}")
    return as_whole(state[0], 1), state[1]


def _unknown(name: str, value: Any) -> Any:
    """Check an unknown field, its name as well."""
    return as_reported({name: value})[name]
