"""tract: a neural network inference engine in Rust, through its Python package."""

from functools import partial
from typing import Any

from common.bare_subjects import Answer, BareSubject
from edgernn.arrays import Float32
from peers import graphs
from peers.registry import SAME, Peer, by_name, temporary_file


def _from_onnx(data: bytes, _model: Any, _x_calibration: Float32) -> BareSubject:
    return BareSubject(partial(_load, data), len(data))


def _load(data: bytes) -> Answer:
    """Load and optimize (`into_model`) the graph; `run` takes NumPy arrays and copies them.

    https://pypi.org/project/tract/
    """
    import tract

    with temporary_file("model.onnx", data) as path:
        run = tract.onnx().load(path).into_model().into_runnable().run
    return lambda x: run([x])[0].to_numpy()


_peer = partial(Peer, tool="tract", page="https://pypi.org/project/tract/")
# tract does not quantize.
PEERS = by_name(
    _peer("tract float32, ONNX's operator", agreement=SAME, convert=graphs.operator, make=_from_onnx),
    _peer("tract float32, Keras unroll=True", agreement=SAME, convert=graphs.unrolled, make=_from_onnx),
)
