"""ncnn: its converter pnnx makes recurrent layers of ONNX's operators if they are as PyTorch writes them."""

import importlib.util
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from common.bare_subjects import Answer, BareSubject
from edgernn.arrays import Float32
from edgernn.errors import ModelError
from peers import graphs
from peers.registry import ROUNDED, SAME, Peer, by_name, run_tool, temporary_file


def _convert(data: bytes, model: Any, _x_calibration: Float32, *, option: str) -> BareSubject:
    """Call the program in pnnx's package, as its Python function does, which imports PyTorch for its arguments."""
    shape = model.inputs[0].shape[1:]
    spec = importlib.util.find_spec("pnnx")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("No module named 'pnnx'")
    with temporary_file("model.onnx", data) as source:
        sizes = f"inputshape=[1,{','.join(map(str, shape))}]f32"
        program = Path(spec.origin).parent / "pnnx"
        run_tool([program, source.name, sizes, option], source.parent)
        graph, weights = source.with_suffix(".ncnn.param"), source.with_suffix(".ncnn.bin")
        if not graph.is_file():
            raise ModelError("pnnx wrote neither a file nor a message")
        contents = graph.read_bytes(), weights.read_bytes()
    return BareSubject(partial(_load, *contents), sum(map(len, contents)))


def _load(graph: bytes, weights: bytes) -> Answer:
    """Load the network; make one Extractor a sample, as the documentation does.

    https://github.com/Tencent/ncnn/tree/master/python
    """
    import ncnn

    net = ncnn.Net()
    net.opt.num_threads = 1
    with temporary_file("model.param", graph) as parameters, temporary_file("model.bin", weights) as content:
        if net.load_param(str(parameters)) or net.load_model(str(content)):
            raise ModelError("ncnn does not load the files of pnnx")
    matrix, extract_from = ncnn.Mat, net.create_extractor

    def answer(x: Float32) -> Float32:
        extractor = extract_from()
        extractor.input("in0", matrix(x[0]))
        _, probabilities = extractor.extract("out0")
        return np.array(probabilities)[np.newaxis]

    return answer


_PAGE = "https://github.com/Tencent/ncnn/blob/master/docs/how-to-use-and-FAQ/use-ncnn-with-pytorch-or-onnx.md"
_FLOAT32, _FLOAT16 = partial(_convert, option="fp16=0"), partial(_convert, option="fp16=1")
_peer = partial(Peer, tool="ncnn", page=_PAGE)
# float16 is pnnx's default. An unrolled graph of GRU makes ncnn crash. int8 needs `ncnn2int8`, which no package has.
PEERS = by_name(
    _peer("ncnn float32, ONNX's operator", agreement=SAME, convert=graphs.sequence, make=_FLOAT32),
    _peer("ncnn float16, ONNX's operator", agreement=ROUNDED, convert=graphs.sequence, make=_FLOAT16),
)
