"""Peers made apart, in a child process: a converter that crashes or hangs costs one peer and not the bench."""

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgernn.errors import first_line
from peers import stock
from peers.subjects import Subject

Float32 = npt.NDArray[np.float32]

# The slowest, Keras's two GRU layers unrolled over 128 steps, takes 20 s.
TIME_LIMIT_S = 300.0


def make_peers_apart(
    model: Path, x_calibration: Float32, progress: Callable[[str], None]
) -> tuple[dict[str, Subject], list[str]]:
    """Build every peer of a Keras model.

    Args:
        model: the .keras file.
        x_calibration: for those that calibrate, float32 [samples, steps, features].
        progress: called with what is about to be built.

    Returns:
        The peers by name, and why others are missing, a line each.
    """
    made: dict[str, Subject] = {}
    reasons = []
    remaining = list(stock.peers())
    while remaining:
        with _child(model, x_calibration[: stock.CALIBRATION_SAMPLES], remaining) as answers:
            while remaining:
                name = remaining.pop(0)
                progress(f"building {name}")
                answer = _receive(answers)
                if isinstance(answer, Subject):
                    made[name] = answer
                    continue
                reasons.append(f"{name}: {answer}")
                if answer in (_CRASHED, _HANGS):
                    break
    return made, reasons


_CRASHED, _HANGS = "the converter crashed", f"took longer than {TIME_LIMIT_S:g} s and was stopped"


def _receive(answers: Connection) -> Subject | str:
    try:
        if not answers.poll(TIME_LIMIT_S):
            return _HANGS
        answer: Subject | str = answers.recv()
    except (EOFError, ConnectionError):
        return _CRASHED
    return answer


@contextmanager
def _child(model: Path, x_calibration: Float32, names: Sequence[str]) -> Iterator[Connection]:
    """A process that builds peers one after the other; gives the connection on which it answers."""
    # Spawned: TensorFlow does not survive a fork.
    context = multiprocessing.get_context("spawn")
    answers, sender = context.Pipe(duplex=False)
    process = context.Process(target=_build, args=(sender, model, x_calibration, tuple(names)), daemon=True)
    process.start()
    sender.close()
    try:
        yield answers
    finally:
        process.kill()
        process.join()
        answers.close()


def _build(sender: Connection, model: Path, x_calibration: Float32, names: Sequence[str]) -> None:
    from peers.bench_runs import read_model

    keras_model = read_model(model)
    for name in names:
        try:
            sender.send(stock.make_peer(name, keras_model, x_calibration))
        except Exception as error:  # noqa: BLE001 - whatever a converter raises is why the peer is missing
            sender.send(f"{type(error).__name__}: {first_line(error)}")
