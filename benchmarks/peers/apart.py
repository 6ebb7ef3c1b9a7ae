"""Peers made apart, in a child process: a tool that crashes or hangs costs one peer and not the bench."""

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgernn.errors import ModelError, first_line
from peers.registry import CALIBRATION_SAMPLES, Peer
from peers.subjects import Subject

Float32 = npt.NDArray[np.float32]

# The slowest, Keras's two GRU layers unrolled over 128 steps, takes 20 s.
TIME_LIMIT_S = 300.0


@dataclass(frozen=True)
class Made:
    """A peer that answers as Keras does.

    Attributes:
        subject: what can be timed.
        seconds: what making its file took, from the Keras model on.
        agreement: the share of samples on which it names Keras's class.
    """

    subject: Subject
    seconds: float
    agreement: float


def make_peers_apart(
    peers: Mapping[str, Peer],
    model: Path,
    x_calibration: Float32,
    x: Float32,
    reference: Float32,
    progress: Callable[[str], None],
) -> tuple[dict[str, Made], dict[str, str]]:
    """Build peers of a Keras model and ask each of them, before it comes into this process.

    Args:
        peers: which ones, by name.
        model: the .keras file.
        x_calibration: for those that calibrate, float32 [samples, steps, features].
        x: what they are checked on, float32 [samples, steps, features].
        reference: Keras's answers to `x`, float32 [samples, classes].
        progress: called with what is about to be built.

    Returns:
        Those that answer as Keras does by name, and why others are missing.
    """
    made: dict[str, Made] = {}
    reasons: dict[str, str] = {}
    remaining = list(peers)
    task = _Task(model, x_calibration[:CALIBRATION_SAMPLES], x, reference)
    while remaining:
        with _child(task, [peers[name] for name in remaining]) as answers:
            while remaining:
                name = remaining.pop(0)
                progress(f"building {name}")
                answer = _receive_made(answers)
                if isinstance(answer, Made):
                    made[name] = answer
                    continue
                reasons[name] = answer
                if answer in (_CRASHED, _CRASHES, _HANGS):
                    break
    return made, reasons


@dataclass(frozen=True)
class _Task:
    """What a child process needs beside the peers; the attributes are those of `make_peers_apart`."""

    model: Path
    x_calibration: Float32
    x: Float32
    reference: Float32


_CRASHED, _CRASHES = "the converter crashed", "crashes when it is loaded or asked"
_HANGS = f"took longer than {TIME_LIMIT_S:g} s and was stopped"


def _receive_made(answers: Connection) -> Made | str:
    """First comes the subject with its seconds, then the agreement; in place of either a reason."""
    built = _receive(answers, _CRASHED)
    if not isinstance(built, tuple):
        return str(built)
    agreement = _receive(answers, _CRASHES)
    if not isinstance(agreement, float):
        return str(agreement)
    subject, seconds = built
    return Made(subject, seconds, agreement)


def _receive(answers: Connection, otherwise: str) -> object:
    try:
        return answers.recv() if answers.poll(TIME_LIMIT_S) else _HANGS
    except (EOFError, ConnectionError):
        return otherwise


def predict_apart(model: Path, x: Float32) -> Float32:
    """Keras's answers to samples, float32 [samples, steps, features], with TensorFlow in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        answers: Float32 = pool.apply(_predict, (model, x))
    return answers


def _predict(model: Path, x: Float32) -> Float32:
    from edgernn_export import keras_model
    from peers.bench_runs import read_model

    return keras_model.predict(read_model(model), x)


@contextmanager
def _child(task: _Task, peers: Sequence[Peer]) -> Iterator[Connection]:
    """A process that builds peers one after the other; gives the connection on which it answers."""
    # Spawned: TensorFlow does not survive a fork.
    context = multiprocessing.get_context("spawn")
    answers, sender = context.Pipe(duplex=False)
    process = context.Process(target=_build, args=(sender, task, tuple(peers)), daemon=True)
    process.start()
    sender.close()
    try:
        yield answers
    finally:
        process.kill()
        process.join()
        answers.close()


def _build(sender: Connection, task: _Task, peers: Sequence[Peer]) -> None:
    from peers.bench_runs import read_model

    # Some tools print to it from C++.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    keras_model = read_model(task.model)
    for peer in peers:
        try:
            start = time.perf_counter()
            subject = peer.build(keras_model, task.x_calibration)
            sender.send((subject, time.perf_counter() - start))
            sender.send(float(peer.check(subject, task.x, task.reference)))
        except ModelError as error:
            sender.send(str(error))
        except Exception as error:  # noqa: BLE001 - whatever a tool raises is why the peer is missing
            sender.send(f"{type(error).__name__}: {first_line(error)}")
