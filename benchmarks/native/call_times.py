"""Times of calls with one sample or row, interleaved: backend native compared with LiteRT and other tools."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

import edgernn
from common.bare_subjects import BareSubject, from_tflite
from common.checks import Check
from edgernn.arrays import Float32
from edgernn.backends import open_artifact
from edgernn.bench.statistics import summarize
from edgernn.bench.stopwatch import Call, Local, Method, Ready, measure
from native import native_limits as limits
from native.native_limits import timing_check
from peers.contest import LSTM

HOT = Method(rounds=40, seconds=1.0)
COLD = Method(rounds=30, seconds=1.0, cold=True)
NATIVE, LITERT = "native", "litert"


@dataclass(frozen=True)
class ModelFiles:
    """Files of one model.

    Attributes:
        kind: kind of its layer.
        title: name of the model, for tables.
        int8, float32: its artifacts.
        peers: files of other tools by name: of emx-onnx-cgen and of ONNX Runtime's dynamic quantization.
        x: one sample, float32 [1, steps, features].
    """

    kind: str
    title: str
    int8: Path
    float32: Path
    peers: Mapping[str, BareSubject]
    x: Float32


def bare_call(path: Path, backend: str, x: Float32) -> Call:
    """Return the call of a backend with the least overhead that answers one sample.

    For LiteRT: set_tensor, invoke, get_tensor. The engine of backend native reads the sample and writes the answer.
    """
    data = path.read_bytes()
    if backend == LITERT:
        return partial(from_tflite(data).load(), x)
    return open_artifact(path, data, threads=1, backend=backend).bare((x,))


def time_calls(loaders: Mapping[str, Local], method: Method) -> dict[str, float]:
    """Time calls, interleaved; return the median of the rounds' medians in microseconds, by subject and call."""
    measured = measure(loaders, method)
    return {
        f"{name} {call}": summarize(rounds).median_us
        for name, calls in measured.items()
        for call, rounds in calls.items()
    }


def call_checks(files: ModelFiles, *, avx2: bool) -> list[Check]:
    """Time every call of both backends, and the bare call of native and of other tools, hot and cold."""
    peers = {name: Local(partial(_load_peer, subject, files.x)) for name, subject in files.peers.items()}
    ours = {backend: Local(partial(_load_backend, files, backend)) for backend in (NATIVE, LITERT)}
    hot = time_calls({**ours, **peers}, HOT)
    emx = {name: peer for name, peer in peers.items() if name.startswith("emx")}
    native = Local(partial(_load_bare, files))
    cold = time_calls({NATIVE: native, **emx}, COLD)

    def check(group: str, measurement: str, name: str, time: float, other: float) -> Check:
        label = f"{name} ({time:.2f} / {other:.2f} µs)"
        return timing_check(group, label, measurement, files.kind, time / other, avx2=avx2)

    checks = [
        check(f"{files.title}: native / LiteRT", call, call, hot[f"{NATIVE} {call}"], hot[f"{LITERT} {call}"])
        for call in (limits.PREDICT, limits.BARE, limits.PUSH, limits.FLOAT32)
    ]
    group = f"{files.title}: bare call, native / other tools"
    for measurement, times, prefix in (
        (limits.EMX_HOT, hot, "emx"),
        (limits.EMX_COLD, cold, "emx"),
        (limits.DYNAMIC, hot, "ONNX Runtime"),
    ):
        found = {name: time for name, time in times.items() if name.startswith(prefix) and name.endswith(limits.BARE)}
        if found:
            best = min(found.values())
            checks.append(check(group, measurement, measurement, times[f"{NATIVE} {limits.BARE}"], best))
        elif measurement != limits.DYNAMIC or files.kind == LSTM:
            checks.append(timing_check(group, measurement, measurement, files.kind, None, avx2=avx2))
    return checks


def _load_backend(files: ModelFiles, backend: str) -> Ready:
    model = edgernn.load(files.int8, backend=backend)
    sample: Float32 = np.ascontiguousarray(files.x[0])
    return Ready(
        {
            limits.PREDICT: partial(model.predict, sample),
            limits.PUSH: partial(model.stream().push, sample[0]),
            limits.BARE: bare_call(files.int8, backend, files.x),
            limits.FLOAT32: bare_call(files.float32, backend, files.x),
        }
    )


def _load_bare(files: ModelFiles) -> Ready:
    return Ready({limits.BARE: bare_call(files.int8, NATIVE, files.x)})


def _load_peer(subject: BareSubject, x: Float32) -> Ready:
    return Ready({limits.BARE: partial(subject.load(), x)})
