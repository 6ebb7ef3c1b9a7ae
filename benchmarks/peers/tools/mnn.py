"""MNN: its converter, with and without int8 weights; its Session, and its Module where a Session fails."""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from common.bare_subjects import Answer, BareSubject
from edgernn.arrays import Float32
from edgernn.errors import ModelError
from peers import graphs
from peers.registry import ROUNDED, SAME, Peer, by_name, run_tool, temporary_file

_PROGRAM = "import sys, _tools; _tools.mnnconvert(['mnnconvert', *sys.argv[1:]])"
_ONE_THREAD = {"backend": "CPU", "numThread": 1}


def convert(
    data: bytes, model: Any, _x_calibration: Float32, *, bits: int | None = None, samples: int = 1
) -> BareSubject:
    """Convert an ONNX graph for a number of samples; GRU and LSTM become a loop.

    The command `mnnconvert` calls the function of the package that is called here, but then installs a package and
    sends its maker a report. The converter runs in a separate process, because it crashes beside TensorFlow.
    """
    import onnx

    output = onnx.load_from_string(data).graph.output[0].name
    shape = (samples, *model.inputs[0].shape[1:])
    with temporary_file("source.onnx", data) as source:
        target = source.with_name("target.mnn")
        arguments = ["-f", "ONNX", "--modelFile", str(source), "--MNNModel", str(target), "--bizCode", "peers"]
        options = ["--weightQuantBits", str(bits)] if bits else []
        run_tool([sys.executable, "-c", _PROGRAM, *arguments, *options])
        if not target.is_file():
            raise ModelError("the converter wrote neither a file nor a message")
        content = target.read_bytes()
        # A Session returns nothing for a graph with a loop; a Module is slower.
        in_session = _load_session(target, shape)(np.zeros(shape, np.float32)).size
    load_file = partial(_load_session, shape=shape) if in_session else partial(_load_module, shape=shape, output=output)
    return BareSubject(partial(_load, content, load_file), len(content))


def _load(data: bytes, load_file: Callable[[Path], Answer]) -> Answer:
    with temporary_file("model.mnn", data) as path:
        return load_file(path)


def _load_session(path: Path, shape: tuple[int, ...]) -> Answer:
    """https://mnn-docs.readthedocs.io/en/latest/pymnn/Interpreter.html."""
    import MNN

    interpreter = MNN.Interpreter(str(path))
    session = interpreter.createSession(_ONE_THREAD)
    source, target = interpreter.getSessionInput(session), interpreter.getSessionOutput(session)
    tensor, floats, order = MNN.Tensor, MNN.Halide_Type_Float, MNN.Tensor_DimensionType_Caffe
    run, copy, read = interpreter.runSession, source.copyFrom, target.getNumpyData

    def answer(x: Float32) -> Any:
        copy(tensor(shape, floats, x, order))
        run(session)
        return read()

    return answer


def _load_module(path: Path, shape: tuple[int, ...], output: str) -> Answer:
    """https://mnn-docs.readthedocs.io/en/latest/pymnn/Module.html."""
    import MNN

    runtime = MNN.nn.create_runtime_manager((_ONE_THREAD,))
    module = MNN.nn.load_module_from_file(str(path), ["input"], [output], runtime_manager=runtime)
    source = MNN.expr.placeholder(list(shape), MNN.expr.NCHW)
    forward, write = module.forward, source.write

    def answer(x: Float32) -> Any:
        write(x)
        return forward(source).read()

    return answer


_INT8 = partial(convert, bits=8)
_peer = partial(Peer, tool="MNN", page="https://mnn-docs.readthedocs.io/en/latest/tools/convert.html")
PEERS = by_name(
    _peer("MNN float32, ONNX's operator", agreement=SAME, convert=graphs.operator, make=convert),
    _peer("MNN int8 weights, ONNX's operator", agreement=ROUNDED, convert=graphs.operator, make=_INT8),
    _peer("MNN float32, Keras unroll=True", agreement=SAME, convert=graphs.unrolled, make=convert),
    _peer("MNN int8 weights, Keras unroll=True", agreement=ROUNDED, convert=graphs.unrolled, make=_INT8),
)
