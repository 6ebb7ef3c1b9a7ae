"""Time of a sample in a batch: backend native compared with LiteRT, ONNX Runtime and MNN."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import edgernn
from common.bare_subjects import CLASSIFIER, BareSubject, open_interpreter
from common.checks import Check
from edgernn.arrays import Float32
from edgernn.bench.stopwatch import Call, Local, Method, Ready
from native.call_times import NATIVE, time_calls
from native.native_limits import BATCH, timing_check
from peers import graphs
from peers.registry import ROUNDED, SAME, Peer, as_onnx, by_name
from peers.tools import mnn, onnx_runtime

# Number of samples in a call of another tool.
PEER_SAMPLES = 40
_METHOD = Method(rounds=15, seconds=0.75)
_LITERT = "LiteRT int8"


@dataclass(frozen=True)
class BatchPeer(Peer):
    """File of another tool whose call takes `PEER_SAMPLES` samples."""

    def check(self, subject: BareSubject, x: Float32, reference: Float32) -> float:
        """See `Peer`; the samples beyond the last full batch are not checked."""
        answer, count = subject.load(), len(x) // PEER_SAMPLES * PEER_SAMPLES
        answers = [np.array(answer(x[start : start + PEER_SAMPLES])) for start in range(0, count, PEER_SAMPLES)]
        return CLASSIFIER.agreement(np.concatenate(answers), reference[:count])


_operator = partial(graphs.operator, samples=PEER_SAMPLES)
_onnx, _mnn = (partial(BatchPeer, tool=tool, convert=_operator, page="") for tool in ("ONNX Runtime", "MNN"))
PEERS = by_name(
    _onnx("ONNX Runtime float32", agreement=SAME, make=as_onnx),
    _onnx("ONNX Runtime dynamic", agreement=ROUNDED, make=onnx_runtime.dynamic),
    _mnn("MNN float32", agreement=SAME, make=partial(mnn.convert, samples=PEER_SAMPLES)),
    _mnn("MNN int8 weights", agreement=ROUNDED, make=partial(mnn.convert, samples=PEER_SAMPLES, bits=8)),
)


def batch_check(
    kind: str, title: str, path: Path, peers: Mapping[str, BareSubject], x: Float32, *, avx2: bool
) -> Check:
    """Compare the time of a sample in `Model.predict` of a batch with that of the fastest peer.

    Args:
        kind, title: kind and name of the model.
        path: its int8 file.
        peers: files of `PEERS` by name.
        x: float32 [samples, steps, features].
        avx2: as `timing_check` takes it.
    """
    model, several = edgernn.load(path, backend=NATIVE), np.ascontiguousarray(x[:PEER_SAMPLES])
    calls = {
        NATIVE: Local(partial(_ready, partial(model.predict, x))),
        _LITERT: Local(partial(_load_litert, path, several)),
        **{name: Local(partial(_load_peer, subject, several)) for name, subject in peers.items()},
    }
    times = time_calls(calls, _METHOD)
    ours = times[f"{NATIVE} {BATCH}"] / len(x)
    best, time = min(
        ((name, times[f"{name} {BATCH}"] / PEER_SAMPLES) for name in calls if name != NATIVE), key=lambda pair: pair[1]
    )
    name = f"a sample of {len(x):,}, native / a sample of {PEER_SAMPLES}, {best} ({ours:.2f} / {time:.2f} µs)"
    return timing_check(f"{title}: batches", name, BATCH, kind, ours / time, avx2=avx2)


def _ready(call: Call) -> Ready:
    return Ready({BATCH: call})


def _load_peer(subject: BareSubject, x: Float32) -> Ready:
    return _ready(partial(subject.load(), x))


def _load_litert(path: Path, x: Float32) -> Ready:
    interpreter = open_interpreter(path.read_bytes())
    source, target = (ports()[0]["index"] for ports in (interpreter.get_input_details, interpreter.get_output_details))
    interpreter.resize_tensor_input(source, x.shape)
    interpreter.allocate_tensors()

    def answer() -> Any:
        interpreter.set_tensor(source, x)
        interpreter.invoke()
        return interpreter.get_tensor(target)

    return _ready(answer)
