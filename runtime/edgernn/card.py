"""The card: the JSON inside an artifact that says what it is, and its one reader and sealer.

The card lies verbatim in every container (TFLite metadata, ONNX metadata_props, later a C string). It starts
with a magic that occurs exactly once in a file, so it is found without knowing the container. It ends with
the SHA-256 of the whole file, taken while that field's own digits are zeros.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from edgernn.errors import ArtifactError
from edgernn.tasks import Task

FORMAT = 1
NAME = "edgernn.card"  # the key under which containers hold the card
MAX_BYTES = 64 << 10

_MAGIC = b'{"edgernn_card":'
_NO_DIGEST = "0" * 64


@dataclass(frozen=True)
class Golden:
    """Inputs made by `edgernn.golden`, and the answers the exporter got for them.

    Attributes:
        outputs: of each answer what `edgernn.golden.spread` keeps, in whole units, int [samples, kept].
        unit: of the outputs, a power of ten.
        tolerance: the largest difference that another machine may show, as `edgernn.metrics.largest_difference`.
    """

    outputs: tuple[tuple[int, ...], ...]
    unit: float
    tolerance: float


@dataclass(frozen=True)
class Card:
    """What an artifact says of itself.

    Attributes:
        edgernn: the version that exported it.
        name: the model's name.
        task: what its answers are; in JSON two fields, `task` with its kind and `logits`, left out if they are none.
        labels: the names of the classes, of yes and no behind no, or of the outputs; empty when nobody said them.
        input_shape: one sample without the batch, (steps, features).
        input_meaning: what an input value is, for instance "pixel / 255"; empty when nobody said it.
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

    def as_json(self) -> dict[str, Any]:
        """The card's fields for programs."""
        return {**asdict(self), "task": self.task.kind, "logits": self.task.logits}

    def encode(self) -> bytes:
        """The card as ASCII JSON, its digest still zeros: embed it, then `seal` the file."""
        fields = {"edgernn_card": FORMAT, **_shortened(self.as_json())}
        if not self.task.logits:
            del fields["logits"]
        fields["sha256"] = _NO_DIGEST
        return json.dumps(fields, separators=(",", ":")).encode("ascii")


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
            f"a card of format {fields.get('edgernn_card')!r}; this edgernn reads format {FORMAT}: "
            "export the model again, or use the edgernn that wrote it"
        )
    digest = fields.pop("sha256", None)
    expected = _digest(data, end)
    if digest != expected:
        raise ArtifactError(
            f"damaged: SHA-256 {expected[:12]}… where the card says {str(digest)[:12]}…; "
            "copy the file again or export it again"
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


def _decode(fields: dict[str, Any]) -> Card:
    """The digest is right, so the fields are what the exporter wrote; anything else is a forged card."""
    try:
        golden = fields["golden"]
        return Card(
            edgernn=str(fields["edgernn"]),
            name=str(fields["name"]),
            task=Task(str(fields["task"]), bool(fields.get("logits"))),
            labels=tuple(str(label) for label in fields["labels"]),
            input_shape=tuple(int(size) for size in fields["input_shape"]),
            input_meaning=str(fields["input_meaning"]),
            input_range=(float(fields["input_range"][0]), float(fields["input_range"][1])),
            output_shape=tuple(int(size) for size in fields["output_shape"]),
            states=tuple((int(size), str(kind)) for size, kind in fields["states"]),
            quantization=str(fields["quantization"]),
            layout=str(fields["layout"]),
            io=str(fields["io"]),
            source_sha256=str(fields["source_sha256"]),
            parameters=int(fields["parameters"]),
            calibration=dict(fields["calibration"]),
            measured=dict(fields["measured"]),
            golden=None if golden is None else _decode_golden(golden),
        )
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise ArtifactError(f"the card is damaged: {error!r}") from error


def _decode_golden(golden: Mapping[str, Any]) -> Golden:
    outputs = tuple(tuple(int(value) for value in row) for row in golden["outputs"])
    return Golden(outputs, float(golden["unit"]), float(golden["tolerance"]))
