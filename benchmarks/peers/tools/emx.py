"""emx-onnx-cgen: ONNX to C, compiled for this processor, called through a C extension with two buffers."""

import sys
from functools import partial
from pathlib import Path
from typing import Any

from common.bare_subjects import BareSubject
from edgernn.arrays import Float32
from peers import graphs
from peers.c_extensions import compile_extension, load_extension
from peers.registry import SAME, Peer, by_name, run_tool, temporary_file

FLAGS = ("-O3", "-march=native", "-ffast-math")


def _compile(data: bytes, model: Any, _x_calibration: Float32) -> BareSubject:
    with temporary_file("model.onnx", data) as source:
        # No heap, and all weights in the C file, whatever their size.
        limits = ["--large-temp-threshold", "0", "--large-weight-threshold", "0"]
        program = Path(sys.executable).parent / "emx-onnx-cgen"
        run_tool([program, "compile", source, source.with_name("model.c"), "--model-name", "model", *limits])
        content = compile_extension(source.parent, "model.c", "    model((const void *)x, (void *)y);", FLAGS)
    return BareSubject(partial(load_extension, content, (1, *model.outputs[0].shape[1:])), len(content))


_peer = partial(Peer, tool="emx-onnx-cgen", page="https://pypi.org/project/emx-onnx-cgen/")
PEERS = by_name(
    _peer("emx-onnx-cgen float32, ONNX's operator", agreement=SAME, convert=graphs.operator, make=_compile),
    _peer("emx-onnx-cgen float32, Keras unroll=True", agreement=SAME, convert=graphs.unrolled, make=_compile),
)
