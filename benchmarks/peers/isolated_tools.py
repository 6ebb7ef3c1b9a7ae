"""Build peers in a child process, so that a tool that crashes or hangs costs one peer, not the benchmark."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.bare_subjects import BareSubject
from common.bench_frame import Progress
from edgernn.arrays import Float32
from edgernn.errors import EdgernnError, ModelError
from edgernn.system.child import Child, ChildError
from peers.registry import CALIBRATION_SAMPLES, Peer

# Seconds of processor time; the slowest, Keras's two GRU layers unrolled over 128 steps, takes 20 s.
TIME_LIMIT_S = 300.0


@dataclass(frozen=True)
class ToolResult:
    """A peer that answers as Keras does.

    Attributes:
        subject: the file to be timed.
        seconds: time to make the file from the Keras model.
        agreement: share of samples on which it gives Keras's class.
    """

    subject: BareSubject
    seconds: float
    agreement: float


def make_isolated(
    peers: Mapping[str, Peer],
    model: Path,
    *,
    x_calibration: Float32,
    x: Float32,
    reference: Float32,
    progress: Progress,
) -> tuple[dict[str, ToolResult], dict[str, str]]:
    """Build peers of a Keras model and check each in a child process, before it is loaded in this one.

    Args:
        peers: peers by name.
        model: the .keras file.
        x_calibration: calibration samples for peers that calibrate, float32 [samples, steps, features].
        x: samples to check on, float32 [samples, steps, features].
        reference: Keras's answers to `x`, float32 [samples, classes].
        progress: called with the next step.

    Returns:
        Peers that answer as Keras does, by name, and the reasons why others are missing.
    """
    results: dict[str, ToolResult] = {}
    reasons: dict[str, str] = {}
    child: Child | None = None
    try:
        for name, peer in peers.items():
            progress(f"building {name}")
            # Start a new child only after a crash.
            if child is None or not child.alive:
                child = Child(_serve, model, x_calibration[:CALIBRATION_SAMPLES], x, reference)
            try:
                subject, seconds = _ask(child, peer, "the converter")
                results[name] = ToolResult(subject, seconds, _ask(child, None, "loading or running it"))
            except EdgernnError as error:
                reasons[name] = str(error)
    finally:
        if child is not None:
            child.close()
    return results, reasons


def _ask(child: Child, request: Peer | None, subject: str) -> Any:
    try:
        return child.ask(request, TIME_LIMIT_S)
    except ChildError as error:
        raise ModelError(f"{subject} {error}") from error


def _serve(
    model: Path, x_calibration: Float32, x: Float32, reference: Float32
) -> Callable[[Peer | None], tuple[BareSubject, float] | float]:
    """Read the Keras model in the child; return a function that builds a peer, or checks the last one built."""
    from edgernn_export import keras_file

    keras_model = keras_file.read(model)
    built: list[tuple[Peer, BareSubject]] = []

    def answer(peer: Peer | None) -> tuple[BareSubject, float] | float:
        if peer is None:
            last, subject = built[-1]
            return float(last.check(subject, x, reference))
        start = time.perf_counter()
        subject = peer.build(keras_model, x_calibration)
        built.append((peer, subject))
        return subject, time.perf_counter() - start

    return answer
