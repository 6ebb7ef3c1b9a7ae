"""The artifact: add a card to a converted file, prove it, then add golden samples and a digest."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from edgernn.card import STREAM_DIFFERENCE, Card, seal
from edgernn.errors import ArtifactError, ExportError, ModelError, NoStepError, UnsupportedError
from edgernn.model import Model, load_bytes, load_opened
from edgernn_export.cures import describe_failure
from edgernn_export.formats import format_of, tolerance_of
from edgernn_export.formats.base import DeviceFacts, Finished, Target
from edgernn_export.golden_samples import make_golden
from edgernn_export.proof import Proof, prove
from edgernn_export.source import Source


class ExportResult(NamedTuple):
    """Result of one target.

    Attributes:
        data: the file's content.
        proof: results of the proof.
        reason: why it fails the proof; empty if it passes.
        companions: (name, content) of each file that belongs beside it.
        device: its needs on a device, for artifacts that a device compiles.
    """

    data: bytes
    proof: Proof
    reason: str = ""
    companions: tuple[tuple[str, bytes], ...] = ()
    device: DeviceFacts | None = None


def make_artifact(source: Source, target: Target) -> ExportResult:
    """Convert, prove and complete one artifact.

    If its stream cannot be made or fails its check, the artifact gets none, and the proof has the reason.

    Raises:
        ExportError: a converter fails.
        ArtifactError: the runtime refuses the artifact.
    """
    if source.no_stream:
        return _make_without_stream(source, target, source.no_stream)
    try:
        return _make_artifact(source, target, stream=True)
    except UnsupportedError:
        raise
    except (ExportError, ArtifactError, ModelError) as error:
        try:
            return _make_without_stream(source, target, str(error))
        except UnsupportedError:  # by a format whose files always stream; the first error is the reason
            raise error from error.__cause__


def _make_without_stream(source: Source, target: Target, reason: str) -> ExportResult:
    result = _make_artifact(source, target, stream=False)
    return result._replace(proof=replace(result.proof, no_stream=reason))


def _make_artifact(source: Source, target: Target, stream: bool) -> ExportResult:
    kind = format_of(target)
    finished = kind.convert(source, target, stream)
    tolerance = tolerance_of(target).for_model(source.rounding_error).widened_by(source.precision_gap)
    calibrated = kind.is_calibrated(target) or (source.refines and kind.is_refined(target))
    card = source.card(target, finished, calibrated)
    model = _load(target, finished, card, _embed(finished, card))
    card = replace(card, states=_states(model))
    samples, settings = source.samples, source.settings
    proof = prove(model, samples.raw_inputs("x_test"), samples.y_test, source.test_answers, streams=bool(card.states))
    proof = replace(proof, rebuilt=source.rebuilt)
    proof.check_stream(tolerance)
    broken = proof.find_broken_limit(tolerance, settings.max_drop, settings.min_agreement)
    if samples.scale:  # golden samples are values that the file takes
        unscaled = replace(card, inputs=tuple(spec.without_scale for spec in card.inputs))
        model = _load(target, finished, unscaled, _embed(finished, unscaled))
    complete = replace(
        card,
        measured=_measured(proof) | ({"failed": broken.reason} if broken else {}),
        golden=make_golden(model, card, _embed(finished, card), x=samples.x_calibration, tolerance=tolerance.golden),
    )
    # Load the same bytes that are written later, as a device does, with the check of the golden samples.
    data = _embed(finished, complete)
    loaded = _load(target, finished, complete, data, unfinished=False)
    if complete.states:
        loaded.stream()
    return ExportResult(
        data,
        proof,
        reason=describe_failure(broken, source, target) if broken else "",
        companions=tuple(finished.companions(data).items()) if finished.companions else (),
        device=finished.describe(data) if finished.describe else None,
    )


def _embed(finished: Finished, card: Card) -> bytes:
    return seal(finished.embed_card(card.encode()))


def _load(target: Target, finished: Finished, card: Card, data: bytes, unfinished: bool = True) -> Model:
    """Load a file's content as a device does, or by `Finished.open` if the runtime does not run such files."""
    name = Path(target.file_name(card.name))
    if finished.open:
        return load_opened(name, data, partial(finished.open, data), unfinished=unfinished)
    return load_bytes(name, data, backend=format_of(target).backend, unfinished=unfinished)


def _states(model: Model) -> tuple[tuple[int, str], ...]:
    """Return size and number type of each state; empty if the artifact cannot stream."""
    try:
        return tuple((len(state), str(state.dtype)) for state in model.stream().state)
    except NoStepError:  # any other error means that a step exists but cannot be opened
        return ()


def _measured(proof: Proof) -> dict[str, Any]:
    """Select results of the proof for the card, which takes space on a device; the export's JSON has all of them."""
    headline = proof.task.headline

    def short(measures: Mapping[str, float]) -> Mapping[str, float]:
        return {name: value for name, value in measures.items() if name == headline or name != "f1"}

    known = {"keras": short(proof.keras), "artifact": short(proof.artifact)} if proof.keras else {}
    return _rounded(
        {
            "samples": proof.samples,
            **known,
            "agreement": proof.agreement,
            "difference": proof.difference,
            **({STREAM_DIFFERENCE: proof.stream_difference} if proof.stream_difference else {}),
        }
    )


def _rounded(measured: Mapping[str, Any]) -> dict[str, Any]:
    """Round to four digits, more than the samples can resolve."""

    def rounded(value: Any) -> Any:
        if isinstance(value, dict):
            return _rounded(value)
        return float(f"{value:.4g}") if isinstance(value, float) else value

    return {name: rounded(value) for name, value in measured.items()}
