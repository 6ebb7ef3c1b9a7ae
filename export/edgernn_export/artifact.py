"""The artifact: a converted file gets its card, is proven, and only then its golden samples and its digest."""

import math
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from edgernn.card import Card, Golden, seal
from edgernn.errors import ExportError, NoStepError
from edgernn.golden import SAMPLES, golden_inputs
from edgernn.model import Model, load_bytes
from edgernn_export.proof import Bar, Proof, bar_of, prove
from edgernn_export.subject import Subject
from edgernn_export.targets import Target


def make_artifact(subject: Subject, target: Target) -> tuple[bytes, Proof, str]:
    """Convert, prove and complete one artifact.

    Returns:
        The file's content, what the proof saw, and why it fails its bar; empty if it does not.

    Raises:
        ExportError: a converter fails.
        ArtifactError: the runtime refuses what was made.
    """
    embed = subject.convert(target)
    card, bar = subject.card(target), bar_of(target)
    model = _load(target, embed, card)
    card = replace(card, states=_states(model))
    samples, settings = subject.samples, subject.settings
    proof = prove(model, samples.x_test, samples.y_test, subject.test_answers, streams=bool(card.states))
    reason = ""
    try:
        proof.check(bar, settings.max_drop, settings.min_agreement)
    except ExportError as error:
        reason = str(error)
    complete = replace(
        card,
        measured=_rounded(asdict(proof)) | ({"failed": reason} if reason else {}),
        golden=_golden(model, card, bar),
    )
    # What gets the name are the very bytes that load here as on the device, their golden samples checked.
    data = seal(embed(complete.encode()))
    load_bytes(Path(target.file_name(card.name)), data)
    return data, proof, reason


def _load(target: Target, embed: Callable[[bytes], bytes], card: Card) -> Model:
    return load_bytes(Path(target.file_name(card.name)), seal(embed(card.encode())))


def _states(model: Model) -> tuple[tuple[int, str], ...]:
    """Size and number type of each state; none for an artifact that cannot stream."""
    try:
        return tuple((len(state), str(state.dtype)) for state in model.stream().state)
    except NoStepError:  # a step that is there and cannot be opened is an error
        return ()


def _golden(model: Model, card: Card, bar: Bar) -> Golden:
    answers = model.predict(golden_inputs(SAMPLES, card.input_shape, *card.input_range))
    # A hundredth of what may differ is told.
    digits = 2 - math.floor(math.log10(bar.golden))
    outputs = tuple(tuple(round(float(value), digits) for value in row) for row in np.asarray(answers))
    return Golden(outputs, bar.golden)


def _rounded(measured: dict[str, float]) -> dict[str, float]:
    """Four digits tell all there is to know."""
    return {name: float(f"{value:.4g}") if isinstance(value, float) else value for name, value in measured.items()}
