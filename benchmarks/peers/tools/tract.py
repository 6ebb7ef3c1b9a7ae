"""tract: a neural network inference engine in Rust, through its Python package."""

import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from edgernn.arrays import Float32
from peers import graphs
from peers.bare_subjects import Answer, BareSubject
from peers.registry import SAME, Peer, enter

PEERS: dict[str, Peer] = {}
TOOL = "tract"
peer = partial(enter, PEERS, tool=TOOL)


@peer("tract float32, ONNX's operator", SAME)
def operator_float32(model: Any, _x_calibration: Float32) -> BareSubject:
    """Convert ONNX's own operator; tract does not quantize.

    https://pypi.org/project/tract/
    """
    return _from_onnx(graphs.operator(model))


@peer("tract float32, Keras unroll=True", SAME)
def unrolled_float32(model: Any, _x_calibration: Float32) -> BareSubject:
    """Convert the unrolled graph.

    https://pypi.org/project/tract/
    """
    return _from_onnx(graphs.unrolled(model))


def _from_onnx(data: bytes) -> BareSubject:
    return BareSubject(partial(_load, data), len(data))


def _load(data: bytes) -> Answer:
    """Load and optimize (`into_model`) the graph; `run` takes NumPy arrays and copies them.

    https://pypi.org/project/tract/
    """
    import tract

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(data)
        run = tract.onnx().load(path).into_model().into_runnable().run

    def answer(x: Float32) -> Float32:
        probabilities: Float32 = run([x])[0].to_numpy()
        return probabilities

    return answer
